"""Decoded data sets on disk: one safetensors file a source, found again by the content of that source. Beside it lie,
each in a file that can be mapped, the splits whose images are too many for memory (benchmarks/data/mapped.py).

Reading 300 MB of CSV or 35,887 small images takes seconds to minutes; reading back the arrays takes a fraction of one.
The key is a hash of the source's bytes. A memo a source maps (path, size, modification time) of its files to that key,
so a second start does not read the source at all; pixels that were changed with both kept are those of before, until
`--no-cache` reads the source again. Damage is found by the fingerprint, computed at every reading, and by a digest
of what that is not of. Of mapped images that would take minutes: it is computed once for each state of their files
(benchmarks/data/stamps.py).
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.data.dataset import SPLIT_NAMES, Dataset, Split
from benchmarks.data.errors import first_line
from benchmarks.data.fingerprint import FINGERPRINT_VERSION, assemble
from benchmarks.data.mapped import cache_directory
from benchmarks.data.stamps import Stamp
from benchmarks.files import replace_atomically

# Raise it when a reader comes to see other pixels, labels or notes in the same bytes.
CACHE_VERSION = 6
LOCK_SECONDS = 60
_anew: ContextVar[bool] = ContextVar("anew", default=False)


@contextmanager
def reading_anew(anew: bool) -> Iterator[None]:
    """Have `cached` take nothing from the cache, where `anew`, and put there what it reads."""
    token = _anew.set(anew)
    try:
        yield
    finally:
        _anew.reset(token)


def cached(
    name: str, root: Path, files: Sequence[str], build: Callable[[], Dataset], cache_dir: Path | None = None
) -> Dataset:
    """Return the data set that `build` makes from `files`, read from the cache where it is there.

    name       of the data set, the first part of the file's name
    root       what the files' paths are taken relative to: the file itself or the folder around them
    files      every file that the result depends on
    cache_dir  else $BENCHMARK_CACHE, else ~/.cache/fer-ensembles

    A cache that cannot be read or written costs time and leaves a note, and nothing else. Errors of `build` pass
    through, as does OSError where one of the files cannot be read.
    """
    folder = cache_directory(cache_dir)
    memo, key = _content_key(folder, root, files)
    path = folder / f"{name}-v{CACHE_VERSION}.{FINGERPRINT_VERSION}-{key}.safetensors"
    notes: list[str] = []
    if path.is_file() and not _anew.get():
        try:
            return _read(path)
        except Exception as error:  # whatever a damaged file provokes in the parser: it is built again all the same
            notes.append(f"The cache file {path.name} was damaged ({first_line(error)}) and has been built again.")
    dataset = build()
    try:
        _write(path, dataset)
        _write_memo(memo, key)
        if any(isinstance(split.images, np.memmap) for split in dataset.splits().values()):
            dataset = _read(path)  # of the same pixels: the files that they were decoded into can go
    except OSError as error:
        notes.append(f"Nothing was cached, so the next start will be as slow: {first_line(error)}.")
    return replace(dataset, notes=(*dataset.notes, *notes))


def _content_key(folder: Path, root: Path, files: Sequence[str]) -> tuple[Path, str]:
    """Return the memo's path and the hash of the files' bytes; read it from the memo where sizes and times are
    unchanged, and nothing is to be read anew."""
    listing = hashlib.blake2b(digest_size=16)
    for file in files:
        stat = os.stat(file)
        line = f"{os.path.abspath(file)}\0{stat.st_size}\0{stat.st_mtime_ns}\0"
        listing.update(line.encode(errors="surrogateescape"))
    memo = folder / "memo" / listing.hexdigest()
    try:
        key = memo.read_text(encoding="ascii")
        if len(key) == 32 and not _anew.get():
            return memo, key
    except (OSError, UnicodeDecodeError):
        pass  # no memo yet, or not one of ours
    return memo, _hash_files(root, files)


def _hash_files(root: Path, files: Sequence[str]) -> str:
    state = hashlib.blake2b(digest_size=16)
    for file in files:
        # The relative path counts: in class folders it holds the label.
        with open(file, "rb") as stream:
            digest = hashlib.file_digest(stream, hashlib.blake2b).digest()
        state.update(os.path.relpath(file, root).encode(errors="surrogateescape") + b"\0" + digest)
    return state.hexdigest()


def _read(path: Path) -> Dataset:
    """Read the data set in a cache file; raise an error where its content is not what was written."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()["dataset"])
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no mapping)
    splits = {
        name: Split(
            _mapped(path, name) if name in about["mapped"] else arrays[f"{name}.images"],
            arrays[f"{name}.targets"],
            np.zeros(len(arrays[f"{name}.targets"]), dtype=str),
            **{extra: arrays.get(f"{name}.{extra}") for extra in ("votes", "affect", "rows")},
        )
        for name in SPLIT_NAMES
    }
    stamps = {name: Stamp(path, _images_path(path, name)) for name in about["mapped"]}
    digests = {name: stamp.digests(splits[name]) for name, stamp in stamps.items()}
    dataset = assemble(splits, about["classes"], about["source"], about["notes"], digests)
    if dataset.fingerprint != about["fingerprint"]:
        raise ValueError("its pixels or labels have another fingerprint than when they were written")
    if _digest_of_rest(dataset) != about["rest"]:
        raise ValueError("its rows, source or notes are not those that were written")
    for name, stamp in stamps.items():
        stamp.keep(digests[name])
    return dataset


def _digest_of_rest(dataset: Dataset) -> str:
    """Return a digest of what is kept beside all that the fingerprint is of."""
    state = hashlib.blake2b(json.dumps([dataset.source, list(dataset.notes)]).encode(), digest_size=16)
    for name, split in dataset.splits().items():
        rows = b"" if split.rows is None else np.ascontiguousarray(split.rows, dtype="<i8").tobytes()
        state.update(f"\0{name}:{len(rows)}:".encode() + rows)
    return state.hexdigest()


def _write(path: Path, dataset: Dataset) -> None:
    from filelock import FileLock
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    mapped = {name: split.images for name, split in dataset.splits().items() if isinstance(split.images, np.memmap)}
    arrays = {
        f"{name}.{field}": np.ascontiguousarray(array)
        for name, split in dataset.splits().items()
        for field in ("images", "targets", "votes", "affect", "rows")
        if (array := getattr(split, field)) is not None and (field != "images" or name not in mapped)
    }
    about = {key: getattr(dataset, key) for key in ("classes", "fingerprint", "source", "notes")}
    about |= {"mapped": list(mapped), "rest": _digest_of_rest(dataset)}
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
            for name, images in mapped.items():
                replace_atomically(_images_path(path, name), partial(_save, images))
            replace_atomically(path, lambda temporary: save_file(arrays, temporary, {"dataset": json.dumps(about)}))
    except SafetensorError as error:  # its wrapping of a full disk and the like
        raise OSError(str(error)) from error


def _images_path(path: Path, split: str) -> Path:
    return path.with_suffix(f".{split}.npy")


def _save(images: np.ndarray, path: Path) -> None:
    with path.open("wb") as file:  # np.save given a name would add an ending to it
        np.save(file, images)


def _mapped(path: Path, split: str) -> np.ndarray:
    return np.load(_images_path(path, split), mmap_mode="r", allow_pickle=False)


def _write_memo(memo: Path, key: str) -> None:
    memo.parent.mkdir(parents=True, exist_ok=True)
    replace_atomically(memo, lambda temporary: temporary.write_text(key, encoding="ascii"))
