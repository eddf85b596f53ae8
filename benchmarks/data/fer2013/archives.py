"""The table inside a file that may be packed: plain, zip, gz, tar, tar.gz. Told by the first bytes, not by the name."""

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from benchmarks.data.errors import DataError

ZIP_MAGIC, GZIP_MAGIC = b"PK\x03\x04", b"\x1f\x8b"
TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257
HEADER_BYTES = 4096
# What the standard library raises on damaged or truncated archives. NotImplementedError and RuntimeError: zip entries
# with an unknown method or a password.
DAMAGE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError)


@contextmanager
def open_table(path: Path, why_not: Callable[[bytes], str | None]) -> Iterator[IO[bytes]]:
    """Open the first table whose header line `why_not` has nothing against, at its header.

    Raises DataError, its message a reason without the file's name, where there is none; one of DAMAGE where the file is
    damaged.
    """
    with ExitStack() as stack:
        plain: IO[bytes] = stack.enter_context(open(path, "rb"))
        start = plain.read(len(ZIP_MAGIC))
        plain.seek(0)
        if start == ZIP_MAGIC:
            archive = stack.enter_context(zipfile.ZipFile(plain))
            names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            yield _first_accepted((stack.enter_context(archive.open(name)) for name in names), why_not, "a zip")
            return
        stream = plain
        if start.startswith(GZIP_MAGIC):
            stream = stack.enter_context(io.BufferedReader(gzip.GzipFile(fileobj=plain), 1 << 20))
        block = stream.read(TAR_MAGIC_AT + len(TAR_MAGIC))
        stream.seek(0)
        if block[TAR_MAGIC_AT:] == TAR_MAGIC:
            tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r:"))
            # Files alone: a link may name what is not in the archive, and a device has no content.
            members = (member for member in tar if member.isreg() and member.name.lower().endswith(".csv"))
            opened = (tar.extractfile(member) for member in members)
            yield _first_accepted((file for file in opened if file is not None), why_not, "a tar archive")
        else:
            yield _first_accepted([stream], why_not, "")


def _first_accepted(streams: Iterable[IO[bytes]], why_not: Callable[[bytes], str | None], archive: str) -> IO[bytes]:
    reason = None
    for stream in streams:
        told = why_not(stream.readline(HEADER_BYTES))
        if told is None:
            stream.seek(0)
            return stream
        reason = reason or told
    if reason is None:
        raise DataError(f"{archive} with no csv inside")
    inside = f"{archive} with no csv inside that has" if archive else "no csv with"
    raise DataError(f"{inside} the columns emotion, pixels and Usage: {reason}")
