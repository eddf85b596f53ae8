"""What a method gains over the floors: on val, held out, and said to be nothing only where it never was anything."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.results.gains import Gain, evidence, gain
from benchmarks.results.row_classes import row_classes


def results(accuracies: dict[str, float], losses: dict[str, float]) -> Any:
    return {
        "ensembles": [{"name": name, "cross_fit_accuracy": value} for name, value in accuracies.items()],
        "probabilities": {
            "rows": [
                {"kind": "ensemble", "name": name, "cross_fitted": {"log_loss": value, "ece": 0.0}}
                for name, value in losses.items()
            ]
        },
    }


FLOORS = {"best_single": 0.70, "uniform": 0.68}
LOSSES = {"best_single": 0.80, "uniform": 0.90}


@pytest.mark.parametrize(
    ("accuracy", "loss", "helps"),
    [(0.71, 0.95, True), (0.69, 0.79, True), (0.69, 0.85, False), (0.70, 0.80, False), (0.60, None, False)],
)
def test_a_method_helps_where_it_is_above_the_better_floor_in_either(accuracy: float, loss: float | None, helps: bool):
    known = results({**FLOORS, "m": accuracy}, LOSSES if loss is None else {**LOSSES, "m": loss})
    found = gain("m", known)
    assert found is not None and found.helps is helps
    assert found.accuracy == pytest.approx(accuracy - 0.70)
    assert (found.log_loss is None) == (loss is None)


def test_floors_and_unknown_methods_gain_nothing_that_could_be_said():
    known = results({**FLOORS, "m": 0.7}, LOSSES)
    assert gain("uniform", known) is None and gain("other", known) is None
    assert gain("m", results({"m": 0.7, "uniform": 0.6}, {})) is None


def test_the_evidence_names_the_best_suite_or_every_one_where_it_never_helped():
    assert evidence({}) == ""
    assert evidence({"a": Gain(-0.01, 0.2), "b": Gain(0.012, -0.1)}) == "b +1.20 points, log-loss -0.100"
    never = evidence({"a": Gain(-0.01, 0.2), "b": Gain(-0.02, None)})
    assert never == "never helped: a -1.00 points, log-loss +0.200; b -2.00 points"


def test_classes_of_rows_are_those_that_files_name_and_those_that_recipes_give():
    assert row_classes({}) == ()
    assert [one.name for one in row_classes({"row_classes": ["checkpoint", "tools", "no such"]})] == [
        "tools",
        "checkpoint",
    ]
    assert [one.mark for one in row_classes({"extra_labels": "votes", "row_classes": ["tools"]})] == ["†", "‡"]
