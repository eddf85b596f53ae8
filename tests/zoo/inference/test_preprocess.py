"""Filters of the stored images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from scipy.ndimage import median_filter

from tests.helpers.pictures import patches
from zoo.errors import UnknownName
from zoo.inference.preprocess import CHUNK, preprocess

torch.set_num_threads(1)


def test_an_unknown_filter_gets_near_matches():
    with pytest.raises(UnknownName, match="preprocessing matches 'equalize': did you mean equalise"):
        preprocess(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), "equalize")


@pytest.mark.parametrize("side", [16, 48, 100])
def test_equalisation_gives_the_numbers_of_pillow(side: int):
    images = patches(12, 3, side, side)
    images[0], images[1, 0] = 7, np.where(images[1, 0] > 100, 255, 9)  # constant, and of two levels
    ours = preprocess(torch.from_numpy(images), "equalise").numpy()
    theirs = [[np.asarray(ImageOps.equalize(Image.fromarray(channel))) for channel in image] for image in images]
    np.testing.assert_array_equal(ours, theirs)


def test_equalisation_refuses_images_it_cannot_change():
    with pytest.raises(ValueError, match="changes nothing in images of 8 x 31: it needs 256 pixels or more"):
        preprocess(torch.zeros(1, 1, 8, 31, dtype=torch.uint8), "equalise")


def test_equalisation_flattens_the_histogram():
    images = torch.from_numpy(patches(20, 1, 48, 48))
    before, after = (
        torch.stack([torch.histc(image.float(), bins=8, min=0, max=256) for image in batch]) / 48**2
        for batch in (images, preprocess(images, "equalise"))
    )
    assert before.max() > 0.4
    torch.testing.assert_close(after, torch.full_like(after, 1 / 8), atol=0.04, rtol=0)


@pytest.mark.parametrize("shape", [(3, 1, 48, 48), (2, 3, 5, 9), (1, 1, 1, 1)])
def test_the_median_is_that_of_nine_neighbours(shape: tuple[int, ...]):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    ours = preprocess(torch.from_numpy(images), "median").numpy()
    np.testing.assert_array_equal(ours, median_filter(images, (1, 1, 3, 3), mode="nearest"))


@pytest.mark.parametrize("how", ["equalise", "median"])
def test_more_images_than_one_chunk_are_filtered_as_each_alone(how: str, monkeypatch: pytest.MonkeyPatch):
    images = torch.from_numpy(patches(7, 1, 24, 24))
    assert images.numel() < CHUNK
    whole = preprocess(images, how)
    monkeypatch.setattr("zoo.inference.preprocess.CHUNK", 3 * 24 * 24 + 1)
    assert torch.equal(preprocess(images, how), whole)
    assert torch.equal(torch.cat([preprocess(image[None], how) for image in images]), whole)
    assert preprocess(images[:0], how).shape == (0, 1, 24, 24)
    assert whole.dtype == torch.uint8 and not torch.equal(whole, images)


def test_no_preprocessing_copies_nothing():
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    assert preprocess(images, "none") is images
