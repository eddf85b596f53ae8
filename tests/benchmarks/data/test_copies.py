"""Near copies: each kind that is planted is found, what only looks alike is not, and groups are of whole chains."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from benchmarks.data.copies import near_copies_in, near_pairs
from benchmarks.data.copy_groups import components, copy_groups
from benchmarks.data.crops import candidates
from benchmarks.data.dataset import Split
from benchmarks.data.derive import deduplicated
from benchmarks.data.fingerprint import assemble
from benchmarks.data.thumbnails import thumbnails

SIDE = 48


def photographs(count: int, seed: int = 0) -> np.ndarray:
    """Smooth pictures uint8 [count, 1, 48, 48] with as much detail as faces have, all about one middle."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    pictures = np.zeros((count, SIDE, SIDE))
    for waves in (1, 2, 3, 5, 8, 12):
        angle, phase = random.uniform(0, 2 * np.pi, (2, count, 1, 1))
        turned = np.cos(angle) * rows + np.sin(angle) * columns
        pictures += random.normal(1, 0.4, (count, 1, 1)) / waves**0.7 * np.sin(2 * np.pi * waves * turned + phase)
    low, high = pictures.min(axis=(1, 2), keepdims=True), pictures.max(axis=(1, 2), keepdims=True)
    return (20 + 200 * (pictures - low) / (high - low)).astype(np.uint8)[:, None]


def jpeg(picture: np.ndarray) -> np.ndarray:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=40)
    return np.asarray(Image.open(data))


def shifted(down: int, across: int) -> Callable[[np.ndarray], np.ndarray]:
    far = max(abs(down), abs(across))

    def shift(picture: np.ndarray) -> np.ndarray:
        padded = np.pad(picture, far, mode="edge")
        return padded[far + down : far + down + SIDE, far + across : far + across + SIDE]

    return shift


def cropped(top: float, left: float, share: float, size: int = SIDE) -> Callable[[np.ndarray], np.ndarray]:
    """Keep a share of the sides, that lies so far down and right of what is left over, enlarged to `size`."""
    side = SIDE * share
    y, x = top * (SIDE - side), left * (SIDE - side)

    def crop(picture: np.ndarray) -> np.ndarray:
        box = (x, y, x + side, y + side)
        return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC, box=box))

    return crop


def marked(picture: np.ndarray) -> np.ndarray:
    copy = picture.copy()
    copy[40:43, 10:38] = 0.8 * copy[40:43, 10:38] + 0.2 * 255
    return copy


def resized(side: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda picture: np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "the same": lambda picture: picture,
    "mirrored": lambda picture: picture[:, ::-1],
    "shifted by one pixel": shifted(1, -1),
    "shifted by two": shifted(2, 0),
    "shifted by four": shifted(-4, 4),
    "cropped to 95 %": cropped(0.1, 0.9, 0.95),
    "cropped to 90 % at a corner": cropped(1, 1, 0.9),
    "cropped to 85 % at an edge": cropped(0.5, 0, 0.85),
    "cropped to 85 %, mirrored": lambda picture: cropped(0, 0.3, 0.85)(picture)[:, ::-1],
    "cropped to 85 %, twice as large": cropped(0.8, 0.2, 0.85, 2 * SIDE),
    "re-encoded": jpeg,
    "brighter": lambda picture: (0.8 * picture + 60).clip(0, 255).astype(np.uint8),
    "darker": lambda picture: (0.5 * picture).astype(np.uint8),
    "larger": resized(96),
    "smaller": resized(32),
    "in colour": lambda picture: np.stack([picture] * 3),
    "with a faint mark": marked,
}


@pytest.mark.parametrize("kind", KINDS)
def test_copies_of_every_kind_are_found_and_nothing_else(kind: str):
    originals, others = photographs(60), photographs(60, seed=1)
    copies = np.stack([KINDS[kind](picture[0]) for picture in originals])
    copies = copies if copies.ndim == 4 else copies[:, None]
    pairs = near_pairs(copies, np.concatenate([others, originals]))
    right = pairs.second - 60 == pairs.first
    assert len(np.unique(pairs.first[right])) >= 0.95 * 60, "recall"
    assert right.mean() >= 0.98, "precision"


def found(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    copies = near_copies_in(images, others)
    assert copies is not None
    return copies


def test_pictures_of_one_colour_are_copies_of_nothing():
    flat = np.stack([np.full((1, SIDE, SIDE), level, dtype=np.uint8) for level in (0, 90, 255)])
    assert not found(flat, flat).any()
    assert (thumbnails(flat, 16) == 0).all()


@pytest.mark.parametrize("kind", ["mirrored", "cropped to 90 % at a corner", "shifted by four"])
@pytest.mark.parametrize("copies_first", [False, True])
def test_pairs_within_a_set_are_named_once_whichever_comes_first(kind: str, copies_first: bool):
    pictures = photographs(20)
    copies = np.stack([KINDS[kind](picture[0])[None] for picture in pictures[:5]])
    pairs = near_pairs(np.concatenate([copies, pictures] if copies_first else [pictures, copies]))
    expected = [(row, (5 if copies_first else 20) + row) for row in range(5)]
    assert sorted(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == expected


def test_a_crop_is_laid_where_it_was_taken_from():
    pictures = photographs(8)
    crops = np.stack([cropped(0.25, 0.75, 0.84)(picture[0])[None] for picture in pictures])
    found = candidates(crops, pictures)
    own = found.first == found.second
    assert own.sum() == 8
    expected = np.array([0.08, 1, -0.08, 1]) / 0.84  # where the middle of the whole lies in the crop, and its scale
    assert np.abs(found.places()[own] - expected).max() < 0.15


def test_no_images_have_no_copies():
    assert found(photographs(3)[:0], photographs(3)).shape == (0,)
    assert not found(photographs(3), photographs(3)[:0]).any()


def test_of_pictures_too_small_to_tell_nothing_is_said():
    digits = np.random.default_rng(0).integers(0, 255, (4, 1, 8, 8), dtype=np.uint8)
    assert near_copies_in(digits, digits) is None


def test_groups_hold_what_any_chain_of_pairs_joins_and_name_labels_that_differ():
    pictures = photographs(12)
    train = np.concatenate([pictures[:6], pictures[:2, :, :, ::-1]])
    test = np.concatenate([pictures[6:8], np.stack([jpeg(picture[0])[None] for picture in pictures[:2]])])
    splits = {
        "train": Split(train, np.array([0, 1, 0, 1, 0, 1, 0, 1]), [str(row) for row in range(8)]),
        "val": Split(pictures[8:], np.zeros(4, dtype=np.int64), list("abcd")),
        "test": Split(test, np.array([0, 0, 0, 0]), list("efgh")),
    }
    dataset = assemble(splits, ("a", "b"), "test")
    groups = copy_groups(dataset)
    assert np.bincount(groups.group).tolist() == [3, 3]
    assert len(groups.across()) == 2 and len(groups.conflicting(dataset)) == 1
    assert not groups.exact.any()
    left = deduplicated(dataset, near=True)
    assert len(left.test) == 2 and len(deduplicated(dataset).test) == 4
    assert "2 of 4 test images left out, because their photographs also stand in train" in left.notes[-1]


def test_components_are_the_least_row_of_each_chain():
    pairs = near_pairs(np.repeat(photographs(2), 3, axis=0))
    assert components(pairs, 6).tolist() == [0, 0, 0, 3, 3, 3]
