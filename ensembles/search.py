"""Fit every ensembler on the validation predictions, cross-fit it there, and choose the headline.

Nothing in this file can see the test split: there is no argument through which a test label could come.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from time import perf_counter
from typing import cast

import numpy as np
import numpy.typing as npt

from ensembles.arrays import FloatArray, IntArray, LogitArray
from ensembles.base import Ensembler
from ensembles.checks import check_logits, check_targets
from ensembles.registry import get
from ensembles.registry import names as registered_names
from ensembles.splits import stratified_splits


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The scores of one ensembler. Where `error` is set, scores are nan and `ensembler` is None."""

    name: str
    title: str
    complexity: int
    ensembler: Ensembler | None  # fitted on all of validation
    fit_accuracy: float  # on the images it was fitted on: optimistic
    cross_fit_accuracy: float  # on validation images held out of the fit
    cross_fit_correct: FloatArray  # [N]: how often image i was right while held out, as a share of the repeats
    seconds: float  # wall time of the fit
    error: str | None = None
    fitted_on: str = "val"  # or "train": out-of-fold predictions of training images
    cross_fit_probabilities: FloatArray | None = None  # [repeats, N, C] of the images while held out; None on failure


@dataclass(frozen=True, eq=False)
class _Outcome:
    """One fit: which of the images it was scored on it got right, or the error."""

    correct: npt.NDArray[np.bool_]
    seconds: float
    error: str | None = None
    probabilities: FloatArray | None = None  # of images held out of the fit


@dataclass(frozen=True, eq=False)
class _Split:
    """Logits and targets of validation, or of out-of-fold training images."""

    logits: LogitArray
    targets: IntArray


def search(
    logits: npt.ArrayLike,
    targets: npt.ArrayLike,
    names: Sequence[str] | None = None,
    folds: int = 5,
    repeats: int = 2,
    random_state: int = 0,
    n_jobs: int = 1,
    labels: Sequence[str] | None = None,
    train_logits: npt.ArrayLike | None = None,
    train_targets: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
) -> list[SearchResult]:
    """Fit and cross-fit ensemblers on validation logits `[members, samples, classes]` and targets `[samples]`.

    `names` are registered names (default: all); the results have their order. Cross-fitting is repeated stratified
    K-fold; samples of one of the `groups` [samples], such as one person's, are held out together. A method that raises
    an exception is recorded with its message and does not stop the others. ValueError for bad input, where `labels`
    name the members, or for an unknown name. `n_jobs`, as in joblib, spreads the cross-fits over processes. The fits on
    all of validation run one after the other, so that their `seconds` can be compared. The result is the same for any
    number of jobs.

    Stackers may learn from training images instead. `train_logits` `[members, n, classes]` must then be out-of-fold:
    from networks that were trained without the image they predict, because members look perfect on images that they
    know. Such a stacker is fitted once on them and scored on all of validation, and its title says so.
    """
    val = _checked(logits, targets, labels)
    if (train_logits is None) != (train_targets is None):
        raise ValueError("train_logits and train_targets come together")
    train = None if train_logits is None else _checked(train_logits, cast(npt.ArrayLike, train_targets), labels)
    if train is not None and train.logits.shape[::2] != val.logits.shape[::2]:
        raise ValueError(f"train_logits {list(train.logits.shape)} are not of the members and classes of the logits")
    together = None if groups is None else np.asarray(groups)
    splits = stratified_splits(val.targets, folds, repeats, random_state, together)
    ensemblers = [_new(name, random_state) for name in (registered_names() if names is None else names)]
    sources = [train if ensembler.stacks and train is not None else val for ensembler in ensemblers]
    whole = [
        _attempt(ensembler, source.logits, source.targets, None, None)
        for ensembler, source in zip(ensemblers, sources, strict=True)
    ]
    fits = list(zip(ensemblers, sources, whole, strict=True))
    able = [ensembler.name for ensembler, source, outcome in fits if source is val and outcome.error is None]
    jobs = [(_new(name, random_state), val.logits, val.targets, *split) for name in able for split in splits]
    outcomes = iter(_run(jobs, n_jobs))
    results = []
    for ensembler, source, outcome in fits:
        if source is train:
            results.append(_scored_on_val(ensembler, outcome, val))
        else:
            held_out = [next(outcomes) for _ in splits] if outcome.error is None else []
            results.append(_summarise(ensembler, outcome, held_out, [scored for _, scored in splits], repeats))
    return results


def choose(results: Sequence[SearchResult]) -> SearchResult:
    """Return the headline: the simplest method within one standard error of the best cross-fitted accuracy.

    Among methods of the same complexity the most accurate is chosen, then the first by name. ValueError where no method
    was fitted.
    """
    fitted = [result for result in results if result.error is None]
    if not fitted:
        raise ValueError("no ensembler was fitted: there is nothing to choose from")
    best = min(fitted, key=lambda result: (-result.cross_fit_accuracy, result.complexity, result.name))
    near = [result for result in fitted if _within_one_standard_error(result, best)]
    return min(near, key=lambda result: (result.complexity, -result.cross_fit_accuracy, result.name))


def _within_one_standard_error(result: SearchResult, best: SearchResult) -> bool:
    # The same images score all methods. Most are easy or hopeless for each of them and say nothing about which is
    # better, yet they make up nearly all of the spread of a single accuracy (0.7 points at 3,589 images). In the paired
    # difference they are zeros: its error is smaller by far, and a real gain is not waved away as noise.
    difference = best.cross_fit_correct - result.cross_fit_correct
    standard_error = difference.std(ddof=1) / np.sqrt(len(difference))
    return bool(difference.mean() <= standard_error)


def _new(name: str, random_state: int) -> Ensembler:
    ensembler = get(name)
    seeded = any(field.name == "random_state" for field in fields(ensembler))  # type: ignore[arg-type]
    return ensembler(**({"random_state": random_state} if seeded else {}))


def _checked(logits: npt.ArrayLike, targets: npt.ArrayLike, labels: Sequence[str] | None) -> _Split:
    checked = check_logits(logits, labels=labels)
    return _Split(checked, check_targets(targets, *checked.shape[1:]))


def _run(jobs: list[tuple[Ensembler, LogitArray, IntArray, IntArray, IntArray]], n_jobs: int) -> list[_Outcome]:
    """Attempt every job, in `n_jobs` processes or on whatever joblib's caller chose.

    Logits and targets are arguments of their own: joblib sends an array to each machine once where it is one, and with
    every job where it hides inside an object (1.6 GB in place of 62 MB for 20 MB of logits and 4 methods).
    """
    if n_jobs == 1:
        return [_attempt(*job) for job in jobs]
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed

    done: list[_Outcome] = []
    try:
        for outcome in Parallel(n_jobs=n_jobs, return_as="generator")(delayed(_attempt)(*job) for job in jobs):
            done.append(outcome)  # one by one: those before a failure are kept
    except BrokenProcessPool:
        warnings.warn(
            f"a process of the search was killed, for lack of memory perhaps: {len(jobs) - len(done)} of {len(jobs)} "
            "cross-fits are left, and are done in one process",
            RuntimeWarning,
            stacklevel=3,
        )
    return done + [_attempt(*job) for job in jobs[len(done) :]]


def _attempt(
    ensembler: Ensembler, logits: LogitArray, targets: IntArray, fit: IntArray | None, scored: IntArray | None
) -> _Outcome:
    """Fit on the images `fit`, score on the images `scored` (None: all); an exception becomes the outcome's error."""
    start = perf_counter()
    known = (logits, targets) if fit is None else (logits[:, fit], targets[fit])
    unseen, truth = (logits, targets) if scored is None else (logits[:, scored], targets[scored])
    try:
        ensembler.fit(*known)
        seconds = perf_counter() - start
        probabilities = ensembler.predict_proba(unseen)
    except Exception as error:  # whatever one method raises must not cost the others their result
        message = f"{type(error).__name__}: {error}"
        return _Outcome(np.zeros(len(truth), dtype=bool), perf_counter() - start, message)
    return _Outcome(probabilities.argmax(axis=1) == truth, seconds, None, None if scored is None else probabilities)


def _scored_on_val(ensembler: Ensembler, whole: _Outcome, val: _Split) -> SearchResult:
    """Score a method that was fitted on training images on all of validation, which it has not seen."""
    fitted = _summarise(ensembler, whole, [], [], 1)
    if fitted.error is not None:
        return replace(fitted, fitted_on="train")
    probabilities = ensembler.predict_proba(val.logits)
    correct = (probabilities.argmax(axis=1) == val.targets).astype(float)
    return replace(
        fitted,
        title=f"{ensembler.title} (on out-of-fold train)",
        cross_fit_accuracy=float(correct.mean()),
        cross_fit_correct=correct,
        fitted_on="train",
        cross_fit_probabilities=probabilities[None],
    )


def _summarise(
    ensembler: Ensembler, whole: _Outcome, held_out: list[_Outcome], scored: list[IntArray], repeats: int
) -> SearchResult:
    """Put a method's fit on all of validation and its fits on the folds (none after a failure) into one record."""
    error = next((outcome.error for outcome in (whole, *held_out) if outcome.error is not None), None)
    correct = np.full(len(whole.correct), np.nan)
    if error is None:
        correct[:] = 0.0
        for outcome, images in zip(held_out, scored, strict=True):
            correct[images] += outcome.correct / repeats
    return SearchResult(
        name=ensembler.name,
        title=ensembler.title,
        complexity=ensembler.complexity,
        ensembler=ensembler if error is None else None,
        fit_accuracy=float(whole.correct.mean()) if error is None else float("nan"),
        cross_fit_accuracy=float(correct.mean()),
        cross_fit_correct=correct,
        seconds=whole.seconds,
        error=error,
        cross_fit_probabilities=None if error is not None or not held_out else _held_out(held_out, scored, repeats),
    )


def _held_out(outcomes: list[_Outcome], scored: list[IntArray], repeats: int) -> FloatArray:
    """Return the probabilities `[repeats, N, C]` of all images, each predicted by the fit that it was held out of."""
    parts = [outcome.probabilities for outcome in outcomes if outcome.probabilities is not None]
    folds = len(scored) // repeats
    probabilities = np.empty((repeats, sum(map(len, scored[:folds])), parts[0].shape[1]))
    for place, (images, part) in enumerate(zip(scored, parts, strict=True)):
        probabilities[place // folds, images] = part
    return probabilities
