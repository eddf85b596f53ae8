"""Where pictures come from: paths, folders, patterns, addresses, videos, cameras, standard input, arrays, images.

A source is opened only when its turn comes. What cannot be read is a picture without pixels that says why, so that one
bad file of many stops nothing.
"""

from __future__ import annotations

import glob
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from zoo.use import video
from zoo.use.errors import NoSource, Unreadable
from zoo.use.folders import files_in, matching
from zoo.use.pictures import MEGAPIXELS, decode, from_array, from_image
from zoo.use.video import Pace

SUFFIXES = (".avif", ".bmp", ".gif", ".heic", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
AHEAD = 2  # pictures that are decoded while others are looked at
STDIN, ADDRESS = "-", "://"
LONGEST = 200  # characters of a name in a message
MOST_DIGITS = 4  # of the number of a camera

PictureLike = str | PathLike[str] | bytes | np.ndarray | Image.Image
Item = TypeVar("Item")


@dataclass(frozen=True)
class Reading:
    """How sources are read: see `benchmark.py predict --help`; addresses, cameras and `-` are for the command line."""

    colour: str = "rgb"
    megapixels: float = MEGAPIXELS
    recursive: bool = False
    pace: Pace = field(default_factory=Pace)
    command_line: bool = False


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture or a frame, uint8 RGB [H,W,3], or why there is none."""

    source: str
    rgb: np.ndarray | None
    error: str = ""
    frame: int | None = None
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Source:
    """One file, array or stream that has a name; `pictures` opens it. A video moves; a camera is live, besides."""

    name: str
    pictures: Callable[[], Iterator[Picture]]
    moves: bool = False
    live: bool = False


def one_picture(picture: PictureLike, reading: Reading) -> Picture:
    """Return a single picture; raise NoSource where it is not there or means several, Unreadable where it is none."""
    sources = list(expanded([picture], reading))
    if isinstance(picture, str | PathLike) and (sources[0].name != str(picture) or sources[0].moves):
        raise NoSource(f"{picture!s} may mean more than one picture: call many() with it")
    (found,) = sources[0].pictures()
    if found.rgb is None:
        raise Unreadable(f"{found.source} {found.error.removeprefix('unreadable: ')}")
    return found


def expanded(sources: Iterable[PictureLike], reading: Reading) -> Iterator[Source]:
    """Yield every file, array and stream that sources mean, in their order; raise NoSource at one that means none."""
    for count, source in enumerate(sources):
        if isinstance(source, str | PathLike):
            yield from _named(str(source), reading)
        elif isinstance(source, np.ndarray):
            yield _single(f"array {count}", partial(_without_note, from_array, source, reading.colour))
        elif isinstance(source, Image.Image):
            yield _single(f"image {count}", partial(_without_note, from_image, source))
        elif isinstance(source, bytes | bytearray | memoryview):
            yield _single(f"bytes {count}", partial(decode, bytes(source), reading.megapixels))
        else:
            raise NoSource(f"a {type(source).__name__} is no picture: a path, bytes, an array or a Pillow image is one")


def _named(name: str, reading: Reading) -> Iterator[Source]:
    if name == STDIN or name.partition(":")[0] == "camera" or ADDRESS in name:
        if not reading.command_line:
            raise NoSource(f"{name!r} is for the command line; hand over what lies there as bytes or as an array")
        yield _outside(name, reading)
        return
    try:
        files = _files(name, reading)
    except OSError as error:  # such as a name that is longer than names may be
        raise NoSource(f"{name[:LONGEST]}: cannot be opened ({error.strerror})") from error
    yield from (_file(file, reading) for file in files)


def _files(name: str, reading: Reading) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        return _in_folder(path, reading.recursive)
    if path.is_file():
        return [path]
    if path.exists() or not glob.has_magic(name):
        raise NoSource(f"{name}: {'is no file' if path.exists() else 'there is no such file or folder'}")
    files = matching(name)
    if not files:
        raise NoSource(f"{name}: no file matches")
    return files


def _in_folder(folder: Path, recursive: bool) -> list[Path]:
    files = [path for path in files_in(folder, recursive) if path.suffix.lower() in SUFFIXES]
    if not files:
        deeper = "" if recursive else "; --recursive looks into the folders below"
        raise NoSource(f"{folder}: holds no picture ({', '.join(SUFFIXES)}){deeper}")
    return files


def _file(path: Path, reading: Reading) -> Source:
    name = one_line(os.fsencode(path).decode(errors="replace"))  # a name may be no text, but every row is
    if path.suffix.lower() in video.SUFFIXES:
        return _stream(name, partial(video.frames, str(path), reading.pace))
    return _single(name, partial(decode, path, reading.megapixels))


def _outside(name: str, reading: Reading) -> Source:
    if name == STDIN:
        return _single("stdin", lambda: decode(sys.stdin.buffer.read(), reading.megapixels))
    if ADDRESS in name:
        return _single(name, partial(_downloaded, name, reading.megapixels))
    number = name.partition(":")[2] or "0"
    if not (number.isascii() and number.isdecimal() and len(number) < MOST_DIGITS):
        raise NoSource(f"{name}: a camera is camera, camera:1, camera:2 and so on")
    return _stream(name, partial(video.camera_frames, int(number), reading.pace), live=True)


def one_line(text: str) -> str:
    """Return a text with marks where its line feeds and other characters that cannot be shown were."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _unreadable(error: Unreadable) -> str:
    return f"unreadable: {one_line(' '.join(str(error).split()))}"


def _without_note(convert: Callable[..., np.ndarray], *values: Any) -> tuple[np.ndarray, str]:
    return convert(*values), ""


def _downloaded(address: str, megapixels: float) -> tuple[np.ndarray, str]:
    from zoo.use.download import download  # what it needs takes a tenth of a second to import

    return decode(download(address), megapixels)


def _single(name: str, read: Callable[[], tuple[np.ndarray, str]]) -> Source:
    def pictures() -> Iterator[Picture]:
        try:
            rgb, note = read()
        except Unreadable as error:
            yield Picture(name, None, _unreadable(error))
        else:
            yield Picture(name, rgb, note=note)

    return Source(name, pictures)


def _stream(name: str, frames: Callable[[], Iterator[video.Frame]], live: bool = False) -> Source:
    def pictures() -> Iterator[Picture]:
        try:
            for frame in frames():
                yield Picture(name, frame.rgb, frame=frame.number, seconds=frame.seconds)
        except Unreadable as error:
            yield Picture(name, None, _unreadable(error))

    return Source(name, pictures, moves=True, live=live)


def ahead(items: Iterable[Item], count: int = AHEAD) -> Iterator[Item]:
    """Yield the items, of which another thread makes the next `count` meanwhile."""
    end: Any = object()
    made = iter(items)
    with ThreadPoolExecutor(1, "ahead") as pool:
        waiting = deque(pool.submit(next, made, end) for _ in range(count))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(pool.submit(next, made, end))
                yield item
        finally:
            for future in waiting:
                future.cancel()
