"""Identity of data by content: a digest a row, one canonical order of rows, one fingerprint a data set.

The same images reach users as a CSV, as class folders and as parquet, and the folders do not keep the order of rows:
the numbers in their file names are not row numbers. Stored predictions have to line up with the rows of whatever form
the user has. So every split is sorted by row digest: order and ids are functions of content alone. Rows with the same
digest hold the same pixels and the same label, so which of them comes first changes no prediction and no score.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.data.dataset import SPLIT_NAMES, Dataset, Split

# Part of what is hashed. A change of it makes every stored prediction stale.
FINGERPRINT_VERSION = "1"
DIGEST_BYTES = 16
ID_CHARACTERS = 12


def row_digests(split: Split) -> np.ndarray:
    """Digest every row's label, pixels, and votes and affect where it has them: fixed-length bytes [N]."""
    columns = [_row_bytes(split.targets, "<i8"), _row_bytes(split.images, "u1")]
    columns += [_row_bytes(extra, "<f4") for extra in (split.votes, split.affect) if extra is not None]
    digests = bytearray()
    for parts in zip(*columns, strict=True):
        state = hashlib.blake2b(digest_size=DIGEST_BYTES)
        for part in parts:
            state.update(part)
        digests += state.digest()
    return np.frombuffer(bytes(digests), dtype=f"V{DIGEST_BYTES}")


def assemble(
    splits: Mapping[str, Split],
    classes: Sequence[str],
    source: str,
    notes: Sequence[str] = (),
    known: Mapping[str, np.ndarray] | None = None,
) -> Dataset:
    """Make a data set of splits in any order of rows: canonical order, ids by content, fingerprint.

    The ids that the given splits carry are replaced. `known` are the `row_digests` of splits by name, where they need
    not be computed.
    """
    known = known or {}
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    state.update(json.dumps([FINGERPRINT_VERSION, list(classes)]).encode())
    ordered = {}
    for name in SPLIT_NAMES:
        ordered[name], digests = _canonical(splits[name], known.get(name))
        state.update(json.dumps([name, list(splits[name].images.shape)]).encode())
        state.update(digests)
    train, val, test = (ordered[name] for name in SPLIT_NAMES)
    return Dataset(train, val, test, tuple(classes), state.hexdigest(), source, tuple(notes))


def also_in(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tell which of `images [N, C, H, W]` also stand, pixel for pixel, among `others [M, C, H, W]`: bool [N]."""
    known = set(digests(others))
    return np.array([digest in known for digest in digests(images)], dtype=bool)


def digests(images: np.ndarray) -> list[bytes]:
    """Digest the pixels of each of `images [N, C, H, W]`."""
    shape = repr(images.shape[1:]).encode()
    return [hashlib.blake2b(image.tobytes(), digest_size=DIGEST_BYTES, key=shape).digest() for image in images]


def _canonical(split: Split, known: np.ndarray | None = None) -> tuple[Split, bytes]:
    """Sort a split by row digest; return it and its sorted digests, joined."""
    digests = row_digests(split) if known is None else known
    # Big-endian halves compare as the bytes do, and sort ten times faster than void or bytes types.
    halves = digests.view(">u8").reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    joined = digests[order].tobytes()
    ids = _ids(joined)
    if np.array_equal(order, np.arange(len(order))):  # as from the cache: spare the copy of all pixels
        return replace(split, ids=ids), joined
    return replace(split.take(order), ids=ids), joined


def _ids(joined: bytes) -> np.ndarray:
    """Make ids of sorted digests: a hexadecimal prefix, with -2, -3 ... for its second, third ... appearance."""
    text, width = joined.hex(), 2 * DIGEST_BYTES
    seen: Counter[str] = Counter()
    ids = []
    for start in range(0, len(text), width):
        prefix = text[start : start + ID_CHARACTERS]
        seen[prefix] += 1
        ids.append(prefix if seen[prefix] == 1 else f"{prefix}-{seen[prefix]}")
    return np.array(ids, dtype=str)


def _row_bytes(array: np.ndarray, dtype: str) -> list[memoryview]:
    """Return the bytes of every row, in a type that is the same on every machine, without a copy of the pixels."""
    fixed = np.ascontiguousarray(array, dtype=dtype)
    data = fixed.reshape(-1).view(np.uint8).data
    width = fixed.itemsize * int(np.prod(fixed.shape[1:], dtype=np.int64))
    return [data[start : start + width] for start in range(0, len(data), width)]
