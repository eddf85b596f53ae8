"""File names of known data sets in folders of one's own are recognised, and what reads them better is said."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.data import DataOptions
from benchmarks.data.folder import reader as folder
from benchmarks.data.folder.groups import read_groups
from benchmarks.data.folder.hints import hints

KDEF = [f"{name}/{session}F{person:02}{code}S.JPG"
        for name, code in (("angry", "AN"), ("sad", "SA")) for session in "AB" for person in range(1, 9)]  # fmt: skip
RAF = [f"{split}/{label}/{split}_{number:05}_aligned.jpg"
       for split in ("train", "test") for label in (1, 5) for number in range(6)]  # fmt: skip
CK = [f"{name}/S{person:03}_00{place}_{frame:08}.png"
      for place, name in enumerate(("anger", "happy")) for person in (5, 10, 111) for frame in (9, 11)]  # fmt: skip
JAFFE = [f"{name}/{person}.{name[:2].upper()}{take}.{40 + take}.tiff"
         for name in ("angry", "happy") for person in ("KA", "YM") for take in (1, 2)]  # fmt: skip
FER = [f"train/angry/Training_{number}.jpg" for number in range(9)] + ["test/angry/PrivateTest_7.jpg"]


@pytest.mark.parametrize(
    ("files", "title", "parts"),
    [
        (KDEF, "KDEF", ["--suite kdef splits it by person", "--groups '"]),
        ([file.lower() for file in KDEF], "KDEF", ["--suite kdef"]),
        (RAF, "RAF-DB", ["--suite rafdb reads these folders"]),
        ([file.replace("_aligned", "") for file in RAF], "RAF-DB", ["--suite rafdb"]),
        (FER, "FER2013", ["--suite fer2013 reads these folders"]),
        (CK, "CK+", ["known by the face"]),
        (JAFFE, "JAFFE", ["known by the face"]),
        ([*KDEF, "sad/mine.jpg"], "KDEF", ["--suite kdef"]),
    ],
)
def test_names_of_a_known_data_set_are_recognised(files: list[str], title: str, parts: list[str]):
    (note,) = hints(files, "")
    assert note.startswith(f"Files are named as {title}'s: ")
    for part in parts:
        assert part in note


@pytest.mark.parametrize(
    "files", [["angry/1.jpg", "sad/2.jpg"], ["a/IMG_0001.jpg"], [*KDEF[:16], *["sad/mine.jpg"] * 4], ["a/S05_1.png"]]
)
def test_other_names_say_nothing(files: list[str]):
    assert hints(files, "") == []


@pytest.mark.parametrize(("files", "people"), [(KDEF, 8), (CK, 3), (JAFFE, 2)])
def test_the_pattern_that_is_proposed_tells_people_apart(files: list[str], people: int, tmp_path: Path):
    (note,) = hints(files, "")
    match = re.search(r"--groups '(.*)' keeps", note)
    assert match is not None
    assert len(np.unique(read_groups(match[1], tmp_path, files))) == people
    assert all("--groups" not in note for note in hints(files, match[1]))


def test_the_reader_says_so(tmp_path: Path, nowhere_else: None):
    for place, file in enumerate(RAF):
        (tmp_path / "faces" / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 5 * place).save(tmp_path / "faces" / file)
    for path in list((tmp_path / "faces" / "train").rglob("*.jpg")):
        path.with_name(f"train_9{path.name[6:]}").write_bytes(path.read_bytes() + b"again")
    dataset = folder.load(DataOptions(tmp_path / "faces"))
    assert dataset.notes[0].startswith("Files are named as RAF-DB's: the names say the official split")
