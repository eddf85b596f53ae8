"""Files of arrays that prove themselves: safetensors whose header holds a digest of the arrays and one of the facts.

`arrays_sha256` is of all bytes behind the header. `facts_sha256` is of the rest of the header: names, types, shapes and
places of the arrays, what the file says of itself, and `arrays_sha256`. To other readers they are two more texts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARRAYS, FACTS = "arrays_sha256", "facts_sha256"
METADATA = "__metadata__"
LENGTH = 8  # bytes in front of the header, which say how long it is
ALIGNMENT = 8  # of the arrays in the file
PIECES = re.compile(rb'"arrays|ys_sha256"|"facts|cts_sha256"|":"[0-9a-f]{41,}"')  # of names and digests that were cut


class Damaged(ValueError):
    """A file that is not what was written, or no file of arrays; the message does not name it."""


@dataclass(frozen=True)
class SealedFile:
    """A safetensors file: what it says of itself without the digests, its bytes, and whether digests proved them.

    `arrays` is the SHA-256 of the arrays, computed from what was read.
    """

    facts: dict[str, str]
    content: bytes
    proven: bool
    arrays: str


def seal(content: bytes) -> bytes:
    """Return a safetensors file with both digests in its header, and its arrays as they are, to the bit."""
    header, data = _parsed(content), content[_start(content) :]
    metadata = {name: text for name, text in header.get(METADATA, {}).items() if name not in (ARRAYS, FACTS)}
    header[METADATA] = metadata | {ARRAYS: hashlib.sha256(data).hexdigest()}
    header[METADATA][FACTS] = _facts_digest(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return len(text).to_bytes(LENGTH, "little") + text + data


def read(path: Path, *, always_sealed: bool = False) -> SealedFile:
    """Read a file, and prove it by its digests where it has any; raise Damaged, and OSError where it cannot be read.

    A file of a kind that is `always_sealed` is damaged where it has none.
    """
    return unseal(path.read_bytes(), always_sealed=always_sealed)


def unseal(content: bytes, *, always_sealed: bool = False) -> SealedFile:
    """Prove the bytes of a file by the digests in them, where there are any; raise Damaged."""
    header = _parsed(content)
    facts, expected = _facts(header, content, always_sealed)
    arrays = hashlib.sha256(memoryview(content)[_start(content) :]).hexdigest()
    if expected is not None and arrays != expected:
        raise Damaged("its arrays are not those that were written: their SHA-256 is another")
    return SealedFile(facts, content, expected is not None, arrays)


def read_facts(path: Path, *, always_sealed: bool = False) -> dict[str, str]:
    """Read what a file says of itself, proven where it has digests, and none of its arrays; raise Damaged, OSError."""
    with path.open("rb") as file:
        start, size = file.read(LENGTH), os.fstat(file.fileno()).st_size
        if _start(start) > size:
            raise Damaged("it ends before its header does")
        content = start + file.read(_start(start) - LENGTH)
    header = _parsed(content)
    facts, _ = _facts(header, content, always_sealed)
    try:
        end = max((array["data_offsets"][1] for name, array in header.items() if name != METADATA), default=0)
    except (TypeError, KeyError, IndexError):
        end = None
    if end != size - _start(start):
        raise Damaged("its arrays are not as long as its header says")
    return facts


def publish(path: Path, content: bytes) -> None:
    """Put a file in its place, whole and on the disk, or leave what was there; raise OSError, with no draft left."""
    draft = draft_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # or a crash of the machine could leave the new name with no bytes
        os.replace(draft, path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def draft_of(path: Path) -> Path:
    """Return where this process writes a file before it takes its name; who sweeps up reads from it whose it was."""
    return path.with_name(f".{path.name}.{_machine()}.{os.getpid()}.draft")


def _machine() -> str:
    """Name what numbers of processes are of: this machine, and on Linux the namespace, as each container has one."""
    try:
        return f"{platform.node()}-{os.readlink('/proc/self/ns/pid').strip('pid:[]')}"
    except OSError:
        return platform.node()


def _start(content: bytes) -> int:
    """Return the place in the file where the arrays begin."""
    return LENGTH + int.from_bytes(content[:LENGTH], "little")


def _parsed(content: bytes) -> dict[str, Any]:
    if len(content) < LENGTH or len(content) < _start(content):
        raise Damaged("it ends before its header does")
    try:
        header = json.loads(content[LENGTH : _start(content)])
    except (ValueError, RecursionError):
        raise Damaged("its header is damaged, or it is no safetensors file") from None
    metadata = header.get(METADATA, {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise Damaged("its header is damaged, or it is no safetensors file")
    return header


def _facts(header: dict[str, Any], content: bytes, always_sealed: bool) -> tuple[dict[str, str], str | None]:
    """Return what the header says, without the digests, and the digest of the arrays where there is one."""
    metadata = header.get(METADATA, {})
    arrays, facts = metadata.get(ARRAYS), metadata.get(FACTS)
    if arrays is None or facts is None:
        if always_sealed or arrays is not facts or _had_digests(metadata, content[: _start(content)]):
            raise Damaged("it has no digests, or has lost them")
    elif facts != _facts_digest(header):
        raise Damaged("what it says of itself is not what was written: the SHA-256 of its header is another")
    return {name: text for name, text in metadata.items() if name not in (ARRAYS, FACTS)}, arrays


def _had_digests(metadata: dict[str, str], header: bytes) -> bool:
    """Say whether a file without digests shows that it had them: it would pass for an older one, which has none.

    Their names are misspelt where bits were flipped, and in pieces where blocks were moved.
    """
    alike = ((known, name) for known in (ARRAYS, FACTS) for name in metadata if len(known) == len(name))
    misspelt = any(sum(map(str.__eq__, known, name)) > len(known) / 2 for known, name in alike)
    return misspelt or PIECES.search(header) is not None


def _facts_digest(header: dict[str, Any]) -> str:
    metadata = {name: text for name, text in header[METADATA].items() if name != FACTS}
    return hashlib.sha256(json.dumps({**header, METADATA: metadata}, sort_keys=True).encode()).hexdigest()
