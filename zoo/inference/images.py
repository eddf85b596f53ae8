"""Bring images to the device: all at once, or batch by batch from a mapped file that is larger than memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from zoo.inference.preprocess import preprocess


def to_device(images: np.ndarray, device: str) -> Tensor:
    """Move uint8 images [N,C,H,W] to the device; they stay uint8."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device)


def prepared(images: np.ndarray, device: str, how: str) -> Tensor | MappedImages:
    """Move uint8 images [N,C,H,W] to the device and preprocess them; a memory map stays on disk.

    `how` is the recipe's `preprocess`. Raises UnknownName where no filter has that name.
    """
    if isinstance(images, np.memmap):
        return MappedImages(images, device, how)
    return preprocess(to_device(images, device), how)


def batch_of(images: Tensor | MappedImages, rows: Tensor) -> Tensor:
    """Return the images [B,C,H,W] of these rows; both lie on the same device.

    `index_select` copies image by image; indexing with a tensor goes pixel by pixel on a CPU.
    """
    return images.index_select(0, rows) if isinstance(images, Tensor) else images[rows]


class MappedImages:
    """uint8 images [N,C,H,W] in a mapped file, indexed like a tensor; each batch is preprocessed on the device."""

    def __init__(self, images: np.memmap, device: str, how: str) -> None:
        self._images, self._device, self._how = images, device, how
        self[torch.arange(0)]  # raises at once where the filter is unknown

    @property
    def device(self) -> torch.device:
        """The device that batches are moved to."""
        return torch.device(self._device)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: Tensor) -> Tensor:
        return preprocess(to_device(self._images[rows.cpu().numpy()], self._device), self._how)

    def split(self, count: int) -> Iterator[Tensor]:
        """Yield batches of `count` images in order; the last one may be smaller."""
        for rows in torch.arange(len(self)).split(count):
            yield self[rows]
