"""Folds put together: what is joined, what stays apart, and what intervals over people say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.evaluation.folds import FittedInFolds, SearchedModels, fits_of, pool
from benchmarks.evaluation.models import scored_models
from benchmarks.evaluation.score import failures, score
from benchmarks.evaluation.significance import bootstrap_intervals
from benchmarks.execution.plan import inspect
from benchmarks.report.epochs import member_history
from benchmarks.store.container import StoreError
from benchmarks.store.folds import save_folds, stored_folds, stored_targets
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from ensembles.search import search
from tests.helpers.generated import FACES, PROVENANCE, stored_predictions
from zoo import registry

KINDS = ("best_single", "uniform", "greedy")
MEMBERS = {"vgg_fer": 2.0, "resnet18": 1.6, "mini_xception": 1.2}


def fold_targets(fold: int) -> Targets:
    random = np.random.default_rng(fold)
    val, test = random.integers(0, 7, 60), random.integers(0, 7, 70 + fold)
    groups = np.arange(70 + fold, dtype=np.int32) // 10 + 100 * fold
    return Targets(val, test, f"{fold}" * 32, FACES, train_size=100 + fold, test_groups=groups)


def searched(store: PredictionStore, targets: Targets) -> SearchedModels:
    predictions = [stored_predictions(store, targets, name, skill=skill) for name, skill in MEMBERS.items()]
    found = search(np.stack([one.val for one in predictions]), targets.val, KINDS)
    return SearchedModels(targets, predictions, found, scored_models(predictions, found))


@pytest.fixture
def folds(tmp_path: Path) -> list[SearchedModels]:
    return [searched(PredictionStore(tmp_path), fold_targets(fold)) for fold in range(3)]


def test_rows_of_the_folds_are_joined_end_to_end(folds: list[SearchedModels]):
    pooled = pool(folds)
    assert [row.name for row in pooled.rows] == [row.name for row in folds[0].rows]
    for place, row in enumerate(pooled.rows):
        np.testing.assert_array_equal(row.test, np.concatenate([fold.rows[place].test for fold in folds]))
        np.testing.assert_array_equal(row.val, np.concatenate([fold.rows[place].val for fold in folds]))
        unseen = [held_out for fold in folds if (held_out := fold.rows[place].held_out) is not None]
        assert (row.held_out is None) == (row.kind == "member") == (not unseen)
        if row.held_out is not None:
            repeats = min(map(len, unseen))
            np.testing.assert_array_equal(row.held_out, np.concatenate([part[:repeats] for part in unseen], axis=1))
    np.testing.assert_array_equal(pooled.targets.test, np.concatenate([fold.targets.test for fold in folds]))
    assert pooled.targets.test_groups is not None
    assert len(np.unique(pooled.targets.test_groups)) == 7 + 8 + 8
    assert pooled.targets.train_size == 101


def test_scores_of_the_whole_are_those_of_all_images(folds: list[SearchedModels]):
    pooled = pool(folds)
    members, ensembles = score(pooled.rows, pooled.predictions, pooled.search_results, pooled.targets)
    right = [fold.rows[0].test.argmax(axis=1) == fold.targets.test for fold in folds]
    assert members[0]["test_accuracy"] == pytest.approx(np.concatenate(right).mean())
    val = [fold.search_results[2].cross_fit_correct for fold in folds]
    assert ensembles[2]["cross_fit_accuracy"] == pytest.approx(np.concatenate(val).mean())


def test_ensembles_are_of_their_own_fold_alone(tmp_path: Path, folds: list[SearchedModels]):
    other = fold_targets(1)
    changed = searched(PredictionStore(tmp_path / "other"), replace(other, val=(other.val + 1) % 7))
    pooled, mixed = pool(folds), pool([folds[0], changed, folds[2]])
    first = len(folds[0].targets.test)
    for row, same in zip(pooled.rows, mixed.rows, strict=True):
        np.testing.assert_array_equal(row.test[:first], same.test[:first])


def test_an_ensemble_in_folds_costs_what_its_fits_cost_in_the_mean(folds: list[SearchedModels]):
    pooled = pool(folds)
    _, scored = score(pooled.rows, pooled.predictions, pooled.search_results, pooled.targets)
    greedy = pooled.search_results[2].ensembler
    assert isinstance(greedy, FittedInFolds)
    sizes = [len(fit) for fit in fits_of(greedy)]
    assert sizes == [
        len(fold.search_results[2].ensembler.members_used_) for fold in folds if fold.search_results[2].ensembler
    ]
    assert scored[2]["params"] == pytest.approx(PROVENANCE["params"] * np.mean(sizes))
    assert scored[0]["models"] == 1
    weights = [fold.search_results[2].ensembler.weights_ for fold in folds if fold.search_results[2].ensembler]
    assert list(scored[2]["weights"].values()) == pytest.approx(np.mean(weights, axis=0).tolist())


def test_what_fails_in_one_fold_has_failed(folds: list[SearchedModels]):
    failed = replace(folds[1].search_results[1], ensembler=None, error="ValueError: no", fit_accuracy=float("nan"))
    rows = [row for row in folds[1].rows if row.name != failed.name]
    broken = SearchedModels(
        folds[1].targets, folds[1].predictions, [folds[1].search_results[0], failed, folds[1].search_results[2]], rows
    )  # fmt: skip
    pooled = pool([folds[0], broken, folds[2]])
    assert pooled.search_results[1].error == "fold 2: ValueError: no"
    assert [row.name for row in pooled.rows] == [*MEMBERS, "best_single", "greedy"]
    _, ensembles = score(pooled.rows, pooled.predictions, pooled.search_results, pooled.targets)
    assert [row["name"] for row in ensembles] == ["best_single", "greedy"]
    assert [(row["name"], row["error"]) for row in failures(pooled.search_results)] == [
        (failed.name, "fold 2: ValueError: no")
    ]


def test_one_part_stays_as_it_is(folds: list[SearchedModels]):
    assert pool(folds[:1]) is folds[0]


def test_times_are_those_of_all_folds(folds: list[SearchedModels]):
    provenance = pool(folds).predictions[0].provenance
    assert provenance["train_seconds"] == 3 * PROVENANCE["train_seconds"]
    assert provenance["device"] == PROVENANCE["device"]
    assert provenance["best_epoch"] is None


def test_histories_of_folds_are_averaged_as_far_as_the_shortest_goes(tmp_path: Path):
    for name, table in (("a", "1,0.2\n2,0.4\n3,0.9\n"), ("b", "1,0.4\n2,0.6\n")):
        (tmp_path / f"net.s0.{name}.csv").write_text(f"epoch,val_accuracy\n{table}")
    member: Any = {"name": "net", "seed": 0, "hash": "c", "folds": ["a", "b"]}
    found = member_history(member, tmp_path)
    assert found == {"epoch": [1, 2], "val_accuracy": pytest.approx([0.3, 0.5])}


# The store


def test_the_store_knows_its_folds_without_images(tmp_path: Path, folds: list[SearchedModels]):
    store = PredictionStore(tmp_path)
    for fold in folds:
        save_targets(store.folder, fold.targets)
    assert stored_folds(store.folder) == []
    save_folds(store.folder, [fold.targets.fingerprint for fold in folds])
    for place, fold in enumerate(folds):
        found = stored_targets(store.folder, place)
        assert found is not None
        assert found.fingerprint == fold.targets.fingerprint
        np.testing.assert_array_equal(found.test_groups, fold.targets.test_groups)
    assert stored_targets(store.folder, 3) is None


def test_of_several_sets_of_folds_the_one_with_most_predictions_counts(tmp_path: Path, folds: list[SearchedModels]):
    store = PredictionStore(tmp_path)
    save_folds(store.folder, ["8" * 32, "9" * 32])
    save_folds(store.folder, [fold.targets.fingerprint for fold in folds])
    assert stored_folds(store.folder) == [fold.targets.fingerprint for fold in folds]


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1, 2]"])
def test_a_damaged_list_of_folds_is_named(tmp_path: Path, text: str):
    (tmp_path / "folds.000000000000.json").write_text(text)
    with pytest.raises(StoreError, match=r"folds.000000000000.json"):
        stored_folds(tmp_path)


def test_predictions_of_another_fold_are_not_called_stale(tmp_path: Path, folds: list[SearchedModels]):
    store = PredictionStore(tmp_path)
    missing = Targets(np.zeros(5, np.int64), np.zeros(5, np.int64), "e" * 32, FACES, 10)
    wanted = [Configuration(registry.get("vgg_fer"), 0, missing.fingerprint, 7)]
    assert len(inspect(wanted, store, missing)[1]) == 3
    save_folds(store.folder, [*(fold.targets.fingerprint for fold in folds), missing.fingerprint])
    assert inspect(wanted, store, missing)[1] == []


# Intervals over groups


def test_intervals_over_groups_are_those_of_a_naive_loop():
    random = np.random.default_rng(0)
    groups = np.sort(random.integers(0, 12, 90))
    correct = random.random((2, 90)) < np.where(groups % 3, 0.8, 0.3)
    found = bootstrap_intervals(correct, draws=200, random_state=3, groups=groups)
    names, again = np.unique(groups), np.random.default_rng(3)
    taken = again.integers(len(names), size=(200, len(names)))
    means = [[row[np.concatenate([np.flatnonzero(groups == names[g]) for g in draw])].mean() for row in correct]
             for draw in taken]  # fmt: skip
    np.testing.assert_allclose(found, np.quantile(means, [0.025, 0.975], axis=0).T, atol=1e-6)


def test_where_people_differ_intervals_over_them_are_wider():
    groups = np.repeat(np.arange(20), 30)
    correct = (groups % 2 == 0)[None]  # a network that knows half of the people perfectly, and the others not at all
    images, people = bootstrap_intervals(correct), bootstrap_intervals(correct, groups=groups)
    assert np.diff(people) > 4 * np.diff(images)
