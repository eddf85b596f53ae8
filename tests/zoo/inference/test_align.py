"""Faces moved to the usual place: from places that are known, and on a photograph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.helpers import photographs
from tests.helpers.pictures import patches
from zoo.inference.align import PLACES, align
from zoo.inference.preprocess import preprocess
from zoo.use import mtcnn

torch.set_num_threads(1)
SIDE = 96


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Callable[[np.ndarray, np.ndarray], None]:
    """Says where landmarks [N,5,2] are, and how sure that is [N]."""

    def say(points: np.ndarray, scores: np.ndarray) -> None:
        monkeypatch.setattr(mtcnn, "landmarks", lambda faces: (points, scores))

    return say


def moved(image: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A face [H,W] turned about the centre, made larger and shifted by parts of the side, and where its places are."""
    side, angle = len(image), np.radians(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.full(2, side / 2)
    back = np.linalg.inv(turn)
    offset = centre - back @ (centre + side * np.array(shift))
    matrix = (back[0, 0], back[0, 1], offset[0], back[1, 0], back[1, 1], offset[1])
    there = Image.fromarray(image).transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    return np.asarray(there), (np.array(PLACES) - 0.5) @ turn.T + 0.5 + np.array(shift)


def soft_picture(seed: int) -> np.ndarray:
    """A smooth picture [SIDE,SIDE], which two interpolations leave about as it is."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("degrees", "scale", "shift"),
    [
        (0, 1, (0, 0)),
        (20, 1, (0, 0)),
        (-35, 1, (0.05, 0)),
        (0, 1.3, (0, -0.04)),
        (0, 0.8, (0.1, 0.06)),
        (12, 0.9, (0, 0)),
    ],
)
def test_a_moved_face_comes_back(marked: Callable[..., None], degrees: float, scale: float, shift: tuple[float, float]):
    picture = soft_picture(3)
    there, points = moved(picture, degrees, scale, shift)
    marked(points[None].astype(np.float32), np.array([0.9], np.float32))
    back = align(torch.from_numpy(np.array(there))[None, None])[0, 0].numpy()
    middle = slice(SIDE // 4, -SIDE // 4)
    difference = np.abs(back.astype(float) - picture)[middle, middle]
    assert difference.mean() < 2.5
    if (degrees, scale) != (0, 1):
        assert difference.mean() < np.abs(there.astype(float) - picture)[middle, middle].mean() / 4


@pytest.mark.parametrize(
    ("move", "score"),
    [((20, 1, (0, 0)), 0.79), ((50, 1, (0, 0)), 0.99), ((0, 1.6, (0, 0)), 0.99), ((0, 0.6, (0, 0)), 0.99)],
)
def test_what_is_doubtful_stays_as_it_is(
    marked: Callable[..., None], move: tuple[float, float, tuple[float, float]], score: float
):
    there, points = moved(soft_picture(4), *move)
    marked(points[None], np.array([score]))
    image = torch.from_numpy(np.array(there))[None, None]
    assert torch.equal(align(image), image)


def test_images_are_aligned_each_alone_and_not_in_place(marked: Callable[..., None]):
    faces = [moved(soft_picture(seed), 10 * seed, 1, (0, 0)) for seed in range(4)]
    points = np.stack([place for _, place in faces])
    images = torch.from_numpy(np.stack([face for face, _ in faces]))[:, None].repeat(1, 3, 1, 1)
    before = images.clone()
    marked(points, np.array([0.9, 0.1, 0.9, 0.9]))
    together = align(images)
    assert torch.equal(images, before) and torch.equal(together[1], images[1])
    for one in (0, 2, 3):
        marked(points[one : one + 1], np.array([0.9]))
        assert torch.equal(align(images[one : one + 1])[0], together[one])


def test_images_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="align needs square images, not 48 x 40"):
        align(torch.zeros(1, 1, 48, 40, dtype=torch.uint8))


def test_pictures_without_a_face_stay_as_they_are():
    pytest.importorskip("onnxruntime")
    images = torch.from_numpy(patches(6, 1, 48, 48))
    assert torch.equal(preprocess(images, "align"), images)
    assert len(preprocess(images[:0], "align")) == 0


@pytest.mark.parametrize("degrees", [-25, 0, 25])
def test_the_face_of_a_photograph_is_turned_level(degrees: int):
    pytest.importorskip("onnxruntime")
    left, top, width, height = photographs.BOXES["grace_hopper"]
    side = width / 0.88
    centre = (left + width / 2, top + height / 2 - 0.04 * side)
    picture = photographs.image("grace_hopper").rotate(degrees, Image.Resampling.BICUBIC, center=centre)
    left, top, reach = (round(number) for number in (centre[0] - side / 2, centre[1] - side / 2, side))
    face = picture.crop((left, top, left + reach, top + reach)).convert("L").resize((48, 48))
    images = torch.from_numpy(np.array(face))[None, None]
    before, after = (tilt(batch) for batch in (images, align(images)))
    assert abs(before) > 18 if degrees else abs(before) < 8
    assert abs(after) < 4


def tilt(images: Tensor) -> float:
    """By how many degrees the line of the eyes falls to the right."""
    points, scores = mtcnn.landmarks(images[0].expand(3, -1, -1).permute(1, 2, 0)[None].numpy())
    assert scores[0] > 0.8
    (x, y), (other_x, other_y) = points[0, :2].tolist()
    return float(np.degrees(np.arctan2(other_y - y, other_x - x)))
