"""Objects by name that many machines read and write: in a bucket, or in a folder of this machine.

Nothing here locks. What is new is created, which one of several writers does; what is there is replaced by who names
the version that it was made from. Servers that do not keep to that are found out by `check_conditions`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmarks.files import SUCCESSOR, CannotWrite, draft_of, write_atomic

SCHEMES = ("s3", "gs", "az", "memory")
RETRY = timedelta(minutes=5)
"""How long a server that does not answer is asked again."""
PAGE = 1000  # names that a server lists at a time
GIVEN_UP = 60.0  # seconds after which a replacement that was begun in a folder is taken for given up


class CannotReach(OSError):
    """A bucket that does not do what it is asked; the message names it, the reason, and what to do."""


class Listed(NamedTuple):
    """An object by its size in bytes and the tag of its version."""

    size: int
    etag: str


class ObjectStore(Protocol):
    """Objects by name, such as `digits/results.json`. Every method may raise OSError."""

    url: str

    def list(self, prefix: str) -> dict[str, Listed]:
        """List the objects whose names begin so."""

    def read(self, name: str) -> tuple[bytes, str] | None:
        """Return the content of an object, and the tag of its version; None where there is none."""

    def create(self, name: str, content: bytes) -> str | None:
        """Put an object where there is none, and return its tag; None where one is there, which stays."""

    def replace(self, name: str, content: bytes, etag: str | None) -> str | None:
        """Put an object in the place of that version (of any, without a tag), and return its tag; None where another
        version is there, or none, which stays."""

    def delete(self, name: str) -> None:
        """Remove an object, if there is one."""


class Bucket:
    """Objects at an address such as `s3://bucket/results`, by obstore, which is imported here.

    Credentials and endpoints are those of the environment, by the names that the providers use. Raises CannotReach.
    """

    def __init__(self, url: str, retry: timedelta = RETRY) -> None:
        try:
            import obstore
            from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
            from obstore.store import from_url
        except ImportError:
            raise CannotReach(f'{url}: the package obstore is missing: pip install -e ".[store]"') from None
        self.url, self._obstore = url.rstrip("/"), obstore
        self._error, self._refused = BaseError, (AlreadyExistsError, PreconditionError, FileNotFoundError)
        plain = any(os.environ.get(name, "").startswith("http://") for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT"))
        options: dict[str, Any] = {"client_options": {"allow_http": True}} if plain else {}
        with self._telling():
            self._store: Any = from_url(self.url, retry_config={"retry_timeout": retry, "max_retries": 10}, **options)

    def list(self, prefix: str) -> dict[str, Listed]:
        folder, slash, begin = prefix.rpartition("/")
        options = {"offset": f"{folder}{slash}{begin[:-1]}"} if begin else {}  # sorted: what comes before is left out
        found: dict[str, Listed] = {}
        with self._telling():
            for page in self._obstore.list(self._store, folder or None, chunk_size=PAGE, **options):
                for one in page:
                    if one["path"].startswith(prefix):
                        found[one["path"]] = Listed(one["size"], one["e_tag"] or "")
                if begin and page and page[-1]["path"] > prefix and not page[-1]["path"].startswith(prefix):
                    break
        return found

    def read(self, name: str) -> tuple[bytes, str] | None:
        with self._telling():
            try:
                found = self._obstore.get(self._store, name)
                return bytes(found.bytes()), found.meta["e_tag"] or ""
            except FileNotFoundError:
                return None

    def create(self, name: str, content: bytes) -> str | None:
        return self._put(name, content, "create")

    def replace(self, name: str, content: bytes, etag: str | None) -> str | None:
        return self._put(name, content, "overwrite" if etag is None else {"e_tag": etag})

    def delete(self, name: str) -> None:
        with self._telling(), contextlib.suppress(FileNotFoundError):
            self._obstore.delete(self._store, name)

    def _put(self, name: str, content: bytes, mode: Any) -> str | None:
        with self._telling():
            try:
                # in one piece: conditions on uploads in parts are not known everywhere
                return self._obstore.put(self._store, name, content, mode=mode, use_multipart=False)["e_tag"] or ""
            except self._refused:
                return None

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (self._error, ValueError, OSError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise CannotReach(
                f"{self.url}: {reason}. Is the address right, and do the credentials of the environment allow it?"
            ) from error


class Folder:
    """Objects as files of a folder; a version's tag is its SHA-256."""

    def __init__(self, path: Path) -> None:
        self.url, self._path = str(path), path

    def list(self, prefix: str) -> dict[str, Listed]:
        folder = self._path / prefix.rpartition("/")[0]
        names = (path.relative_to(self._path).as_posix() for path in folder.rglob("*") if _is_object(path))
        return {
            name: Listed(found[1], found[0])
            for name in sorted(names)
            if name.startswith(prefix) and (found := self._tag(self._path / name))
        }

    def read(self, name: str) -> tuple[bytes, str] | None:
        try:
            content = (self._path / name).read_bytes()
        except FileNotFoundError:
            return None
        return content, hashlib.sha256(content).hexdigest()

    def create(self, name: str, content: bytes) -> str | None:
        path = self._path / name
        try:
            with _draft(path, content) as draft:
                os.link(draft, path)  # fails where there is one, also on network file systems
        except FileExistsError:
            return None
        except OSError as error:
            raise CannotWrite(path, error) from error
        return hashlib.sha256(content).hexdigest()

    def replace(self, name: str, content: bytes, etag: str | None) -> str | None:
        path = self._path / name
        if etag is None:
            write_atomic(path, content)
            return hashlib.sha256(content).hexdigest()
        successor = path.with_name(f".{path.name}.{etag[:16]}{SUCCESSOR}")  # of this version, which one writer makes
        with contextlib.suppress(FileNotFoundError):
            if time.time() - successor.stat().st_mtime > GIVEN_UP:
                successor.unlink(missing_ok=True)
        try:
            with _draft(path, content) as draft:
                os.link(draft, successor)
                try:
                    found = self._tag(path)
                    if found is None or found[0] != etag:
                        return None
                    os.replace(successor, path)
                finally:
                    successor.unlink(missing_ok=True)
        except FileExistsError:
            return None
        except OSError as error:
            raise CannotWrite(path, error) from error
        return hashlib.sha256(content).hexdigest()

    def delete(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)

    def _tag(self, path: Path) -> tuple[str, int] | None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        return hashlib.sha256(content).hexdigest(), len(content)


def check_conditions(store: ObjectStore) -> None:
    """Raise CannotReach where a store lets a writer overwrite what another one has written: results would be lost."""
    name = f".conditions/{uuid.uuid4().hex}"
    try:
        first = store.create(name, b"first")
        again, stale = store.create(name, b"second"), store.replace(name, b"third", '"0123456789abcdef"')
        following = None if first is None else store.replace(name, b"fourth", first)
        found = store.read(name)
    finally:
        with contextlib.suppress(OSError):
            store.delete(name)
    if again is not None or stale is not None:
        ignored = "If-None-Match" if again is not None else "If-Match"
        raise CannotReach(
            f"{store.url}: this server ignores conditions ({ignored}): of two runs that write the same name the later "
            "one would win, and the other's work be lost. Nothing is written there; use a folder, or another server"
        )
    if first is None or following is None or found is None or found[0] != b"fourth":
        raise CannotReach(f"{store.url}: what was written there is not what is read; use a folder, or another server")


@contextlib.contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    """Give a file beside `path` with that content, on the disk; its name is this call's alone, and gone at the end."""
    draft = draft_of(path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _is_object(path: Path) -> bool:
    return path.is_file() and not path.name.endswith(".draft")
