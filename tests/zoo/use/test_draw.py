"""Drawn pictures: labels lie in the picture, and hide neither faces nor each other where there is room."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.clips import write_clip
from tests.helpers.marked_faces import picture
from zoo.use import draw as drawing
from zoo.use.draw import Folder, colour, draw, heat, words
from zoo.use.face import Answer, Face
from zoo.use.recognizer import Recognizer

Box = drawing.Box


@pytest.fixture
def face(recognise: Recognizer) -> Face:
    return recognise(picture([(100, 100, 120)]))[0]


def placed(face: Face, left: float, top: float, side: float) -> Face:
    return replace(face, box=(left, top, side, side))


def labels(size: tuple[int, int], faces: list[Face], monkeypatch: pytest.MonkeyPatch) -> list[Box]:
    """Where the labels of faces in a picture of some width and height stand."""
    found: list[Box] = []
    original = drawing._label

    def label(*arguments: object) -> Box:
        found.append(original(*arguments))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(drawing, "_label", label)
    draw(np.zeros((size[1], size[0], 3), np.uint8), faces)
    return found


def shared(one: Box, other: Box) -> float:
    return drawing._common(one, other)


@pytest.mark.parametrize("place", [(0, 0), (500, 0), (0, 380), (500, 380), (250, 200), (-20, -30), (560, 440)])
def test_a_label_lies_in_the_picture_and_not_on_the_face(
    place: tuple[int, int], face: Face, monkeypatch: pytest.MonkeyPatch
):
    (label,) = labels((640, 480), [placed(face, *place, 100)], monkeypatch)
    assert label[0] >= 0 and label[1] >= 0 and label[2] <= 640 and label[3] <= 480
    left, top = place
    assert shared(label, (left, top, left + 100, top + 100)) == 0


def test_labels_of_a_crowd_hide_no_face_and_no_label(face: Face, monkeypatch: pytest.MonkeyPatch):
    faces = [placed(face, 40 + 150 * column, 60 + 190 * row, 100) for row in range(2) for column in range(4)]
    found = labels((640, 480), faces, monkeypatch)
    boxes = [(box[0], box[1], box[0] + box[2], box[1] + box[3]) for box in (one.box for one in faces)]
    assert len(found) == 8
    for number, label in enumerate(found):
        assert all(shared(label, other) == 0 for other in [*boxes, *found[:number]])


def test_letters_grow_with_the_picture(face: Face, monkeypatch: pytest.MonkeyPatch):
    heights = []
    for side in (480, 1200, 4000):
        (label,) = labels((side, side), [placed(face, side / 3, side / 3, side / 5)], monkeypatch)
        heights.append((label[3] - label[1]) / side)
    assert heights[0] >= 25 / 480
    assert max(heights) < 0.06 and min(heights) > 0.03


def test_a_small_picture_is_enlarged(face: Face):
    drawn = draw(np.full((60, 100, 3), 90, np.uint8), [placed(face, 10, 10, 40)])
    assert drawn.size == (480, 288)


def test_a_crop_has_its_label_below(recognise: Recognizer, model: Path):
    crop = np.full((48, 48), 100, np.uint8)
    (found,) = Recognizer(model, faces="cropped")(crop)
    drawn = draw(np.repeat(crop[:, :, None], 3, axis=2), [found])
    assert drawn.width == 480 and drawn.height > 480
    assert (np.asarray(drawn)[:480] == 100).all(), "nothing lies on the face"


def test_the_eyes_stay_as_they_are(recognise: Recognizer):
    rgb = picture([(320, 240, 120)], 640, 480)
    (found,) = recognise(rgb)
    drawn = np.asarray(draw(rgb, [found]))
    for x, y in found.keypoints.values():
        assert (
            drawn[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4]
            == rgb[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4]
        ).all()


def test_words_and_colours(face: Face):
    assert words(replace(face, expression="happy", probability=0.934)) == "happy 93%"
    assert words(replace(face, expression=None, track=3)) == "3: not sure"
    colours = {colour(replace(face, expression=name)) for name in face.probabilities}
    assert len(colours) == 7 and colour(replace(face, expression=None)) not in colours


def test_letters_stand_out_from_their_ground(face: Face):
    for name in face.probabilities:
        one = replace(face, expression=name)
        light = [luminance(drawing._ink(one)), luminance(colour(one))]
        assert (max(light) + 0.05) / (min(light) + 0.05) > 4.5, "WCAG 2.2, contrast (minimum)"


def luminance(ink: str) -> float:
    levels = [int(ink[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_heat_shows_both_signs(face: Face):
    less = np.zeros((48, 48), np.float32)
    less[:24], less[24:] = 1, -0.5
    pixels = np.asarray(heat(face, less)).astype(int)
    upper, lower = pixels[60, 360], pixels[180, 360]
    assert upper[0] > upper[2] and lower[2] > lower[0]
    assert pixels.shape[1] == 480


# Files


def answer(rgb: np.ndarray, source: str, frame: int | None = None) -> Answer:
    return Answer(source, [], frame=frame, seconds=None if frame is None else frame / 10, rgb=rgb)


def test_each_source_has_a_file_of_its_own(tmp_path: Path):
    folder = Folder(tmp_path / "drawn")
    rgb = np.zeros((480, 480, 3), np.uint8)
    for source in ("a/1.jpg", "b/1.jpg", "c/1.png", "http://x.org/y?z=1", "stdin"):
        folder.add(answer(rgb, source))
    folder.add(Answer("broken.png", [], error="unreadable"))
    folder.close()
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == [
        "1-2.jpg", "1.jpg", "1.png", "stdin.png", "y_z_1.png",
    ]  # fmt: skip


def test_frames_become_one_clip(tmp_path: Path):
    av = pytest.importorskip("av")
    folder = Folder(tmp_path)
    for source in ("one.mp4", "two.mp4"):
        for number in range(5):
            folder.add(answer(np.full((481, 643, 3), 50 * number, np.uint8), source, frame=number))
    folder.close()
    for name in ("one.mp4", "two.mp4"):
        with av.open(str(tmp_path / name)) as clip:
            frames = list(clip.decode(video=0))
        assert len(frames) == 5 and (frames[0].width, frames[0].height) == (642, 480)
        assert [later.time - earlier.time for earlier, later in pairwise(frames)] == pytest.approx([0.1] * 4, abs=0.02)


def test_a_drawn_video_of_a_real_one(recognise: Recognizer, tmp_path: Path):
    clip = write_clip(tmp_path / "in.mkv", [picture([(100 + number, 100, 99)]) for number in range(4)])
    folder = Folder(tmp_path / "drawn")
    for found in recognise.many(clip, keep=True):
        folder.add(found)
    folder.close()
    assert (tmp_path / "drawn" / "in.mp4").stat().st_size > 500


def test_names_never_leave_the_folder(tmp_path: Path):
    folder = Folder(tmp_path)
    for source in ("../../x.png", "/etc/passwd", "..", "a\0b.png", "http://x/%2e%2e/..%2f"):
        assert folder.name(source, ".png").parent == tmp_path
    assert Image.MAX_IMAGE_PIXELS
