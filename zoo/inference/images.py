"""Images as networks meet them: all on their device, or, where a file holds more than fit in memory, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from zoo.inference.preprocess import preprocess


def to_device(images: np.ndarray, device: str) -> Tensor:
    """uint8 [N,C,H,W] to the device, where it stays uint8."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device)


def prepared(images: np.ndarray, device: str, how: str) -> Tensor | MappedImages:
    """uint8 [N,C,H,W], preprocessed, on the device; a memory map stays where it is.

    Raises UnknownName where no filter is called `how`.
    """
    if isinstance(images, np.memmap):
        return MappedImages(images, device, how)
    return preprocess(to_device(images, device), how)


def batch_of(images: Tensor | MappedImages, rows: Tensor) -> Tensor:
    """The images [B,C,H,W] of these rows, which lie on the same device.

    Of a tensor they are copied image by image, where indexing by a tensor goes pixel by pixel on a CPU.
    """
    return images.index_select(0, rows) if isinstance(images, Tensor) else images[rows]


class MappedImages:
    """uint8 [N,C,H,W] in a mapped file, read as a tensor is: what is asked for comes preprocessed onto the device."""

    def __init__(self, images: np.memmap, device: str, how: str) -> None:
        self._images, self._device, self._how = images, device, how
        self[torch.arange(0)]  # an unknown filter is told at once

    @property
    def device(self) -> torch.device:
        """Where batches come to lie."""
        return torch.device(self._device)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: Tensor) -> Tensor:
        return preprocess(to_device(self._images[rows.cpu().numpy()], self._device), self._how)

    def split(self, count: int) -> Iterator[Tensor]:
        """Batches of `count` in order, the last of what is left."""
        for rows in torch.arange(len(self)).split(count):
            yield self[rows]
