"""Frames of a video file or a camera, one at a time, by PyAV (the extra `video`)."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.use.errors import Unreadable

FORMATS = "avi,matroska,webm,mov,mp4,mpeg,mpegvideo,mpegts,ogg,asf"
NOTHING_ELSE = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
"""What FFmpeg may take a file for, whatever its name: among its formats are play lists, which have it open other files
and addresses."""
SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".webm", ".wmv")


@dataclass(frozen=True)
class Pace:
    """Which frames are shown: every so many, or so many a second; all by default."""

    every: int = 1
    fps: float | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame: its number and its time from the beginning."""

    number: int
    seconds: float
    rgb: np.ndarray  # uint8 [H,W,3]


def frames(path: str, pace: Pace) -> Iterator[Frame]:
    """Yield the frames of a file; raise Unreadable where it is no video, or where it ends earlier than it should."""
    yield from _frames(path, {"options": NOTHING_ELSE}, pace)


def camera_frames(number: int, pace: Pace) -> Iterator[Frame]:
    """Yield what a camera sees until the reader stops; raise Unreadable where there is none."""
    places = {"linux": ("v4l2", f"/dev/video{number}"), "darwin": ("avfoundation", str(number))}
    if sys.platform not in places:
        raise Unreadable("cannot be opened: cameras are known on Linux and macOS alone")
    kind, path = places[sys.platform]
    yield from _frames(path, {"format": kind}, pace)


def _frames(path: str, options: dict[str, Any], pace: Pace) -> Iterator[Frame]:
    if importlib.util.find_spec("av") is None:
        raise Unreadable('is a video or camera, for which PyAV is missing: pip install -e ".[video]"')
    import av

    try:
        with av.open(path, **options) as container:
            if not container.streams.video:
                raise Unreadable("holds no video")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield from _chosen(container.decode(stream), float(stream.average_rate or 25), pace)
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unreadable(f"cannot be read, or ends early: {reason}") from error


def _chosen(decoded: Iterator[Any], rate: float, pace: Pace) -> Iterator[Frame]:
    """The frames of a pace; only those are turned into pixels."""
    first, due = None, 0.0
    for number, frame in enumerate(decoded):
        time = frame.time if frame.time is not None else number / rate
        first = time if first is None else first
        seconds = max(0.0, time - first)
        if pace.fps is not None:
            if seconds < due - 1e-6:
                continue
            due = max(due + 1 / pace.fps, seconds)
        elif number % pace.every:
            continue
        yield Frame(number, seconds, _upright(frame.to_ndarray(format="rgb24"), frame))


def _upright(rgb: np.ndarray, frame: Any) -> np.ndarray:
    """A phone held upright says by how much its frames are turned."""
    quarters = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, quarters)) if quarters else rgb
