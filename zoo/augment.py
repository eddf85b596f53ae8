"""Augmentation of a whole batch on its device: one grid sample for the geometry, one pass for light and erasing."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.recipes import Augment

Draw = Callable[..., Tensor]  # (low, high, *shape) to uniform numbers, one an image where no shape is given


def to_float(images: Tensor, size: int) -> Tensor:
    """uint8 [B,C,H,W] to float in [0,1] at `size` pixels a side, antialiased where that is smaller."""
    floats = images.float().div_(255)
    if images.shape[-1] == size:
        return floats
    shrinks = size < images.shape[-1]
    return F.interpolate(floats, size=(size, size), mode="bilinear", antialias=shrinks, align_corners=False)


def normalise(floats: Tensor, how: str) -> Tensor:
    """[0,1] to network input: `fixed` needs no statistics; `image` removes each image's own light and contrast."""
    if how == "fixed":
        return floats.sub_(0.5).div_(0.25)
    mean = floats.mean(dim=(1, 2, 3), keepdim=True)
    deviation = floats.std(dim=(1, 2, 3), keepdim=True).clamp_min(1e-2)  # constant images exist in FER2013
    return floats.sub_(mean).div_(deviation)


def augment(images: Tensor, size: int, options: Augment, generator: torch.Generator) -> Tensor:
    """uint8 [B,C,H,W] to augmented float [B,C,size,size] in [0,1]; every image draws its own transform.

    The grid is sampled straight at `size`, so a smaller training size costs nothing extra. `generator` lives on the
    device of `images`, and alone decides the draws.
    """
    count = images.shape[0]

    def draw(low: float, high: float, *shape: int) -> Tensor:
        uniform = torch.rand(*(shape or (count,)), generator=generator, device=images.device)
        return uniform.mul_(high - low).add_(low)

    grid = F.affine_grid(_affine(options, draw), [count, images.shape[1], size, size], align_corners=False)
    out = F.grid_sample(images.float().div_(255), grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    if options.contrast or options.brightness:
        gain = draw(1 - options.contrast, 1 + options.contrast)[:, None, None, None]
        offset = draw(-options.brightness, options.brightness)[:, None, None, None]
        out = out.sub_(0.5).mul_(gain).add_(offset + 0.5).clamp_(0, 1)
    if options.erase:
        mask = _rectangles(options.erase, size, draw)
        out = torch.where(mask, draw(0, 1, *out.shape), out)
    return out


def _affine(options: Augment, draw: Draw) -> Tensor:
    """Inverse maps [B,2,3], output to input coordinates in [-1,1]: rotation, scale, flip and shift in one matrix."""
    angle = draw(-options.rotation, options.rotation).mul_(math.pi / 180)
    zoom = draw(1 - options.scale, 1 + options.scale)
    mirror = (draw(0, 1) < 0.5).to(angle.dtype).mul_(-2).add_(1) if options.flip else torch.ones_like(angle)
    cos, sin = angle.cos().mul_(zoom), angle.sin().mul_(zoom)
    across, down = draw(-2 * options.shift, 2 * options.shift), draw(-2 * options.shift, 2 * options.shift)
    rows = (torch.stack((cos * mirror, -sin, across), dim=1), torch.stack((sin * mirror, cos, down), dim=1))
    return torch.stack(rows, dim=1)


def _rectangles(probability: float, size: int, draw: Draw) -> Tensor:
    """Boolean [B,1,size,size]: with `probability` a rectangle of 2 to 25 % of the area (random erasing, 1708.04896)."""
    area, ratio = draw(0.02, 0.25), draw(-1.0, 1.0).exp_()
    half_height, half_width = (area * ratio).sqrt_().div_(2), (area / ratio).sqrt_().div_(2)
    centre_y, centre_x = draw(0, 1), draw(0, 1)
    chosen = draw(0, 1) < probability
    ticks = (torch.arange(size, device=area.device) + 0.5) / size
    inside_y = (ticks[None] - centre_y[:, None]).abs() < half_height[:, None]
    inside_x = (ticks[None] - centre_x[:, None]).abs() < half_width[:, None]
    return (inside_y[:, :, None] & inside_x[:, None, :] & chosen[:, None, None])[:, None]
