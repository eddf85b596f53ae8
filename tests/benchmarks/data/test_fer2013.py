"""Readers of FER2013's forms, identity by content, the cache, and the messages that users get."""

import gzip
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.data import DataError, Dataset, Split, cache, digits
from benchmarks.data.fer2013 import official, parquet
from benchmarks.data.fer2013 import reader as fer2013
from benchmarks.data.fer2013.table import Rows, dataset_of
from benchmarks.data.fingerprint import assemble
from benchmarks.data.known import named

REPOSITORY = Path(__file__).resolve().parents[3]
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
PARTS = {"Training": 40, "PublicTest": 12, "PrivateTest": 14}
PARQUET = "fer2013/fer2013.parquet"
PLACES = [os.environ.get("BENCHMARK_DATA", ""), str(REPOSITORY.parent / "shared" / "data")]
REAL = next((Path(place) / PARQUET for place in PLACES if place and (Path(place) / PARQUET).is_file()), None)

Table = SimpleNamespace  # images uint8 [N, 48, 48], emotions and usages, lists of N


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's data or cache."""
    monkeypatch.delenv("BENCHMARK_DATA", raising=False)
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def table() -> Table:
    """A few rows of every part, with what makes order hard: equal images under one label, and under two."""
    images, emotions, usages = _real_rows() if REAL else _random_rows()
    images[1], emotions[1] = images[0], emotions[0]
    images[2], emotions[2] = images[0], (emotions[0] + 1) % 7
    return Table(images=images, emotions=emotions, usages=usages)


def _random_rows() -> tuple[np.ndarray, list[int], list[str]]:
    random = np.random.default_rng(0)
    usages = [usage for usage, count in PARTS.items() for _ in range(count)]
    images = random.integers(0, 256, (len(usages), 48, 48), dtype=np.uint8)
    return images, random.integers(0, 7, len(usages)).tolist(), usages


def _real_rows() -> tuple[np.ndarray, list[int], list[str]]:
    import pyarrow.parquet as pq
    from PIL import Image

    columns = pq.read_table(REAL, columns=["image", "emotion", "Usage"])
    usage = columns["Usage"].to_pylist()
    rows = [row for part, count in PARTS.items() for row in (usage.index(part) + np.arange(count)).tolist()]
    few = columns.take(rows).to_pylist()
    images = [np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])).convert("L")) for row in few]
    return np.stack(images), [row["emotion"] for row in few], [row["Usage"] for row in few]


# --- writers, one a form: (table, folder) -> what to give as data_dir ---


def csv_text(table: Table, header: str = "emotion,pixels,Usage", order: str = "epu") -> str:
    lines = [header]
    for image, emotion, usage in zip(table.images, table.emotions, table.usages, strict=True):
        fields = {"e": str(emotion), "p": " ".join(map(str, image.ravel().tolist())), "u": usage}
        lines.append(",".join(fields[key] for key in order))
    return "\n".join(lines) + "\n"


def write_csv(table: Table, folder: Path) -> Path:
    (folder / "fer2013.csv").write_text(csv_text(table))
    return folder


def write_icml(table: Table, folder: Path) -> Path:
    (folder / "icml_face_data.csv").write_text(csv_text(table, "emotion, Usage, pixels", "eup"))
    return folder


def write_windows(table: Table, folder: Path) -> Path:
    """As a spreadsheet would leave it: byte-order mark, quotes, CRLF, no last line end."""
    text = csv_text(table, "Usage,emotion,pixels", "uep").replace("\n", "\r\n").rstrip()
    (folder / "export.txt").write_bytes(b"\xef\xbb\xbf" + text.replace("PublicTest", '"PublicTest"').encode())
    return folder


def write_gzip(table: Table, folder: Path) -> Path:
    (folder / "faces").write_bytes(gzip.compress(csv_text(table).encode()))
    return folder


def write_zip(table: Table, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "archive.dat", "w") as archive:
        archive.writestr("a_submission.csv", "id,emotion\n1,2\n")
        archive.writestr("README.md", "faces")
        archive.writestr("fer2013/fer2013.csv", csv_text(table))
    return folder / "archive.dat"


def write_tar(table: Table, folder: Path, mode: str = "w:gz") -> Path:
    with tarfile.open(folder / "fer2013.bin", mode) as archive:  # type: ignore[call-overload]
        for name, text in (("README", "faces"), ("fer2013.bib", "@misc"), ("fer2013.csv", csv_text(table))):
            info = tarfile.TarInfo(f"fer2013/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return folder


def write_plain_tar(table: Table, folder: Path) -> Path:
    return write_tar(table, folder, "w")


def write_folders(table: Table, folder: Path) -> Path:
    from PIL import Image

    numbers = np.random.default_rng(1).permutation(10_000_000)[: len(table.usages)]
    for number, image, emotion, usage in zip(numbers, table.images, table.emotions, table.usages, strict=True):
        place = folder / ("train" if usage == "Training" else "test") / CLASSES[emotion]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{usage}_{number}.png")
    return folder


def write_renamed_folders(table: Table, folder: Path) -> Path:
    for place in write_folders(table, folder).glob("*/*"):
        names = {"angry": "Anger", "happy": "happiness", "sad": "SADNESS"}
        place.rename(place.with_name(names.get(place.name, place.name.title())))
    (folder / "train").rename(folder / "Train")
    return folder


def write_parquet(table: Table, folder: Path, shards: int = 1, encoding: str = "webp") -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    records = []
    for image, emotion, usage in zip(table.images, table.emotions, table.usages, strict=True):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, encoding, lossless=True)
        records.append({"image": {"bytes": stream.getvalue(), "path": "a"}, "emotion": emotion, "Usage": usage})
    for shard, rows in enumerate(np.array_split(np.arange(len(records)), shards)):
        part = pa.Table.from_pylist([records[row] for row in rows])
        pq.write_table(part, folder / f"data-{shard:05}-of-{shards:05}")
    return folder


def write_shards(table: Table, folder: Path) -> Path:
    return write_parquet(table, folder, shards=3, encoding="png")


ORDERED = (write_csv, write_icml, write_windows, write_gzip, write_zip, write_tar, write_plain_tar, write_parquet)
WRITERS = (*ORDERED, write_shards, write_folders, write_renamed_folders)


# --- the forms ---


@pytest.fixture(scope="module")
def expected(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("expected")
    return fer2013.load(write_csv(table, folder), cache_dir=folder / "cache")


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_every_form_gives_the_same(write: Callable, table: Table, expected: Dataset, tmp_path: Path) -> None:
    dataset = fer2013.load(write(table, tmp_path))
    assert dataset.fingerprint == expected.fingerprint
    assert dataset.classes == CLASSES
    for name, split in dataset.splits().items():
        wanted = expected.splits()[name]
        np.testing.assert_array_equal(split.images, wanted.images)
        np.testing.assert_array_equal(split.targets, wanted.targets)
        np.testing.assert_array_equal(split.ids, wanted.ids)


@pytest.mark.parametrize("write", (*ORDERED, write_shards), ids=lambda write: write.__name__)
def test_pixels_and_rows_are_the_sources(write: Callable, table: Table, tmp_path: Path) -> None:
    dataset = fer2013.load(write(table, tmp_path))
    for split, usage in zip(dataset.splits().values(), PARTS, strict=True):
        assert split.rows is not None
        assert split.images.shape == (PARTS[usage], 1, 48, 48)
        assert split.images.dtype == np.uint8 and split.targets.dtype == np.int64
        assert {table.usages[row] for row in split.rows} == {usage}
        np.testing.assert_array_equal(split.images[:, 0], table.images[split.rows])
        np.testing.assert_array_equal(split.targets, np.array(table.emotions)[split.rows])


def test_folders_do_not_claim_to_know_rows(table: Table, tmp_path: Path) -> None:
    assert fer2013.load(write_folders(table, tmp_path)).train.rows is None


def test_ids_are_unique_and_tell_equal_rows(expected: Dataset, table: Table) -> None:
    for split in expected.splits().values():
        assert len(set(split.ids)) == len(split)
    twins = [name for name in expected.train.ids if name.endswith("-2")]
    assert len(twins) >= 1
    assert twins[0].removesuffix("-2") in expected.train.ids


def test_source_is_words(table: Table, tmp_path: Path) -> None:
    for write, words in ((write_csv, "pixel CSV"), (write_parquet, "parquet with images")):
        folder = tmp_path / write.__name__
        folder.mkdir()
        assert fer2013.load(write(table, folder)).source == words


def test_notes_name_other_counts(expected: Dataset) -> None:
    assert any("Training has 40 rows" in note and "28,709" in note for note in expected.notes)


def test_folder_notes(table: Table, tmp_path: Path) -> None:
    from PIL import Image

    write_folders(table, tmp_path)
    (tmp_path / "train" / "notes.txt").write_text("faces")
    (tmp_path / "train" / ".DS_Store").write_text("hidden")
    (tmp_path / "README.md").write_text("outside train and test")
    Image.fromarray(table.images[5]).save(tmp_path / "test" / "fear" / "PublicTest_1.jpg")
    dataset = fer2013.load(tmp_path)
    assert "Files that are no images were left out: 1 .txt." in dataset.notes
    assert any(note.startswith("JPEG may hold other pixels") for note in dataset.notes)


# --- identity ---


def _split(images: np.ndarray, targets: list[int], **extra: np.ndarray) -> Split:
    return Split(images, np.array(targets, dtype=np.int64), [""] * len(targets), **extra)


def _dataset(train: Split, classes: tuple[str, ...] = ("a", "b")) -> Dataset:
    other = _split(np.zeros((1, 1, 2, 2), np.uint8), [0])
    return assemble({"train": train, "val": other, "test": other}, classes, "made up")


def test_fingerprint_depends_on_content_alone() -> None:
    images = np.arange(12, dtype=np.uint8).reshape(3, 1, 2, 2)
    base = _dataset(_split(images, [0, 1, 0]))
    assert _dataset(_split(images[::-1], [0, 1, 0])).fingerprint == base.fingerprint
    changed = images.copy()
    changed[0, 0, 0, 0] ^= 1
    others = [
        _dataset(_split(changed, [0, 1, 0])),
        _dataset(_split(images, [1, 0, 0])),
        _dataset(_split(images, [0, 1, 0]), ("b", "a")),
        _dataset(_split(images.reshape(3, 1, 1, 4), [0, 1, 0])),
        _dataset(_split(images[:2], [0, 1])),
        _dataset(_split(images, [0, 1, 0], votes=np.ones((3, 2)))),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 7


def test_fingerprint_is_the_written_one() -> None:
    """Stored predictions are bound to it: where this fails, they are all stale."""
    images = np.arange(12, dtype=np.uint8).reshape(3, 1, 2, 2)
    dataset = _dataset(_split(images, [0, 1, 0]))
    assert dataset.fingerprint == "7d1f53012d96a24a325d514916dd0733"
    assert list(dataset.train.ids) == ["1040af09637b", "56544129248c", "8931d4f9afb6"]


def test_extras_move_with_their_rows() -> None:
    images = np.arange(40, dtype=np.uint8).reshape(10, 1, 2, 2)
    votes, affect = np.arange(20).reshape(10, 2), np.linspace(-1, 1, 20).reshape(10, 2)
    train = _dataset(_split(images, [0] * 10, votes=votes, affect=affect, rows=np.arange(10))).train
    assert train.rows is not None and train.votes is not None and train.affect is not None
    assert train.rows.tolist() != list(range(10))
    np.testing.assert_array_equal(train.images, images[train.rows])
    np.testing.assert_array_equal(train.votes, votes[train.rows])
    np.testing.assert_array_equal(train.affect, affect[train.rows])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((2, 48, 48), np.uint8)}, "images: expected uint8"),
        ({"images": np.zeros((2, 1, 4, 4), np.float32)}, "images: expected uint8"),
        ({"images": np.zeros((3, 1, 4, 4), np.uint8)}, "images: expected uint8"),
        ({"targets": np.zeros(2, np.int32)}, "targets: expected int64"),
        ({"ids": ("a",)}, "ids: 1 of them for 2"),
        ({"votes": np.zeros(2)}, "votes"),
        ({"affect": np.zeros((2, 3))}, "affect"),
        ({"rows": np.zeros(2, np.int32)}, "rows"),
    ],
)
def test_split_checks_its_arrays(changes: dict, message: str) -> None:
    fields = {"images": np.zeros((2, 1, 4, 4), np.uint8), "targets": np.zeros(2, np.int64), "ids": ("a", "b")}
    Split(**fields)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        Split(**{**fields, **changes})


def test_dataset_checks_its_targets() -> None:
    with pytest.raises(ValueError, match=r"train: target 2 is outside 0\.\.1"):
        _dataset(_split(np.zeros((1, 1, 2, 2), np.uint8), [2]))


# --- errors ---


def _fails(data: Path | None, *parts: str) -> None:
    with pytest.raises(DataError) as caught:
        fer2013.load(data)
    for part in parts:
        assert part in str(caught.value), str(caught.value)


def test_nothing_found_says_where_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    _fails(
        None,
        f"{tmp_path / 'shared' / 'fer2013'} (does not exist)",
        f"{tmp_path / 'shared'}\n",
        f"{Path('data') / 'fer2013'} (does not exist)",
        "fer2013.csv",
        "icml_face_data.csv",
        "train/<class>/Training_*.jpg",
        "parquet",
        "python benchmark.py --suite fer2013 --download",
        'pip install -e ".[download]"',
        "--data PATH",
    )


def test_given_place_is_the_only_one(table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_DATA", str(write_csv(table, tmp_path)))
    _fails(tmp_path / "elsewhere", f"{tmp_path / 'elsewhere'} (does not exist)")


CsvEdit = Callable[[list[list[str]]], object]


def _set(row: int, column: int, value: str) -> CsvEdit:
    return lambda rows: rows[row].__setitem__(column, value)


def _pixel(row: int, position: int, value: str) -> CsvEdit:
    def edit(rows: list[list[str]]) -> None:
        pixels = rows[row][1].split()
        pixels[position - 1] = value
        rows[row][1] = " ".join(pixels)

    return edit


def _cut(row: int, count: int) -> CsvEdit:
    return lambda rows: rows[row].__setitem__(1, " ".join(rows[row][1].split()[:count]))


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        (_cut(3, 100), ["row 3: 100 pixels found of 2,304"]),
        (_cut(66, 2303), ["row 66: 2,303 pixels found of 2,304"]),
        (_cut(2, 0), ["row 2: 0 pixels found of 2,304"]),
        (lambda rows: rows[4].__setitem__(1, rows[4][1] + " 7"), ["row 4: 2,305 pixels found of 2,304"]),
        (_pixel(5, 17, "12x"), ["row 5: pixel 17 is '12x'"]),
        (_pixel(5, 2304, "7.0"), ["row 5: pixel 2304 is '7.0'"]),
        (_pixel(6, 1, "-1"), ["row 6: pixel 1 is '-1'"]),
        (_pixel(1, 2304, "256"), ["row 1: pixel 2304 is 256, outside 0..255"]),
        (_pixel(1, 1, "1000"), ["row 1: pixel 1 is 1000, outside 0..255"]),
        (_set(7, 0, "7"), ["row 7: emotion '7' is not in 0..6", "0 angry"]),
        (_set(7, 0, ""), ["row 7: emotion ''"]),
        (_set(8, 2, "Publictest"), ["row 8: unknown Usage 'Publictest'", "Did you mean 'PublicTest'?"]),
        (lambda rows: rows[9].pop(), ["row 9: 2 fields instead of 3"]),
        (lambda rows: rows[9].append("x"), ["row 9: 4 fields instead of 3"]),
        (lambda rows: [_set(row, 2, "Training")(rows) for row in range(1, 67)], ["no row of the PublicTest part"]),
    ],
)
def test_wrong_csv_rows_are_named(edit: CsvEdit, parts: list[str], table: Table, tmp_path: Path) -> None:
    rows = [line.split(",") for line in csv_text(table).splitlines()]
    edit(rows)
    (tmp_path / "mine.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    _fails(tmp_path, str(tmp_path / "mine.csv"), *parts)


def test_row_numbers_hold_beyond_the_first_block(table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.data.fer2013.pixel_csv.BLOCK_BYTES", 40_000)
    rows = [line.split(",") for line in csv_text(table).splitlines()]
    _pixel(50, 3, "999")(rows)
    (tmp_path / "mine.csv").write_text("\n".join(map(",".join, rows)))
    _fails(tmp_path, "row 50: pixel 3 is 999")
    rows[50].pop()
    (tmp_path / "mine.csv").write_text("\n".join(map(",".join, rows)))
    _fails(tmp_path, "row 50: 2 fields")


def test_unusual_but_right_spacing_is_read(table: Table, expected: Dataset, tmp_path: Path) -> None:
    rows = csv_text(table).splitlines()
    rows[1] = rows[1].replace(" ", "\t")
    rows[2] = rows[2].replace(" ", "  ").replace(",", ", ", 1)
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    assert fer2013.load(tmp_path).fingerprint == expected.fingerprint


@pytest.mark.parametrize("end", [60, 5000, -9, -3])
def test_file_cut_short(end: int, table: Table, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(csv_text(table).rstrip()[:end])
    _fails(tmp_path, "row ")


def test_header_alone(tmp_path: Path) -> None:
    for end in ("", "\n", "\n\n\n"):
        (tmp_path / "mine.csv").write_text(f"emotion,pixels,Usage{end}")
        _fails(tmp_path, f"{tmp_path / 'mine.csv'}: ", " header")


def test_csv_without_the_columns(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("emotion,pixels\n0,1 2 3\n")
    _fails(tmp_path, "train.csv: no csv with the columns emotion, pixels and Usage", "--download")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_of_spreadsheets_are_read(
    delimiter: str, table: Table, expected: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "mine.csv").write_text(csv_text(table).replace(",", delimiter))
    assert fer2013.load(tmp_path).fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"emotion,pixels\n0,1 2 3\n", "it has no Usage; its columns are emotion, pixels"),
        (b"label;pixels;Usage\n", "it has no emotion; its columns are label, pixels, usage"),
        (b"a\tb\n", "it has no emotion and pixels and Usage; its columns are a\tb"),
        ("emotion,pixels,Usage\n".encode("utf-16"), "it is not in UTF-8 (UTF-16?); save it as CSV UTF-8"),
        ("emotion,pixels,Usage\n".encode("utf-16-le"), "it is not in UTF-8 (UTF-16?)"),
        (b"0," + b"128 " * 2304 + b",Training\n", "it begins with a row, not with the names of"),
        (b"x" * 9000 + b"\n", "(4,096 characters)"),
    ],
)
def test_what_keeps_a_csv_from_being_read_is_said_in_few_words(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(data)
    _fails(tmp_path, "mine.csv: no csv with the columns emotion, pixels and Usage: it", reason)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("mine.csv", data)
    _fails(tmp_path / "faces.zip", "a zip with no csv inside that has the columns", reason)


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        (_set(7, 0, "7"), ["row 7: emotion '7'", "Where labels count from 1 to 7, subtract 1 from each"]),
        (_set(7, 0, "Happiness"), ["row 7: emotion 'Happiness'", "Write 3 for Happiness."]),
        (_set(7, 0, "9" * 9000), ["(9,002 characters)"]),
        (_set(7, 2, "1 " * 4500), ["row 7: unknown Usage", "(9,002 characters)"]),
        (_pixel(7, 3, "8" * 9000), ["row 7: pixel 3 is 888", "(9,000 characters), outside 0..255"]),
        (_pixel(7, 3, "x" * 9000), ["row 7: pixel 3 is 'xxx", "not a whole number"]),
        (_pixel(7, 3, "0000255"), []),
        (lambda rows: rows.append(["1 " * 4500]), ["row 67: 1 fields instead of 3"]),
    ],
)
def test_no_message_holds_a_row_of_digits(edit: CsvEdit, parts: list[str], table: Table, tmp_path: Path) -> None:
    rows = [line.split(",") for line in csv_text(table).splitlines()]
    edit(rows)
    (tmp_path / "mine.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    if not parts:
        fer2013.load(tmp_path)
        return
    _fails(tmp_path, *parts)
    with pytest.raises(DataError) as caught:
        fer2013.load(tmp_path)
    assert len(str(caught.value)) < 700


def test_zip_without_csv(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("README.md", "faces")
    _fails(tmp_path / "faces.zip", "faces.zip: a zip with no csv inside")
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("other.csv", "a,b\n1,2\n")
    _fails(tmp_path, "faces.zip: a zip with no csv inside that has the columns")


@pytest.mark.parametrize("write", [write_gzip, write_tar, write_zip], ids=lambda write: write.__name__)
def test_truncated_archives(write: Callable, table: Table, tmp_path: Path) -> None:
    path = write(table, tmp_path)
    path = path if path.is_file() else next(path.iterdir())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _fails(path, str(path), "damaged or truncated")


def test_parquet_without_the_columns(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"label": [1], "image": ["a.png"]}), tmp_path / "faces.parquet")
    _fails(tmp_path, "faces.parquet: parquet without the column(s) emotion, Usage; it has label, image")
    pq.write_table(pa.table({"emotion": [1], "Usage": ["Training"], "image": ["a.png"]}), tmp_path / "faces.parquet")
    _fails(tmp_path, "faces.parquet: parquet whose column image is string")


def test_damaged_parquet(table: Table, tmp_path: Path) -> None:
    path = next(write_parquet(table, tmp_path).iterdir())
    path.write_bytes(path.read_bytes()[:-100])
    _fails(tmp_path, f"{path}: damaged or truncated parquet")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("image", {"bytes": b"no image", "path": ""}, "row 3: this image cannot be read"),
        ("image", {"bytes": None, "path": "a.png"}, "row 3: no image bytes"),
        ("emotion", 9, "row 3: emotion '9' is not in 0..6"),
        ("Usage", "Test", "row 3: unknown Usage 'Test'"),
    ],
)
def test_wrong_parquet_rows_are_named(column: str, value: object, message: str, table: Table, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = next(write_parquet(table, tmp_path).iterdir())
    records = pq.read_table(path).to_pylist()
    records[3][column] = value
    pq.write_table(pa.Table.from_pylist(records), path)
    _fails(tmp_path, str(path), message)


def test_wrong_class_folder(table: Table, tmp_path: Path) -> None:
    write_folders(table, tmp_path)
    (tmp_path / "train" / "happy").rename(tmp_path / "train" / "hapy")
    _fails(tmp_path, str(tmp_path / "train" / "hapy"), "'hapy'", "Did you mean 'happy'?", ", ".join(CLASSES))


def test_folders_without_classes(tmp_path: Path) -> None:
    (tmp_path / "train" / "cat").mkdir(parents=True)
    _fails(tmp_path, "folders train and test without class folders")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("train/happy/12.png", ["12.png: the name does not say the split", "PublicTest_<number>"]),
        ("train/happy/PrivateTest_1.png", ["PrivateTest_1.png: an image of PrivateTest in the folder 'train'"]),
        ("train/Training_1.png", ["an image that is not in a class folder", "train/<class>/Training_1.png"]),
    ],
)
def test_wrong_image_names(name: str, parts: list[str], table: Table, tmp_path: Path) -> None:
    from PIL import Image

    write_folders(table, tmp_path)
    Image.fromarray(table.images[0]).save(tmp_path / name)
    _fails(tmp_path, str(tmp_path / name), *parts)


def test_wrong_images(table: Table, tmp_path: Path) -> None:
    from PIL import Image

    write_folders(table, tmp_path)
    path = tmp_path / "train" / "happy" / "Training_0.png"
    path.parent.mkdir(exist_ok=True)
    for data in (b"", b"no image", next(tmp_path.glob("test/*/*.png")).read_bytes()[:300]):
        path.write_bytes(data)
        _fails(tmp_path, f"{path}: this image cannot be read")
    Image.new("L", (100, 48)).save(path)
    _fails(tmp_path, f"{path}: the image is 100x48 pixels", "48x48")
    Image.new("I;16", (48, 48)).save(path)
    _fails(tmp_path, f"{path}: pixels of kind 'I;16'")


def test_file_that_cannot_be_opened(table: Table, tmp_path: Path) -> None:
    link = next(write_folders(table, tmp_path).glob("train/*")) / "Training_0.png"
    link.symlink_to(tmp_path / "gone.png")
    _fails(tmp_path, f"{link}: cannot be read")


def test_missing_part_of_folders(table: Table, tmp_path: Path) -> None:
    for path in write_folders(table, tmp_path).glob("test/*/PrivateTest_*"):
        path.unlink()
    _fails(tmp_path, "no row of the PrivateTest part (test)")


# --- where it is looked for ---


def test_find_precedence(table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given, else the environment's folder, else data/fer2013; each with its subfolder."""

    def put(place: Path) -> Path:
        place.mkdir(parents=True, exist_ok=True)
        return write_csv(table, place) / "fer2013.csv"

    default = put(tmp_path / "data" / "fer2013")
    assert fer2013.find(None).path.resolve() == default
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "shared"))
    assert fer2013.find(None).path.resolve() == default
    in_shared = put(tmp_path / "shared")
    assert fer2013.find(None).path == in_shared
    below_shared = put(tmp_path / "shared" / "fer2013")
    assert fer2013.find(None).path == below_shared
    below_given = put(tmp_path / "given" / "fer2013")
    assert fer2013.find(tmp_path / "given").path == below_given
    in_given = put(tmp_path / "given")
    assert fer2013.find(tmp_path / "given").path == in_given
    assert fer2013.find(below_given).path == below_given


def test_csv_is_preferred_and_the_rest_noted(table: Table, tmp_path: Path) -> None:
    write_parquet(table, tmp_path)
    write_folders(table, tmp_path)
    (tmp_path / "fer2013new.csv").write_text("Usage,Image name,neutral\nTraining,a.png,3\n")
    assert fer2013.find(tmp_path).form == "parquet"
    write_csv(table, tmp_path)
    source = fer2013.find(tmp_path)
    assert (source.form, source.path) == ("csv", tmp_path / "fer2013.csv")
    assert any("parquet with images, class folders" in note for note in fer2013.load(tmp_path).notes)


# --- cache ---


def _no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the source was read")

    monkeypatch.setattr("benchmarks.data.fer2013.reader._build", fail)


def _cache_file(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "cache").glob("*.safetensors")
    return path


@pytest.mark.parametrize("write", [write_csv, write_folders, write_shards], ids=lambda write: write.__name__)
def test_second_start_reads_the_cache_alone(
    write: Callable, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    first = fer2013.load(write(table, folder))
    _no_reading(monkeypatch)
    monkeypatch.setattr(cache, "_hash_files", lambda *_: pytest.fail("the source was hashed"))
    second = fer2013.load(folder)
    assert (second.fingerprint, second.notes, second.source) == (first.fingerprint, first.notes, first.source)
    for one, other in zip(first.splits().values(), second.splits().values(), strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.targets, other.targets)
        np.testing.assert_array_equal(one.ids, other.ids)
        assert (one.rows is None) == (other.rows is None)
        if one.rows is not None and other.rows is not None:
            np.testing.assert_array_equal(one.rows, other.rows)
        assert other.images.flags.writeable  # torch warns of arrays that are not


def test_touched_and_moved_sources_are_known_by_content(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    first = fer2013.load(write_folders(table, folder))
    _no_reading(monkeypatch)
    os.utime(next(folder.glob("train/*/*.png")), ns=(1, 1))
    folder.rename(tmp_path / "moved")
    assert fer2013.load(tmp_path / "moved").fingerprint == first.fingerprint


def test_changed_source_is_read_again(table: Table, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    first = fer2013.load(write_folders(table, folder))
    path = next(folder.glob("train/fear/*.png"))
    (folder / "train" / "sad").mkdir(exist_ok=True)
    path.rename(folder / "train" / "sad" / path.name)
    assert fer2013.load(folder).fingerprint != first.fingerprint


def _cut_in_half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip_a_pixel(data: bytes) -> bytes:
    return data[:-200] + bytes([data[-200] ^ 1]) + data[-199:]


@pytest.mark.parametrize("damage", [_cut_in_half, _flip_a_pixel, lambda data: b"", lambda data: b"x" * len(data)])
def test_damaged_cache_is_built_again(damage: Callable[[bytes], bytes], table: Table, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    first = fer2013.load(write_folders(table, folder))
    path = _cache_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    again = fer2013.load(folder)
    assert again.fingerprint == first.fingerprint
    assert any("was damaged" in note and "built again" in note for note in again.notes)
    assert path.read_bytes() == whole
    assert fer2013.load(folder).notes == first.notes


def test_damaged_memo_is_no_harm(table: Table, tmp_path: Path) -> None:
    first = fer2013.load(write_csv(table, tmp_path))
    (memo,) = (tmp_path / "cache" / "memo").iterdir()
    memo.write_bytes(b"\xff")
    assert fer2013.load(tmp_path).fingerprint == first.fingerprint


def test_cache_that_cannot_be_written(table: Table, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    dataset = fer2013.load(write_csv(table, tmp_path), cache_dir=tmp_path / "file" / "cache")
    assert any(note.startswith("Nothing was cached") for note in dataset.notes)


def test_no_rest_of_writing_is_left(table: Table, tmp_path: Path) -> None:
    fer2013.load(write_csv(table, tmp_path))
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.cache_directory(tmp_path / "a") == tmp_path / "a"
    assert cache.cache_directory() == tmp_path / "cache"
    monkeypatch.delenv("BENCHMARK_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_directory() == tmp_path / ".cache" / "fer-ensembles"


# --- download ---


def _fake_kagglehub(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], str]) -> None:
    module = ModuleType("kagglehub")
    module.dataset_download = answer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", module)


def test_download(table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    kaggle = tmp_path / "kaggle"
    kaggle.mkdir()
    write_csv(table, kaggle)
    _fake_kagglehub(monkeypatch, lambda name: asked.append(name) or str(kaggle))  # type: ignore[func-returns-value]
    target = tmp_path / "data" / "fer2013"
    assert fer2013.download(target) == target / "fer2013.csv"
    assert asked == ["deadskull7/fer2013"]
    assert [path.name for path in target.iterdir()] == ["fer2013.csv"]
    assert fer2013.find(None).path.resolve() == target / "fer2013.csv"
    assert fer2013.download(target) == target / "fer2013.csv"
    assert len(asked) == 1, "a copy that is there is not downloaded again"


def test_download_without_kagglehub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match=r'pip install -e "\.\[download\]"'):
        fer2013.download(tmp_path / "data")


def test_download_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(name: str) -> str:
        raise ConnectionError("no route to host")

    _fake_kagglehub(monkeypatch, no_network)
    with pytest.raises(DataError) as caught:
        fer2013.download(tmp_path / "data")
    for part in ("no route to host", "kaggle.json", "https://www.kaggle.com/datasets/deadskull7/fer2013", "--data"):
        assert part in str(caught.value)


# --- digits, imports, the whole of FER2013 ---


def test_digits() -> None:
    dataset = digits.load()
    assert [len(split) for split in dataset.splits().values()] == [1077, 360, 360]
    assert dataset.classes == tuple("0123456789")
    assert dataset.train.images.shape == (1077, 1, 8, 8)
    assert dataset.train.images.max() == 255 and dataset.train.images.min() == 0
    for split in dataset.splits().values():
        share = np.bincount(split.targets, minlength=10) / len(split)
        assert (abs(share - 0.1) < 0.01).all()
    assert dataset.fingerprint == digits.load().fingerprint == "e5b32c86875af6b6a8d10f52dcfb61e6"


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, benchmarks.data.fer2013, benchmarks.data.digits; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert not {"torch", "pandas", "pyarrow", "PIL", "sklearn", "scipy"} & set(done.stdout.split())


# --- copies that were changed ---


@pytest.fixture(scope="module")
def original() -> Rows:
    """All rows of FER2013, read once."""
    assert REAL is not None
    return parquet.read([REAL])


def changed(rows: Rows, **changes: Any) -> Dataset:
    return dataset_of(replace(rows, **changes), "rows", "here")


def told(dataset: Dataset) -> str:
    """What the one note on the copy says of it."""
    (note,) = [note for note in dataset.notes if note.startswith("This copy is not the FER2013 ")]
    return note.removeprefix("This copy is not the FER2013 that stored predictions are of: ")


def swap(usages: np.ndarray) -> np.ndarray:
    return np.array([0, 2, 1])[usages]


@pytest.mark.skipif(REAL is None, reason="FER2013 is not here")
def test_the_record_of_the_original_is_that_of_its_rows(original: Rows, tmp_path: Path) -> None:
    official.save(original.images, original.targets, tmp_path / "official.npz")
    with np.load(tmp_path / "official.npz") as made, np.load(official.FILE) as kept:
        for name in ("pixels", "labels"):
            np.testing.assert_array_equal(made[name], kept[name])
    np.testing.assert_array_equal(official.parts(), original.usages)
    distinct = {image.tobytes() for image in original.images}
    assert len(np.unique(official.official().pixels)) == len(distinct), "no two images share a hash"


@pytest.mark.skipif(REAL is None, reason="FER2013 is not here")
def test_the_original_has_its_rows_and_nothing_to_tell(original: Rows) -> None:
    dataset = changed(original)
    assert dataset.notes == () and named(dataset.fingerprint) == "FER2013"
    for split in dataset.splits().values():
        np.testing.assert_array_equal(split.images[:, 0], original.images[split.rows])


@pytest.mark.skipif(REAL is None, reason="FER2013 is not here")
def test_a_copy_with_val_and_test_swapped_says_so_and_has_a_name(original: Rows) -> None:
    dataset = changed(original, usages=swap(original.usages))
    assert told(dataset) == "PublicTest and PrivateTest are swapped."
    assert named(dataset.fingerprint) == "FER2013 with PublicTest and PrivateTest swapped"
    few = np.random.default_rng(0).permutation(np.flatnonzero(original.usages == 1))[:40]
    usages = original.usages.copy()
    usages[few] = 0
    assert told(changed(original, usages=usages)) == "40 images stand in another part."


@pytest.mark.skipif(REAL is None, reason="FER2013 is not here")
def test_edited_labels_and_pixels_and_copies_are_counted(original: Rows) -> None:
    random = np.random.default_rng(0)
    _, places, times = np.unique(official.official().pixels, return_inverse=True, return_counts=True)
    single = np.flatnonzero(times[places] == 1)
    rows = random.choice(single, 30, replace=False)
    labels, images = original.targets.copy(), original.images.copy()
    labels[rows[:12]] = (labels[rows[:12]] + 1) % 7
    assert told(changed(original, targets=labels)) == "12 labels are others."
    images[rows[12:29], 0, 0] ^= 1
    both = changed(original, targets=labels, images=images)
    assert told(both) == "12 labels are others; 17 of 35,887 images have other pixels."
    assert both.train.rows is not None and set(both.train.rows) == set(range(28_709)), "the others tell where these are"
    images = original.images.copy()
    images[rows[1]] = images[rows[0]]
    assert "1 images are repeated" in told(changed(original, images=images))
    inverted = changed(original, images=255 - original.images)  # black ones become white ones, which there are
    assert told(inverted) == "35,885 of 35,887 images have other pixels, as in JPEG copies."


@pytest.mark.skipif(REAL is None, reason="FER2013 is not here")
@pytest.mark.parametrize("ordered", [True, False])
def test_rows_of_another_order_have_their_original_numbers(original: Rows, ordered: bool) -> None:
    order = np.random.default_rng(0).permutation(len(original.targets))
    images, targets, usages = original.images[order], original.targets[order], original.usages[order]
    dataset = changed(original, images=images, targets=targets, usages=usages, ordered=ordered)
    assert named(dataset.fingerprint) == "FER2013"
    assert any("another order than the original's" in note for note in dataset.notes) == ordered
    found = np.concatenate([split.rows for split in dataset.splits().values() if split.rows is not None])
    assert sorted(found) == list(range(35_887))
    for split in dataset.splits().values():
        assert split.rows is not None
        np.testing.assert_array_equal(split.images[:, 0], original.images[split.rows])
        np.testing.assert_array_equal(split.targets, original.targets[split.rows])
    images = images.copy()
    images[0, 0, 0] ^= 1
    unknown = changed(original, images=images, targets=targets, usages=usages, ordered=ordered)
    assert unknown.train.rows is None, "of one image no one knows"


def test_a_data_set_of_ones_own_keeps_its_rows_and_says_that_it_is_another(tmp_path: Path) -> None:
    images, emotions, usages = _random_rows()
    table = Table(images=images, emotions=emotions, usages=usages)
    dataset = fer2013.load(write_csv(table, tmp_path))
    assert told(dataset) == "66 of 66 images have other pixels, as in JPEG copies."
    rows = np.concatenate([split.rows for split in dataset.splits().values() if split.rows is not None])
    assert sorted(rows) == list(range(66))


@pytest.mark.skipif(REAL is None, reason="FER2013 is not here")
def test_all_of_fer2013() -> None:
    assert REAL is not None
    dataset = fer2013.load(REAL)
    counts = [np.bincount(split.targets, minlength=7).tolist() for split in dataset.splits().values()]
    assert counts == [
        [3995, 436, 4097, 7215, 4830, 3171, 4965],
        [467, 56, 496, 895, 653, 415, 607],
        [491, 55, 528, 879, 594, 416, 626],
    ]
    assert dataset.notes == ()
    assert dataset.fingerprint == "e2d7d5bc46584b4acaff33651bcdb536"
    train, val, test = ([image.tobytes() for image in split.images] for split in dataset.splits().values())
    in_train, in_val = set(train), set(val)
    assert sum(image in in_train for image in test) == 288
    assert sum(image in in_train for image in val) == 280
    assert sum(image in in_val for image in test) == 44
    flat = np.concatenate([split.images.reshape(len(split), -1) for split in dataset.splits().values()])
    assert (flat.std(axis=1) < 2).sum() == 13
    repeats = Counter(train + val + test)
    assert sum(count > 1 for count in repeats.values()) == 1518
    assert sum(count for count in repeats.values() if count > 1) == 3373
