"""Test-time augmentation: make the views that `zoo/inference/views.py` lists; the logits of an image are averaged."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.errors import UnknownName
from zoo.inference.pixels import normalise, to_float
from zoo.inference.views import VIEWS, Views, Warp
from zoo.recipes import Recipe

TEN_CROP_RATIO = 0.875  # of the side, where the recipe crops nothing by itself


def network_inputs(images: Tensor, size: int, recipe: Recipe, tta: str) -> Iterator[Tensor]:
    """Yield the network inputs [B,C,size,size] (channels last) of uint8 images [B,C,H,W], one for each view.

    An image's views do not depend on the other images. Raises UnknownName where `VIEWS` has no kind of that name.
    """
    if tta not in VIEWS:
        raise UnknownName("test-time augmentation", tta, VIEWS)
    for view in _views(images, size, recipe.crop_ratio, VIEWS[tta]):
        inputs = normalise(view, recipe.normalise).contiguous(memory_format=torch.channels_last)
        yield inputs
        if VIEWS[tta].mirrored:
            yield inputs.flip(3)


def _views(images: Tensor, size: int, crop_ratio: float, kind: Views) -> Iterator[Tensor]:
    """Yield each view, not yet mirrored, as float [B,C,size,size] in [0,1]."""
    if kind.warps:
        return _warped(images, size, crop_ratio, kind.warps)
    return _corners_and_centre(images, size, crop_ratio) if kind.corners else _centre(images, size, crop_ratio)


def _centre(images: Tensor, size: int, crop_ratio: float) -> Iterator[Tensor]:
    floats = _resized(images, size, crop_ratio)
    start = (floats.shape[-1] - size) // 2
    yield floats[:, :, start : start + size, start : start + size]


def _corners_and_centre(images: Tensor, size: int, crop_ratio: float) -> Iterator[Tensor]:
    floats = _resized(images, size, crop_ratio if crop_ratio < 1 else TEN_CROP_RATIO)
    end = floats.shape[-1] - size
    for top, left in ((0, 0), (0, end), (end, 0), (end, end), (end // 2, end // 2)):
        yield floats[:, :, top : top + size, left : left + size]


def _warped(images: Tensor, size: int, crop_ratio: float, warps: tuple[Warp, ...]) -> Iterator[Tensor]:
    """Sample a grid for each view; beyond its edge the image is mirrored, as in training."""
    floats = _resized(images, size, crop_ratio)
    share = size / floats.shape[-1]
    for warp in warps:
        angle = math.radians(warp.degrees)
        cos, sin = share * warp.zoom * math.cos(angle), share * warp.zoom * math.sin(angle)
        affine = floats.new_tensor([[cos, -sin, 2 * warp.across], [sin, cos, 2 * warp.down]])
        grid = F.affine_grid(affine.expand(floats.shape[0], 2, 3), [*floats.shape[:2], size, size], align_corners=False)
        yield F.grid_sample(floats, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _resized(images: Tensor, size: int, crop_ratio: float) -> Tensor:
    """Resize so that a crop of `size` pixels shows `crop_ratio` of the side, with whole pixels left on either side."""
    return to_float(images, size + 2 * round(size * (1 / crop_ratio - 1) / 2))
