"""The module that files are made of computes what the project computes, from pixels to probabilities."""

from __future__ import annotations

from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.publish.check import crops_of_other_sizes, made_up_images
from benchmarks.publish.graph import Crop, Model, places
from benchmarks.publish.spec import ModelSpec, crops_of
from tests.helpers.random_models import SHAPE, model_of, random_member
from zoo.inference.preprocess import FILTERS
from zoo.inference.views import VIEWS
from zoo.recipes import Recipe

torch.set_num_threads(1)
NORMALISATIONS = get_args(get_type_hints(Recipe)["normalise"])
IMAGES = made_up_images(SHAPE, 5)


def by_the_module(spec: ModelSpec, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return Model(spec)(torch.from_numpy(crops_of(images))).numpy()


def largest_difference(spec: ModelSpec, images: np.ndarray = IMAGES) -> float:
    return float(np.abs(by_the_module(spec, images) - spec.probabilities(images)).max())


def pictures(height: int, width: int, count: int = 3) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(made_up_images((3, height, width), count), 1, 3))


# From a picture to the levels that training saw


def levels(crops: np.ndarray, size: int, *, grey: bool = True) -> np.ndarray:
    return Crop(size, grey)(torch.from_numpy(crops)).numpy()


def test_grey_is_as_pillow_makes_it_for_every_shade():
    shades = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    shades[0] = np.arange(64 * 64).reshape(64, 64, 1) % 256
    expected = np.stack([np.asarray(Image.fromarray(picture).convert("L")) for picture in shades])
    assert np.array_equal(levels(shades, 64)[:, 0], expected)


def test_stored_images_pass_unchanged_in_grey_and_in_colour():
    grey, colour = made_up_images((1, 48, 48), 3), made_up_images((3, 48, 48), 3)
    assert np.array_equal(levels(crops_of(grey), 48), grey)
    assert np.array_equal(levels(crops_of(colour), 48, grey=False), colour)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (47, 49), (96, 96), (144, 100), (400, 333)])
def test_other_sizes_are_resized_as_pillow_does_it(size: tuple[int, int]):
    crops = pictures(*size)
    found = levels(crops, 48)[:, 0].astype(int)
    for picture, mine in zip(crops, found, strict=True):
        grey = Image.fromarray(picture).convert("L")
        theirs = np.asarray(grey.resize((48, 48), Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(mine - theirs).max() <= 1, "Pillow rounds between rows and columns, too"
        assert (mine == theirs).mean() > 0.6


def test_halves_go_up_as_in_pillow():
    two_by_two = np.repeat(np.array([[10, 11], [11, 10]], dtype=np.uint8)[None, :, :, None], 3, axis=3)
    assert levels(two_by_two, 1).item() == 11


# From the levels to probabilities


@pytest.mark.parametrize("tta", VIEWS)
@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_one_member_of_each_normalisation_and_kind_of_views(normalise: str, tta: str):
    changes = (f"recipe.normalise={normalise}", f"recipe.tta={tta}")
    assert largest_difference(model_of([random_member("resnet_digits", *changes)])) < 1e-5


@pytest.mark.parametrize("preprocess", FILTERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_filters_in_grey_and_in_colour(preprocess: str, channels: int):
    shape = (channels, 16, 16)
    member = random_member("lenet", f"recipe.preprocess={preprocess}", "recipe.tta=flip", shape=shape)
    assert largest_difference(model_of([member]), made_up_images(shape, 5)) < 1e-5


@pytest.mark.parametrize("size", [12, 24])
@pytest.mark.parametrize("crop_ratio", [1.0, 0.875])
def test_networks_of_another_size_than_the_images_and_crops_of_them(size: int, crop_ratio: float):
    changes = (f"image_size={size}", f"recipe.crop_ratio={crop_ratio}", "recipe.tta=ten_crop")
    member = random_member("lenet")
    changed = random_member("resnet_digits", *changes)
    assert changed.member.image_size == size != member.member.image_size
    assert largest_difference(model_of([changed])) < 1e-5


def test_a_member_of_several_networks_is_their_mean():
    assert largest_difference(model_of([random_member("lenet", "recipe.tta=flip", networks=3)])) < 1e-5


def test_an_image_does_not_depend_on_its_batch():
    model = Model(model_of([random_member("resnet_digits", "recipe.tta=scale", "recipe.normalise=image")]))
    crops = torch.from_numpy(crops_of(made_up_images(SHAPE, 64)))
    with torch.no_grad():
        together, alone = model(crops), torch.cat([model(crop[None]) for crop in crops])
    assert torch.allclose(together, alone, rtol=0, atol=1e-6)


def test_crops_of_any_size_have_an_answer():
    model = Model(model_of([random_member("lenet", "recipe.tta=flip")]))
    for crops in crops_of_other_sizes():
        with torch.no_grad():
            found = model(torch.from_numpy(crops))
        assert found.shape == (len(crops), 3) and torch.allclose(found.sum(1), torch.ones(len(crops)))


# Several members


def test_members_with_the_same_weights_share_the_passes_of_their_common_views():
    flip, scale, corners = (
        random_member("lenet", f"recipe.tta={kind}", weights_of="one training")
        for kind in ("flip", "scale", "ten_crop")
    )
    spec = model_of([flip, scale, corners], "uniform")
    assert [VIEWS[kind].count for kind in ("flip", "scale", "ten_crop")] == [2, 6, 10]
    assert Model(spec).passes == 6 + 10, "the views of flip are among those of scale"
    assert largest_difference(spec) < 1e-5


def test_members_that_see_other_images_share_nothing():
    plain, equalised = (
        random_member("lenet", f"recipe.preprocess={how}", weights_of="one training") for how in ("none", "equalise")
    )
    spec = model_of([plain, equalised], "uniform")
    assert Model(spec).passes == 2 and largest_difference(spec) < 1e-5


def test_members_are_combined_in_their_own_order():
    a, b = random_member("lenet", seed=1), random_member("mlp", seed=2)
    again = random_member("lenet", "recipe.tta=flip", seed=1, weights_of=a.digest)
    spec = model_of([a, b, again], "classwise")
    assert largest_difference(spec) < 1e-5


@pytest.mark.parametrize("kind", VIEWS)
def test_every_view_has_a_place_of_its_own(kind: str):
    assert len(places(VIEWS[kind])) == len(set(places(VIEWS[kind]))) == VIEWS[kind].count
