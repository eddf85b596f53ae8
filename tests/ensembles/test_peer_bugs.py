"""What went wrong in other libraries' ensemble selection, each as a test: it does not go wrong here."""

from __future__ import annotations

import numpy as np
import pytest

import ensembles
from ensembles.arrays import softmax
from ensembles.greedy import GreedyBagged, GreedySorted
from ensembles.search import search
from ensembles.selection import Greedy


def make(members: int = 8, samples: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 4, samples)
    shared = np.eye(4)[targets] + rng.normal(size=(samples, 4))
    return (shared + rng.normal(size=(members, samples, 4))).astype(np.float32), targets


def blend(ensembler: ensembles.Ensembler, logits: np.ndarray) -> np.ndarray:
    assert ensembler.weights_ is not None
    return np.tensordot(ensembler.weights_, softmax(logits), axes=1)


def accuracy(rows: np.ndarray, targets: np.ndarray) -> float:
    return float((rows.argmax(axis=1) == targets).mean())


def log_loss(rows: np.ndarray, targets: np.ndarray) -> float:
    return float(-np.log(rows[np.arange(len(targets)), targets]).mean())


def test_the_metric_asked_for_is_the_metric_optimised():
    """AutoGluon 643: the selection optimised another metric than the user's."""
    logits, targets = make()
    by_accuracy, by_loss = (blend(Greedy(metric=m).fit(logits, targets), logits) for m in ("accuracy", "log_loss"))
    assert accuracy(by_accuracy, targets) > accuracy(by_loss, targets)
    assert log_loss(by_loss, targets) < log_loss(by_accuracy, targets)


def test_ties_of_accuracy_are_broken_by_the_log_loss():
    """AutoGluon 913: before, ties fell to chance or order."""
    logits, targets = make(members=1)
    timid, sure = 0.3 * logits, 2.0 * logits  # the same classes, other confidence
    losses = [log_loss(softmax(member[0]), targets) for member in (timid, sure)]
    better = int(np.argmin(losses))
    for order in ([0, 1], [1, 0]):
        chosen = Greedy(steps=1).fit(np.concatenate([timid, sure])[order], targets).order_
        assert order[chosen[0]] == better


def test_ties_fall_the_same_way_in_every_run():
    """auto-sklearn 517: a random tie-break without a seed made runs differ."""
    logits, targets = make()
    coarse = np.round(logits)
    runs = {tuple(Greedy().fit(coarse, targets).order_) for _ in range(5)}
    assert len(runs) == 1


def test_the_best_prefix_is_returned_and_not_the_last():
    """auto-sklearn 1477: the last ensemble was returned, though an earlier one was better."""
    shorter = 0
    for seed in range(5):
        logits, targets = make(seed=seed)
        ensembler = Greedy(steps=25).fit(logits, targets)
        found = accuracy(blend(ensembler, logits), targets)
        longer = [accuracy(blend(Greedy(steps=steps).fit(logits, targets), logits), targets) for steps in range(1, 26)]
        assert found == max(longer)
        shorter += len(ensembler.order_) < 25
    assert shorter >= 3


def test_weights_stay_with_their_members():
    """AutoGluon 1293: after a refit, weights were applied to other members."""
    logits, targets = make()
    order = np.array([5, 2, 7, 0, 1, 6, 3, 4])
    ensembler = Greedy().fit(logits, targets)
    assert ensembler.weights_ is not None
    before = ensembler.weights_.copy()
    moved = ensembler.fit(logits[order], targets)
    assert moved.weights_ is not None
    np.testing.assert_allclose(moved.weights_, before[order])
    found = {one.name: one for one in search(logits, targets, ["greedy"], repeats=1)}["greedy"]
    assert found.ensembler is not None and found.ensembler.weights_ is not None
    np.testing.assert_array_equal(found.ensembler.weights_, before)  # the cross-fits left the whole fit alone


def test_members_in_a_list_are_left_as_they_are():
    """AutoGluon 5720: subsampling replaced the arrays in the caller's own list."""
    logits, targets = make()
    members = list(logits)
    before = [member.copy() for member in members]
    Greedy().fit(np.asarray(members), targets)
    assert all(one is other for one, other in zip(members, list(members), strict=True))
    for member, old in zip(members, before, strict=True):
        np.testing.assert_array_equal(member, old)


def test_rounding_does_not_choose_between_copies():
    """AutoGluon 5556: scores that differ in the last bit let two copies of one member in."""
    logits, targets = make()
    logits = logits.astype(np.float64)
    copies = np.concatenate([logits, logits * (1 + 1e-15), logits])
    for metric in ("accuracy", "log_loss"):
        alone = Greedy(metric=metric).fit(logits, targets)
        together = Greedy(metric=metric).fit(copies, targets)
        assert alone.weights_ is not None and together.weights_ is not None
        np.testing.assert_allclose(together.weights_.reshape(3, 8).sum(axis=0), alone.weights_, atol=1e-12)
        assert ((together.weights_.reshape(3, 8) > 0).sum(axis=0) <= 1).all()


def test_bagging_is_more_than_a_stored_option():
    """AutoGluon stores `bagging` and never reads it; auto-sklearn's raises."""
    logits, targets = make()
    plain, bagged = Greedy().fit(logits, targets), GreedyBagged().fit(logits, targets)
    assert len(bagged.members_used_) > len(plain.members_used_)
    assert not np.allclose(
        blend(bagged, logits), blend(GreedyBagged(bags=5, random_state=1).fit(logits, targets), logits)
    )


def test_sorted_initialisation_is_more_than_a_stored_option():
    """AutoGluon stores `sorted_initialization` and never reads it."""
    ensembler = GreedySorted(steps=1).fit(*make())
    assert ensembler.start_ > 1 and len(ensembler.order_) >= ensembler.start_


def test_the_reported_score_is_not_the_score_of_the_selection():
    """AutoGluon's validation score of an ensemble is its training score: ours is held out as well."""
    rng = np.random.default_rng(0)
    noise, targets = rng.normal(size=(30, 300, 4)).astype(np.float32), rng.integers(0, 4, 300)
    (one,) = search(noise, targets, ["greedy"], repeats=1)
    assert one.fit_accuracy > 0.35 > 0.32 > one.cross_fit_accuracy


@pytest.mark.parametrize("name", ["uniform", "hard_vote", "stack_logistic"])
def test_members_need_no_refit(name: str):
    """scikit-learn 12297: voting over models that are fitted already. Here logits are all that is asked for."""
    logits, targets = make()
    assert ensembles.create(name).fit(logits, targets).predict_proba(logits).shape == (200, 4)
