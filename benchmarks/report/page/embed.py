"""The figures of a suite, inside its page: as data URIs, the smaller of SVG and PNG."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import escape

FIRST = "benchmark"
PLAIN = " !$&'()*+,/:;=?@[]{}|~^<>"  # characters that need no escape inside a quoted data URI


@dataclass(frozen=True)
class Figure:
    """`uri` is None where the page has no room for it: then it names the file alone."""

    name: str
    caption: str
    file: str
    uri: str | None


def embed(folder: Path, room: int) -> list[Figure]:
    """Return the figures in `folder`, the benchmark chart first, inline while they fit into `room` bytes."""
    names = sorted({path.stem for path in _files(folder)}, key=lambda name: (name != FIRST, name))
    figures = []
    for name in names:
        uri = min((_uri(path) for path in _files(folder, name)), key=len)
        size = len(escape(uri))  # as the template writes it, with quotes and brackets escaped
        fits = size <= room
        room -= size if fits else 0
        figures.append(Figure(name, _caption(name), f"{folder.name}/{_kept(folder, name).name}", uri if fits else None))
    return figures


def _kept(folder: Path, name: str) -> Path:
    """Return the PNG of a figure, which goes wherever the page goes, or its SVG where that is all there is."""
    return list(_files(folder, name))[-1]


def _files(folder: Path, name: str = "*") -> Iterable[Path]:
    return (path for suffix in ("svg", "png") for path in sorted(folder.glob(f"{name}.{suffix}")))


def _caption(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ")
    return words[:1].upper() + words[1:]


def _uri(path: Path) -> str:
    if path.suffix == ".svg":
        return "data:image/svg+xml," + quote(" ".join(path.read_text(encoding="utf-8").split()), safe=PLAIN)
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
