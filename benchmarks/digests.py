"""Digests of what decides a result: files by their content, code, libraries. Never names or times alone."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("benchmarks", "ensembles", "zoo")
OWN = "fer_ensembles"  # what the names of this project's metadata begin with
CACHES = frozenset({"__pycache__"})


def digest(parts: Iterable[str | bytes]) -> str:
    """Return a digest of texts or bytes in their order, of 32 hexadecimal digits."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        content = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        state.update(len(content).to_bytes(8, "big"))  # else the end of one part could be the start of the next
        state.update(content)
    return state.hexdigest()


def digest_of_files(paths: Iterable[Path], root: Path) -> str:
    """Return a digest of files, by their paths below `root` and their content.

    Those that another process has removed since they were listed are passed over.
    """
    return digest(part for path in paths for part in _named_content(path, root))


def _named_content(path: Path, root: Path) -> tuple[str, bytes] | tuple[()]:
    try:
        return os.fspath(path.relative_to(root)), path.read_bytes()
    except FileNotFoundError:
        return ()


def files_below(folder: Path, left_out: frozenset[str] = CACHES) -> Iterator[Path]:
    """Yield all files below a folder in a fixed order, without folders of the names that are `left_out`.

    Drafts that other processes are writing, and locks, which begin with a dot, are passed over.
    """
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - left_out)
        yield from (Path(at, name) for name in sorted(names) if not name.startswith("."))


def code(*places: str, without: str | None = None) -> str:
    """Return a digest of the code's files: of all packages, or of the folders and files named, such as `ensembles`.

    Those below the folder `without` are left out.
    """
    named = [ROOT / place for place in places or PACKAGES]
    paths = (path for place in named for path in (files_below(place) if place.is_dir() else [place]))
    counted = (path for path in paths if path.suffix != ".md" and not (without and path.is_relative_to(ROOT / without)))
    return digest_of_files(counted, ROOT)


def libraries() -> str:
    """Return a digest of Python's version and of all packages that are installed, with theirs."""
    return digest([platform.python_version(), platform.machine(), *_installed(sys.path)])


def _installed(places: Sequence[str]) -> list[str]:
    """List packages as the names of their folders of metadata, `numpy-2.3.5.dist-info`.

    To open each one's metadata takes a hundred times as long. This project's own is left out: `code` says what it is,
    and where it lies hangs on how Python was started.
    """
    names = {name for place in places if place and os.path.isdir(place) for name in os.listdir(place)}
    return sorted(name for name in names if name.endswith((".dist-info", ".egg-info")) and not name.startswith(OWN))
