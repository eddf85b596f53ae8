"""Augment a whole batch on its device: one grid sample for the geometry, one pass for light and erasing.

An option draws random numbers only where it is on. So a recipe that is older than an option still draws the same
numbers, and its stored results can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.recipes import Augment

Draw = Callable[[float, float], Tensor]  # (low, high) to uniform numbers [B], one for each image


def augment(images: Tensor, size: int, options: Augment, generator: torch.Generator, crop_ratio: float = 1.0) -> Tensor:
    """Augment uint8 images [B,C,H,W] to float [B,C,size,size] in [0,1]; every image draws its own transform.

    The grid is sampled at `size` directly, so a smaller training size costs no extra resize. With `crop_ratio` below 1
    the result shows a window of that share of the side, anywhere in the transformed image. `generator` is on the device
    of `images`, and is the only source of random numbers.
    """
    count, channels = images.shape[:2]

    def draw(low: float, high: float) -> Tensor:
        return torch.empty(count, device=images.device).uniform_(low, high, generator=generator)

    grid = sampling_grid(_geometry(options, crop_ratio, draw), size)
    out = _sampled(images.float(), grid, reach(options))
    if options.contrast or options.brightness:
        gain, offset = draw(1 - options.contrast, 1 + options.contrast), draw(-options.brightness, options.brightness)
        offset += 0.5 - 0.5 * gain  # contrast leaves mid-grey as it is
        out.mul_((gain / 255)[:, None, None, None]).add_(offset[:, None, None, None]).clamp_(0, 1)
    else:
        out.div_(255)
    if channels == 3 and (options.saturation or options.grayscale):
        out = _saturate(out, options, draw)
    if options.erase:
        out.lerp_(grey_noise(out.shape, generator), _erased(options.erase, size, draw))
    return out


def grey_noise(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return independent floats, uniform over the 256 levels of an image in [0,1].

    Eight come from one draw of 64 bits, in a quarter of the time of one draw for each; a CPU draws on one core.
    """
    count = shape.numel()
    words = torch.empty(-(-count // 8), dtype=torch.int64, device=generator.device)
    words.random_(torch.iinfo(torch.int64).min, None, generator=generator)  # all 64 bits, the sign too
    return words.view(torch.uint8)[:count].view(shape).float().div_(255)


def sampling_grid(affine: Tensor, size: int) -> Tensor:
    """Turn maps [B,2,3] into a grid [B,size,size,2] for `grid_sample`: where the pixel centres of a square come from.

    The numbers are those of `F.affine_grid`, without its matrix product. Coordinates across and down each have a plane
    of memory, so that adding a row to a column is one long loop; `grid_sample` reads planes as they are.
    """
    centres = torch.arange(1, 2 * size, 2, device=affine.device) / size - 1
    across, down = affine[:, :, 0, None] * centres, affine[:, :, 1, None] * centres + affine[:, :, 2:]
    return (across[:, :, None, :] + down[:, :, :, None]).permute(0, 2, 3, 1)


def reach(options: Augment) -> float:
    """Return how far from the centre a pixel can come from at most, in half sides; beyond 1 the image is mirrored."""
    turn, lean = math.radians(min(options.rotation, 45)), math.radians(options.shear)
    return (1 + options.scale) * (math.cos(turn) + math.sin(turn) + math.tan(lean)) + 2 * options.shift


def _sampled(images: Tensor, grid: Tensor, furthest: float) -> Tensor:
    """Sample bilinearly, mirrored at the edges; the grid lies within [-furthest,furthest] and is overwritten.

    Up to 3, one mirroring suffices and is done here: on a CPU `grid_sample`'s own takes half as long again.
    """
    if furthest > 3:
        return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    grid.lerp_(grid.clamp(-1, 1), 2.0)  # as far within the edge as it was beyond
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _geometry(options: Augment, crop_ratio: float, draw: Draw) -> Tensor:
    """Return one map [B,2,3] for each image, from output to input coordinates in [-1,1], of all that moves pixels."""
    affine = _affine(options, draw)
    if options.shear or options.vertical_flip:
        affine = _compose(affine, _shear(options, draw))
    if options.crop < 1 or crop_ratio < 1:
        affine = _compose(affine, _window(options.crop, crop_ratio, draw))
    return affine


def _compose(then: Tensor, first: Tensor) -> Tensor:
    """Return the affine maps [B,2,3] that apply `first`, then `then`."""
    product = then[:, :, :2] @ first
    return torch.cat((product[:, :, :2], product[:, :, 2:] + then[:, :, 2:]), dim=2)


def _affine(options: Augment, draw: Draw) -> Tensor:
    """Draw rotation, scale, flip and shift."""
    angle = draw(-options.rotation, options.rotation).mul_(math.pi / 180)
    zoom = draw(1 - options.scale, 1 + options.scale)
    mirror = _minus_one(0.5, draw) if options.flip else torch.ones_like(angle)
    cos, sin = angle.cos().mul_(zoom), angle.sin().mul_(zoom)
    across, down = draw(-2 * options.shift, 2 * options.shift), draw(-2 * options.shift, 2 * options.shift)
    return _maps(cos * mirror, -sin, across, sin * mirror, cos, down)


def _shear(options: Augment, draw: Draw) -> Tensor:
    """Draw a shear, by which vertical lines lean up to `shear` degrees, and vertical flips."""
    lean = draw(-options.shear, options.shear).mul_(math.pi / 180).tan_()
    upright = _minus_one(options.vertical_flip, draw)
    zero, one = torch.zeros_like(lean), torch.ones_like(lean)
    return _maps(one, lean, zero, zero, upright, zero)


def _window(least_area: float, crop_ratio: float, draw: Draw) -> Tensor:
    """Draw a window anywhere in the image: of `crop_ratio` of each side, a share of the area from `least_area` to 1.

    Its aspect is between 3/4 and 4/3, or nearer to 1 where a side would be longer than the image's.
    """
    area = draw(least_area, 1)
    aspect = (draw(-1, 1) * area.log().neg_().clamp_max_(math.log(4 / 3))).exp_()
    width, height = (area * aspect).sqrt_().mul_(crop_ratio), (area / aspect).sqrt_().mul_(crop_ratio)
    across, down = draw(-1, 1) * (1 - width), draw(-1, 1) * (1 - height)
    zero = torch.zeros_like(width)
    return _maps(width, zero, across, zero, height, down)


def _maps(*entries: Tensor) -> Tensor:
    """Stack six entries [B], row by row, into affine maps [B,2,3]."""
    return torch.stack(entries, dim=1).unflatten(1, (2, 3))


def _minus_one(probability: float, draw: Draw) -> Tensor:
    """Draw [B] that are -1 with this probability, else 1."""
    uniform = draw(-probability, 1 - probability)
    return torch.ones_like(uniform).copysign_(uniform)


def _saturate(images: Tensor, options: Augment, draw: Draw) -> Tensor:
    """Draw the saturation of colour images [B,3,H,W]: away from their grey (ITU-R BT.601), towards it, or grey."""
    red, green, blue = images.split(1, dim=1)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    gain = draw(1 - options.saturation, 1 + options.saturation)
    gain.masked_fill_(draw(0, 1) < options.grayscale, 0)
    return torch.lerp(grey, images, gain[:, None, None, None]).clamp_(0, 1)


def _erased(probability: float, size: int, draw: Draw) -> Tensor:
    """Draw masks [B,1,size,size] for random erasing (arXiv:1708.04896): 1 in a rectangle of 2 to 25 % of the area.

    Images without a rectangle, a share of 1 - `probability`, are 0 everywhere.
    """
    area, ratio = draw(0.02, 0.25), draw(-1.0, 1.0).exp_()
    height, width = (area * ratio).sqrt_(), (area / ratio).sqrt_()
    centre_y, centre_x = draw(0, 1), draw(0, 1)
    height *= draw(0, 1) < probability  # one of no height covers no pixel
    return rectangles(height, width, centre_y, centre_x, (size, size))


def rectangles(height: Tensor, width: Tensor, centre_y: Tensor, centre_x: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return masks [B,1,H,W]: 1 where a pixel's centre lies in the image's rectangle, else 0.

    Sides and centres are [B], as shares of the image's. The masks are floats, since applying them by arithmetic is
    several times as fast on a CPU as `torch.where`.
    """
    inside_y, inside_x = (
        ((torch.arange(pixels, device=side.device) + 0.5) / pixels - centre[:, None]).abs() < side[:, None] / 2
        for pixels, side, centre in zip(shape, (height, width), (centre_y, centre_x), strict=True)
    )
    return inside_y.float()[:, None, :, None] * inside_x.float()[:, None, None, :]
