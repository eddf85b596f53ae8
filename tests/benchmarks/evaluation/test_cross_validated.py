"""Cross-validated scores: what their intervals cover in simulations, and what is shown of folds."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr, stdtrit

from benchmarks.evaluation.cross_validated import cross_validated, fold_interval
from benchmarks.evaluation.folds import pool
from benchmarks.evaluation.significance import bootstrap_intervals
from benchmarks.report.sections.cross_validated import cross_validated_section
from benchmarks.store.predictions import PredictionStore
from tests.benchmarks.evaluation.test_folds import fold_targets, searched

SIDES, APART, IMAGES, FOLDS = 4, 0.5, 100, 5  # dimensions, half the distance of two classes, images of a data set


def learned(random: np.random.Generator) -> tuple[np.ndarray, float]:
    """Accuracies fold by fold of the nearest class mean on one data set, and what its networks truly reach on average.

    Two normal classes, whose truth is known: the share on the right side of the plane that was learnt.
    """
    targets = np.arange(IMAGES) % 2
    signs = 2 * targets - 1
    faces = random.normal(size=(IMAGES, SIDES))
    faces[:, 0] += APART * signs
    fold_of = random.permutation(IMAGES) % FOLDS
    accuracies, truths = [], []
    for fold in range(FOLDS):
        seen, held_out = fold_of != fold, fold_of == fold
        means = [faces[seen & (targets == kind)].mean(axis=0) for kind in (0, 1)]
        normal, middle = means[1] - means[0], (means[0] + means[1]) / 2
        accuracies.append((((faces[held_out] - middle) @ normal > 0) == targets[held_out]).mean())
        length = np.linalg.norm(normal)
        reached = [kind * ((kind * APART * normal[0]) - middle @ normal) / length for kind in (-1, 1)]
        truths.append(float(np.mean(ndtr(reached))))
    return np.array(accuracies), float(np.mean(truths))


def test_the_interval_over_folds_covers_what_the_way_of_training_reaches():
    random = np.random.default_rng(0)
    found = [learned(random) for _ in range(600)]
    truth = float(np.mean([reached for _, reached in found]))  # of the way of training, whatever the training images
    inside = [low <= truth <= high for low, high in (fold_interval(accuracies) for accuracies, _ in found)]
    assert 0.94 <= np.mean(inside) <= 0.995
    plain = [
        abs(accuracies.mean() - truth) <= stdtrit(FOLDS - 1, 0.975) * accuracies.std(ddof=1) / math.sqrt(FOLDS)
        for accuracies, _ in found
    ]
    assert np.mean(plain) < np.mean(inside) - 0.02


def test_the_interval_over_people_covers_what_the_networks_reach_on_other_people():
    random = np.random.default_rng(1)
    people, each, trials = 50, 12, 120
    groups = np.repeat(np.arange(people), each)
    inside = {"people": 0, "images": 0}
    for _ in range(trials):
        easy = random.beta(4.0, 2.0, people)
        correct = random.random(people * each) < np.repeat(easy, each)
        for unit, given in (("people", groups), ("images", None)):
            ((low, high),) = bootstrap_intervals(correct[None], draws=200, groups=given)
            inside[unit] += low <= 4.0 / 6.0 <= high
    assert 0.88 <= inside["people"] / trials <= 0.99
    assert inside["images"] / trials < 0.85, "one person's images stand or fall together"


@pytest.mark.parametrize("accuracies", [[0.7, 0.7, 0.7], [0.0, 1.0], [0.99, 1.0, 0.98, 1.0]])
def test_bounds_are_shares_around_the_mean(accuracies: list[float]):
    low, high = fold_interval(np.array(accuracies))
    assert 0.0 <= low <= np.mean(accuracies) <= high <= 1.0
    assert (high - low < 1e-9) == (len(set(accuracies)) == 1)


def test_by_hand():
    assert fold_interval(np.array([0.6, 0.7])) == pytest.approx([0.0, 1.0])  # two folds say next to nothing
    half = 2.776445 * math.sqrt(0.0025 * (1 / 5 + 1 / 4))
    scores = np.array([0.65, 0.7, 0.75, 0.7 + 0.05 * math.sqrt(2), 0.7 - 0.05 * math.sqrt(2)])
    scores = 0.7 + (scores - scores.mean()) * 0.05 / scores.std(ddof=1)
    assert fold_interval(scores) == pytest.approx([0.7 - half, 0.7 + half], abs=1e-6)


def test_every_row_is_scored_fold_by_fold_and_shown_with_both_intervals(tmp_path: Path):
    parts = [searched(PredictionStore(tmp_path), fold_targets(fold)) for fold in range(3)]
    pooled = pool(parts)
    known = cross_validated(pooled.rows, pooled.targets, pooled.test_folds)
    assert known is not None and known["sizes"] == [70, 71, 72] and known["people"] == 23
    for place, row in enumerate(known["rows"]):
        alone = [(fold.rows[place].test.argmax(1) == fold.targets.test).mean() for fold in parts]
        assert row["accuracies"] == pytest.approx(alone) and row["mean"] == pytest.approx(np.mean(alone))
        assert row["interval"][0] <= row["mean"] <= row["interval"][1]
    results = {"cross_validated": known, "protocol": {"unit": "people", "folds": 3, "units": 23}, "members": []}
    text = cross_validated_section(results)  # type: ignore[arg-type]
    assert "| Fold 1 | Fold 2 | Fold 3 | Mean | Over folds | Over 23 people |" in text and "vgg_fer" in text
    assert cross_validated(parts[0].rows, parts[0].targets, parts[0].test_folds) is None
    assert cross_validated_section({"members": []}) == ""  # type: ignore[typeddict-item]
