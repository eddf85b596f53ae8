"""Fit every ensembler on the validation predictions, cross-fit it there, and choose the headline.

Nothing in this file can see the test split: there is no argument through which a test label could come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from time import perf_counter

import numpy as np
import numpy.typing as npt

from ensembles.base import Ensembler, FloatArray, IntArray, LogitArray, check_logits, check_targets, get
from ensembles.base import names as registered_names
from ensembles.splits import stratified_splits


@dataclass(frozen=True, eq=False)
class Found:
    """What the search learned of one ensembler. Where `error` is set, scores are nan and `ensembler` is None."""

    name: str
    title: str
    complexity: int
    ensembler: Ensembler | None  # fitted on all of validation
    fit_accuracy: float  # on the images it was fitted on: optimistic
    cross_fit_accuracy: float  # on images held out of the fit
    cross_fit_correct: FloatArray  # [N]: how often image i was right while held out, as a share of the repeats
    seconds: float  # wall time of the fit on all of validation
    error: str | None = None


@dataclass(frozen=True, eq=False)
class _Outcome:
    """How one fit went: which of the images it was scored on were right, or the error."""

    correct: npt.NDArray[np.bool_]
    seconds: float
    error: str | None = None


def search(
    logits: npt.ArrayLike,
    targets: npt.ArrayLike,
    names: Sequence[str] | None = None,
    folds: int = 5,
    repeats: int = 2,
    random_state: int = 0,
    n_jobs: int = 1,
) -> list[Found]:
    """Fit and cross-fit ensemblers on validation logits `[members, samples, classes]` and targets `[samples]`.

    `names` are registered names (default: all), and the answer comes in their order. Cross-fitting is stratified
    K-fold, repeated. A method that raises is recorded with its message and does not stop the others; ValueError for bad
    input or an unknown name. `n_jobs` is joblib's and spreads the cross-fits over processes; the fits on all of
    validation run here, one after the other, so that `seconds` compare.
    """
    checked = check_logits(logits)
    goal = check_targets(targets, *checked.shape[1:])
    splits = stratified_splits(goal, folds, repeats, random_state)
    everything = np.arange(len(goal))
    ensemblers = [_new(name, random_state) for name in (registered_names() if names is None else names)]
    whole = [_attempt(ensembler, checked, goal, everything, everything) for ensembler in ensemblers]
    able = [ensembler.name for ensembler, outcome in zip(ensemblers, whole, strict=True) if outcome.error is None]
    jobs = [(_new(name, random_state), checked, goal, *split) for name in able for split in splits]
    outcomes = iter(_run(jobs, n_jobs))
    held_out = {name: [next(outcomes) for _ in splits] for name in able}
    return [
        _summarise(ensembler, outcome, held_out.get(ensembler.name, []), [scored for _, scored in splits], repeats)
        for ensembler, outcome in zip(ensemblers, whole, strict=True)
    ]


def choose(found: Sequence[Found]) -> Found:
    """The headline: the simplest method within one standard error of the best cross-fitted accuracy.

    Between methods of one complexity the more accurate, then by name. ValueError where no method was fitted.
    """
    fitted = [one for one in found if one.error is None]
    if not fitted:
        raise ValueError("no ensembler was fitted: there is nothing to choose from")
    best = min(fitted, key=lambda one: (-one.cross_fit_accuracy, one.complexity, one.name))
    near = [one for one in fitted if _within_one_standard_error(one, best)]
    return min(near, key=lambda one: (one.complexity, -one.cross_fit_accuracy, one.name))


def _within_one_standard_error(one: Found, best: Found) -> bool:
    # The same images score all methods. Most are easy or hopeless for each of them and say nothing about which is
    # better, yet they make up nearly all of the spread of a single accuracy (0.7 points at 3,589 images). In the paired
    # difference they are zeros: its error is smaller by far, and a real gain is not waved away as noise.
    difference = best.cross_fit_correct - one.cross_fit_correct
    standard_error = difference.std(ddof=1) / np.sqrt(len(difference))
    return bool(difference.mean() <= standard_error)


def _new(name: str, random_state: int) -> Ensembler:
    ensembler = get(name)
    seeded = any(field.name == "random_state" for field in fields(ensembler))  # type: ignore[arg-type]
    return ensembler(**({"random_state": random_state} if seeded else {}))


def _run(jobs: list[tuple[Ensembler, LogitArray, IntArray, IntArray, IntArray]], n_jobs: int) -> list[_Outcome]:
    if n_jobs == 1:
        return [_attempt(*job) for job in jobs]
    from joblib import Parallel, delayed

    return list(Parallel(n_jobs=n_jobs)(delayed(_attempt)(*job) for job in jobs))


def _attempt(ensembler: Ensembler, logits: LogitArray, targets: IntArray, fit: IntArray, scored: IntArray) -> _Outcome:
    """Fit on the images `fit`, score on the images `scored`; an exception becomes the outcome's error."""
    start = perf_counter()
    try:
        ensembler.fit(logits[:, fit], targets[fit])
        seconds = perf_counter() - start
        correct = ensembler.predict_proba(logits[:, scored]).argmax(axis=1) == targets[scored]
    except Exception as error:  # whatever one method raises must not cost the others their result
        message = f"{type(error).__name__}: {error}"
        return _Outcome(np.zeros(len(scored), dtype=bool), perf_counter() - start, message)
    return _Outcome(correct, seconds)


def _summarise(
    ensembler: Ensembler, whole: _Outcome, held_out: list[_Outcome], scored: list[IntArray], repeats: int
) -> Found:
    """One method's fit on all of validation and its fits on the folds (none, where the first failed) in one record."""
    error = next((outcome.error for outcome in (whole, *held_out) if outcome.error is not None), None)
    correct = np.full(len(whole.correct), np.nan)
    if error is None:
        correct[:] = 0.0
        for outcome, images in zip(held_out, scored, strict=True):
            correct[images] += outcome.correct / repeats
    return Found(
        name=ensembler.name,
        title=ensembler.title,
        complexity=ensembler.complexity,
        ensembler=ensembler if error is None else None,
        fit_accuracy=float(whole.correct.mean()) if error is None else float("nan"),
        cross_fit_accuracy=float(correct.mean()),
        cross_fit_correct=correct,
        seconds=whole.seconds,
        error=error,
    )
