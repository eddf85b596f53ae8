"""Small videos; a test that needs one skips where PyAV is missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def write_clip(path: Path, frames: Iterable[np.ndarray], rate: int = 10) -> Path:
    """Write pictures uint8 [H,W,3] with even sides as a video, without loss but for the colours between pixels."""
    av: Any = pytest.importorskip("av")
    with av.open(str(path), "w") as file:
        stream = None
        for rgb in frames:
            if stream is None:
                stream = file.add_stream("ffv1", rate=rate)
                stream.width, stream.height, stream.pix_fmt = rgb.shape[1], rgb.shape[0], "bgr0"
            file.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        if stream is not None:
            file.mux(stream.encode())
    return path
