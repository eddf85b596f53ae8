"""How faces are cut out, and what makes them doubtful."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from zoo.use.bundle import Crop
from zoo.use.crops import cut, doubts, patch, roll
from zoo.use.detections import Detection

RULE = Crop()
SIDE = 176.0  # of a box; its crop is 200 pixels wide


def face(degrees: float = 0.0, box: tuple[float, float, float, float] = (200, 200, SIDE, SIDE)) -> Detection:
    """A face in the middle of its box, leaning to the right."""
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))

    def place(across: float, down: float) -> tuple[float, float]:
        across, down = across * box[2], down * box[2]
        return x + cosine * across - sine * down, y + sine * across + cosine * down

    return Detection(box, 0.9, (place(-0.2, -0.1), place(0.2, -0.1), place(0, 0.1), place(0, 0.3)))


def marked(found: Detection, side: int = 600) -> np.ndarray:
    """A picture with a white spot where each of the face's eyes and its mouth are."""
    image = Image.new("RGB", (side, side))
    pen = ImageDraw.Draw(image)
    for x, y in (*found.keypoints[:2], found.keypoints[3]):
        pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill="white")
    return np.asarray(image)


def spots(crop: np.ndarray) -> np.ndarray:
    """The middle of each third of a crop's bright pixels: eyes left and right, mouth below; [3,2] in sides."""
    grey = crop[:, :, 0].astype(float)
    rows, columns = np.mgrid[: len(crop), : len(crop)] + 0.5
    upper = rows < len(crop) * 0.55
    parts = (upper & (columns < len(crop) / 2), upper & (columns >= len(crop) / 2), ~upper)
    places = [[(grey * axis * part).sum() / (grey * part).sum() for axis in (columns, rows)] for part in parts]
    return np.array(places) / len(crop)


@pytest.mark.parametrize("degrees", [0, 4, -20, 45, 60])
def test_places_of_a_face_are_where_the_rule_says(degrees: float):
    found = face(degrees)
    crop = cut(marked(found), found, RULE)
    assert crop.shape == (48, 48, 3) and crop.dtype == np.uint8
    # The crop is 1 / 0.88 of the box, and its centre 0.04 of that higher.
    expected = np.array(
        [[0.5 - 0.2 * 0.88, 0.54 - 0.1 * 0.88], [0.5 + 0.2 * 0.88, 0.54 - 0.1 * 0.88], [0.5, 0.54 + 0.3 * 0.88]]
    )
    np.testing.assert_allclose(spots(crop), expected, atol=0.03 if degrees == 4 else 0.012)


def test_a_head_that_hardly_leans_is_left_as_it_is():
    slightly, level = face(4.9), face(0)
    picture = marked(slightly)
    assert (cut(picture, slightly, RULE) == cut(picture, level, RULE)).all()
    assert (cut(picture, face(5.1), RULE) != cut(picture, level, RULE)).any()


@pytest.mark.parametrize("side", [24.0, 48.0, 100.0, 960.0, 2000.0])
def test_levels_are_means_over_areas(side: float):
    """Stripes one pixel wide become grey where a pixel of the crop holds many."""
    size = int(side) + 8
    picture = np.zeros((size, size, 3), dtype=np.uint8)
    picture[:, ::2] = 200
    crop = patch(picture, (size / 2, size / 2), side, 0.0, 48, grey=True)
    if side >= 96:
        assert abs(crop[2:-2, 2:-2].astype(float) - 100).max() <= (14 if side == 100 else 4)
    assert crop.mean() == pytest.approx(100, abs=4)


def test_a_crop_of_its_own_size_is_the_picture_itself():
    picture = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    assert (patch(picture, (30, 30), 48.0, 0.0, 48, grey=False) == picture[6:54, 6:54]).all()


def test_grey_is_that_of_itu_601():
    picture = np.full((80, 80, 3), (200, 100, 50), dtype=np.uint8)
    crop = cut(picture, face(box=(20, 20, 40, 40)), RULE)
    assert (crop == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()
    coloured = cut(picture, face(box=(20, 20, 40, 40)), Crop(colour="rgb", size=64))
    assert coloured.shape == (64, 64, 3) and (coloured == (200, 100, 50)).all()


def test_beyond_the_picture_its_edge_is_repeated():
    picture = np.zeros((100, 100, 3), dtype=np.uint8)
    picture[:, 0], picture[:, -1] = 90, 180
    left = cut(picture, face(box=(-80, 20, 60, 60)), RULE)
    right = cut(picture, face(box=(150, 20, 60, 60)), RULE)
    assert (left == 90).all() and (right == 180).all()


def test_the_roll_is_that_of_the_eyes():
    assert roll(face(30)) == pytest.approx(30)
    assert roll(face(-12.5)) == pytest.approx(-12.5)


# Doubts

GOOD = np.random.default_rng(0).integers(60, 200, (48, 48, 3), dtype=np.uint8)


def test_a_good_face_raises_no_doubt():
    assert doubts(GOOD, 48, face()) == doubts(GOOD, 32) == ()


def test_each_doubt():
    assert doubts(GOOD, 31.9, face()) == ("small",)
    assert doubts(GOOD, 48, face(31)) == doubts(GOOD, 48, face(-31)) == ("turned",)

    assert doubts((GOOD - 60) // 3, 48, face()) == ("dark",)
    assert doubts(np.full_like(GOOD, 99), 48, face()) == ("flat",)
    assert doubts(np.zeros_like(GOOD), 10, face(90)) == ("small", "turned", "dark", "flat")


@pytest.mark.parametrize(("aside", "turned"), [(0.2, False), (0.3, True), (-0.3, True)])
def test_a_nose_that_stands_aside(aside: float, turned: bool):
    eyes = ((100.0, 100.0), (140.0, 100.0))
    found = Detection((80, 80, 80, 80), 0.9, (*eyes, (120 + aside * 40, 120), (120, 140)))
    assert (doubts(GOOD, 48, found) == ("turned",)) == turned


def test_eyes_in_one_place_are_turned_away():
    found = Detection((80, 80, 80, 80), 0.9, ((100.0, 100.0),) * 4)
    assert doubts(GOOD, 48, found) == ("turned",)
