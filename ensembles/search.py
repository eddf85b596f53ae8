"""Fit every ensembler on the validation predictions, cross-fit it there, and choose the headline.

Nothing in this file can see the test split: there is no argument through which a test label could come.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from time import perf_counter
from typing import cast

import numpy as np
import numpy.typing as npt

from ensembles.arrays import FloatArray, IntArray, LogitArray
from ensembles.base import COSTS, Ensembler
from ensembles.checks import check_logits, check_targets
from ensembles.registry import get
from ensembles.registry import names as registered_names
from ensembles.splits import stratified_splits
from ensembles.time_limit import TooLong, time_limit


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The scores of one ensembler. Where `error` is set, scores are nan and `ensembler` is None."""

    name: str
    title: str
    complexity: int
    ensembler: Ensembler | None  # fitted on all of validation
    fit_accuracy: float  # on the images it was fitted on: optimistic
    cross_fit_accuracy: float  # on validation images held out of the fit
    cross_fit_correct: FloatArray  # [N]: how often image i was right while held out, as a share of its repeats
    cross_fit_losses: FloatArray  # [N]: its negative log-probability of the truth while held out, mean of its repeats
    seconds: float  # wall time of the fit, beside those of the other processes where there are several
    error: str | None = None
    fitted_on: str = "val"  # or "train": out-of-fold predictions of training images
    cross_fit_probabilities: FloatArray | None = None  # [repeats, N, C] of the images while held out; None on failure
    val_probabilities: FloatArray | None = None  # [N, C] of validation by `ensembler`, where it is in memory

    @property
    def cross_fit_log_loss(self) -> float:
        """Log-loss on validation images held out of the fit, in nats."""
        return float(self.cross_fit_losses.mean())

    @property
    def repeats(self) -> int:
        """How often every image was held out."""
        return 0 if self.cross_fit_probabilities is None else len(self.cross_fit_probabilities)


_Job = tuple[Ensembler, LogitArray, IntArray, IntArray | None, IntArray | None, float | None]
"""The arguments of `_attempt`."""


@dataclass(frozen=True, eq=False)
class _Outcome:
    """One fit: which of the images it was scored on it got right, or the error."""

    correct: npt.NDArray[np.bool_]
    seconds: float
    error: str | None = None
    probabilities: FloatArray | None = None  # of the images it was scored on
    ensembler: Ensembler | None = None  # where it was fitted on all images


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
    known: Mapping[str, SearchResult] | None = None,
    method_seconds: float | None = None,
) -> list[SearchResult]:
    """Fit and cross-fit ensemblers on validation logits `[members, samples, classes]` and targets `[samples]`.

    `names` are registered names (default: all); the results have their order. Cross-fitting is stratified K-fold;
    samples of one of the `groups` [samples], such as one person's, are held out together. It is repeated with other
    folds, up to `repeats` times, for the methods whose log-loss is within two standard errors of the best after the
    first time (of the paired difference): a repeat would not bring the others back. A method that raises an exception
    is recorded with its message and does not stop the others. ValueError for bad input, where `labels` name the
    members, or for an unknown name. `n_jobs`, as in joblib, spreads the fits over processes; the result is the same for
    any number.

    A method that takes more than `method_seconds` for one of its fits is recorded as failed, and the search goes on
    without it: on a slower machine the results may then be fewer.

    `known` are results by name of an earlier search of the same data with the same options: of them only repeats that
    they lack are computed.

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

    @cache  # where all is known, no split is drawn
    def rounds() -> list[list[tuple[IntArray, IntArray]]]:
        splits = stratified_splits(val.targets, folds, repeats, random_state, together)
        return _rounds(splits, len(val.targets))

    asked = list(registered_names() if names is None else names)
    found = {name: result for name, result in (known or {}).items() if name in asked}
    new = [_new(name, random_state) for name in asked if name not in found]
    if new:
        rounds()  # folds that cannot be are told before anything is fitted

    def held_out(name: str, number: int) -> list[_Job]:
        return [
            (_new(name, random_state), val.logits, val.targets, *split, method_seconds) for split in rounds()[number]
        ]

    def completed(name: str, number: int, outcomes: list[_Outcome]) -> None:
        scored = [images for _, images in rounds()[number]]
        found[name] = _with_repeat(found[name], outcomes, scored, val.targets)

    sources = [train if ensembler.stacks and train is not None else val for ensembler in new]
    # Fits to all images and the first cross-fits are done together: processes then have work until both are over. Where
    # a method may be too slow, it is tried once before.
    at_once = repeats > 0 and method_seconds is None
    works = [
        [
            (ensembler, source.logits, source.targets, None, None, method_seconds),
            *(held_out(ensembler.name, 0) if source is val and at_once else []),
        ]
        for ensembler, source in zip(new, sources, strict=True)
    ]
    for ensembler, source, (whole, *first) in zip(new, sources, _run(works, n_jobs), strict=True):
        result = _fitted(ensembler, whole, len(val.targets))
        own = replace(result, val_probabilities=whole.probabilities)
        found[ensembler.name] = own if source is val else _scored_on_val(result, val)
        if first and result.error is None:
            completed(ensembler.name, 0, first)
    for number in range(repeats):
        able = [name for name in asked if found[name].error is None and found[name].fitted_on == "val"]
        near = able if number == 0 else _near_the_best([found[name] for name in able], val.targets)
        lacking = [name for name in near if found[name].repeats <= number]
        if lacking:
            works = [held_out(name, number) for name in lacking]
            for name, outcomes in zip(lacking, _run(works, n_jobs), strict=True):
                completed(name, number, outcomes)
        for name in set(able) - set(near):  # what an earlier search knew beyond this is left out
            if found[name].repeats > number:
                found[name] = _cross_fitted(found[name], found[name].cross_fit_probabilities, val.targets, number)
    return [found[name] for name in asked]


def choose(results: Sequence[SearchResult]) -> SearchResult:
    """Return the headline: the simplest of the methods within one standard error of the best cross-fitted log-loss.

    Log-loss tells methods apart that accuracy cannot, one bit an image: what it chooses is the more accurate on images
    that no rule saw, and hardly changes with the images it is asked on (`python benchmark.py rules`). Among methods of
    the same complexity the most accurate is chosen, then the first by name. ValueError where no method was fitted.
    """
    fitted = [result for result in results if result.error is None]
    if not fitted:
        raise ValueError("no ensembler was fitted: there is nothing to choose from")
    best = min(fitted, key=lambda result: (result.cross_fit_log_loss, result.complexity, result.name))
    near = [result for result in fitted if behind(result.cross_fit_losses - best.cross_fit_losses) <= 1.0]
    return min(near, key=lambda result: (result.complexity, -result.cross_fit_accuracy, result.name))


def behind(difference: FloatArray) -> float:
    """Return by how many standard errors of its mean a method is behind the best, by the difference at each image.

    The same images score all methods. Most are easy or hopeless for each of them and say nothing about which is better,
    yet they make up nearly all of the spread of a single score. In the paired difference they are near zero: its error
    is smaller by far, and a real gain is not waved away as noise.
    """
    standard_error = difference.std(ddof=1) / np.sqrt(len(difference))
    gap = difference.mean()
    return float(gap / standard_error) if standard_error > 0.0 else float(np.inf if gap > 0.0 else 0.0)


def _near_the_best(results: Sequence[SearchResult], targets: IntArray) -> list[str]:
    """Return the names of those within two standard errors of the best log-loss by the first cross-fit of each."""
    first = {
        result.name: _losses(result.cross_fit_probabilities[:1], targets)
        for result in results
        if result.cross_fit_probabilities is not None
    }
    best = min(first.values(), key=lambda losses: float(losses.mean()), default=None)
    return [name for name, losses in first.items() if best is not None and behind(losses - best) <= 2.0]


def _cross_fitted(
    result: SearchResult, probabilities: FloatArray | None, targets: IntArray, repeats: int | None = None
) -> SearchResult:
    """Return the result as the first `repeats` (None: all) of its held-out predictions [repeats, N, C] score it."""
    assert probabilities is not None, "cross-fitted"
    kept = probabilities[:repeats]
    correct: FloatArray = (kept.argmax(axis=2) == targets).mean(axis=0)
    return replace(
        result,
        cross_fit_accuracy=float(correct.mean()),
        cross_fit_correct=correct,
        cross_fit_losses=_losses(kept, targets),
        cross_fit_probabilities=kept,
    )


def _losses(held_out: FloatArray, targets: IntArray) -> FloatArray:
    """Return the negative log-probabilities of the truth, means of the repeats [N], of predictions [repeats, N, C]."""
    true = held_out[:, np.arange(len(targets)), targets]
    losses: FloatArray = -np.log(np.maximum(true, np.finfo(np.float64).eps)).mean(axis=0)
    return losses


def _rounds(splits: list[tuple[IntArray, IntArray]], samples: int) -> list[list[tuple[IntArray, IntArray]]]:
    """Return the splits of each repeat: those that hold out every sample once."""
    rounds: list[list[tuple[IntArray, IntArray]]] = []
    left = 0
    for split in splits:
        if left == 0:
            rounds.append([])
            left = samples
        rounds[-1].append(split)
        left -= len(split[1])
    return rounds


def _new(name: str, random_state: int) -> Ensembler:
    ensembler = get(name)
    seeded = any(field.name == "random_state" for field in fields(ensembler))  # type: ignore[arg-type]
    return ensembler(**({"random_state": random_state} if seeded else {}))


def _checked(logits: npt.ArrayLike, targets: npt.ArrayLike, labels: Sequence[str] | None) -> _Split:
    checked = check_logits(logits, labels=labels)
    return _Split(checked, check_targets(targets, *checked.shape[1:]))


def _run(works: Sequence[list[_Job]], n_jobs: int) -> list[list[_Outcome]]:
    """Attempt every job of the methods' works, in `n_jobs` processes or on whatever joblib's caller chose; dear methods
    first, for none to be left to one process at the end.

    Logits and targets are arguments of their own: joblib sends an array to each machine once where it is one, and with
    every job where it hides inside an object (1.6 GB in place of 62 MB for 20 MB of logits and 4 methods).
    """
    order = sorted(range(len(works)), key=lambda place: _dearness(works[place][0][0]), reverse=True)
    outcomes = iter(_attempted([job for place in order for job in works[place]], n_jobs))
    found = {place: [next(outcomes) for _ in works[place]] for place in order}
    return [found[place] for place in range(len(works))]


def _dearness(ensembler: Ensembler) -> int:
    """Return the place of what a method says of its cost; one that says nothing may be dear."""
    cost = getattr(ensembler, "cost", None)
    return COSTS.index(cost) if cost in COSTS else len(COSTS)


def _attempted(jobs: Sequence[_Job], n_jobs: int) -> list[_Outcome]:
    if n_jobs == 1 or len(jobs) < 2:
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
            "fits are left, and are done in one process",
            RuntimeWarning,
            stacklevel=3,
        )
    return done + [_attempt(*job) for job in jobs[len(done) :]]


def _attempt(
    ensembler: Ensembler,
    logits: LogitArray,
    targets: IntArray,
    fit: IntArray | None,
    scored: IntArray | None,
    seconds_allowed: float | None,
) -> _Outcome:
    """Fit on the images `fit`, score on the images `scored` (None: all); an exception becomes the outcome's error."""
    start = perf_counter()
    known = (logits, targets) if fit is None else (_of(logits, fit), targets[fit])
    unseen, truth = (logits, targets) if scored is None else (_of(logits, scored), targets[scored])
    try:
        with time_limit(seconds_allowed):
            ensembler.fit(*known)
        seconds = perf_counter() - start
        probabilities = ensembler.predict_proba(unseen)
    except TooLong:
        message = f"not fitted within the {seconds_allowed:g} seconds that a fit may take"
        return _Outcome(np.zeros(len(truth), dtype=bool), perf_counter() - start, message)
    except Exception as error:  # whatever one method raises must not cost the others their result
        message = f"{type(error).__name__}: {error}"
        return _Outcome(np.zeros(len(truth), dtype=bool), perf_counter() - start, message)
    correct = probabilities.argmax(axis=1) == truth
    if scored is None:
        kept = probabilities if isinstance(logits, np.ndarray) else None  # others are too many for that
        return _Outcome(correct, seconds, probabilities=kept, ensembler=ensembler)
    return _Outcome(correct, seconds, probabilities=probabilities)


def _of(logits: LogitArray, images: IntArray) -> LogitArray:
    """Return the logits of some images, each member's in one piece: an index would lay them out image by image, which
    takes five times as long, and so does much of what is computed from them."""
    return logits.take(images, axis=1) if isinstance(logits, np.ndarray) else logits[:, images]


def _fitted(ensembler: Ensembler, whole: _Outcome, samples: int) -> SearchResult:
    """Return what a fit on all images says of a method, before it is cross-fitted on `samples` of validation."""
    ensembler = whole.ensembler or ensembler
    result = SearchResult(
        name=ensembler.name,
        title=ensembler.title,
        complexity=ensembler.complexity,
        ensembler=ensembler,
        fit_accuracy=float(whole.correct.mean()),
        cross_fit_accuracy=float("nan"),
        cross_fit_correct=np.full(samples, np.nan),
        cross_fit_losses=np.full(samples, np.nan),
        seconds=whole.seconds,
    )
    return result if whole.error is None else _failed(result, whole.error)


def _failed(result: SearchResult, error: str) -> SearchResult:
    nan = float("nan")
    return replace(
        result,
        ensembler=None,
        fit_accuracy=nan,
        cross_fit_accuracy=nan,
        cross_fit_correct=np.full(len(result.cross_fit_correct), nan),
        cross_fit_losses=np.full(len(result.cross_fit_losses), nan),
        cross_fit_probabilities=None,
        val_probabilities=None,
        error=error,
    )


def _scored_on_val(fitted: SearchResult, val: _Split) -> SearchResult:
    """Score a method that was fitted on training images on all of validation, which it has not seen."""
    if fitted.ensembler is None:
        return replace(fitted, fitted_on="train")
    probabilities = fitted.ensembler.predict_proba(val.logits)
    title = f"{fitted.title} (on out-of-fold train)"
    told = replace(fitted, title=title, fitted_on="train", val_probabilities=probabilities)
    return _cross_fitted(told, probabilities[None], val.targets)


def _with_repeat(
    result: SearchResult, outcomes: list[_Outcome], scored: list[IntArray], targets: IntArray
) -> SearchResult:
    """Return the result with one more repeat: every image predicted by the fit that it was held out of."""
    error = next((outcome.error for outcome in outcomes if outcome.error is not None), None)
    if error is not None:
        return _failed(result, error)
    parts = [outcome.probabilities for outcome in outcomes if outcome.probabilities is not None]
    repeat = np.empty((1, len(targets), parts[0].shape[1]))
    for images, part in zip(scored, parts, strict=True):
        repeat[0, images] = part
    before = result.cross_fit_probabilities
    return _cross_fitted(result, repeat if before is None else np.concatenate([before, repeat]), targets)
