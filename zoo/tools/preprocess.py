"""What each package does to a face before its network sees it: uint8 images [N,C,H,W] of one or three channels in."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

OPENCV = (0.299, 0.587, 0.114)
HUMAN = (0.2989, 0.5870, 0.1140)
FACE_API_MEAN = (122.782, 117.001, 104.298)


def fer(images: Tensor) -> Tensor:
    """Grey by OpenCV, 64 pixels by its bilinear filter, which rounds to whole numbers, in [-1, 1]."""
    faces = _grey(images, OPENCV).round()
    return _signed(F.interpolate(faces, (64, 64), mode="bilinear").round() / 255.0)


def human(images: Tensor) -> Tensor:
    """64 pixels by TensorFlow's bilinear filter, grey with weights that sum to 0.9999, in [-1, 1]."""
    return _signed(_weighted(resize_from_corner(_colour(images) / 255.0, 64), HUMAN))


def face_api(images: Tensor) -> Tensor:
    """RGB, 112 pixels by TensorFlow's bilinear filter, less the mean colour, divided by 255."""
    mean = torch.tensor(FACE_API_MEAN).view(1, 3, 1, 1)
    return (resize_from_corner(_colour(images), 112) - mean) / 255.0


def facial_emotion_recognition(images: Tensor) -> Tensor:
    """Grey by OpenCV, 48 pixels by Pillow's bilinear filter, which rounds to whole numbers, in [-1, 1]."""
    faces = _grey(images, OPENCV).round()
    if images.shape[-2:] != (48, 48):
        faces = F.interpolate(faces, (48, 48), mode="bilinear", antialias=True).round()
    return _signed(faces / 255.0)


def resize_from_corner(images: Tensor, side: int) -> Tensor:
    """Resize float images as TensorFlow.js does by default: pixel k lies at k times the scale from the first corner."""
    for axis in (-2, -1):
        size = images.shape[axis]
        places = torch.arange(side) * (size / side)
        low = places.floor().long()
        high, share = (low + 1).clamp(max=size - 1), places - low
        shape = [1] * images.ndim
        shape[axis] = side
        share = share.view(shape).to(images.dtype)
        images = images.index_select(axis, low) * (1.0 - share) + images.index_select(axis, high) * share
    return images


def _signed(images: Tensor) -> Tensor:
    return (images - 0.5) * 2.0


def _colour(images: Tensor) -> Tensor:
    return images.float().expand(-1, 3, -1, -1)


def _grey(images: Tensor, weights: tuple[float, float, float]) -> Tensor:
    return images.float() if images.shape[1] == 1 else _weighted(images.float(), weights)


def _weighted(images: Tensor, weights: tuple[float, float, float]) -> Tensor:
    return (images * torch.tensor(weights).view(1, 3, 1, 1)).sum(1, keepdim=True)
