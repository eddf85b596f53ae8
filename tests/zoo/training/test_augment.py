"""The options of augmentation one by one, and that old results can be repeated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.inference.pixels import to_float
from zoo.recipes import Augment
from zoo.training.augment import _geometry, augment, grey_noise, reach, rectangles, sampling_grid

torch.set_num_threads(1)

OFF = Augment(flip=False, shift=0.0, rotation=0.0, scale=0.0, contrast=0.0, brightness=0.0, erase=0.0)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def position_coded(count: int, side: int = 48) -> Tensor:
    """uint8 [count,2,side,side]: the first channel is the column times 5, the second the row times 5."""
    ticks = (5 * torch.arange(side)).to(torch.uint8)
    return torch.stack([ticks.expand(side, side), ticks[:, None].expand(side, side)]).expand(count, 2, side, side)


def positions(out: Tensor) -> tuple[Tensor, Tensor]:
    """Columns and rows [B,size,size] that the pixels of a position-coded image come from."""
    decoded = out * 51
    return decoded[:, 0], decoded[:, 1]


def noise(count: int, side: int = 48) -> Tensor:
    return torch.randint(0, 256, (count, 1, side, side), dtype=torch.uint8, generator=seeded(0))


# Repeatable


def test_default_options_draw_what_they_always_drew():
    ramp = (torch.arange(48)[:, None] * 2 + torch.arange(48) * 3).to(torch.uint8).expand(6, 1, 48, 48)
    out = augment(ramp, 48, Augment(), seeded(7))
    means = [0.493401, 0.367097, 0.505465, 0.399267, 0.549941, 0.434386]
    upper_right = [0.297972, 0.143432, 0.329701, 0.202184, 0.494990, 0.162543]
    lower_left = [0.875188, 0.753690, 0.862475, 0.783215, 0.498489, 0.827271]
    assert out.mean(dim=(1, 2, 3)).tolist() == pytest.approx(means, abs=1e-5)
    assert out[:, 0, 10, 30].tolist() == pytest.approx(upper_right, abs=1e-5)
    assert out[:, 0, 40, 5].tolist() == pytest.approx(lower_left, abs=1e-5)


@pytest.mark.parametrize(
    "option", [{"shear": 9.0}, {"crop": 0.5}, {"vertical_flip": 0.5}, {"saturation": 0.5}, {"grayscale": 0.5}]
)
def test_a_further_option_changes_colour_images_and_the_generator_alone_decides_how(option: dict[str, Any]):
    images, options = position_coded(16)[:, [0, 1, 1]], replace(Augment(), **option)
    torch.manual_seed(1)
    first = augment(images, 48, options, seeded(3))
    torch.manual_seed(2)
    assert torch.equal(augment(images, 48, options, seeded(3)), first)
    assert not torch.equal(augment(images, 48, Augment(), seeded(3)), first)
    assert first.min() >= 0 and first.max() <= 1


# Geometry


@pytest.mark.parametrize("size", [1, 31, 48])
def test_the_grid_is_that_of_the_matrix_product(size: int):
    affine = torch.randn(5, 2, 3, generator=seeded(0))
    expected = F.affine_grid(affine, [5, 1, size, size], align_corners=False)
    torch.testing.assert_close(sampling_grid(affine, size), expected, atol=2e-6, rtol=0)


def test_shear_leans_a_vertical_line_by_what_it_says():
    columns, rows = positions(augment(position_coded(400), 48, replace(OFF, shear=15.0), seeded(0)))
    torch.testing.assert_close(rows, torch.arange(48.0)[:, None].expand_as(rows), atol=1e-3, rtol=0)
    lean = torch.rad2deg(torch.atan((columns[:, 33, 24] - columns[:, 14, 24]) / 19))
    assert 14.5 < lean.max() <= 15.001 and -15.001 <= lean.min() < -14.5
    straight = columns[:, 24, 24] + (columns[:, 33, 24] - columns[:, 14, 24]) / 19 * 5
    torch.testing.assert_close(columns[:, 29, 24], straight, atol=1e-3, rtol=0)


@pytest.mark.parametrize("probability", [0.25, 1.0])
def test_vertical_flip_turns_its_share_upside_down(probability: float):
    images = position_coded(400)
    plain = images.float() / 255
    out = augment(images, 48, replace(OFF, vertical_flip=probability), seeded(0))
    upright = (out - plain).abs().amax(dim=(1, 2, 3)) < 1e-4
    turned = (out - plain.flip(2)).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert (upright ^ turned).all()
    assert turned.float().mean().item() == pytest.approx(probability, abs=0.06)


@pytest.mark.parametrize("least", [0.3, 0.9])
def test_a_random_resized_crop_keeps_its_least_area_and_aspect(least: float):
    columns, rows = positions(augment(position_coded(500), 48, replace(OFF, crop=least), seeded(0)))
    width, height = (columns[:, 24, 40] - columns[:, 24, 8]) / 32, (rows[:, 40, 24] - rows[:, 8, 24]) / 32
    area, aspect = width * height, width / height
    assert least - 1e-3 < area.min() < least + 0.05 and 0.97 < area.max() < 1.001
    widest = min(4 / 3, 1 / least)
    assert 1 / widest - 1e-3 < aspect.min() < 1 / widest + 0.05
    assert widest - 0.05 < aspect.max() < widest + 1e-3
    assert width.max() < 1.001 and height.max() < 1.001
    edges = torch.stack([columns[:, 0, 0], 47 - columns[:, 0, -1], rows[:, 0, 0], 47 - rows[:, -1, 0]])
    assert edges.min() > -1e-3, "a crop shows nothing beyond the image"
    assert (edges.amin(dim=1) < 1).all(), "and reaches all of its edges"


def test_a_crop_ratio_shows_a_window_of_that_share_anywhere():
    columns, rows = positions(augment(position_coded(500), 40, OFF, seeded(0), crop_ratio=40 / 48))
    left, top = columns[:, 0, 0], rows[:, 0, 0]
    torch.testing.assert_close(columns, left[:, None, None] + torch.arange(40.0).expand_as(columns), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        rows, top[:, None, None] + torch.arange(40.0)[:, None].expand_as(rows), atol=1e-3, rtol=0
    )
    for start in (left, top):
        assert -1e-3 < start.min() < 0.2 and 7.8 < start.max() < 8.001
        assert start.mean().item() == pytest.approx(4, abs=0.4)
    assert torch.corrcoef(torch.stack([left, top]))[0, 1].abs() < 0.15


@pytest.mark.parametrize(
    "option", [{"shift": 0.3}, {"rotation": 180.0}, {"scale": 0.9, "shear": 30.0}, {"shift": 0.5, "scale": 0.6}]
)
def test_beyond_its_edges_an_image_is_mirrored_however_far(option: dict[str, Any]):
    options, images = replace(OFF, **option), torch.randint(0, 256, (64, 1, 48, 48), generator=seeded(1)).byte()
    maps: list[Tensor] = []

    def recorded(affine: Tensor, size: int) -> Tensor:
        maps.append(affine)
        return sampling_grid(affine, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.training.augment.sampling_grid", recorded)
        out = augment(images, 48, options, seeded(0))
    grid = F.affine_grid(maps[0], [64, 1, 48, 48], align_corners=False)
    assert grid.abs().max() > 1.2, "the draws reach beyond the edges"
    expected = F.grid_sample(images / 255, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(out, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "option", [{}, {"rotation": 7.0}, {"rotation": 60.0, "shear": 20.0}, {"scale": 0.5, "shift": 0.4}]
)
def test_no_draw_reaches_further_than_foreseen(option: dict[str, Any]):
    options = replace(OFF, **option)
    affine = _geometry(options, 1.0, lambda low, high: torch.empty(20000).uniform_(low, high, generator=seeded(0)))
    furthest = (affine[:, :, :2].abs().sum(2) + affine[:, :, 2].abs()).max().item()
    assert furthest <= reach(options) + 1e-5


def test_all_of_the_geometry_together_is_one_interpolation_of_the_same_maps():
    options = Augment(contrast=0.0, brightness=0.0, erase=0.0, shift=0.02, shear=10.0, crop=0.5, vertical_flip=0.5)
    columns, rows = positions(augment(position_coded(64), 48, options, seeded(0), crop_ratio=0.75))
    for place in (columns[:, 16:32, 16:32], rows[:, 16:32, 16:32]):
        for axis in (1, 2):
            torch.testing.assert_close(place.diff(dim=axis, n=2), torch.zeros(()).expand_as(place.diff(dim=axis, n=2)),
                                       atol=1e-3, rtol=0)  # fmt: skip


# Colour


def test_contrast_turns_about_mid_grey_and_brightness_moves_all():
    grey = torch.tensor([[51, 204]], dtype=torch.uint8).expand(200, 1, 2, 2)
    contrast = augment(grey, 2, replace(OFF, contrast=0.4), seeded(0))[:, 0, 0]
    torch.testing.assert_close(contrast.sum(1), torch.ones(200), atol=1e-5, rtol=0)
    gains = (contrast[:, 1] - contrast[:, 0]) / 0.6
    assert 0.6 <= gains.min() < 0.63 and 1.37 < gains.max() < 1.401
    moved = augment(grey, 2, replace(OFF, brightness=0.15), seeded(0))[:, 0, 0] - torch.tensor([0.2, 0.8])
    torch.testing.assert_close(moved[:, 0], moved[:, 1], atol=1e-5, rtol=0)
    assert -0.1501 < moved.min() < -0.14 and 0.14 < moved.max() < 0.1501


def test_light_stays_within_black_and_white():
    images = torch.tensor([[0, 255]], dtype=torch.uint8).expand(100, 1, 2, 2)
    out = augment(images, 2, replace(OFF, contrast=0.9, brightness=0.5), seeded(0))
    assert out.min() == 0 and out.max() == 1


def test_erasing_puts_noise_in_one_rectangle_of_its_share_of_the_images():
    images = torch.full((400, 1, 48, 48), 255, dtype=torch.uint8)
    out = augment(images, 48, replace(OFF, erase=0.3), seeded(0))[:, 0]
    erased = (out - 1).abs() > 1e-5
    touched = erased.any(dim=2).any(dim=1)
    assert touched.float().mean().item() == pytest.approx(0.3, abs=0.06)
    for image in erased[touched]:
        rows, columns = image.any(dim=1).nonzero(), image.any(dim=0).nonzero()
        box = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
        assert image.sum() > 0.95 * box and box <= 0.28 * 48 * 48
    assert out[erased].mean().item() == pytest.approx(0.5, abs=0.02), "noise over the whole range"


def test_noise_is_uniform_over_the_levels_of_an_image():
    noise = grey_noise(torch.Size([64, 1, 48, 48]), seeded(0))
    levels = (noise * 255).round()
    torch.testing.assert_close(levels / 255, noise, atol=1e-6, rtol=0)
    counts = torch.bincount(levels.long().flatten(), minlength=256)
    assert len(counts) == 256 and ((counts - counts.float().mean()).abs() < 5 * counts.float().mean().sqrt()).all()
    assert noise.mean().item() == pytest.approx(0.5, abs=0.003)
    assert noise.var().item() == pytest.approx((256**2 - 1) / 12 / 255**2, abs=0.001)


@pytest.mark.parametrize("apart", [(0, 1), (0, 4), (0, 8), (1, 0), (8, 0)])
def test_pixels_of_the_noise_know_nothing_of_each_other(apart: tuple[int, int]):
    noise = grey_noise(torch.Size([64, 1, 48, 48]), seeded(0))
    pairs = torch.stack([noise, noise.roll(apart, (2, 3))]).flatten(1)
    assert torch.corrcoef(pairs)[0, 1].abs() < 5 / noise.numel() ** 0.5


def test_every_image_and_every_channel_has_noise_of_its_own():
    noise = grey_noise(torch.Size([32, 3, 48, 48]), seeded(0)).flatten(2).flatten(0, 1)
    assert (torch.corrcoef(noise).fill_diagonal_(0).abs() < 0.12).all()
    white = torch.full((400, 1, 16, 16), 255, dtype=torch.uint8)
    out = augment(white, 16, replace(OFF, erase=1.0), seeded(0))
    one, another = out[::2], out[1::2]
    shared = (one < 1) & (another < 1)
    assert shared.sum() > 600
    assert torch.corrcoef(torch.stack([one[shared], another[shared]]))[0, 1].abs() < 0.2


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 1, 5, 3), (0, 3, 8, 8)])
def test_noise_comes_in_any_shape_and_the_generator_alone_decides_it(shape: tuple[int, ...]):
    noise = grey_noise(torch.Size(shape), seeded(1))
    assert noise.shape == shape and noise.dtype == torch.float32
    assert torch.equal(grey_noise(torch.Size(shape), seeded(1)), noise)


def test_without_erasing_no_noise_is_drawn():
    images, generator = position_coded(4)[:, :1], seeded(0)
    augment(images, 48, Augment(erase=0.0), generator)
    left = torch.rand(4, generator=generator)
    generator = seeded(0)
    for _ in range(5 + 2):  # angle, zoom, mirror, two shifts; gain and offset
        torch.rand(4, generator=generator)
    assert torch.equal(torch.rand(4, generator=generator), left)


def colours(count: int) -> Tensor:
    return torch.tensor([200, 120, 40], dtype=torch.uint8)[None, :, None, None].expand(count, 3, 8, 8)


def test_saturation_moves_colours_along_the_line_to_their_grey():
    out = augment(colours(300), 8, replace(OFF, saturation=0.4), seeded(0))[:, :, 4, 4] * 255
    grey = 0.299 * 200 + 0.587 * 120 + 0.114 * 40
    gains = (out - grey) / (torch.tensor([200.0, 120.0, 40.0]) - grey)
    torch.testing.assert_close(gains, gains[:, :1].expand_as(gains), atol=2e-3, rtol=0)
    assert 0.6 <= gains.min() < 0.63 and 1.37 < gains.max() <= 1.4005


@pytest.mark.parametrize("probability", [0.2, 1.0])
def test_grayscale_takes_the_colour_from_its_share(probability: float):
    out = augment(colours(400), 8, replace(OFF, grayscale=probability), seeded(0))
    grey = (out - (0.299 * 200 + 0.587 * 120 + 0.114 * 40) / 255).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert grey.float().mean().item() == pytest.approx(probability, abs=0.06)
    torch.testing.assert_close(out[~grey], colours(400)[~grey] / 255, atol=1e-5, rtol=0)


def test_grey_images_have_no_colour_to_change():
    images = position_coded(4)[:, :1]
    plain = augment(images, 48, Augment(), seeded(0))
    assert torch.equal(augment(images, 48, Augment(saturation=0.5, grayscale=0.5), seeded(0)), plain)


def test_rectangles_cover_the_pixels_whose_centres_they_hold():
    side, centre = torch.tensor([0.5, 0.3]), torch.tensor([0.5, 1.0])
    half, corner = rectangles(side, side, centre, centre, (8, 4))[:, 0]
    assert half.nonzero().tolist() == [[row, column] for row in range(2, 6) for column in range(1, 3)]
    assert corner.nonzero().tolist() == [[7, 3]]


# Ranges and shares


def test_each_image_draws_its_own_transform():
    same = noise(1).expand(16, -1, -1, -1)
    for options in (replace(OFF, rotation=20.0), replace(OFF, shift=0.2), replace(OFF, scale=0.3),
                    replace(OFF, contrast=0.5), replace(OFF, brightness=0.3), replace(OFF, erase=1.0)):  # fmt: skip
        out = augment(same, 48, options, seeded(0))
        assert len({tuple(image.flatten().tolist()) for image in out}) == 16, options


def test_flip_alone_mirrors_exactly_some_images():
    images = noise(64)
    plain = to_float(images, 48)
    out = augment(images, 48, replace(OFF, flip=True), seeded(0))
    kept = (out - plain).abs().amax(dim=(1, 2, 3)) < 1e-4
    mirrored = (out - plain.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert (kept ^ mirrored).all()
    assert 16 < mirrored.sum() < 48


@pytest.mark.parametrize("side", [48, 64, 96])
def test_without_options_augment_is_a_plain_resize(side: int):
    images = noise(4)
    torch.testing.assert_close(augment(images, side, OFF, seeded(0)), to_float(images, side), atol=1e-4, rtol=0)


def test_shift_and_rotation_move_by_what_they_say():
    image = torch.zeros(512, 1, 48, 48, dtype=torch.uint8)
    image[:, :, 22:26, 38:42] = 255  # a dot 16 pixels to the right of the centre
    x, y = _centres(augment(image, 48, replace(OFF, shift=0.1), seeded(0)))
    assert 4.3 < (x - 39.5).abs().max() < 5.0 and 4.3 < (y - 23.5).abs().max() < 5.0
    x, y = _centres(augment(image, 48, replace(OFF, rotation=30.0), seeded(0)))
    angles = torch.rad2deg(torch.atan2(y - 23.5, x - 23.5))
    assert 27 < angles.abs().max() < 30.5
    torch.testing.assert_close((x - 23.5).hypot(y - 23.5), torch.full((512,), 16.0), atol=0.3, rtol=0)


def _centres(images: Tensor) -> tuple[Tensor, Tensor]:
    mass = images[:, 0] / images.sum(dim=(1, 2, 3))[:, None, None]
    ticks = torch.arange(images.shape[-1], dtype=torch.float32)
    return (mass.sum(1) * ticks).sum(1), (mass.sum(2) * ticks).sum(1)


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_erasing_takes_its_share_of_images_and_of_area(probability: float):
    images = torch.zeros(600, 1, 48, 48, dtype=torch.uint8)
    erased = augment(images, 48, replace(OFF, erase=probability), seeded(0)) > 0
    share = erased.any(dim=3).any(dim=2).float().mean().item()
    assert share == pytest.approx(probability, abs=0.06)
    assert erased.float().mean(dim=(1, 2, 3)).max() < 0.3


def test_the_same_generator_state_gives_the_same_batch():
    images = noise(8)
    torch.manual_seed(1)
    first = augment(images, 48, Augment(), seeded(5))
    torch.manual_seed(2)
    assert torch.equal(augment(images, 48, Augment(), seeded(5)), first)
    assert not torch.equal(augment(images, 48, Augment(), seeded(6)), first)


@pytest.mark.parametrize("side", [32, 48, 64])
def test_augmented_images_stay_in_range_at_any_size(side: int):
    images = noise(32)
    before = images.clone()
    out = augment(images, side, Augment(contrast=0.9, brightness=0.9, erase=1.0, shift=0.5), seeded(0))
    assert out.shape == (32, 1, side, side)
    assert out.dtype == torch.float32
    assert out.min() >= 0 and out.max() <= 1
    assert torch.equal(images, before)
