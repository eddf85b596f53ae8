"""Results in a bucket, such as `s3://bucket/results`, by a folder of this machine that mirrors them.

All else reads and writes the folder, as it does without a bucket. What others have put into the bucket comes by
`fetch`, what was made here goes by `put_member` and `put_reports`. Below `.versions` the folder keeps of each file the
tag of its version in the bucket, and the digest of its bytes: one listing says what has changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from benchmarks.data.mapped import cache_directory
from benchmarks.files import write_atomic
from benchmarks.store.objects import SCHEMES, Bucket, Listed, ObjectStore, check_conditions

ADDRESS = re.compile(rf"(?:{'|'.join(SCHEMES)})://\S+")
MARK, VERSIONS = ".bucket", ".versions"
CHECKPOINTS = "/checkpoints/"
OWN = ("/local/", CHECKPOINTS, "/predictions/")
"""What reports are not: what stays on one machine, and what is put member by member."""
AT_ONCE = 16  # transfers


class _Version(NamedTuple):
    """What this folder knows of an object: the tag of its version in the bucket, and the SHA-256 of its bytes."""

    etag: str
    sha256: str


class Mirror:
    """A folder that mirrors a bucket; all names are relative to both. Methods may raise OSError."""

    def __init__(self, folder: Path, store: ObjectStore) -> None:
        self.folder, self.store = folder, store
        self._checked = False

    def check_writable(self) -> None:
        """Raise CannotReach where several writers would overwrite each other there; ask no more than once."""
        if not self._checked:
            check_conditions(self.store)
            self._checked = True

    def fetch(self, *prefixes: str, wanted: Callable[[str], bool] = lambda name: True) -> None:
        """Bring files whose names begin so to what the bucket holds; those that it never held stay."""
        for prefix in prefixes:
            there = {name: listed for name, listed in self.store.list(prefix).items() if wanted(name)}
            changed = [name for name, listed in there.items() if not self._has(name, listed)]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(self._fetch, changed))
            for name in self._known(prefix) - there.keys():
                if wanted(name):
                    self._forget(name)

    def fetch_member(self, suite: str, stem: str) -> None:
        """Bring a member's files, by their names: no listing of thousands."""
        for name in (*_files_of(suite, stem), _state_of(suite, stem)):
            if not self._fetch(name) and self._version(name) is not None:
                self._forget(name)

    def put_member(self, suite: str, stem: str, *more: str) -> bool:
        """Put what a member's training has left, its predictions first: whoever puts those first has trained it.

        `more` names further files. Returns False, and takes over what the bucket has, where another run was first.
        """
        self.check_writable()
        first, *others = _files_of(suite, stem)
        if not self._put(first):
            for name in others:
                self._forget(name)
            self.fetch_member(suite, stem)
            return False
        for name in dict.fromkeys((*others, *more)):
            if (self.folder / name).is_file():
                self._put(name)
        self._drop_states(suite, stem)
        return True

    def _drop_states(self, suite: str, stem: str) -> None:
        """Remove the states of a training that has ended, of each of its networks, which this folder knows of."""
        begin = f"{suite}{CHECKPOINTS}{stem}."
        for name in {_state_of(suite, stem), *(name for name in self._known(begin) if name.endswith(".pt"))}:
            self.store.delete(name)
            self._forget(name)

    def put_new(self, suite: str) -> None:
        """Put the predictions, targets and weights of a suite that the bucket lacks; it keeps what it has."""
        for kind in ("predictions", "checkpoints"):
            for path in sorted((self.folder / suite / kind).glob("*")):
                name = path.relative_to(self.folder).as_posix()
                if path.suffix in (".safetensors", ".csv", ".json") and self._version(name) is None:
                    self.check_writable()
                    self._put(name)

    def put_changed(self, name: str) -> bool:
        """Put a file that was made from what the bucket held, where it has changed; False where another run has put
        another since, which stays, and is now here."""
        self.check_writable()
        return self._put(name)

    def put_state(self, path: Path) -> None:
        """Put the state of a training: any of a member leads to the same end."""
        self._overwrite(path.relative_to(self.folder).as_posix())

    def put_reports(self, suite: str) -> None:
        """Put what is made from predictions, where it has changed; the last run's stay."""
        self.check_writable()
        files = [path for path in (*(self.folder / suite).rglob("*"), *self.folder.glob("*")) if path.is_file()]
        names = [path.relative_to(self.folder).as_posix() for path in files if not path.name.startswith(".")]
        changed = [name for name in names if not any(own in name for own in OWN) and self._has_changed(name)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._overwrite, changed))

    def _put(self, name: str) -> bool:
        """Put a file where the bucket holds none, or the version that this folder knows; else take over what it holds,
        and return False."""
        known = self._version(name)
        if known is not None and not self._has_changed(name):
            return True
        content = (self.folder / name).read_bytes()
        put = self.store.create(name, content) if known is None else self.store.replace(name, content, known.etag)
        if put is None and not self._fetch(name):  # somebody has removed it
            put = self.store.create(name, content)
        if put is not None:
            self._remember(name, put, content)
            return True
        return (self.folder / name).read_bytes() == content  # it was put, and the answer lost

    def _overwrite(self, name: str) -> None:
        content = (self.folder / name).read_bytes()
        put = self.store.replace(name, content, None)
        self._remember(name, put or "", content)

    def _fetch(self, name: str) -> bool:
        """Bring an object; False where there is none."""
        if (found := self.store.read(name)) is None:
            return False
        write_atomic(self.folder / name, found[0], rebuilt=True)
        self._remember(name, found[1], found[0])
        return True

    def _has(self, name: str, listed: Listed) -> bool:
        known = self._version(name)
        return known is not None and known.etag == listed.etag and (self.folder / name).is_file()

    def _has_changed(self, name: str) -> bool:
        known = self._version(name)
        return known is None or known.sha256 != hashlib.sha256((self.folder / name).read_bytes()).hexdigest()

    def _known(self, prefix: str) -> set[str]:
        versions = self.folder / VERSIONS
        folder = versions / prefix.rpartition("/")[0]
        names = (path.relative_to(versions).as_posix() for path in folder.rglob("*") if path.is_file())
        return {name for name in names if name.startswith(prefix)}

    def _version(self, name: str) -> _Version | None:
        try:
            return _Version(*json.loads((self.folder / VERSIONS / name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _remember(self, name: str, etag: str, content: bytes) -> None:
        text = json.dumps([etag, hashlib.sha256(content).hexdigest()])
        write_atomic(self.folder / VERSIONS / name, text, rebuilt=True)

    def _forget(self, name: str) -> None:
        for path in (self.folder / name, self.folder / VERSIONS / name):
            path.unlink(missing_ok=True)


def is_address(text: str) -> bool:
    """Say whether this is the address of a bucket, and no path."""
    return "://" in text


def mirrored(address: str) -> Path:
    """Return the folder of this machine that mirrors a bucket, made where it is missing; raise ValueError."""
    if not ADDRESS.fullmatch(address):
        raise ValueError(f"{address}: results lie in a folder, or at {', '.join(f'{name}://' for name in SCHEMES[:3])}")
    address = address.rstrip("/")
    folder = cache_directory() / "buckets" / hashlib.sha256(address.encode()).hexdigest()[:16]
    if address_of(folder) != address:
        write_atomic(folder / MARK, address)
    return folder


def address_of(folder: Path) -> str:
    """Return the address of the bucket that a folder mirrors; empty where it mirrors none."""
    mark = folder / MARK
    return mark.read_text(encoding="utf-8") if mark.is_file() else ""


def mirror_of(folder: Path) -> Mirror | None:
    """Return the mirror that a folder of results is; None of one that is not."""
    address = address_of(folder)
    return _mirror(folder, address) if address else None


@lru_cache(maxsize=8)
def _mirror(folder: Path, address: str) -> Mirror:
    return Mirror(folder, Bucket(address))


def _files_of(suite: str, stem: str) -> list[str]:
    """List what a member's training leaves, its predictions first."""
    endings = ("predictions/{}.safetensors", "predictions/{}.csv", "predictions/{}.train.safetensors")
    return [f"{suite}/{name.format(stem)}" for name in (*endings, "checkpoints/{}.weights.safetensors")]


def _state_of(suite: str, stem: str) -> str:
    return f"{suite}{CHECKPOINTS}{stem}.pt"
