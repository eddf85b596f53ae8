"""From pictures to faces with expressions."""

from __future__ import annotations

import io
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.helpers.bundles import CLASSES, FACTS, brightness, expected, write_bundle
from tests.helpers.clips import write_clip
from tests.helpers.marked_faces import picture
from zoo.use import detectors, recognizer
from zoo.use.errors import NoDetector, NoModel, NoSource, Unreadable
from zoo.use.face import NO_FACE, Answer
from zoo.use.recognizer import Recognizer, is_crop
from zoo.use.sources import Reading

PARTY = picture([(300, 100, 200), (100, 100, 85)])


_file = io.BytesIO()
Image.fromarray(PARTY).save(_file, "PNG")
PARTY_FILE = _file.getvalue()


def grey(level: int, side: int = 48) -> np.ndarray:
    return np.full((side, side), level, dtype=np.uint8)


def level_of(name: str) -> int:
    return round(float(brightness()[CLASSES.index(name)]))


# Faces


def test_faces_come_from_left_to_right_with_all_that_is_known(recognise: Recognizer):
    left, right = recognise(PARTY)
    assert (left.box, right.box) == ((70, 70, 60, 60), (270, 70, 60, 60))
    assert left.keypoints == {"left_eye": (88, 92), "right_eye": (112, 92), "nose": (100, 104), "mouth": (100, 116)}
    assert (left.score, left.roll, left.pixels, left.detector, left.track) == (0.9, 0.0, 60, "marked", None)
    assert left.crop.shape == (48, 48, 3)
    assert left.doubts == ("flat",), "made-up faces are"


def test_probabilities_are_those_of_the_model_for_the_crop(recognise: Recognizer):
    for face in recognise(PARTY):
        probabilities = expected(face.crop[None])[0]
        np.testing.assert_allclose(list(face.probabilities.values()), probabilities, atol=1e-4)
        assert list(face.probabilities) == list(CLASSES)
        assert face.expression == CLASSES[int(probabilities.argmax())]
        assert face.probability == pytest.approx(probabilities.max(), abs=1e-4)


def test_plausible_classes_are_those_that_cannot_be_ruled_out(model: Path):
    recognise = Recognizer(model, faces="cropped")
    (face,) = recognise(grey(100))
    expected_set = [name for name in face.probabilities if face.probabilities[name] >= 0.2]
    assert sorted(face.plausible) == sorted(expected_set) and len(face.plausible) > 1
    assert face.plausible[0] == face.expression


def test_a_model_without_conformal_sets_rules_nothing_out(tmp_path: Path):
    recognise = Recognizer(write_bundle(tmp_path / "model.onnx", replace(FACTS, conformal={})), faces="cropped")
    assert set(recognise(grey(100))[0].plausible) == set(CLASSES)


def test_a_picture_without_faces_has_none(recognise: Recognizer):
    assert recognise(picture([])) == []


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "image", "floats", "bgr"])
def test_any_kind_of_picture_gives_the_same(recognise: Recognizer, kind: str, tmp_path: Path):
    Image.fromarray(PARTY).save(tmp_path / "party.png")
    kinds: dict[str, Any] = {
        "path": tmp_path / "party.png",
        "text": str(tmp_path / "party.png"),
        "bytes": (tmp_path / "party.png").read_bytes(),
        "image": Image.fromarray(PARTY),
        "floats": PARTY / 255,
        "bgr": PARTY[:, :, ::-1],
    }
    assert recognise(kinds[kind], colour="bgr" if kind == "bgr" else "rgb") == recognise(PARTY)


def test_eight_threads_share_a_recogniser(recognise: Recognizer):
    pictures = [picture([(100 + 5 * number, 100, 10 * number)]) for number in range(24)]
    alone = [recognise(one) for one in pictures]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(recognise, pictures)) == alone


# Being sure


def test_without_being_asked_a_model_always_answers(recognise: Recognizer):
    assert not any(face.abstained for face in recognise(PARTY))


def test_asked_to_be_sure_it_abstains_where_it_is_not(model: Path):
    between = (level_of("fear") + level_of("happy")) // 2
    crops = [np.clip(np.random.default_rng(0).normal(level, 12, (48, 48)), 0, 255).astype(np.uint8)
             for level in (between, level_of("happy"))]  # fmt: skip
    recognise = Recognizer(model, faces="cropped", sure=0.9)
    unsure, sure = (recognise(crop)[0] for crop in crops)
    assert (unsure.expression, unsure.doubts, unsure.abstained) == (None, ("unsure",), True)
    assert unsure.probability == max(unsure.probabilities.values())
    assert (sure.expression, sure.doubts) == ("happy", ())


def test_asked_to_be_sure_it_abstains_from_doubtful_faces(model: Path):
    face = Recognizer(model, faces="cropped", sure=0.8)(grey(level_of("happy")))[0]
    assert (face.expression, face.doubts) == (None, ("flat",))
    assert str(face).startswith("not sure 0.")


@pytest.mark.parametrize("share", [0.5, 1, 0.99])
def test_a_share_that_it_cannot_promise(model: Path, share: float):
    with pytest.raises(ValueError, match=r"sure must lie|is never known"):
        Recognizer(model, sure=share)


# What is a crop


@pytest.mark.parametrize(
    ("shape", "crop"), [((48, 48), True), ((96, 20), True), ((97, 20), False), ((128, 128), True), ((129, 129), False),
                        ((128, 120), False)]
)  # fmt: skip
def test_small_and_square_grey_pictures_are_crops(shape: tuple[int, int], crop: bool):
    assert is_crop(np.full((*shape, 3), 9, dtype=np.uint8)) == crop


def test_a_square_coloured_picture_is_a_crop_only_if_it_is_small():
    coloured = np.full((128, 128, 3), (1, 2, 3), dtype=np.uint8)
    assert not is_crop(coloured) and is_crop(coloured[:96, :96])


def test_auto_looks_for_faces_in_large_pictures_alone(model: Path, monkeypatch: pytest.MonkeyPatch):
    def none(say: object, threads: object) -> None:
        raise NoDetector("no detector")

    monkeypatch.setattr(detectors, "best", none)
    recognise = Recognizer(model)
    (face,) = recognise(grey(50))
    assert (face.detector, face.box, face.score, face.roll, face.keypoints) == (
        "cropped",
        (0, 0, 48, 48),
        None,
        None,
        {},
    )
    with pytest.raises(NoDetector):
        recognise(PARTY)


def test_a_large_crop_is_shown_smaller_and_its_box_is_the_picture(model: Path):
    (face,) = Recognizer(model, faces="cropped")(np.zeros((3000, 400, 3), np.uint8))
    assert face.box == (0, 0, 400, 3000) and face.crop.shape == (256, 256, 3) and face.pixels == 400


# Many


def test_many_pictures_of_any_kind_in_order(recognise: Recognizer, tmp_path: Path):
    for number in range(5):
        Image.fromarray(picture([(100, 100, 40 * number)] * (number > 0))).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"x")
    found = list(recognise.many([tmp_path, PARTY, Image.fromarray(PARTY)], batch=2))
    assert [Path(answer.source).name for answer in found] == [
        "0.png", "1.png", "2.png", "3.png", "4.png", "broken.png", "array 1", "image 2",
    ]  # fmt: skip
    assert [len(answer.faces) for answer in found] == [0, 1, 1, 1, 1, 0, 2, 2]
    assert found[0].error == NO_FACE and found[5].error.startswith("unreadable: is no picture")
    assert found[6].faces == recognise(PARTY)
    assert {name for name, faces in found if len(faces) == 2} == {"array 1", "image 2"}


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_batches_change_nothing(recognise: Recognizer, batch: int):
    pictures = [picture([(60 + 50 * face, 100, 9 * number) for face in range(number % 4)]) for number in range(12)]
    together = [answer.faces for answer in recognise.many(pictures, batch=batch)]
    assert together == [recognise(one) for one in pictures]


def test_one_source_needs_no_list(recognise: Recognizer, tmp_path: Path):
    Image.fromarray(PARTY).save(tmp_path / "party.png")
    for one in (str(tmp_path / "*.png"), tmp_path, PARTY):
        assert [len(faces) for _, faces in recognise.many(one)] == [2]


def test_a_source_that_is_not_there_stops_the_rest(recognise: Recognizer):
    with pytest.raises(NoSource, match="there is no such file"):
        list(recognise.many(["none.png"]))


def test_answers_come_while_pictures_are_read(recognise: Recognizer):
    shown: list[int] = []

    def pictures():
        for number in range(100):
            shown.append(number)
            yield PARTY

    answers = recognise.many(pictures(), batch=4)
    next(answers)
    assert len(shown) < 12


def test_pixels_are_kept_where_that_is_asked_for(recognise: Recognizer):
    kept, dropped = (next(recognise.many([PARTY], keep=keep)) for keep in (True, False))
    assert kept.rgb is not None and (kept.rgb == PARTY).all() and dropped.rgb is None


# Videos


def test_frames_of_a_video_have_tracks(recognise: Recognizer, tmp_path: Path):
    frames = [picture([(100 + 4 * number, 100, 90), (300, 100, 180)], 400, 200) for number in range(6)]
    clip = write_clip(tmp_path / "clip.mkv", frames)
    found: list[Answer] = list(recognise.many(clip))
    assert [answer.frame for answer in found] == list(range(6))
    assert [[face.track for face in answer.faces] for answer in found] == [[1, 2]] * 6
    with pytest.raises(NoSource, match="more than one picture"):
        recognise(clip)


def test_a_smoothed_answer_does_not_flicker(recognise: Recognizer, tmp_path: Path):
    flickering = [picture([(100, 100, 128 + (60 if number == 5 else 0))]) for number in range(10)]
    clip = write_clip(tmp_path / "clip.mkv", flickering)
    raw = [answer.faces[0].expression for answer in recognise.many(clip)]
    smooth = [answer.faces[0].expression for answer in recognise.many(clip, smooth=1.0)]
    assert len(set(raw)) == 2 and len(set(smooth)) == 1


# The model alone, tables, explanations


def test_crops_of_any_size_and_colour_get_probabilities(recognise: Recognizer):
    crops = [grey(10), grey(99, 20), np.full((64, 48, 3), 200, np.uint8), grey(30) / 255]
    found = recognise.cropped(crops)
    for crop, probabilities in zip(crops, found, strict=True):
        levels = np.full((1, 4, 4, 3), round(float(crop.mean()) * (255 if crop.dtype.kind == "f" else 1)))
        np.testing.assert_allclose(probabilities, expected(levels)[0], atol=1e-3)
    assert recognise.cropped(np.zeros((70, 48, 48), np.uint8)).shape == (70, 7)
    assert recognise.cropped([]).shape == (0, 7)
    with pytest.raises(Unreadable, match="array of int64"):
        recognise.cropped([np.zeros((4, 4), np.int64)])


def test_a_table_has_a_row_for_each_face(recognise: Recognizer):
    table = recognise.table([PARTY, picture([])])
    assert table["face"].tolist()[:2] == [1, 2]
    assert table["error"].isna().tolist() == [True, True, False] and table["error"][2] == NO_FACE
    assert list(table.columns[15:22]) == list(CLASSES)


def test_an_explanation_points_at_what_matters(recognise: Recognizer):
    """Half of the crop is dark and half bright: hiding either moves the mean the other way."""
    (face,) = recognise(picture([(100, 100, 120)]))
    crop = face.crop.copy()
    crop[:, :24], crop[:, 24:] = 0, 255
    found = recognise.explain(replace(face, crop=crop))
    assert found.shape == (48, 48) and np.isfinite(found).all()
    assert abs(found[:, 2:10]).mean() > 2 * abs(found[:, 22:26]).mean()


def test_nothing_matters_where_all_is_the_same(recognise: Recognizer):
    (face,) = recognise(picture([(100, 100, 120)]))
    np.testing.assert_allclose(recognise.explain(replace(face, crop=np.full((48, 48, 3), 70, np.uint8))), 0, atol=1e-6)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_any_bytes_are_a_row_or_one_of_four_errors(recognise: Recognizer, seed: int):
    """Files of which some bytes are others: read or not, many() gives an answer, and a call no unexpected error."""
    chance = random.Random(seed)
    content = bytearray(PARTY_FILE)
    for _ in range(chance.randint(0, 3)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    content = content[: chance.choice([len(content), chance.randrange(len(content))])]
    (answer,) = recognise.many([bytes(content)])
    assert answer.faces or answer.error == NO_FACE or answer.error.startswith("unreadable: ")
    try:
        assert recognise(bytes(content)) == answer.faces
    except (NoDetector, NoModel, NoSource, Unreadable) as error:
        assert str(error).startswith("bytes 0 ") and answer.error


# The released model


def test_without_a_model_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(recognizer, "RELEASED", Path("nowhere") / "expression.onnx")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoModel, match=r"there is no model: nowhere/expression\.onnx is missing; `benchmark.py export`"):
        Recognizer()


def test_the_released_model_is_found_below_the_working_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(recognizer, "RELEASED", Path("mine") / "expression.onnx")
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    write_bundle(Path("mine") / "expression.onnx")
    assert Recognizer(faces="cropped").classes == CLASSES


def test_reading_of_the_command_line_reaches_the_sources(recognise: Recognizer):
    (answer,) = recognise.many(["camera:98"], reading=Reading(command_line=True))
    assert answer.error.startswith("unreadable: ")
