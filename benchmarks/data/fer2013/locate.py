"""Where FER2013 lies and in which form. A form is told by content, not by a file's name."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data.errors import DataError, first_line
from benchmarks.data.fer2013 import class_folders, pixel_csv
from benchmarks.data.fer2013 import parquet as image_parquet
from benchmarks.data.walk import only_folder
from zoo.use.leftovers import is_leftover

# In the order of preference where one place holds several: the CSV is the original, folders are mostly lossy JPEG.
FORMS = {"csv": "pixel CSV", "parquet": "parquet with images", "folders": "class folders"}
SUBFOLDER = "fer2013"
REASONS_SHOWN = 5
HELP = """FER2013 is taken in any of four forms, and no file needs a certain name:
  - fer2013.csv with the columns emotion, pixels, Usage (plain, .zip, .gz or .tar.gz)
  - icml_face_data.csv, the same from the Kaggle competition
  - class folders: train/<class>/Training_*.jpg, test/<class>/PublicTest_*.jpg and PrivateTest_*.jpg
  - parquet with the columns image, emotion, Usage
Put it there, or give its place: python benchmark.py --suite fer2013 --data PATH
Or download it: pip install -e ".[download]", then python benchmark.py --suite fer2013 --download"""


@dataclass(frozen=True)
class Source:
    """A copy of FER2013.

    path   the file, or the folder around the files
    form   a key of FORMS
    files  the files read: one of CSV, one or more of parquet; none for class folders, whose files are listed on reading
    notes  on other copies that were passed over
    """

    path: Path
    form: str
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def find(data_dir: Path | None) -> Source:
    """Find the copy to read: with `data_dir`, a file or a folder, only there; else the first in the usual places.

    Raises DataError with the places looked in, what was seen there, and how to get the data.
    """
    places = _places(data_dir)
    seen: list[str] = []
    for place in places:
        try:
            source = _source_of_file(place, seen) if place.is_file() else _source_in_folder(place, seen)
        except OSError as error:
            seen.append(f"  {place}: cannot be read ({first_line(error)})")
            continue
        if source is not None:
            return source
    lines = ["FER2013 was not found. Looked in:", *(f"  {place}{_absence(place)}" for place in places)]
    if seen:
        more = [f"  and {len(seen) - REASONS_SHOWN} more"] if len(seen) > REASONS_SHOWN else []
        lines += ["Seen there, and not FER2013:", *seen[:REASONS_SHOWN], *more]
    raise DataError("\n".join([*lines, HELP]))


def _places(data_dir: Path | None) -> list[Path]:
    if data_dir is not None:
        given = Path(os.path.expanduser(data_dir))
        return [given] if given.is_file() else list(dict.fromkeys([given, given / SUBFOLDER, *only_folder(given)]))
    shared = os.environ.get("BENCHMARK_DATA")
    beside = [Path(os.path.expanduser(shared)) / SUBFOLDER, Path(os.path.expanduser(shared))] if shared else []
    return [*beside, Path("data") / SUBFOLDER]


def _absence(place: Path) -> str:
    return "" if place.exists() else " (does not exist)"


def _source_of_file(path: Path, seen: list[str]) -> Source | None:
    parquet = image_parquet.begins(path)
    reason = image_parquet.why_not(path) if parquet else pixel_csv.why_not(path)
    if reason is None:
        return Source(path, "parquet" if parquet else "csv", (path,))
    seen.append(f"  {path}: {reason}")
    return None


def _source_in_folder(folder: Path, seen: list[str]) -> Source | None:
    if not folder.is_dir():
        return None
    files = sorted(path for path in folder.iterdir() if not is_leftover(path.name) and path.is_file())
    sources = [source for path in files if (source := _source_of_file(path, seen))]
    tables = [source for source in sources if source.form == "csv"]
    shards = [source.path for source in sources if source.form == "parquet"]
    found = tables + ([Source(folder, "parquet", tuple(shards))] if shards else [])
    reason = class_folders.why_not(folder)
    if reason is None:
        found.append(Source(folder, "folders"))
    elif not reason.startswith("no folders"):
        seen.append(f"  {folder}: {reason}")
    if not found:
        return None
    chosen, *others = found
    passed_over = [other.path.name if other.form == "csv" else FORMS[other.form] for other in others]
    note = f"Read the {FORMS[chosen.form]}, and not what lies beside it: {', '.join(passed_over)}."
    return Source(chosen.path, chosen.form, chosen.files, (note,) if others else ())
