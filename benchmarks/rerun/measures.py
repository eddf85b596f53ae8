"""What the probabilities of rows are worth, where it is known: kept in results/SUITE/local/measures.json.

A row's measures follow from its probabilities, those of the rows that it is compared with, the targets, and the code
and libraries that measure. All of it is in the key under which they are kept: in a run in which one method or member is
new, only that one's are computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.digests import code, digest, libraries
from benchmarks.evaluation.models import ScoredModel
from benchmarks.evaluation.probabilities import measure_rows, references
from benchmarks.evaluation.significance import forget_draws
from benchmarks.files import rounded, write_atomic
from benchmarks.processes import beside
from benchmarks.results.probabilities import ProbabilityRow
from benchmarks.store.targets import Targets

FORMAT = "fer-ensembles/measures/1"
LEAST_ROWS = 24  # for which another process is worth what it draws anew
CODE = ("ensembles", "benchmarks/evaluation", "benchmarks/results", "benchmarks/store/targets.py")


class KnownMeasures:
    """Measures rows as `measure_rows` does, rounded as in results.json; only those that `file` does not hold, all where
    `fresh`. Up to `processes` compute."""

    def __init__(self, file: Path, processes: int, *, fresh: bool = False) -> None:
        self.file, self.processes, self.fresh = file, processes, fresh

    def measure(
        self, rows: Sequence[ScoredModel], members: int, targets: Targets, temperatures: Sequence[float]
    ) -> Callable[[], list[ProbabilityRow]]:
        """Begin to measure `rows`, of which the first `members` make the ensembles; return what waits for it."""
        beside_which = references(rows, members, targets)
        keys = list(_keys(rows, beside_which, targets, temperatures))
        known = {} if self.fresh else self._read()
        lacking = [place for place, key in enumerate(keys) if key not in known]
        if not lacking:
            return lambda: [known[key] for key in keys]
        needed = [place for place in beside_which if place is not None]
        parts = [sorted({*part, *needed}) for part in _parts(lacking, self.processes)]
        calls = [
            (
                [rows[place] for place in taken],
                tuple(None if place is None else taken.index(place) for place in beside_which),
                targets,
                [temperatures[place] for place in taken],
            )
            for taken in parts
        ]
        measure = measure_rows if self.processes == 1 else _measured_apart
        return partial(self._completed, keys, known, parts, beside(measure, calls, self.processes))

    def _completed(
        self,
        keys: Sequence[str],
        known: dict[str, ProbabilityRow],
        parts: Sequence[Sequence[int]],
        measured: Callable[[], list[list[ProbabilityRow]]],
    ) -> list[ProbabilityRow]:
        """Wait for what was lacking, keep it beside what was known of these rows, and return all."""
        for taken, found in zip(parts, measured(), strict=True):
            known |= {keys[place]: rounded(row) for place, row in zip(taken, found, strict=True)}
        content = json.dumps({key: known[key] for key in keys})
        with suppress(OSError):  # in results that may only be read: the next run computes it again
            write_atomic(self.file, json.dumps({"digest": digest([content]), "rows": content}), rebuilt=True)
        return [known[key] for key in keys]

    def _read(self) -> dict[str, ProbabilityRow]:
        """Return what is kept; nothing where no file is there, or another than was written."""
        try:
            kept: Any = json.loads(self.file.read_bytes())
            return json.loads(kept["rows"]) if kept["digest"] == digest([kept["rows"]]) else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}


def _measured_apart(*arguments: Any) -> list[ProbabilityRow]:
    """Measure rows in a process of joblib, which ends one that has come to hold much, and begins another."""
    rows = measure_rows(*arguments)
    forget_draws()
    return rows


def _parts(places: Sequence[int], count: int) -> list[Sequence[int]]:
    """Split places into so many parts of like size, of which none is small: what a part is compared with is measured
    in each."""
    size = max(LEAST_ROWS, -(-len(places) // count))
    return [places[start : start + size] for start in range(0, len(places), size)]


def _keys(
    rows: Sequence[ScoredModel], beside_which: Sequence[int | None], targets: Targets, temperatures: Sequence[float]
) -> Iterator[str]:
    """Yield the key of each row's measures."""
    groups = b"" if targets.test_groups is None else np.asarray(targets.test_groups).tobytes()
    contents = [_content(row) for row in rows]
    common = digest(
        [
            *(FORMAT, code(*CODE), libraries()),
            *(targets.val.tobytes(), targets.test.tobytes(), groups),
            *("" if place is None else contents[place] for place in beside_which),
        ]
    )
    for row, content, by in zip(rows, contents, temperatures, strict=True):
        yield digest([common, row.kind, row.name, row.title, content, repr(by)])


def _content(row: ScoredModel) -> str:
    arrays = [row.val, row.test, *([] if row.held_out is None else [row.held_out])]
    return digest(part for array in arrays for part in (str(array.shape), np.ascontiguousarray(array).tobytes()))
