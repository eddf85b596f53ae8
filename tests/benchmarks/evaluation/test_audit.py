"""The audit, the reasons why members are left out, and the cost of a row, against counting by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.evaluation import metrics
from benchmarks.evaluation.audit import audit, best_subset_on_test, calibration, learning_curve
from benchmarks.evaluation.cost import (
    forward_passes,
    milliseconds,
    pareto_front,
    total,
    total_milliseconds,
    total_of_views,
    trained_once,
    views,
)
from benchmarks.evaluation.diversity import LeftOutMembers, diversity
from benchmarks.evaluation.models import ScoredModel, member_labels, scored_models
from benchmarks.evaluation.recalibration import fitted_temperatures
from benchmarks.evaluation.score import score
from benchmarks.report.sections.audit import LABEL, audit_section
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets
from ensembles import softmax
from ensembles.search import SearchResult, search
from tests.helpers.generated import stored_predictions
from tests.helpers.results import blank_results
from zoo.inference.tta import network_inputs
from zoo.inference.views import VIEWS
from zoo.recipes import Recipe


@pytest.fixture
def marked(faces: Targets) -> Targets:
    """Targets that know which images stand in two splits: the first nine of test and four of val in train."""
    return replace(
        faces,
        val_in_train=np.arange(70) < 4,
        test_in_train=np.arange(84) < 9,
        test_in_val=np.zeros(84, dtype=bool),
    )


@pytest.fixture
def predictions(tmp_path: Path, marked: Targets) -> list[Predictions]:
    store = PredictionStore(tmp_path / "predictions")
    members = (("vgg_fer", 0, 2.0), ("resnet18", 0, 1.5), ("mini_xception", 0, 1.0), ("vgg_fer", 1, 1.9))
    return [stored_predictions(store, marked, name, seed=seed, skill=skill) for name, seed, skill in members]


@pytest.fixture
def found(predictions: list[Predictions], marked: Targets) -> list[SearchResult]:
    val = np.stack([one.val for one in predictions])
    return search(val, marked.val, ["best_single", "uniform", "hard_vote", "greedy"], repeats=1)


def audited(rows: list[ScoredModel], predictions: list[Predictions], targets: Targets) -> Any:
    return audit(rows, predictions, targets, fitted_temperatures(rows, targets.val))


@pytest.fixture
def results(predictions: list[Predictions], found: list[SearchResult], marked: Targets) -> Any:
    """As a run makes them, as far as the audit's section needs them."""
    rows = scored_models(predictions, found)
    splits = {"train": ("Training", 500), "val": ("PublicTest", 70), "test": ("PrivateTest", 84)}
    members, ensembles = score(rows, predictions, found, marked)
    return blank_results(
        splits={split: {"name": name, "size": size} for split, (name, size) in splits.items()},
        headline="greedy",
        members=members,
        ensembles=ensembles,
        audit=audited(rows, predictions, marked),
    )


# The audit


def test_selection_on_test_is_the_best_of_all_averages(predictions: list[Predictions], marked: Targets):
    claimed = best_subset_on_test(predictions, marked)
    probabilities = [softmax(one.test) for one in predictions]
    accuracies = {
        subset: metrics.accuracy(np.mean([probabilities[m] for m in subset], axis=0), marked.test)
        for size in range(1, 5)
        for subset in combinations(range(4), size)
    }
    assert claimed["accuracy"] == max(accuracies.values()) and claimed["subsets"] == len(accuracies) == 15
    labels = member_labels(predictions)
    assert accuracies[tuple(labels.index(label) for label in claimed["members"])] == claimed["accuracy"]


def test_of_many_members_the_best_on_val_are_tried(
    predictions: list[Predictions], marked: Targets, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("benchmarks.evaluation.audit.MOST_MEMBERS", 2)
    claimed = best_subset_on_test(predictions, marked)
    best = sorted(predictions, key=lambda one: -(one.val.argmax(axis=1) == marked.val).mean())[:2]
    assert set(claimed["members"]) <= set(member_labels(best))
    assert (claimed["subsets"], claimed["candidates"]) == (3, 2)


def test_scores_are_split_by_whether_the_image_stands_in_train(results: Any, predictions, marked: Targets):
    assert results["audit"]["overlap"] == {"val_in_train": 4, "test_in_train": 9, "test_in_val": 0}
    row = results["audit"]["rows"][0]
    right = predictions[0].test.argmax(axis=1) == marked.test
    assert row["name"] == member_labels(predictions)[0]
    assert row["accuracy"] == right.mean()
    assert row["unseen_accuracy"] == right[9:].mean() and row["overlap_accuracy"] == right[:9].mean()


def test_what_is_not_known_is_said_to_be_unknown(predictions, found, faces: Targets, results: Any):
    results["audit"] = audited(scored_models(predictions, found), predictions, faces)
    assert results["audit"]["overlap"] is None
    assert all(row["unseen_accuracy"] is None for row in results["audit"]["rows"])
    assert "Unknown: the stored targets do not say" in audit_section(results)


def test_a_test_split_without_doubles_has_nothing_to_leave_out(predictions, found, marked: Targets, results):
    clean = replace(marked, test_in_train=np.zeros(84, dtype=bool))
    results["audit"] = audited(scored_models(predictions, found), predictions, clean)
    row = results["audit"]["rows"][0]
    assert row["unseen_accuracy"] == row["accuracy"] and row["overlap_accuracy"] is None
    assert "The exact pixels of 0 of the 84 images" in audit_section(results)


def test_an_ensemble_is_cooled_by_what_it_says_of_images_it_has_not_seen():
    """What it says of those it was fitted on is right and sure of it; of others it is five times too sure."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3000, 4))
    targets = (softmax(logits).cumsum(axis=1) > rng.random((3000, 1))).argmax(axis=1)
    judged = Targets(targets[:1000], targets[1000:], "f", ("a", "b", "c", "d"), 1)
    fitted = softmax(20.0 * np.eye(4)[targets[:1000]])
    held_out = np.stack([softmax(5 * logits[:1000]), softmax(5.1 * logits[:1000])])
    row = ScoredModel("ensemble", "e", "e", fitted, softmax(5 * logits[1000:]), held_out)
    (measured,) = calibration([row], judged, fitted_temperatures([row], judged.val))
    assert measured["temperature"] == pytest.approx(5, rel=0.15) and measured["ece_scaled"] < measured["ece"] / 4
    blind = replace(row, held_out=None)
    (misled,) = calibration([blind], judged, fitted_temperatures([blind], judged.val))
    assert misled["temperature"] < 1 and misled["ece_scaled"] > measured["ece"]


def test_rows_of_ensembles_know_what_they_say_of_held_out_images(predictions, found: list[SearchResult], marked):
    rows = scored_models(predictions, found)
    assert all((row.held_out is None) == (row.kind == "member") for row in rows)
    by_name = {row.name: (row.val, row.held_out[0]) for row in rows if row.held_out is not None}
    np.testing.assert_allclose(*by_name["uniform"])
    assert not np.allclose(*by_name["greedy"])


def test_one_temperature_repairs_an_overconfident_row():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2000, 4))
    targets = (softmax(logits).cumsum(axis=1) > rng.random((2000, 1))).argmax(axis=1)
    rows = [ScoredModel("member", "sharp", "sharp", softmax(5 * logits[:1000]), softmax(5 * logits[1000:]))]
    judged = Targets(targets[:1000], targets[1000:], "f", ("a", "b", "c", "d"), 1)
    (measured,) = calibration(rows, judged, fitted_temperatures(rows, judged.val))
    assert measured["temperature"] == pytest.approx(5, rel=0.15)
    for name in ("ece", "log_loss", "brier"):
        assert measured[f"{name}_scaled"] < measured[name]
    assert measured["brier"] == metrics.brier_score(rows[0].test, targets[1000:])


def test_brier_score_equals_the_definition():
    probabilities, targets = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]), np.array([0, 1])
    expected = (0.3**2 + 0.2**2 + 0.1**2 + 0.1**2 + 0.7**2 + 0.6**2) / 2
    assert metrics.brier_score(probabilities, targets) == pytest.approx(expected)
    assert probabilities[0, 0] == 0.7, "the input is not changed"


def test_the_learning_curve_starts_at_single_members_and_ends_at_the_uniform_average():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 300)
    logits = 0.8 * np.eye(3)[targets] + rng.normal(size=(8, 300, 3))
    curve = learning_curve({"val": logits, "test": logits[:, ::-1]}, {"val": targets, "test": targets[::-1]})
    single = (logits.argmax(axis=2) == targets).mean(axis=1)
    assert curve["members"] == list(range(1, 9)) and curve["orders"] == 40
    assert single.min() <= curve["val"]["mean"][0] <= single.max() and curve["val"]["spread"][0] > 0
    assert curve["val"]["mean"][-1] == pytest.approx(metrics.accuracy(softmax(logits).mean(axis=0), targets))
    assert curve["val"]["spread"][-1] == pytest.approx(0, abs=1e-12)
    assert curve["val"] == curve["test"], "both splits see the same orders"
    ahead = curve["val"]["extrapolation"]
    assert curve["val"]["mean"][-1] - 0.03 < ahead["twice"] < ahead["limit"] < 1
    pair = learning_curve({"val": logits[:2], "test": logits[:2]}, {"val": targets, "test": targets})
    assert pair["val"]["extrapolation"] is None


def test_many_members_cost_no_more_orders_than_steps():
    logits = np.random.default_rng(0).normal(size=(90, 4, 2))
    targets = np.zeros(4, dtype=int)
    assert learning_curve({"val": logits, "test": logits}, {"val": targets, "test": targets})["orders"] == 8


def test_the_section_says_that_it_is_no_result(results: Any):
    text = audit_section(results)
    assert text.startswith(LABEL) and "not a result" in LABEL
    assert "nothing may be quoted" in text and "That is selection on the test set." in text
    assert "Extrapolation, not a measurement" in text
    assert "The exact pixels of 9 of the 84 images also stand in Training" in text
    assert "0 also stand in PublicTest" in text and "Of PublicTest's 70 images, 4 also stand in Training" in text
    assert audit_section(results | {"members": []}) == ""
    json.dumps(results["audit"], allow_nan=False)


# Why an ensemble works


def test_measures_of_diversity_are_json_and_agree_with_the_matrices(predictions: list[Predictions], marked: Targets):
    found = diversity(predictions, marked)
    json.dumps(found, allow_nan=False)
    assert found["members"] == member_labels(predictions)
    right = np.stack([one.test for one in predictions]).argmax(axis=2) == marked.test
    pairs = found["test"]["pairs"]
    assert list(zip(pairs["first"], pairs["second"], strict=True)) == list(combinations(range(4), 2))
    disagreement = [(right[a] != right[b]).mean() for a, b in combinations(range(4), 2)]
    assert pairs["disagreement"] == pytest.approx(disagreement)
    assert found["test"]["mean"]["disagreement"] == pytest.approx(np.mean(disagreement))
    assert found["test"]["oracle_accuracy"] == right.any(axis=0).mean()
    brier = found["test"]["brier"]
    assert brier["ensemble"] == pytest.approx(brier["members"] - brier["ambiguity"])


def test_one_member_has_no_pairs(predictions: list[Predictions], marked: Targets):
    found = diversity(predictions[:1], marked)
    assert found["val"]["pairs"]["q"] == [] and found["val"]["mean"]["q"] is None


def rows_of(*probabilities: np.ndarray) -> list[ScoredModel]:
    return [ScoredModel("member", f"m{index}", f"m{index}", each, each) for index, each in enumerate(probabilities)]


def test_a_near_twin_and_a_useless_member_are_left_out_for_what_they_are():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 400)
    good = softmax(2.0 * np.eye(3)[targets] + rng.normal(size=(400, 3)))
    twin, noise = good.copy(), softmax(rng.normal(size=(400, 3)))
    twin[:20] = noise[:20]
    members = rows_of(good, twin, noise)
    left = LeftOutMembers(members, targets).of(ScoredModel("ensemble", "e", "e", good, good), [0])
    assert [one["member"] for one in left] == ["m1", "m2"]
    assert left[0]["reason"].startswith("near twin of m0: their errors correlate by 0.")
    assert left[0]["agreement"] == (twin.argmax(axis=1) == good.argmax(axis=1)).mean()
    assert left[1]["reason"].startswith("weaker than every member used; adds nothing")
    mixed = (good + noise) / 2
    change = metrics.log_loss(mixed, targets) - metrics.log_loss(good, targets)
    assert left[1]["val_log_loss_change"] == pytest.approx(change) and change > 0


def test_a_member_that_would_have_helped_is_not_talked_down():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 400)
    one, other = (softmax(1.0 * np.eye(3)[targets] + rng.normal(size=(400, 3))) for _ in range(2))
    (left,) = LeftOutMembers(rows_of(one, other), targets).of(ScoredModel("ensemble", "e", "e", one, one), [0])
    assert "would have helped" in left["reason"] and left["val_accuracy_change"] > 0


def test_every_ensemble_explains_every_member_it_leaves_out(results: Any):
    labels = {member["label"] for member in results["members"]}
    for ensemble in results["ensembles"]:
        assert {one["member"] for one in ensemble["left_out"]} == labels - set(ensemble["members_used"])
    assert len(next(one for one in results["ensembles"] if one["name"] == "best_single")["left_out"]) == 3


# Tests and cost


def test_every_row_is_tested_against_both_floors(results: Any):
    rows = [*results["members"], *results["ensembles"]]
    for key in ("p_best_single", "p_uniform"):
        p, adjusted = ([row[name] for row in rows] for name in (key, f"{key}_holm"))
        assert all(one <= other <= 1 for one, other in zip(p, adjusted, strict=True))
        order = np.argsort(p)
        assert (np.diff(np.array(adjusted)[order][:-2]) >= 0).all()
    uniform = next(row for row in results["ensembles"] if row["name"] == "uniform")
    assert uniform["p_uniform"] == uniform["p_uniform_holm"] == 1.0
    assert all(row["letters"] for row in rows)


def test_the_front_holds_what_nothing_beats():
    accuracy, cost = [0.7, 0.7, 0.6, 0.5, None, 0.9], [5, 6, 1, 2, 1, None]
    assert pareto_front(accuracy, cost) == [True, False, True, False, None, None]
    assert pareto_front([0.5, 0.5], [1, 1]) == [True, True]


def test_costs_add_up_where_they_are_known():
    made_up: Any = {"seed": 0, "tta": "flip", "recipe": {}, "device": "a"}
    first, second = {"name": "x", "flops": 2, "ms_per_image": 1.5}, {"name": "y", "flops": 3, "ms_per_image": 0.5}
    members = [first | made_up, second | made_up]
    assert total(members, "flops") == total_of_views(members, "flops") == 5 and total_milliseconds(members) == 2.0
    unknown = {**members[0], "name": "z", "flops": None}
    assert total([*members, unknown], "flops") is None and total_of_views([*members, unknown], "flops") is None
    assert total_milliseconds([members[0], {**members[1], "device": "b"}]) is None
    assert milliseconds(2.0, 1000) == 2.0 and milliseconds(None, 10) is None


def test_an_image_costs_as_many_passes_as_it_has_views_and_networks():
    images = torch.zeros((1, 1, 16, 16), dtype=torch.uint8)
    assert {kind: len(list(network_inputs(images, 16, Recipe(), kind))) for kind in VIEWS} == {
        kind: views.count for kind, views in VIEWS.items()
    }
    assert forward_passes("flip", {"epochs": 3}) == 2 and forward_passes(None, None) == 1
    assert forward_passes("none", {"average": "snapshots", "cycles": 4}) == 4
    assert forward_passes("none", {"schedule": "warm_restarts", "cycles": 4}) == 1
    assert forward_passes("scale", {"folds": 5}) == 30


def with_views(tta: str, recipe: dict[str, Any], weights_of: str = "a.s0") -> Any:
    passes = forward_passes(tta, recipe)
    return {
        "name": f"a@{tta}", "seed": 0, "weights_of": weights_of, "tta": tta, "recipe": recipe, "device": "a",
        "flops": 100 * passes, "ms_per_image": 2.0 * passes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kinds", "recipe", "passes"),
    [
        (("flip", "scale"), {}, 6),  # both see the image as it is, and mirrored
        (("flip", "flip"), {}, 2),
        (("none", "flip", "scale", "grid"), {}, 18),
        (("scale", "rotate"), {}, 10),
        (("flip", "ten_crop"), {}, 12),  # corners are cut from an image that is enlarged for them
        (("flip", "ten_crop"), {"crop_ratio": 0.9}, 10),
        (("flip", "scale"), {"folds": 5}, 30),
    ],
)
def test_views_that_twins_share_are_computed_once(kinds: tuple[str, ...], recipe: dict[str, Any], passes: int):
    twins = [with_views(kind, recipe) for kind in kinds]
    assert total_of_views(twins, "flops") == pytest.approx(100 * passes)
    assert total_milliseconds(twins) == pytest.approx(2.0 * passes)
    other = with_views("scale", recipe, weights_of="b.s0")
    assert total_of_views([*twins, other], "flops") == pytest.approx(100 * passes + other["flops"])


@pytest.mark.parametrize("crop_ratio", [1.0, 0.875])
def test_kinds_of_views_share_what_their_inputs_share(crop_ratio: float):
    recipe = Recipe(crop_ratio=crop_ratio, normalise="unit")
    images = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
    for one, other in combinations(VIEWS, 2):
        first, second = (list(network_inputs(images, 48, recipe, kind)) for kind in (one, other))
        same = sum(any(torch.allclose(a, b, atol=1e-4) for b in second) for a in first)
        shared = views(one, {"crop_ratio": crop_ratio}) & views(other, {"crop_ratio": crop_ratio})
        assert same == len(shared), (one, other)


def test_weights_that_members_share_count_once():
    plain, other = ({"name": name, "seed": 0} for name in ("a", "b"))
    views = {"name": "a@scale_tta", "seed": 0, "weights_of": "a.s0"}
    assert trained_once([views, other, plain]) == [views, other]
    assert trained_once([plain, {**plain, "seed": 1}]) == [plain, {**plain, "seed": 1}]
