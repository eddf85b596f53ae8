"""The best average within a budget: against all subsets, and with nothing that costs more."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.evaluation import evaluate as evaluate_module
from benchmarks.evaluation.budgets import NothingAffordable, choose_within, cost_of, curve, within, within_limits
from benchmarks.evaluation.evaluate import evaluate
from benchmarks.files import read_csv
from benchmarks.pipeline import SILENT, search_folds
from benchmarks.report.sections.budgets import budgets_section
from benchmarks.report.sections.headline import headline
from benchmarks.report.sections.ranking import ranking_section
from benchmarks.results import best_single
from benchmarks.session import Options, Session
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.generated import stored_predictions
from tests.helpers.runs import cli

COSTS = (1.0, 2.0, 2.0, 3.0, 5.0, 8.0)


def made(samples: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Six members, the dearer the better: probabilities [6, samples, 4] and targets."""
    random = np.random.default_rng(0)
    targets = random.integers(0, 4, samples)
    logits = np.stack(
        [(0.7 + 0.25 * skill) * np.eye(4)[targets] + random.normal(0, 1, (samples, 4)) for skill in range(6)]
    )
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True), targets


def cost(places: Any) -> float:
    return sum(COSTS[place] for place in places)


@pytest.mark.parametrize("budget", [1.0, 3.5, 6.0, 9.0, 21.0])
def test_the_choice_keeps_to_the_budget_and_is_near_the_best_of_all_subsets(budget: float):
    probabilities, targets = made()
    of_target = probabilities[:, np.arange(len(targets)), targets]
    chosen = choose_within(of_target, cost, budget)
    assert cost(chosen) <= budget
    every = [subset for size in range(1, 7) for subset in combinations(range(6), size) if cost(subset) <= budget]
    best = min(-np.log(of_target[list(subset)].mean(axis=0)).mean() for subset in every)
    assert -np.log(of_target[list(chosen)].mean(axis=0)).mean() <= best + 0.002


def test_more_budget_is_never_worse_on_val_as_fitted():
    probabilities, targets = made()
    of_target = probabilities[:, np.arange(len(targets)), targets]
    losses = [
        -np.log(of_target[list(choose_within(of_target, cost, budget))].mean(axis=0)).mean() for budget in (1, 4, 9, 21)
    ]
    assert losses == sorted(losses, reverse=True)


def test_members_of_unknown_cost_have_no_part_and_what_no_one_keeps_to_is_refused():
    probabilities, targets = made()
    of_target = probabilities[:, np.arange(len(targets)), targets]
    chosen = choose_within(of_target, lambda places: None if 5 in places else cost(places), 100.0)
    assert 5 not in chosen
    with pytest.raises(NothingAffordable, match=r"budget of 0\.5 an image: the cheapest member takes 1"):
        choose_within(of_target, cost, 0.5)


def test_views_that_members_share_are_paid_once():
    facts: Any = [
        {"name": name, "seed": 0, "flops": flops, "tta": tta, "recipe": None, "device": "a", "ms_per_image": 2.0}
        for name, flops, tta in (("net", 2.0, "flip"), ("other", 4.0, "flip"))
    ]
    facts.append({**facts[0], "name": "net@scale_tta", "flops": 6.0, "tta": "scale", "weights_of": "net.s0"})
    alone, together = cost_of(facts, "flops"), cost_of(facts, "ms")
    assert alone([0, 1]) == 6.0 and together([0, 1]) == 4.0
    both = alone([0, 2])
    assert both is not None and both <= 8.0


def test_the_choice_is_cross_fitted():
    probabilities, targets = made()
    choice = within(probabilities, targets, cost, 9.0)
    assert choice.cost <= 9.0 and 0.3 < choice.cross_fitted < 0.9
    assert curve([1.0, 4.0], points=3) == pytest.approx([1.0, 8.0**0.5, 8.0])


def ensembles(**costs: tuple[float | None, float | None]) -> Any:
    return [{"name": name, "flops": flops, "ms_per_image": ms} for name, (flops, ms) in costs.items()]


def test_limits_keep_ensembles_whose_cost_is_known_and_within_all_of_them():
    rows = ensembles(small=(1e6, 2.0), slow=(1e6, 9.0), large=(1e9, 2.0), unknown=(None, 1.0))
    assert within_limits(rows, {}) == {"small", "slow", "large", "unknown"}
    assert within_limits(rows, {"flops": 1e6}) == {"small", "slow"}
    assert within_limits(rows, {"flops": 2e6, "ms": 2.0}) == {"small"}
    with pytest.raises(
        NothingAffordable, match=r"1,000 flops an image: the cheapest takes 1e\+06; .*--budget-flops 1000"
    ):
        within_limits(rows, {"flops": 1000.0})
    assert within_limits([], {"flops": 1.0}) == set()


@pytest.fixture
def results_within(tmp_path: Path, faces: Targets) -> Callable[..., Any]:
    store = PredictionStore(tmp_path / "fer2013" / "predictions")
    save_targets(store.folder, faces)
    costly = {"vgg_fer": (3.0, 1000), "mini_xception": (1.5, 10), "resnet18": (1.0, 1)}
    members = [stored_predictions(store, faces, name, skill=skill, macs=macs) for name, (skill, macs) in costly.items()]

    def found(**limits: float) -> Any:
        asked: Any = {f"budget_{unit}": limit for unit, limit in limits.items()}
        session = Session(Options("fer2013", results=tmp_path, ensemblers=("best_single", "uniform"), **asked))
        (searched,) = search_folds(session, [members], SILENT)
        return evaluate(session.suite, searched, tmp_path, not_run=[], notes=[], limits=session.limits)

    return found


def test_a_limit_chooses_another_headline_and_says_so(results_within: Callable[..., Any]):
    free = results_within()
    costs = {row["name"]: row["flops"] for row in free["ensembles"]}
    assert costs["best_single"] < costs["uniform"] and "limits" not in free
    limited = results_within(flops=costs["uniform"] - 1)
    assert limited["headline"] == "best_single" and limited["limits"] == {"flops": costs["uniform"] - 1}
    assert "of the ensembles that take at most" in headline(limited) and "at most" not in headline(free)
    assert [row["test_accuracy"] for row in limited["ensembles"]] == [row["test_accuracy"] for row in free["ensembles"]]


def test_members_over_the_limit_stand_apart_and_the_others_make_the_ensembles(results_within: Callable[..., Any]):
    least = min(row["flops"] for row in results_within()["members"])
    limited = results_within(flops=11 * least)
    assert {row["name"]: row.get("row_classes") for row in limited["members"]} == {
        "mini_xception": None, "resnet18": None, "vgg_fer": ["over the limit"],
    }  # fmt: skip
    assert all("vgg_fer" not in row["members_used"] for row in limited["ensembles"])
    single = best_single(limited)
    assert single is not None and single.name == "mini_xception"
    assert "¶ *Over the limit*" in ranking_section(limited)
    with pytest.raises(NothingAffordable):
        results_within(flops=least / 2)


def test_the_table_of_budgets_is_shown_and_a_damaged_one_is_named(
    results_within: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(evaluate_module, "offered", lambda members, targets: "today")
    path = tmp_path / "fer2013" / "budgets.csv"
    head = 'unit,budget,cost,"val, cross-fitted",test,95 %,members,chosen of\n'
    path.write_text(head + 'FLOPs,2e+03,22,40.00,41.00,"[39.5, 42.5]",mini_xception + resnet18,today\n')
    results = results_within()
    assert results["budgets"] == [
        {"unit": "flops", "budget": 2000.0, "cost": 22.0, "cross_fitted": 0.4, "accuracy": 0.41,
         "interval": [0.395, 0.425], "members": "mini_xception + resnet18"}
    ]  # fmt: skip
    text = budgets_section(results)
    assert "| 2.0k FLOPs | 22 FLOPs | 40.00 | 41.00 | [39.5, 42.5] | mini_xception + resnet18 |" in text
    for line, why in (
        ('FLOPs,2e+03,22,40.00,41.00,"[39.5, 42.5]",resnet18,yesterday', "of other members"),
        ('parsecs,2e+03,22,40.00,41.00,"[39.5, 42.5]",resnet18,today', "none of its own"),
        ('FLOPs,2e+03,22,40.00,41.00,"[39.5]",resnet18,today', "none of its own"),
        ("FLOPs,much,22,40.00,41.00,x,resnet18,today", "has no number"),
    ):
        path.write_text(head + line + "\n")
        results = results_within()
        assert "budgets" not in results and any(why in note for note in results["notes"]), line


def test_a_table_is_shown_until_members_change_or_what_they_say(tmp_path: Path, faces: Targets, no_figures: None):
    store = PredictionStore(tmp_path / "fer2013" / "predictions")
    save_targets(store.folder, faces)
    for name, macs in (("vgg_fer", 1000), ("mini_xception", 10)):
        stored_predictions(store, faces, name, macs=macs)
    table, asked = tmp_path / "fer2013" / "budgets.csv", ("--suite", "fer2013", "--results", tmp_path)

    def board() -> Any:
        assert cli(*asked, "--ensemblers", "uniform").code == 0
        return json.loads((tmp_path / "fer2013" / "results.json").read_text())

    board()
    assert cli("budget", *asked).code == 0 and table.exists()
    assert len(board()["budgets"]) == len(read_csv(table))
    assert cli("check", tmp_path / "fer2013").code == 0

    def is_stale() -> bool:
        results = board()
        notes = [note for note in results["notes"] if "budgets.csv: was chosen of other" in note]
        checked = cli("check", tmp_path / "fer2013")
        found = [bool(notes), "budgets" not in results, checked.code == 2, "budgets.csv: was chosen" in checked.err]
        assert len(set(found)) == 1, found
        return found[0]

    assert not is_stale()
    stored_predictions(store, faces, "resnet18", macs=1)  # a new one, which may win
    assert is_stale()
    assert cli("budget", *asked).code == 0 and not is_stale()
    stored_predictions(store, faces, "resnet18", macs=1, skill=1.1)  # trained anew
    assert is_stale()
    assert cli("budget", *asked).code == 0 and not is_stale()
    stored_predictions(store, faces, "resnet18", macs=2, skill=1.1)  # it takes more
    assert is_stale()
