"""Scores against scikit-learn, the bootstrap against what is known of a mean, McNemar against SciPy's exact test."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn import metrics as reference

from benchmarks.evaluation import metrics
from benchmarks.evaluation.significance import bootstrap_intervals, holm, letters, mcnemar, pairwise_mcnemar, ranks

Arrays = tuple[NDArray[np.float64], NDArray[np.int64]]


@pytest.fixture(params=[np.float32, np.float64])
def predictions(request: pytest.FixtureRequest) -> Arrays:
    """Probabilities [500, 7] that know something of their targets [500]."""
    rng = np.random.default_rng(7)
    targets = rng.integers(7, size=500)
    logits = rng.normal(size=(500, 7)) + 1.5 * np.eye(7)[targets]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probabilities.astype(request.param), targets


def _correct(rows: int, images: int, accuracy: float = 0.73, seed: int = 0) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random((rows, images)) < accuracy


# --- scores --------------------------------------------------------------------------------------------------------


def test_scores_agree_with_scikit_learn(predictions: Arrays) -> None:
    probabilities, targets = predictions
    top = probabilities.argmax(axis=1)
    assert metrics.accuracy(*predictions) == pytest.approx(reference.accuracy_score(targets, top))
    assert metrics.macro_f1(*predictions) == pytest.approx(reference.f1_score(targets, top, average="macro"))
    assert metrics.balanced_accuracy(*predictions) == pytest.approx(reference.balanced_accuracy_score(targets, top))
    assert metrics.log_loss(*predictions) == pytest.approx(reference.log_loss(targets, probabilities), rel=1e-5)
    assert metrics.cohen_kappa(*predictions) == pytest.approx(reference.cohen_kappa_score(targets, top))
    np.testing.assert_array_equal(metrics.confusion_matrix(*predictions), reference.confusion_matrix(targets, top))


def test_classes_that_never_occur_do_not_count() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0, 0.0], [0.8, 0.2, 0.0, 0.0], [0.1, 0.2, 0.7, 0.0]])
    targets = np.array([0, 1, 1])
    top = probabilities.argmax(axis=1)
    assert metrics.macro_f1(probabilities, targets) == pytest.approx(
        reference.f1_score(targets, top, average="macro", zero_division=0)
    )
    assert metrics.balanced_accuracy(probabilities, targets) == pytest.approx((1.0 + 0.0) / 2)


@pytest.mark.parametrize("decimals", [12, 1])  # one decimal: nearly all samples are tied with others
def test_areas_under_curves_agree_with_scikit_learn(predictions: Arrays, decimals: int) -> None:
    probabilities, targets = predictions[0].round(decimals), predictions[1]
    one_hot = np.eye(7)[targets]
    auroc = reference.roc_auc_score(one_hot, probabilities, average="macro")
    assert metrics.macro_auroc(probabilities, targets) == pytest.approx(auroc, rel=1e-9)
    auprc = reference.average_precision_score(one_hot, probabilities, average="macro")
    assert metrics.macro_auprc(probabilities, targets) == pytest.approx(auprc, rel=1e-9)


def test_areas_under_curves_leave_out_classes_without_targets(predictions: Arrays) -> None:
    probabilities, targets = predictions[0], predictions[1] % 5
    columns = [(np.eye(7)[targets][:, index], probabilities[:, index]) for index in range(5)]
    auroc = np.mean([reference.roc_auc_score(*column) for column in columns])
    auprc = np.mean([reference.average_precision_score(*column) for column in columns])
    assert metrics.macro_auroc(probabilities, targets) == pytest.approx(auroc, rel=1e-9)
    assert metrics.macro_auprc(probabilities, targets) == pytest.approx(auprc, rel=1e-9)


def test_one_class_alone_has_no_area_under_its_roc_curve_and_no_kappa() -> None:
    certain, targets = np.tile([0.9, 0.1], (4, 1)), np.zeros(4, dtype=np.int64)
    assert np.isnan(metrics.macro_auroc(certain, targets)) and np.isnan(metrics.cohen_kappa(certain, targets))
    assert metrics.macro_auprc(certain, targets) == 1.0


def test_log_loss_of_an_impossible_target_is_large_but_finite() -> None:
    assert 30.0 < metrics.log_loss(np.array([[1.0, 0.0]]), np.array([1])) < 40.0


def test_calibration_error_agrees_with_a_naive_loop(predictions: Arrays) -> None:
    probabilities, targets = predictions
    confidence, correct = probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == targets
    error = 0.0
    for index in range(15):
        inside = (confidence > index / 15) & (confidence <= (index + 1) / 15)
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert metrics.expected_calibration_error(*predictions) == pytest.approx(error)


def test_calibration_error_of_certain_predictions() -> None:
    certain = np.eye(3)[[0, 1, 2, 0]]
    assert metrics.expected_calibration_error(certain, np.array([0, 1, 2, 0])) == 0.0
    assert metrics.expected_calibration_error(certain, np.array([1, 2, 0, 0])) == pytest.approx(0.75)


@pytest.mark.parametrize("score", [metrics.accuracy, metrics.macro_f1, metrics.log_loss, metrics.macro_auroc])
def test_shapes_that_do_not_fit_are_refused(score: object) -> None:
    for probabilities, targets in [((4, 3), (5,)), ((4,), (4,)), ((0, 3), (0,))]:
        with pytest.raises(ValueError, match="expected probabilities"):
            score(np.zeros(probabilities), np.zeros(targets, dtype=np.int64))  # type: ignore[operator]


# --- bootstrap -----------------------------------------------------------------------------------------------------


def test_intervals_match_the_binomial_spread() -> None:
    correct = _correct(3, 3589)
    low, high = bootstrap_intervals(correct, draws=4000).T
    mean = correct.mean(axis=1)
    half = 1.96 * np.sqrt(mean * (1 - mean) / 3589)
    np.testing.assert_allclose(high - mean, half, rtol=0.08)
    np.testing.assert_allclose(mean - low, half, rtol=0.08)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    intervals = bootstrap_intervals(_correct(400, 300), draws=1000)  # 400 experiments at a true accuracy of 0.73
    covered = np.mean((intervals[:, 0] <= 0.73) & (intervals[:, 1] >= 0.73))
    assert 0.91 < covered < 0.98


def test_draws_are_shared_by_all_rows() -> None:
    row = _correct(1, 800)[0]
    intervals = bootstrap_intervals(np.stack([row, row, ~row]), draws=500)
    np.testing.assert_array_equal(intervals[0], intervals[1])
    np.testing.assert_allclose(intervals[2], 1.0 - intervals[0][::-1])
    np.testing.assert_array_equal(intervals[:1], bootstrap_intervals(row[None], draws=500))


def test_intervals_repeat_and_depend_on_the_seed() -> None:
    correct = _correct(2, 500)
    np.testing.assert_array_equal(bootstrap_intervals(correct, draws=300), bootstrap_intervals(correct, draws=300))
    assert np.any(bootstrap_intervals(correct, draws=300) != bootstrap_intervals(correct, draws=300, random_state=1))


def test_perfect_rows_have_no_spread_and_levels_nest() -> None:
    np.testing.assert_array_equal(bootstrap_intervals(np.ones((1, 50)), draws=100), [[1.0, 1.0]])
    wide, narrow = (bootstrap_intervals(_correct(1, 400), draws=500, level=level)[0] for level in (0.99, 0.8))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_bootstrap_without_images_is_refused() -> None:
    with pytest.raises(ValueError, match="correctness"):
        bootstrap_intervals(np.zeros((2, 0)))


# --- paired tests and ranks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (0, 1), (3, 3), (2, 9), (40, 71), (900, 1010), (0, 60)])
def test_mcnemar_is_the_exact_binomial_test(only_a: int, only_b: int) -> None:
    a = np.r_[np.ones(only_a), np.zeros(only_b), np.ones(500)]
    b = np.r_[np.zeros(only_a), np.ones(only_b), np.ones(500)]
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(a, b) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(a, b) == mcnemar(b, a)


def test_mcnemar_refuses_rows_of_different_lengths() -> None:
    with pytest.raises(ValueError, match="same length"):
        mcnemar(np.ones(3), np.ones(4))


def test_ranks_are_shared_where_nothing_separates_rows() -> None:
    base = np.r_[np.ones(700), np.zeros(300)].astype(bool)
    near, far, close_to_far = base.copy(), base.copy(), base.copy()
    near[:3] = False
    far[:60] = False
    close_to_far[:62] = False
    rows = np.stack([far, base, close_to_far, near])
    assert ranks(list(rows.mean(axis=1)), rows) == ["3-4", "1-2", "3-4", "1-2"]
    assert ranks([float(base.mean()), float(far.mean())], np.stack([base, far])) == ["1", "2"]


def test_ranks_overlap_where_a_row_is_told_from_one_neighbour_alone() -> None:
    best = np.r_[np.ones(700), np.zeros(300)].astype(bool)
    middle, last = best.copy(), best.copy()
    middle[:5] = False  # p of 0.06 against each of the others
    last[:10] = False  # p of 0.002 against the best
    rows = np.stack([best, middle, last])
    assert ranks(rows.mean(axis=1).tolist(), rows) == ["1-2", "1-3", "2-3"]


@pytest.mark.parametrize("seed", range(3))
def test_rows_of_one_skill_have_all_ranks_in_nearly_every_world(seed: int) -> None:
    random, worlds, rows = np.random.default_rng(seed), 40, 40
    divided = 0
    for _ in range(worlds):
        hard = random.beta(2, 1, 800)  # images differ in how many rows get them right
        correct = random.random((rows, 800)) < hard
        divided += set(ranks(correct.mean(axis=1).tolist(), correct)) != {f"1-{rows}"}
    assert divided <= 0.15 * worlds  # 5 % is what is promised at most


def test_ranks_of_nothing_and_of_equal_rows() -> None:
    assert ranks([], np.zeros((0, 10))) == []
    assert ranks([0.5, 0.5, 0.5], np.tile([True, False], (3, 5))) == ["1-3", "1-3", "1-3"]


# --- families of tests ---------------------------------------------------------------------------------------------


def test_all_pairs_at_once_equal_one_test_after_another() -> None:
    correct = np.random.default_rng(0).random((5, 40)) < 0.7
    correct[4] = correct[3]
    expected = [[mcnemar(one, other) for other in correct] for one in correct]
    np.testing.assert_allclose(pairwise_mcnemar(correct), expected, rtol=1e-12)


def test_holm_equals_the_textbook() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.6]), [1.0, 1.0])
    assert holm([]).shape == (0,)
    assert holm([0.2])[0] == 0.2


def test_holm_keeps_the_family_wise_error() -> None:
    draws = np.random.default_rng(0).random((4000, 20))
    false_discoveries = np.mean([(holm(p) < 0.05).any() for p in draws])
    assert abs(false_discoveries - 0.05) < 0.015


@pytest.mark.parametrize("seed", range(6))
def test_rows_share_a_letter_exactly_where_nothing_separates_them(seed: int) -> None:
    random = np.random.default_rng(seed)
    difficulty = random.random(400)
    correct = np.stack([difficulty + 0.3 * random.random(400) < level for level in np.linspace(0.6, 0.8, 9)])
    accuracy = correct.mean(axis=1)
    shown = letters(accuracy.tolist(), correct)
    first, second = np.triu_indices(9, 1)
    adjusted = holm(pairwise_mcnemar(correct)[first, second])
    separated = {(int(a), int(b)) for a, b, p in zip(first, second, adjusted, strict=True) if p < 0.05}
    assert 0 < len(separated) < len(adjusted)
    for a, b in zip(first, second, strict=True):
        assert bool(set(shown[a]) & set(shown[b])) == ((int(a), int(b)) not in separated)
    assert "a" in shown[int(accuracy.argmax())]
    groups = {letter: {row for row in range(9) if letter in shown[row]} for letter in set("".join(shown))}
    assert not any(one < other for one in groups.values() for other in groups.values()), "a letter too many"


def test_letters_of_nothing_of_one_row_and_of_equal_rows() -> None:
    assert letters([], np.zeros((0, 3))) == []
    assert letters([0.5], np.array([[True, False]])) == ["a"]
    assert letters([0.5, 0.5], np.array([[True, False]] * 2)) == ["a", "a"]
