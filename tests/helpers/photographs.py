"""Photographs that installed packages ship, and where the faces in them are."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

BOXES = {"grace_hopper": (159, 118, 211, 211), "astronaut": (174, 70, 105, 105), "camera": (204, 123, 70, 70)}
"""Left, top, width, height of the one face in each, as BlazeFace draws it; looked at."""
PLACES = {
    "grace_hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    **{name: ("skimage", f"data/{name}.png") for name in ("astronaut", "camera", "coffee", "chelsea")},
}


def path(name: str) -> Path:
    """The file of a photograph; the test skips where its package does not ship it."""
    package, file = PLACES[name]
    spec = find_spec(package)
    found = Path(spec.origin or "").parent / file if spec is not None else Path()
    if not found.is_file():
        pytest.skip(f"needs the photograph {name} of the package {package}")
    return found


def image(name: str) -> Image.Image:
    """A photograph in colours."""
    return Image.open(path(name)).convert("RGB")


def pixels(name: str) -> np.ndarray:
    """A photograph as uint8 [H,W,3]."""
    return np.asarray(image(name))


def stored_turned(upright: Image.Image, orientation: int, kind: str = "PNG", **options: Any) -> bytes:
    """A file of a picture as a camera held otherwise stores it: turned or mirrored, with an EXIF orientation (1-8)."""
    turn = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored = upright.transpose(turn[orientation]) if orientation > 1 else upright
    stored.save(file, kind, exif=exif, **options)
    return file.getvalue()
