"""Published results of a suite: numbers from papers and repositories, with what is known of their protocol.

One CSV a suite in `suites/published/`. `accuracy` is in per cent there, as papers print it, and a fraction once read.
A row is comparable only where its number is on the suite's test split, was reached without extra expression data, and
no selection on that split and no leak is known; otherwise `why_not` gives the reason, its first words short enough for
a figure. `selection` is the split that chose epochs or members, as far as code or paper tell; `seen` says whether the
number was read in its own source, elsewhere, or could not be confirmed. `doubt` states in one line what code or a
public thread shows that bears on the number, whether comparable or not, and `doubt_source` where to check it. `chart`
marks the rows that the benchmark figure draws.

Valence and arousal stand in `suites/published/affect/<suite>.csv`: scores as papers print them, empty where a source
has none, and a `remark` on what decides whether a row compares.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from benchmarks.files import CsvRow
from benchmarks.results import AFFECT_SCORES, DIMENSIONS
from benchmarks.results.analyses import PublishedAffect
from benchmarks.results.schema import Published

FOLDER = Path(__file__).parent / "published"
AFFECT_FOLDER = FOLDER / "affect"
COLUMNS = tuple(Published.__annotations__)
NUMBERS = tuple(f"{dimension}_{score}" for dimension in DIMENSIONS for score in AFFECT_SCORES)
AFFECT_COLUMNS = tuple(PublishedAffect.__annotations__)
SEEN = ("source", "elsewhere", "not confirmed")
KINDS = ("single", "ensemble", "handcrafted", "human")
YES_NO = {"yes": True, "no": False}


def read_published(suite: str, folder: Path = FOLDER) -> list[Published]:
    """Read the published results of `suite`, in the order of the file.

    Each is a dict of COLUMNS: `accuracy` a fraction, `year` an int, `n_models` an int or None where unknown,
    `comparable` and `chart` bools, the rest text. Raises FileNotFoundError where the suite has no file, and ValueError
    naming the line where a row breaks the rules above.
    """
    return [_parse(line, where) for where, line in _lines(folder / f"{suite}.csv", COLUMNS)]


def _lines(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, CsvRow]]:
    """Yield each line of a CSV with its place; raise ValueError where the columns differ."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise ValueError(f"{path}: columns are {reader.fieldnames}, expected {list(columns)}")
        for line in reader:
            yield f"{path}:{reader.line_num}", line


def _parse(line: CsvRow, where: str) -> Published:
    try:
        parsed: dict[str, Any] = {
            **line,
            "year": int(line["year"]),
            # Rounded because 72.53 / 100 is 0.7253000000000001.
            "accuracy": round(float(line["accuracy"]) / 100.0, 6),
            "n_models": int(line["n_models"]) if line["n_models"] else None,
            "comparable": YES_NO[line["comparable"]],
            "chart": YES_NO[line["chart"]],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{where}: not a published result: {error!r}") from error
    if line["kind"] not in KINDS:
        raise ValueError(f"{where}: kind {line['kind']!r} is none of {KINDS}")
    if line["seen"] not in SEEN:
        raise ValueError(f"{where}: seen {line['seen']!r} is none of {SEEN}")
    if bool(line["doubt"]) != bool(line["doubt_source"]):
        raise ValueError(f"{where}: a doubt comes with its source, and only a doubt")
    if not 0.0 < parsed["accuracy"] <= 1.0:
        raise ValueError(f"{where}: accuracy {line['accuracy']} is no percentage")
    if parsed["comparable"] == bool(line["why_not"]):
        raise ValueError(f"{where}: a row that is not comparable gives its reason, and only such a row")
    return cast(Published, parsed)


def read_published_affect(suite: str, folder: Path = AFFECT_FOLDER) -> list[PublishedAffect]:
    """Read published valence and arousal in the order of the file, scores as floats or None.

    Empty where the suite has no such file.

    Raises ValueError naming the line that is no such row.
    """
    path = folder / f"{suite}.csv"
    if not path.exists():
        return []
    return [_parse_affect(line, where) for where, line in _lines(path, AFFECT_COLUMNS)]


def _parse_affect(line: CsvRow, where: str) -> PublishedAffect:
    try:
        numbers = {name: float(line[name]) if line[name] else None for name in NUMBERS}
        parsed = {**line, **numbers, "year": int(line["year"])}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{where}: not a published result: {error!r}") from error
    if line["seen"] not in SEEN or not any(number is not None for number in numbers.values()):
        raise ValueError(f"{where}: needs a score, and a 'seen' of {SEEN}")
    return cast(PublishedAffect, parsed)
