"""The search scores honestly, survives a broken method, and chooses the simplest method that is good enough."""

from __future__ import annotations

import inspect
import signal
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import joblib
import numpy as np
import pytest

import ensembles
from ensembles import registry
from ensembles.arrays import FloatArray, IntArray, LogitArray
from ensembles.base import Ensembler
from ensembles.search import SearchResult, choose, search
from ensembles.splits import stratified_splits
from ensembles.time_limit import TooLong, time_limit


def make(samples: int = 200, noise: bool = False, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 4, samples)
    logits = 1.5 * np.eye(4)[targets] + rng.normal(size=(6, samples, 4))
    return logits.astype(np.float32), rng.integers(0, 4, samples) if noise else targets


def record(
    name: str, complexity: int, correct: np.ndarray, error: str | None = None, losses: np.ndarray | None = None
) -> SearchResult:
    accuracy = float(correct.mean()) if error is None else float("nan")
    losses = np.zeros(len(correct)) if losses is None else losses
    return SearchResult(name, name, complexity, None, accuracy, accuracy, correct.astype(float), losses, 0.0, error)


@dataclass
class Broken(Ensembler):
    """Fails in fit, or only where it has not seen all images, or in predict_proba."""

    name: ClassVar[str] = "broken"
    title: ClassVar[str] = "Broken"
    reference: ClassVar[str] = "doi:none"
    complexity: ClassVar[int] = 1
    where: ClassVar[str] = "fit"

    def _fit(self, logits: LogitArray, targets: IntArray) -> None:
        if self.where == "fit" or (self.where == "fold" and len(targets) < 200):
            raise RuntimeError(f"no luck in {self.where}")

    def _predict_proba(self, logits: LogitArray) -> FloatArray:
        if self.where == "predict":
            raise RuntimeError("no luck in predict")
        return np.full(logits.shape[1:], 0.25)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> type[Broken]:
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    return ensembles.register(Broken)


def test_all_methods_are_found_in_registry_order():
    logits, targets = make()
    found = search(logits, targets, repeats=1)
    assert [one.name for one in found] == ensembles.names()
    for one in found:
        assert one.error is None and isinstance(one.ensembler, ensembles.get(one.name))
        assert (one.title, one.complexity) == (one.ensembler.title, one.ensembler.complexity)
        predicted = one.ensembler.predict_proba(logits)
        np.testing.assert_array_equal(one.val_probabilities, predicted)
        assert one.fit_accuracy == (predicted.argmax(axis=1) == targets).mean()
        assert one.cross_fit_accuracy == pytest.approx(one.cross_fit_correct.mean())
        assert one.seconds > 0


def test_cross_fit_equals_a_written_out_loop():
    logits, targets = make()
    (one,) = search(logits, targets, names=["greedy"], folds=4, repeats=3, random_state=5)
    correct, probabilities = np.zeros(200), np.full((3, 200, 4), np.nan)
    for place, (fit, scored) in enumerate(stratified_splits(targets, 4, 3, 5)):
        ensembler = ensembles.create("greedy").fit(logits[:, fit], targets[fit])
        probabilities[place // 4, scored] = ensembler.predict_proba(logits[:, scored])
        correct[scored] += probabilities[place // 4, scored].argmax(axis=1) == targets[scored]
    np.testing.assert_allclose(one.cross_fit_correct, correct / 3)
    assert one.cross_fit_probabilities is not None
    np.testing.assert_array_equal(one.cross_fit_probabilities, probabilities)


def repeats(result: SearchResult) -> int:
    assert result.cross_fit_probabilities is not None
    return len(result.cross_fit_probabilities)


def one_good_member() -> tuple[np.ndarray, np.ndarray]:
    """Nine members in ten are noise: an average of all is far behind the best member."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 4, 300)
    logits = rng.normal(size=(10, 300, 4))
    logits[0] += 3.0 * np.eye(4)[targets]
    return logits.astype(np.float32), targets


def test_what_is_far_behind_is_not_cross_fitted_again():
    data = one_good_member()
    far, near, best = search(*data, names=["uniform", "stack_logistic", "log_pool_weighted"], repeats=3)
    assert (repeats(far), repeats(near), repeats(best)) == (1, 3, 3)
    (once,) = search(*data, names=["uniform"], repeats=1)
    np.testing.assert_array_equal(far.cross_fit_probabilities, once.cross_fit_probabilities)
    assert far.cross_fit_accuracy == once.cross_fit_accuracy
    (alone,) = search(*data, names=["uniform"], repeats=3)
    assert repeats(alone) == 3  # it is the best of its search


def test_known_results_are_completed_or_shortened_to_what_a_search_computes():
    data, names = one_good_member(), ["uniform", "greedy", "best_single"]
    fresh = search(*data, names=names)
    longer = {one.name: one for name in names for one in search(*data, names=[name])}
    shorter = {one.name: one for one in search(*data, names=names, repeats=1)}
    for known in (longer, shorter, {"greedy": longer["greedy"]}):
        for one, other in zip(search(*data, names=names, known=known), fresh, strict=True):
            assert one.cross_fit_accuracy == other.cross_fit_accuracy
            np.testing.assert_array_equal(one.cross_fit_correct, other.cross_fit_correct)
            np.testing.assert_array_equal(one.cross_fit_probabilities, other.cross_fit_probabilities)


@pytest.mark.parametrize("name", ["greedy", "stack_xgboost"])
def test_cross_fit_sees_through_luck_on_noise(name):
    (one,) = search(*make(400, noise=True), names=[name])
    assert one.fit_accuracy > one.cross_fit_accuracy + 0.03
    assert abs(one.cross_fit_accuracy - 0.25) < 0.07


def test_stacking_on_random_labels_is_near_chance_when_cross_fitted():
    (one,) = search(*make(400, noise=True), names=["stack_logistic"])
    assert abs(one.cross_fit_accuracy - 0.25) < 0.07


def test_nothing_to_fit_means_no_optimism():
    (one,) = search(*make(), names=["uniform"])
    assert one.cross_fit_accuracy == pytest.approx(one.fit_accuracy)
    assert set(np.unique(one.cross_fit_correct)) == {0.0, 1.0}


@pytest.mark.parametrize("where", ["fit", "fold", "predict"])
def test_a_broken_method_is_recorded_and_stops_nobody(broken, monkeypatch, where):
    monkeypatch.setattr(broken, "where", where)
    before, bad, after = search(*make(), names=["uniform", "broken", "best_single"], repeats=1)
    assert bad.error == f"RuntimeError: no luck in {where}"
    assert bad.ensembler is None and np.isnan([bad.fit_accuracy, bad.cross_fit_accuracy]).all()
    assert bad.cross_fit_correct.shape == (200,) and np.isnan(bad.cross_fit_correct).all()
    assert before.error is after.error is None and after.name == "best_single"
    assert choose([before, bad, after]).name in {"uniform", "best_single"}


@pytest.mark.parametrize("slow_on", [200, 160])
def test_a_method_that_takes_too_long_is_left_out(monkeypatch, slow_on):
    """On all images, or on those of a fold."""

    def slow(self: Broken, logits: LogitArray, targets: IntArray) -> None:
        if len(targets) == slow_on:
            time.sleep(60)

    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    monkeypatch.setattr(Broken, "_fit", slow)
    ensembles.register(Broken)
    start = time.perf_counter()
    slow_one, other = search(*make(), ["broken", "uniform"], repeats=1, method_seconds=0.2)
    assert time.perf_counter() - start < 20
    assert slow_one.error == "not fitted within the 0.2 seconds that a fit may take"
    assert other.error is None and choose([slow_one, other]).name == "uniform"
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_the_limit_holds_in_threads_when_the_work_returns():
    def work() -> str:
        with pytest.raises(TooLong), time_limit(0.01):
            time.sleep(0.05)
        return "raised"

    with ThreadPoolExecutor() as threads:
        assert threads.submit(work).result() == "raised"
    with time_limit(5.0), time_limit(None):
        pass


def test_missing_xgboost_is_recorded(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    (one,) = search(*make(), names=["stack_xgboost"], repeats=1)
    assert "pip install xgboost" in one.error


def test_runs_are_byte_identical():
    data = make()
    for one, other in zip(search(*data, repeats=1), search(*data, repeats=1), strict=True):
        assert one.cross_fit_correct.tobytes() == other.cross_fit_correct.tobytes()
        assert one.ensembler.predict_proba(data[0]).tobytes() == other.ensembler.predict_proba(data[0]).tobytes()


def test_random_state_reaches_folds_and_ensemblers():
    logits, targets = make()
    one, other = (search(logits, targets, names=["stack_xgboost"], repeats=1, random_state=s)[0] for s in (0, 1))
    assert one.ensembler.random_state == 0 and other.ensembler.random_state == 1
    assert one.cross_fit_correct.tobytes() != other.cross_fit_correct.tobytes()


def test_processes_give_the_same_result():
    data = make()
    names = ["uniform", "greedy", "weighted"]
    for one, other in zip(search(*data, names, repeats=1), search(*data, names, repeats=1, n_jobs=2), strict=True):
        assert one.cross_fit_correct.tobytes() == other.cross_fit_correct.tobytes()
        assert other.error is None


STACKERS = [name for name in ensembles.names() if ensembles.get(name).stacks]


def test_what_is_large_is_sent_to_processes_as_an_argument_of_its_own(monkeypatch: pytest.MonkeyPatch):
    """Joblib sends such an array once to each machine; inside an object it goes along with every job."""
    sent: list[tuple[object, ...]] = []

    class Sender:
        def __init__(self, n_jobs: int, **options: object) -> None:
            assert n_jobs == 2

        def __call__(self, jobs: Iterable[tuple[Callable[..., object], tuple[object, ...], object]]) -> list[object]:
            done = []
            for function, arguments, _ in jobs:
                sent.append(arguments)
                done.append(function(*arguments))
            return done

    monkeypatch.setattr(joblib, "Parallel", Sender)
    logits, targets = make()
    search(logits, targets, ["uniform", "greedy"], n_jobs=2)
    assert len(sent) == 2 * (1 + 10)  # fits on all of val, and cross-fits
    for arguments in sent:
        assert sum(isinstance(argument, np.ndarray) and argument.shape == logits.shape for argument in arguments) == 1
        small = [argument for argument in arguments if not isinstance(argument, np.ndarray)]
        assert all(len(repr(argument)) < 1000 and not hasattr(argument, "logits") for argument in small)


def test_stackers_may_learn_from_out_of_fold_train_predictions():
    logits, targets = make()
    train_logits, train_targets = make(300, seed=1)
    names = [*STACKERS, "uniform", "greedy"]
    found = search(logits, targets, names, repeats=1, train_logits=train_logits, train_targets=train_targets)
    assert {one.name for one in found if one.fitted_on == "train"} == set(STACKERS) and len(STACKERS) == 3
    plain = {one.name: one for one in search(logits, targets, names[3:], repeats=1)}
    for one in found:
        assert one.error is None and one.ensembler is not None
        if one.name not in STACKERS:
            assert one.cross_fit_correct.tobytes() == plain[one.name].cross_fit_correct.tobytes()
            continue
        assert one.title.endswith("(on out-of-fold train)")
        expected = ensembles.create(one.name).fit(train_logits, train_targets).predict_proba(logits)
        assert one.ensembler.predict_proba(logits).tobytes() == expected.tobytes()
        np.testing.assert_array_equal(one.val_probabilities, expected)
        assert one.cross_fit_accuracy == (expected.argmax(axis=1) == targets).mean()
        assert one.cross_fit_correct.shape == (200,)
    assert choose(found).name


def test_train_predictions_are_checked():
    logits, targets = make()
    with pytest.raises(ValueError, match="come together"):
        search(logits, targets, train_logits=logits)
    with pytest.raises(ValueError, match=r"train_logits \[5, 200, 4\] are not of the members"):
        search(logits, targets, train_logits=logits[:5], train_targets=targets)


def test_a_failure_on_train_predictions_is_recorded(broken, monkeypatch):
    monkeypatch.setattr(broken, "stacks", True)
    logits, targets = make()
    bad, good = search(logits, targets, ["broken", "uniform"], train_logits=logits, train_targets=targets)
    assert bad.error == "RuntimeError: no luck in fit" and good.error is None
    assert choose([bad, good]).name == "uniform"


def test_a_member_that_is_no_number_is_refused_by_its_name():
    logits, targets = make()
    logits[4, 17, 2] = np.inf
    labels = ["vgg", "vgg (seed 1)", "resnet", "swin", "emonext", "patt_lite"]
    with pytest.raises(ValueError, match="the first at member emonext, sample 17, class 2"):
        search(logits, targets, labels=labels)
    with pytest.raises(ValueError, match="2 labels for logits of 6 members"):
        search(logits, targets, labels=labels[:2])


@pytest.mark.filterwarnings("error")
def test_rare_and_absent_classes_pass_without_warning():
    logits, targets = make()
    targets = np.where(targets >= 2, 0, targets)
    targets[:3] = 3  # three of class 3, none of class 2
    for one in search(logits, targets, repeats=1):
        assert one.error is None
        assert not np.isnan(one.cross_fit_correct).any()


def test_bad_input_is_refused_before_any_fit():
    logits, targets = make()
    with pytest.raises(ValueError, match="to match the logits"):
        search(logits, targets[:-1])
    with pytest.raises(ensembles.UnknownEnsemblerError, match="did you mean uniform"):
        search(logits, targets, names=["unifrm"])


def test_no_argument_can_carry_a_test_label():
    known = ["logits", "targets", "names", "folds", "repeats", "random_state", "n_jobs", "labels"]
    assert list(inspect.signature(search).parameters) == [
        *known,
        "train_logits",
        "train_targets",
        "groups",
        "known",
        "method_seconds",
    ]
    assert list(inspect.signature(choose).parameters) == ["results"]


# The choice: 1,000 images


SIMPLE = np.arange(1000) < 700
LOSSES = np.random.default_rng(0).exponential(size=1000)
SPREAD = np.random.default_rng(1).normal(size=1000)


def behind_by(errors: float) -> np.ndarray:
    """Losses that are so many standard errors of the paired difference behind LOSSES."""
    spread = (SPREAD - SPREAD.mean()) / SPREAD.std(ddof=1)
    return LOSSES + 0.1 * (spread + errors / np.sqrt(1000))


@pytest.mark.parametrize(("errors", "chosen"), [(0.9, "simple"), (1.1, "rival")])
def test_choice_is_the_simplest_within_one_standard_error(errors: float, chosen: str):
    """Paired: of a single log-loss the standard error is ten times as large."""
    rivals = [record("rival", 5, SIMPLE, losses=LOSSES), record("simple", 1, SIMPLE, losses=behind_by(errors))]
    assert choose(rivals).name == choose(rivals[::-1]).name == chosen


def test_choice_breaks_ties_by_complexity_then_accuracy_then_name():
    def alike(name: str, complexity: int, correct: np.ndarray) -> SearchResult:
        return record(name, complexity, correct, losses=LOSSES)

    assert choose([alike("b", 1, SIMPLE), alike("a", 1, SIMPLE), alike("c", 2, SIMPLE)]).name == "a"
    assert choose([alike("a", 3, SIMPLE), alike("b", 2, SIMPLE)]).name == "b"
    luckier = SIMPLE.copy()
    luckier[700] = True
    assert choose([alike("a", 1, SIMPLE), alike("b", 1, luckier)]).name == "b"


def test_a_vote_that_is_right_as_often_is_not_chosen_for_being_simple():
    sharp, vote = record("sharp", 5, SIMPLE, losses=LOSSES), record("vote", 0, SIMPLE, losses=LOSSES + 0.3)
    assert choose([vote, sharp]).name == "sharp"


@pytest.mark.parametrize("repeats", [1, 2])
def test_losses_are_of_the_images_while_held_out(repeats):
    logits, targets = make()
    (one,) = search(logits, targets, names=["weighted"], repeats=repeats)
    assert one.cross_fit_probabilities is not None
    expected = np.mean([-np.log(kept[np.arange(200), targets]) for kept in one.cross_fit_probabilities], axis=0)
    np.testing.assert_allclose(one.cross_fit_losses, expected, rtol=1e-12)
    assert one.cross_fit_log_loss == pytest.approx(expected.mean())


def test_a_vote_that_nobody_gave_the_truth_costs_no_infinity():
    targets = np.arange(200) % 4
    logits = np.repeat(8.0 * np.eye(4)[None, (targets + 1) % 4], 3, axis=0).astype(np.float32)
    (vote,) = search(logits, targets, names=["hard_vote"], repeats=1)
    assert np.isfinite(vote.cross_fit_losses).all() and vote.cross_fit_log_loss > 10


def test_choice_ignores_failures_and_needs_one_success():
    failed = record("failed", 0, np.full(1000, np.nan), error="RuntimeError: no")
    assert choose([failed, record("uniform", 1, SIMPLE)]).name == "uniform"
    with pytest.raises(ValueError, match="nothing to choose from"):
        choose([failed])


# Splits


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "counts", [[20, 20, 20], [30, 4, 1], [30, 2, 0, 1], [30, 3, 3, 3], [2, 2, 2, 2], [5, 0, 0], [1, 1, 1, 1, 1]]
)
def test_splits_partition_the_samples_whatever_the_classes(counts):
    targets = np.repeat(np.arange(len(counts)), counts)
    splits = stratified_splits(targets, 5, 2, 0)
    assert len(splits) == 10
    for repeat in (splits[:5], splits[5:]):
        held_out = np.concatenate([scored for _, scored in repeat])
        np.testing.assert_array_equal(np.sort(held_out), np.arange(len(targets)))
    for fit, scored in splits:
        assert not set(fit) & set(scored) and len(fit) + len(scored) == len(targets)


def test_splits_keep_the_shares_of_classes():
    targets = np.repeat([0, 1, 2], [50, 30, 20])
    for _, scored in stratified_splits(targets, 5, 1, 0):
        assert list(np.bincount(targets[scored])) == [10, 6, 4]


@pytest.mark.parametrize(
    ("folds", "repeats", "message"),
    [(1, 1, "two folds"), (5, 0, "one repeat"), (9, 1, "8 samples cannot be split into 9")],
)
def test_impossible_splits_are_named(folds, repeats, message):
    with pytest.raises(ValueError, match=message):
        stratified_splits(np.arange(8), folds, repeats, 0)


# Groups


def spans(groups, fit, held_out):
    return bool(set(groups[fit]) & set(groups[held_out]))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize("sizes", [[12] * 5, [1, 2, 3, 4, 5, 30], [9, 9, 9, 9, 9, 1, 1]])
def test_a_group_is_held_out_together_and_each_sample_once_a_repeat(folds, sizes):
    random = np.random.default_rng(folds)
    groups = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    targets = random.integers(0, 3, len(groups))
    splits = stratified_splits(targets, folds, 3, 0, groups)
    assert not any(spans(groups, fit, held_out) for fit, held_out in splits)
    times = np.zeros(len(groups), dtype=int)
    for fit, held_out in splits:
        times[held_out] += 1
        assert len(held_out) and len(fit) + len(held_out) == len(groups)
    assert (times == 3).all()
    assert [held.tolist() for _, held in splits] == [
        held.tolist() for _, held in stratified_splits(targets, folds, 3, 0, groups)
    ]


def test_without_groups_people_stand_on_both_sides():
    groups = np.repeat(np.arange(6), 10)
    assert all(spans(groups, *split) for split in stratified_splits(np.arange(60) % 3, 5, 2, 0))


@pytest.mark.parametrize(
    ("groups", "message"),
    [(np.arange(8) % 4, "samples of 4 groups cannot be split into 5 folds"), (np.arange(7), "7 groups for 8 samples")],
)
def test_groups_that_cannot_be_split_are_named(groups, message):
    with pytest.raises(ValueError, match=message):
        stratified_splits(np.arange(8) % 2, 5, 2, 0, groups)


def test_a_method_that_knows_people_by_their_logits_is_unmasked_by_groups():
    """Samples of a person are nearly equal and have one label of chance: neighbours give it away, strangers do not."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 6)
    labels, centres = random.integers(0, 2, 40), random.normal(size=(3, 40, 2))
    logits = (centres[:, groups] + random.normal(0, 0.01, (3, 240, 2))).astype(np.float32)
    targets = labels[groups]
    (among,) = search(logits, targets, ["knora_u"])
    (apart,) = search(logits, targets, ["knora_u"], groups=groups)
    alone = search(logits, targets, ["uniform"])[0].cross_fit_accuracy
    assert search(logits, targets, ["uniform"], groups=groups)[0].cross_fit_accuracy == pytest.approx(alone)
    assert among.cross_fit_accuracy > apart.cross_fit_accuracy + 0.1
