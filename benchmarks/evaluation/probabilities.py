"""What the probabilities of every row are worth, beside its accuracy: `probabilities` of the results.

Accuracy asks of an image one bit. Proper scores, prediction sets and selective accuracy ask how sure a model was, and
tell models apart that accuracy cannot. All rows share the draws of their intervals with the leaderboard's. Like the
scorer it reads test targets and chooses nothing: temperatures, scales, quantiles and thresholds come from val.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks.evaluation import metrics
from benchmarks.evaluation.conformal import class_quantiles, conformal_quantile, prediction_sets
from benchmarks.evaluation.models import ScoredModel
from benchmarks.evaluation.recalibration import (
    NONE,
    TEMPERATURE,
    VECTOR,
    cross_fitted_scores,
    recalibrated,
    recalibration_scores,
    scaled,
)
from benchmarks.evaluation.selective import comparable, confidence, risk_curve, risk_values, threshold
from benchmarks.evaluation.significance import bootstrap_means, quantile_intervals, wilson_interval
from benchmarks.results import UNIFORM
from benchmarks.results.probabilities import (
    PairedScore,
    PredictionSets,
    Probabilities,
    ProbabilityRow,
    RiskCurve,
    Selective,
)
from benchmarks.store.targets import Targets

COVERAGE = 0.9  # asked of the sets
ASKED = (0.80, 0.85, 0.90)  # shares of answers that are to be right
ROWS_AT_ONCE = 512  # whose means are held: 41 MB of them. For many at once, draws are converted once
SCORES = ("accuracy", "log_loss", "log_loss_scaled", "brier", "aurc")


def references(rows: Sequence[ScoredModel], members: int, targets: Targets) -> tuple[int, int | None]:
    """Return the places of the rows that all are compared with: the member that is most accurate on val, and the
    uniform average, where it is there. `rows` are those of `scored_models`; the first `members` make the ensembles."""
    single = int(np.argmax([metrics.accuracy(row.val, targets.val) for row in rows[:members]]))
    return single, next((place for place, row in enumerate(rows) if _is(row, UNIFORM)), None)


def measure_rows(
    rows: Sequence[ScoredModel], beside: tuple[int, int | None], targets: Targets, temperatures: Sequence[float]
) -> list[ProbabilityRow]:
    """Measure every row, beside the `references` among them. `temperatures` are the rows', fitted on val."""
    single, uniform = beside
    kinds = [recalibrated(row, targets.val, by) for row, by in zip(rows, temperatures, strict=True)]
    scores, gains = _scores(kinds, targets, single, uniform)
    cooled_val = [scaled(row.unseen[0], by) for row, by in zip(rows, temperatures, strict=True)]
    cooled_test = [kind[TEMPERATURE] for kind in kinds]
    plain, by_class = (
        _sets(cooled_val, cooled_test, targets, single, quantiles)
        for quantiles in (conformal_quantile, class_quantiles)
    )
    selective = _selective(cooled_val, cooled_test, targets)
    return [
        {
            "kind": row.kind,
            "name": row.name,
            "title": row.title,
            "cross_fitted": cross_fitted_scores(row, targets.val),
            "scores": scores[place],
            "recalibrated": recalibration_scores(kinds[place], targets.test, *gains[place]),
            "sets": plain[place],
            "class_sets": by_class[place],
            "selective": selective[place],
        }
        for place, row in enumerate(rows)
    ]


def probabilities(
    rows: Sequence[ScoredModel],
    members: int,
    targets: Targets,
    headline: str | None,
    worth: list[ProbabilityRow],
) -> Probabilities:
    """Return what `measure_rows` says of the rows, with the curves of three: best member, uniform average, headline."""
    single, uniform = references(rows, members, targets)
    shown = [single, *(place for place, row in enumerate(rows) if place == uniform or _is(row, headline))]
    return {
        "single": rows[single].title,
        "coverage": COVERAGE,
        "rows": worth,
        "curves": [_curve(rows[place], targets.test) for place in shown],
    }


def _is(row: ScoredModel, headline: str | None) -> bool:
    return row.kind == "ensemble" and row.name == headline


def _curve(row: ScoredModel, targets: np.ndarray) -> RiskCurve:
    return {"kind": row.kind, "name": row.name, "title": row.title, "risk": risk_curve(row.test, targets)}


def _intervals(values: np.ndarray, targets: Targets, *references: int | None) -> list[np.ndarray]:
    """Return intervals `[K, R, 2]` of the means over the test images of `values [K, R, N]`, one array a reference: of
    the means themselves for None, else of their differences to that row."""
    kinds, rows, images = values.shape
    found, at_once = [], max(1, ROWS_AT_ONCE // rows)
    for start in range(0, kinds, at_once):
        drawn = bootstrap_means(values[start : start + at_once].reshape(-1, images), groups=targets.test_groups)
        for means in drawn.reshape(len(drawn), -1, rows).swapaxes(0, 1):
            apart = (means if row is None else means - means[:, [row]] for row in references)
            found.append([quantile_intervals(one) for one in apart])
    return list(np.array(found).swapaxes(0, 1))


def _scores(
    kinds: Sequence[Mapping[str, np.ndarray]], targets: Targets, single: int, uniform: int | None
) -> tuple[list[dict[str, PairedScore]], list[tuple[float, np.ndarray]]]:
    """Return each row's paired scores, and what vector scaling changes of its log-loss, with the interval of that."""
    values = np.stack([_values(kind, targets.test) for kind in kinds], axis=1)
    measured, to_uniform = values.mean(axis=2), [] if uniform is None else [uniform]
    right, rest = (_intervals(part, targets, None, single, *to_uniform) for part in (values[:1] > 0, values[1:]))
    own, from_single, *from_uniform = (np.concatenate(pair) for pair in zip(right, rest, strict=True))
    by_row = [
        {
            name: PairedScore(
                value=float(measured[score, row]),
                interval=own[score, row].tolist(),
                single=float(measured[score, row] - measured[score, single]),
                single_interval=from_single[score, row].tolist(),
                uniform=None if uniform is None else float(measured[score, row] - measured[score, uniform]),
                uniform_interval=from_uniform[0][score, row].tolist() if from_uniform else None,
            )
            for score, name in enumerate(SCORES)
        }
        for row in range(len(kinds))
    ]
    return by_row, list(zip(measured[-1].tolist(), own[-1], strict=True))


def _values(kinds: Mapping[str, np.ndarray], targets: np.ndarray) -> np.ndarray:
    """Return what each image adds to each of SCORES, then what vector scaling changes of its log-loss: `[6, N]`."""
    raw, scaled_loss = kinds[NONE], metrics.log_losses(kinds[TEMPERATURE], targets)
    return np.stack(
        [
            metrics.correctness(raw, targets),
            metrics.log_losses(raw, targets),
            scaled_loss,
            metrics.brier_scores(raw, targets),
            risk_values(raw, targets),
            metrics.log_losses(kinds[VECTOR], targets) - scaled_loss,
        ]
    )


def _sets(
    val: Sequence[np.ndarray],
    test: Sequence[np.ndarray],
    targets: Targets,
    single: int,
    quantiles: Callable[[np.ndarray, np.ndarray, float], float | np.ndarray],
) -> list[PredictionSets]:
    """Calibrate each row's sets on val, and count what they do on test."""
    pairs = zip(val, test, strict=True)
    held = [prediction_sets(ours, quantiles(theirs, targets.val, COVERAGE)) for theirs, ours in pairs]
    covered = np.stack([row[np.arange(len(row)), targets.test] for row in held])
    sizes = np.stack([row.sum(axis=1) for row in held])
    bounds, from_single = _intervals(np.stack([covered, sizes]), targets, None, single)
    (covered_bounds, size_bounds), (_, apart), classes = bounds, from_single, held[0].shape[1]
    images_of = [targets.test == label for label in range(classes)]
    return [
        {
            "covered": float(covered[row].mean()),
            "covered_interval": covered_bounds[row].tolist(),
            "size": float(sizes[row].mean()),
            "size_interval": size_bounds[row].tolist(),
            "size_single": float(sizes[row].mean() - sizes[single].mean()),
            "size_single_interval": apart[row].tolist(),
            "alone": float((sizes[row] == 1).mean()),
            "class_covered": [float(covered[row][own].mean()) if own.any() else None for own in images_of],
            "sizes": (np.bincount(sizes[row], minlength=classes + 1)[1:] / len(sizes[row])).tolist(),
        }
        for row in range(len(held))
    ]


def _selective(val: Sequence[np.ndarray], test: Sequence[np.ndarray], targets: Targets) -> list[list[Selective]]:
    """Choose each row's thresholds on val, and count what they do on test."""
    least = np.array([[threshold(row, targets.val, asked) or np.inf for row in val] for asked in ASKED])
    answered = np.stack([confidence(row) for row in test]) >= comparable(least)[:, :, None]
    right = answered & np.stack([metrics.correctness(row, targets.test) for row in test])
    (bounds,) = _intervals(answered, targets, None)
    return [
        [
            _answers(
                asked, answered[place, row], right[place, row], bounds[place, row], bool(np.isfinite(least[place, row]))
            )
            for place, asked in enumerate(ASKED)
        ]
        for row in range(len(test))
    ]


def _answers(asked: float, answered: np.ndarray, right: np.ndarray, bounds: np.ndarray, known: bool) -> Selective:
    hits, count = int(right.sum()), int(answered.sum())
    return {
        "asked": asked,
        "answered": float(answered.mean()) if known else None,
        "answered_interval": bounds.tolist() if known else None,
        "right": hits / count if count else None,
        "right_interval": wilson_interval(hits, count) if count else None,
    }
