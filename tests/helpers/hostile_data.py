"""Small whole files of every form that readers of data and of results take, what reads each, and mutations of them."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data.affectnet.forms import stored_number
from benchmarks.data.fer2013 import parquet, pixel_csv
from benchmarks.data.ferplus.votes import COLUMNS, read_votes
from benchmarks.data.rafdb import read_list
from benchmarks.data.text_table import read_columns
from benchmarks.execution import train_list
from benchmarks.files import json_text
from benchmarks.results import read_results
from tests.helpers import mutations
from tests.helpers.pictures import picture_bytes
from tests.helpers.results import blank_results, ensemble, member

USAGES = ("Training", "PublicTest", "PrivateTest")
PIXELS = [np.random.default_rng(row).integers(0, 256, 2304) for row in range(6)]


def pixel_table() -> bytes:
    rows = [f"{row % 7},{' '.join(map(str, pixels))},{USAGES[row % 3]}" for row, pixels in enumerate(PIXELS)]
    return "\n".join(["emotion,pixels,Usage", *rows, ""]).encode()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fer2013.csv", pixel_table())
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("fer2013/fer2013.csv")
        entry.size = len(pixel_table())
        archive.addfile(entry, io.BytesIO(pixel_table()))
    return file.getvalue()


def images() -> bytes:
    rows = [{"bytes": picture_bytes(str(row), 48), "path": f"{row}.png"} for row in range(6)]
    file = io.BytesIO()
    pq.write_table(pa.table({"image": rows, "emotion": list(range(6)), "Usage": list(USAGES * 2)}), file)
    return file.getvalue()


def votes() -> bytes:
    rows = [f"{USAGES[row % 3]},fer{row:07}.png,{','.join('1' * 10)}" for row in range(6)]
    return "\n".join([",".join(COLUMNS), *rows, ""]).encode()


def annotation() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array("0.25"))
    return file.getvalue()


def results() -> bytes:
    parts: dict[str, Any] = {
        "members": [member("tiny", 0, 0.6)],
        "ensembles": [ensemble("uniform", "mean", 0.7, ["tiny"])],
    }
    return json_text(blank_results(**parts)).encode()


def table_in(path: Path) -> None:
    if (reason := pixel_csv.why_not(path)) is not None:
        raise ValueError(f"{path}: {reason}")  # as those say it who look for the data
    pixel_csv.read(path)


def images_in(path: Path) -> None:
    if (reason := parquet.why_not(path)) is not None:
        raise ValueError(f"{path}: {reason}")
    parquet.read([path])


def labels_in(path: Path) -> None:
    names = [f"{split}_{row:05}" for split in ("train", "test") for row in (1, 2)]
    read_list(path, dict.fromkeys(names, path))


FORMS: dict[str, tuple[Callable[[], bytes], Callable[[Path], object]]] = {
    "fer2013.csv": (pixel_table, table_in),
    "fer2013.zip": (zipped, table_in),
    "fer2013.csv.gz": (lambda: gzip.compress(pixel_table()), table_in),
    "fer2013.tar": (tarred, table_in),
    "fer2013.tar.gz": (lambda: gzip.compress(tarred()), table_in),
    "fer2013.parquet": (images, images_in),
    "fer2013new.csv": (votes, read_votes),
    "list.txt": (lambda: b"train_00001.jpg 5\ntrain_00002.jpg 1\ntest_00001.jpg 7\ntest_00002.jpg 2\n", labels_in),
    "groups.csv": (
        lambda: b"file,group\nhappy/1.jpg,anna\nsad/2.jpg,ben\n",
        lambda path: list(read_columns(path, ("file", "group"))),
    ),
    "0_exp.npy": (annotation, stored_number),
    "results.json": (results, read_results),
    "queue.csv": (lambda: b"suite,member,seed,why\nfer2013,vgg_fer,0,it is small\n", train_list.read_list),
}


def mutated(name: str, content: bytes, seed: int) -> bytes:
    """The content of a file of that name with something done to it."""
    random = np.random.default_rng([seed, len(content)])
    own = {"zip": mutations.archive, "csv": mutations.cells, "txt": mutations.cells}
    ways = [*mutations.BYTES, mutations.texts, own.get(name.rpartition(".")[2], mutations.texts)]
    return ways[seed % len(ways)](content, random)
