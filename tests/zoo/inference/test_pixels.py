"""Pixels as networks take them: resized, and normalised as the recipe says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.errors import UnknownName
from zoo.inference.pixels import normalise, to_float

torch.set_num_threads(1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int, side: int = 48, channels: int = 1, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=seeded(seed))


@pytest.mark.parametrize(
    ("how", "at_0", "at_1"),
    [("fixed", [-2] * 3, [2] * 3), ("signed", [-1] * 3, [1] * 3), ("unit", [0] * 3, [1] * 3),
     ("imagenet", [-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.64])],
)  # fmt: skip
def test_normalisation_maps_black_and_white_to(how: str, at_0: list[float], at_1: list[float]):
    black, white = (normalise(torch.full((2, 3, 4, 4), value), how)[0, :, 0, 0].tolist() for value in (0.0, 1.0))
    assert black == pytest.approx(at_0, abs=1e-4)
    assert white == pytest.approx(at_1, abs=1e-4)


def test_grey_images_are_normalised_by_the_mean_of_the_imagenet_colours():
    grey = normalise(torch.tensor([0.449, 0.449 + 0.226]).reshape(1, 1, 1, 2), "imagenet")
    assert grey.flatten().tolist() == pytest.approx([0, 1], abs=1e-5)


@pytest.mark.parametrize("how", ["fixed", "image", "imagenet", "signed", "unit"])
def test_normalisation_leaves_its_input_alone(how: str):
    floats = torch.rand(2, 3, 4, 4, generator=seeded(0))
    before = floats.clone()
    assert normalise(floats, how).shape == floats.shape
    assert torch.equal(floats, before)


def test_an_unknown_normalisation_gets_near_matches():
    with pytest.raises(UnknownName, match="normalisation matches 'imagnet': did you mean imagenet"):
        normalise(torch.zeros(1, 1, 2, 2), "imagnet")


def test_per_image_normalisation_removes_light_and_contrast():
    images = torch.cat([noise(4), noise(4) // 8 + 100])
    out = normalise(to_float(images, 48), "image")
    torch.testing.assert_close(out.mean(dim=(1, 2, 3)), torch.zeros(8), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.std(dim=(1, 2, 3)), torch.ones(8), atol=1e-3, rtol=0)


@pytest.mark.parametrize("how", ["image", "fixed"])
@pytest.mark.parametrize("grey", [0, 255])
def test_a_constant_image_gives_finite_numbers(how: str, grey: int):
    out = normalise(to_float(torch.full((2, 1, 48, 48), grey, dtype=torch.uint8), 48), how)
    assert torch.isfinite(out).all()
    assert out.abs().max() < 10


def test_fixed_normalisation_is_the_same_for_every_image():
    out = normalise(torch.tensor([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1), "fixed")
    assert out.flatten().tolist() == [-2, 0, 2]


def test_shrinking_averages_instead_of_skipping_pixels():
    lines = ((torch.arange(48) + 1) // 2 % 2 * 255).expand(48, 48)  # two black, two white
    small = to_float(lines.to(torch.uint8)[None, None], 12)
    torch.testing.assert_close(small, torch.full((1, 1, 12, 12), 0.5), atol=0.2, rtol=0)
