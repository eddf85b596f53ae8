"""The one look at the test ratings: members and combinations scored in valence and arousal, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.evaluation.affect_metrics import affect_scores
from benchmarks.evaluation.models import member_labels
from benchmarks.evaluation.significance import bootstrap_means
from benchmarks.results import DIMENSIONS
from benchmarks.results.analyses import Affect, AffectDimension, AffectRow, Failed, PublishedAffect
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles.affect.base import rated
from ensembles.affect.search import FOLDS, AffectSearchResult, search_affect


@dataclass(frozen=True, eq=False)
class Rater:
    """What one row of the table predicts: valence and arousal [N, 2] of the rated images of val and test.

    `cross_fitted` are those of val by fits that have not seen the image; None for a member, which is fitted on train.
    """

    kind: str
    name: str
    title: str
    models: int
    val: np.ndarray
    test: np.ndarray
    cross_fitted: np.ndarray | None = None
    weights: dict[str, list[float]] | None = None


def affect_part(
    predictions: Sequence[Predictions], targets: Targets, published: Sequence[PublishedAffect] = ()
) -> Affect | None:
    """Evaluate valence and arousal: `affect` of the results.

    None where the data has too few ratings, or no member predicts them.

    Combinations are fitted on val alone. The best single member and the chosen combination are those of the highest
    mean concordance on val, of combinations the cross-fitted one; test decides nothing.
    """
    if targets.val_affect is None or targets.test_affect is None:
        return None
    known_val, known_test = rated(targets.val_affect), rated(targets.test_affect)
    named = zip(member_labels(predictions), predictions, strict=True)
    members = {
        label: member for label, member in named if member.val_affect is not None and member.test_affect is not None
    }
    if not members or known_val.sum() < FOLDS or not known_test.any():
        return None
    val, test = (
        np.stack([member.affect()[name] for member in members.values()]) for name in ("val_affect", "test_affect")
    )
    val, test = val[:, known_val].astype(np.float64), test[:, known_test].astype(np.float64)
    truth_val, truth_test = targets.val_affect[known_val], targets.test_affect[known_test]
    search_results = search_affect(val, truth_val)
    raters = [
        Rater("member", label, label, 1, *own) for label, own in zip(members, zip(val, test, strict=True), strict=True)
    ]
    raters += [_combined(result, list(members), test) for result in search_results if result.ensembler is not None]
    rows = _scored(raters, truth_val, truth_test)
    single = max(rows[: len(members)], key=lambda row: row["val_ccc"])
    headline = max(rows[len(members) :], key=lambda row: row["cross_fit_ccc"] or 0.0, default=None)
    failed: list[Failed] = [
        {"name": result.name, "title": result.title, "error": result.error}
        for result in search_results
        if result.error is not None
    ]
    return {
        "rated": {"val": int(known_val.sum()), "test": int(known_test.sum())},
        "best_single": single["name"],
        "headline": None if headline is None else headline["name"],
        "members": rows[: len(members)],
        "ensembles": rows[len(members) :],
        "failed": failed,
        "published": list(published),
    }


def _combined(result: AffectSearchResult, members: Sequence[str], test: np.ndarray) -> Rater:
    assert result.ensembler is not None
    weights = result.ensembler.weights_
    by_member = None if weights is None else dict(zip(members, weights.tolist(), strict=True))
    models = len(members) if weights is None else int(weights.any(axis=1).sum())
    predicted = result.ensembler.predict(test)
    return Rater(
        "ensemble", result.name, result.title, models, result.fitted, predicted, result.cross_fitted, by_member
    )


def _scored(raters: Sequence[Rater], truth_val: np.ndarray, truth_test: np.ndarray) -> list[AffectRow]:
    """Score each rater on val and test.

    With 95 % intervals of concordance, and the paired difference of its mean to the best single member's.
    """
    draws = bootstrap_concordance(np.stack([rater.test for rater in raters]), truth_test)
    val_ccc = [_mean_ccc(rater.val, truth_val) for rater in raters]
    single = int(
        np.argmax([ccc if rater.kind == "member" else -np.inf for ccc, rater in zip(val_ccc, raters, strict=True)])
    )
    reference = draws[:, single].mean(axis=1)
    rows: list[AffectRow] = []
    for index, rater in enumerate(raters):
        scores = affect_scores(rater.test, truth_test)
        means = draws[:, index].mean(axis=1)
        rows.append(
            {
                "kind": rater.kind,
                "name": rater.name,
                "title": rater.title,
                "models": rater.models,
                "valence": _dimension(scores["valence"], draws[:, index, 0]),
                "arousal": _dimension(scores["arousal"], draws[:, index, 1]),
                "ccc": _mean_ccc(rater.test, truth_test),
                "ccc_interval": _interval(means),
                "difference_interval": _interval(means - reference),
                "val_ccc": val_ccc[index],
                "cross_fit_ccc": None if rater.cross_fitted is None else _mean_ccc(rater.cross_fitted, truth_val),
                "weights": rater.weights,
            }
        )
    return rows


def _dimension(scores: Mapping[str, float], draws: np.ndarray) -> AffectDimension:
    """Return scores on test, None where one is not defined, and the interval of concordance."""
    known = {name: None if np.isnan(value) else value for name, value in scores.items()}
    return {
        "rmse": known["rmse"],
        "corr": known["corr"],
        "sagr": known["sagr"],
        "ccc": scores["ccc"],
        "ccc_interval": _interval(draws),
    }


def _mean_ccc(predicted: np.ndarray, truth: np.ndarray) -> float:
    scores = affect_scores(predicted, truth)
    return float(np.mean([scores[dimension]["ccc"] for dimension in DIMENSIONS]))


def _interval(draws: np.ndarray) -> list[float]:
    """Return the central 95 % of the draws."""
    return np.quantile(draws, [0.025, 0.975]).tolist()


def bootstrap_concordance(
    predicted: np.ndarray, truth: np.ndarray, draws: int = 10_000, random_state: int = 0
) -> np.ndarray:
    """Bootstrap the concordance of rows `[R, N, 2]` with the truth `[N, 2]` over images: `[draws, R, 2]`.

    Each draw serves all rows, so that their differences are paired. The concordance is made of weighted moments, which
    are one matrix product for many draws; values are taken around the truth's mean, where the moments are exact enough.
    """
    centre = truth.mean(axis=0, dtype=np.float64)
    own, other = predicted - centre, np.broadcast_to(truth - centre, predicted.shape)
    moments = np.stack([own, other, own**2, other**2, own * other])  # [5, R, N, 2]
    columns = moments.transpose(2, 0, 1, 3).reshape(predicted.shape[1], -1)
    means = bootstrap_means(columns.T, draws, random_state).reshape(draws, 5, len(predicted), 2)
    mean, mean_truth, square, square_truth, product = means.transpose(1, 0, 2, 3)
    room = square + square_truth - 2 * mean * mean_truth  # both variances and the squared distance of the means
    covariance = product - mean * mean_truth
    return np.divide(2 * covariance, room, out=np.ones_like(room), where=room > 1e-12)
