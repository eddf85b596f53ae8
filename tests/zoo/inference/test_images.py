"""Images in memory and in a mapped file, batch by batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.helpers.pictures import patches
from zoo.inference.images import batch_of, prepared


def test_a_batch_has_the_images_of_its_rows_in_memory_and_in_a_file(tmp_path: Path):
    images, rows = patches(6, 1, 8, 8), torch.tensor([4, 0, 4])
    images.tofile(tmp_path / "images")
    mapped = np.memmap(tmp_path / "images", dtype=np.uint8, mode="r", shape=images.shape)
    for kind in (images, mapped):
        assert torch.equal(batch_of(prepared(kind, "cpu", "none"), rows), torch.from_numpy(images[rows.numpy()]))
