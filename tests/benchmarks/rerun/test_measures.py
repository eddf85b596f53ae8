"""What rows are worth is computed once for what decides it, and is what would be computed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.evaluation.evaluate import measured_here
from benchmarks.evaluation.models import ScoredModel
from benchmarks.evaluation.recalibration import fitted_temperatures
from benchmarks.files import rounded
from benchmarks.rerun import measures
from benchmarks.rerun.measures import KnownMeasures
from benchmarks.store.targets import Targets
from tests.helpers.damage import damaged_copies
from tests.helpers.generated import FACES

MEMBERS = ("a", "b", "c")


@pytest.fixture(scope="module")
def targets() -> Targets:
    random = np.random.default_rng(0)
    return Targets(random.integers(0, 7, 60), random.integers(0, 7, 50), "f" * 32, FACES, train_size=100)


@pytest.fixture(scope="module")
def rows(targets: Targets) -> list[ScoredModel]:
    """Three members, and two ensembles that were fitted on val."""
    return [
        *(row("member", name, targets, seed) for seed, name in enumerate(MEMBERS)),
        *(row("ensemble", name, targets, seed) for seed, name in enumerate(("uniform", "greedy"), 3)),
    ]


def row(kind: str, name: str, targets: Targets, seed: int) -> ScoredModel:
    random = np.random.default_rng(seed)

    def said(labels: np.ndarray, *more: int) -> np.ndarray:
        likely = random.random((*more, len(labels), 7)) + np.eye(7)[labels]
        return np.asarray(likely / likely.sum(-1, keepdims=True))

    held_out = said(targets.val, 2) if kind == "ensemble" else None
    return ScoredModel(kind, name, name.title(), said(targets.val), said(targets.test), held_out)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lists the names of the rows that are really measured from now on."""
    names: list[str] = []
    measure = measures.measure_rows

    def listed(rows: Sequence[ScoredModel], *more: Any) -> Any:
        names.extend(row.name for row in rows)
        return measure(rows, *more)

    monkeypatch.setattr(measures, "measure_rows", listed)
    return names


def worth(
    file: Path, rows: Sequence[ScoredModel], targets: Targets, *, processes: int = 1, fresh: bool = False
) -> list[Any]:
    known = KnownMeasures(file, processes, fresh=fresh)
    return rounded(known.measure(rows, len(MEMBERS), targets, fitted_temperatures(rows, targets.val))())


def expected(rows: Sequence[ScoredModel], targets: Targets) -> list[Any]:
    return rounded(measured_here(rows, len(MEMBERS), targets, fitted_temperatures(rows, targets.val))())


def test_a_second_run_measures_nothing(rows: list[ScoredModel], targets: Targets, tmp_path: Path, measured: list[str]):
    file = tmp_path / "local" / "measures.json"
    first = worth(file, rows, targets)
    assert first == expected(rows, targets) and len(measured) == len(rows)
    assert worth(file, rows, targets) == first and len(measured) == len(rows)
    assert worth(file, rows, targets, fresh=True) == first and len(measured) == 2 * len(rows)


@pytest.mark.parametrize("least", [1, 3, 9])
def test_processes_share_the_rows(
    rows: list[ScoredModel], targets: Targets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: int
):
    monkeypatch.setattr(measures, "LEAST_ROWS", least)
    assert worth(tmp_path / "measures.json", rows, targets, processes=2) == expected(rows, targets)


def test_a_new_row_is_measured_beside_those_that_it_is_compared_with(
    rows: list[ScoredModel], targets: Targets, tmp_path: Path, measured: list[str]
):
    file = tmp_path / "measures.json"
    worth(file, rows, targets)
    del measured[:]
    more = [*rows, row("ensemble", "stack_mlp", targets, 9)]
    assert worth(file, more, targets) == expected(more, targets)
    single = MEMBERS[int(np.argmax([(one.val.argmax(1) == targets.val).mean() for one in rows[:3]]))]
    assert sorted(measured) == sorted({single, "uniform", "stack_mlp"})
    worth(file, [*rows, row("ensemble", "stack_logistic", targets, 8)], targets)
    kept = json.loads(json.loads(file.read_text())["rows"]).values()
    assert {one["name"] for one in kept} == {*MEMBERS, "uniform", "greedy", "stack_logistic"}, "no other is kept"


def moved(array: np.ndarray) -> np.ndarray:
    """Probabilities of which two are exchanged."""
    other = array.copy()
    other[..., 0, [0, 1]] = other[..., 0, [1, 0]]
    return other


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        (lambda rows: [*rows[:4], replace(rows[4], test=moved(rows[4].test))], {"greedy"}),
        (lambda rows: [*rows[:4], replace(rows[4], val=moved(rows[4].val))], {"greedy"}),
        (lambda rows: [*rows[:4], replace(rows[4], held_out=moved(rows[4].unseen))], {"greedy"}),
        (lambda rows: [*rows[:4], replace(rows[4], title="Greedy selection")], {"greedy"}),
        (
            lambda rows: [*rows[:3], replace(rows[3], test=moved(rows[3].test)), rows[4]],
            {*MEMBERS, "uniform", "greedy"},
        ),
    ],
    ids=["test", "val", "held out", "title", "the average that all are compared with"],
)
def test_what_has_changed_is_measured_anew(
    rows: list[ScoredModel],
    targets: Targets,
    tmp_path: Path,
    measured: list[str],
    change: Any,
    anew: Any,
):
    worth(tmp_path / "measures.json", rows, targets)
    del measured[:]
    changed = change(rows)
    assert worth(tmp_path / "measures.json", changed, targets) == expected(changed, targets)
    assert anew <= set(measured)


@pytest.mark.parametrize("which", ["val", "test", "test_groups"])
def test_other_targets_measure_all_anew(
    rows: list[ScoredModel], targets: Targets, tmp_path: Path, measured: list[str], which: str
):
    worth(tmp_path / "measures.json", rows, targets)
    del measured[:]
    of_test = np.arange(50) // 5 if which == "test_groups" else None
    change: Any = {which: np.roll(getattr(targets, which), 1) if of_test is None else of_test}
    others = replace(targets, **change)
    assert worth(tmp_path / "measures.json", rows, others) == expected(rows, others)
    assert len(measured) == len(rows)


@pytest.mark.parametrize("which", ["code", "libraries"])
def test_other_code_and_libraries_measure_all_anew(
    rows: list[ScoredModel], targets: Targets, tmp_path: Path, measured: list[str], which: str,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    worth(tmp_path / "measures.json", rows, targets)
    del measured[:]
    monkeypatch.setattr(measures, which, lambda *places: "others")
    worth(tmp_path / "measures.json", rows, targets)
    assert len(measured) == len(rows)


def test_a_damaged_file_costs_no_number(rows: list[ScoredModel], targets: Targets, tmp_path: Path):
    file = tmp_path / "measures.json"
    first = worth(file, rows[:4], targets)
    content = file.read_bytes()
    for what, damaged in damaged_copies(content):
        file.write_bytes(damaged)
        known = KnownMeasures(file, 1)._read()
        assert not known or known == json.loads(json.loads(content)["rows"]), what
    assert worth(file, rows[:4], targets) == first
