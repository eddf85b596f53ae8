"""Each ensembler against a slow reference or a closed form; what all of them share is in test_ensembles.py."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize_scalar, nnls

import ensembles
from ensembles import diversity
from ensembles.arrays import log_softmax, softmax
from ensembles.bayesian import BayesianModelAveraging, PseudoBMA
from ensembles.calibration import HIGHEST, LOWEST, fit_temperatures, temperature
from ensembles.dynamic import KnoraEliminate, KnoraUnion
from ensembles.greedy import GreedyBagged, GreedyLogLoss, GreedySorted
from ensembles.least_squares import Classwise, SuperLearner, nonnegative_weights
from ensembles.neighbours import nearest
from ensembles.pooling import LinearPoolCalibrated, LogPool, LogPoolCalibrated
from ensembles.ranking import distinct, rank_members, single_scores
from ensembles.selection import SMALLEST_PROBABILITY, BlendHits, Greedy
from ensembles.splits import stratified_splits
from ensembles.stacking_mlp import StackMLP, _Network, _Part
from ensembles.subsets import BestSubset, Pruned, choices, count_hits
from ensembles.voting import Borda, HardVote, TopK


def make(members: int = 5, samples: int = 120, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Members of unlike skill and confidence that share the images' difficulty."""
    rng = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(classes), rng.integers(0, classes, samples - classes)])
    shared = 2.0 * np.eye(classes)[targets] + rng.normal(size=(samples, classes))
    logits = shared + rng.uniform(0.6, 1.6, (members, 1, 1)) * rng.normal(size=(members, samples, classes))
    return (rng.uniform(0.5, 2.0, (members, 1, 1)) * logits).astype(np.float32), targets


def coarse(seed: int, **shape: int) -> tuple[np.ndarray, np.ndarray]:
    """The same with ties: of counts, of losses and between classes; every third time with copies and certainty."""
    logits, targets = make(seed=seed, **shape)
    if seed % 3 == 1:
        logits = np.round(logits / 2)
    if seed % 3 == 2:
        logits = 1e4 * np.round(logits / 2)
        logits[-1] = logits[1]
    return logits, targets


def hits_and_loss(blend: np.ndarray, targets: np.ndarray) -> tuple[int, float]:
    """Of mean probabilities; what is equal up to rounding is equal, and argmax then takes the first class."""
    true = np.maximum(blend[np.arange(len(targets)), targets], SMALLEST_PROBABILITY)
    return int((np.round(blend, 10).argmax(axis=1) == targets).sum()), float(-np.log(true).mean())


def naive_ranking(probabilities: np.ndarray, targets: np.ndarray) -> list[list[int]]:
    """Groups of members of the same accuracy and log-loss, the best first."""
    keys = []
    for member in probabilities:
        hits, loss = hits_and_loss(member, targets)
        keys.append((-hits, round(loss, 11)))
    return [[m for m, key in enumerate(keys) if key == group] for group in sorted(set(keys))]


# Ranking


@pytest.mark.parametrize("seed", range(6))
def test_ranking_equals_sorting_by_hand(seed):
    logits, targets = coarse(seed, samples=30)
    probabilities = softmax(logits)
    groups = rank_members(*single_scores(probabilities, targets))
    assert [list(group) for group in groups] == naive_ranking(probabilities, targets)
    assert list(distinct(groups)) == [group[0] for group in groups]


# Voting


def naive_top_k(logits: np.ndarray, targets: np.ndarray) -> set[int]:
    probabilities = softmax(logits)

    def best(k: int, images: np.ndarray) -> list[int]:
        chosen: list[int] = []
        for group in naive_ranking(probabilities[:, images], targets[images]):
            if len(chosen) < k:
                chosen += group
        return chosen

    scores = []
    for k in range(1, len(logits) + 1):
        misses, loss = 0, 0.0
        for fit, held_out in stratified_splits(targets, 5, 1, 0):
            right, mean = hits_and_loss(probabilities[best(k, fit)][:, held_out].mean(axis=0), targets[held_out])
            misses += len(held_out) - right
            loss += mean * len(held_out)
        scores.append((misses, round(loss, 9), k))
    return set(best(min(scores)[2], np.arange(len(targets))))


@pytest.mark.parametrize("seed", range(9))
def test_top_k_equals_a_written_out_cross_fit(seed):
    logits, targets = coarse(seed, members=6, samples=60)
    ensembler = TopK().fit(logits, targets)
    assert set(ensembler.members_used_) == naive_top_k(logits, targets)
    assert ensembler.k_ == len(ensembler.members_used_)
    np.testing.assert_allclose(ensembler.weights_[ensembler.members_used_], 1 / ensembler.k_)


def test_top_k_takes_one_where_one_is_right_and_all_where_all_are_needed():
    _, targets = make(samples=300)
    truth = np.eye(4)[targets]
    noise = np.random.default_rng(0).normal(size=(6, 300, 4))
    assert TopK().fit(np.concatenate([noise[:5], 5 * truth[None]]), targets).k_ == 1
    assert TopK().fit(noise + 0.7 * truth, targets).k_ >= 4


@pytest.mark.parametrize("seed", range(3))
def test_hard_vote_equals_counting_by_hand(seed):
    logits, targets = make(members=4, classes=5, seed=seed)
    probabilities = HardVote().fit(logits, targets).predict_proba(logits)
    tied = 0
    for image, row in enumerate(probabilities):
        votes = np.bincount([member[image].argmax() for member in logits], minlength=5)
        np.testing.assert_allclose(row, votes / 4, atol=1e-6)
        leading = np.flatnonzero(votes == votes.max())
        tied += len(leading) > 1
        assert row.argmax() == max(leading, key=lambda c: softmax(logits)[:, image, c].sum())
    assert tied > 5


@pytest.mark.parametrize("seed", range(3))
def test_borda_equals_counting_by_hand(seed):
    logits, targets = coarse(seed, members=3, samples=60)
    probabilities = Borda().fit(logits, targets).predict_proba(logits)
    for image, row in enumerate(probabilities):
        points = np.zeros(4)
        for member in logits:
            for one in range(4):
                for other in set(range(4)) - {one}:
                    points[one] += float(member[image, one] > member[image, other])
                    points[one] += 0.5 * float(member[image, one] == member[image, other])
        np.testing.assert_allclose(row, points / points.sum(), atol=1e-6)
        leading = np.flatnonzero(points == points.max())
        sums = np.round(softmax(logits)[:, image].sum(axis=0), 9)
        assert sums[row.argmax()] == sums[leading].max()


# Pooling and calibration


def test_log_pool_is_the_geometric_mean_and_ignores_what_softmax_does():
    logits, targets = make()
    product = softmax(logits).prod(axis=0) ** (1 / 5)
    pool = LogPool().fit(logits, targets).predict_proba(logits)
    np.testing.assert_allclose(pool, product / product.sum(axis=1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(pool, softmax(logits.astype(float).mean(axis=0)), atol=1e-12)


def log_loss_at(log_temperature: float, logits: np.ndarray, targets: np.ndarray) -> float:
    return -float(log_softmax(logits / np.exp(log_temperature))[np.arange(len(targets)), targets].mean())


@pytest.mark.parametrize("scale", [0.02, 0.3, 1, 7, 60])
def test_temperatures_equal_a_search_for_each_member(scale):
    logits, targets = make(seed=3)
    found = fit_temperatures(scale * logits, targets)
    assert found.shape == (5,)
    for member, one in zip(scale * logits, found, strict=True):
        best = minimize_scalar(log_loss_at, (-5, 5), args=(member, targets), tol=1e-10)
        assert one == pytest.approx(np.clip(np.exp(best.x), LOWEST, HIGHEST), rel=1e-4)
        assert one == temperature(member, targets)


def test_temperature_is_recovered():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20000, 5))
    targets = (softmax(logits / 0.4).cumsum(axis=1) > rng.random((20000, 1))).argmax(axis=1)
    assert temperature(logits, targets) == pytest.approx(0.4, rel=0.03)


@pytest.mark.filterwarnings("error")
def test_temperatures_without_an_optimum_are_bounded():
    truth = np.eye(3)[[0, 1, 2, 1]]
    always_right, always_wrong, same = truth, -truth, np.zeros_like(truth)
    members = np.stack([always_right, always_wrong, same, 1e6 * always_wrong, 20 * always_right, 1e6 * always_right])
    found = fit_temperatures(members, np.array([0, 1, 2, 1]))
    np.testing.assert_allclose(found[:4], [LOWEST, HIGHEST, 1.0, HIGHEST])
    assert (found[4:] >= LOWEST).all() and (found[4:] <= 1).all()  # any will do: the loss is 0 but for rounding


def test_calibrated_pools_are_pools_of_calibrated_members():
    logits, targets = make()
    members = [softmax(member / temperature(member, targets)) for member in logits]
    linear = LinearPoolCalibrated().fit(logits, targets).predict_proba(logits)
    np.testing.assert_allclose(linear, np.mean(members, axis=0), atol=1e-9)
    geometric = np.prod(members, axis=0) ** (1 / 5)
    geometric /= geometric.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(LogPoolCalibrated().fit(logits, targets).predict_proba(logits), geometric, atol=1e-9)


@pytest.mark.parametrize("name", ["linear_pool_calibrated", "log_pool_calibrated"])
def test_calibrated_pools_do_not_care_for_the_members_own_temperatures(name):
    logits, targets = make()
    scaled = logits * np.array([0.2, 3, 1, 5, 0.5], dtype=np.float32)[:, None, None]
    one, other = (ensembles.create(name).fit(data, targets).predict_proba(data) for data in (logits, scaled))
    np.testing.assert_allclose(one, other, atol=1e-6)


# Least squares


@pytest.mark.parametrize("seed", range(4))
def test_super_learner_equals_least_squares_on_all_rows(seed):
    logits, targets = make(members=6, seed=seed)
    rows, _ = nnls(softmax(logits).reshape(6, -1).T, np.eye(4)[targets].ravel())
    np.testing.assert_allclose(SuperLearner().fit(logits, targets).weights_, rows / rows.sum(), atol=1e-6)


def test_super_learner_shares_equally_between_copies_and_drops_the_useless():
    logits, targets = make(members=2)
    wrong = -20 * np.eye(4, dtype=np.float32)[targets]
    weights = SuperLearner().fit(np.stack([logits[1], wrong, logits[1], logits[1]]), targets).weights_
    np.testing.assert_allclose(weights, [1 / 3, 0, 1 / 3, 1 / 3], atol=1e-6)


def naive_columns(logits: np.ndarray, targets: np.ndarray, strength: float) -> np.ndarray:
    """Ridge towards equal weights as further rows of the least squares, one class after another."""
    columns = []
    for class_ in range(logits.shape[2]):
        design = softmax(logits)[:, :, class_].T
        ridge = np.sqrt(strength * (design**2).sum())
        rows = np.vstack([design, ridge * np.eye(len(logits))])
        goal = np.concatenate([targets == class_, np.full(len(logits), ridge / len(logits))])
        weights, _ = nnls(rows, goal)
        columns.append(weights / weights.sum())
    return np.stack(columns, axis=1)


def naive_classwise(logits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    mixture = (weights[:, None, :] * softmax(logits)).sum(axis=0)
    return mixture / mixture.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_classwise_equals_a_written_out_cross_validation(seed):
    logits, targets = make(seed=seed)
    losses = {}
    for strength in Classwise().strengths:
        losses[strength] = 0.0
        for fit, held_out in stratified_splits(targets, 5, 1, 0):
            weights = naive_columns(logits[:, fit], targets[fit], strength)
            held_out_rows = naive_classwise(logits[:, held_out], weights)
            losses[strength] -= np.log(held_out_rows[np.arange(len(held_out)), targets[held_out]]).sum()
    ensembler = Classwise().fit(logits, targets)
    assert ensembler.strength_ == min(losses, key=lambda strength: losses[strength])
    np.testing.assert_allclose(ensembler.weights_, naive_columns(logits, targets, ensembler.strength_), atol=1e-9)
    np.testing.assert_allclose(
        ensembler.predict_proba(logits), naive_classwise(logits, ensembler.weights_), rtol=0, atol=1e-9
    )


def test_classwise_trusts_members_where_they_are_good():
    logits, targets = make(members=2, samples=400)
    rng = np.random.default_rng(0)
    logits[0][targets <= 1] = rng.normal(size=(np.count_nonzero(targets <= 1), 4))
    logits[1][targets >= 2] = rng.normal(size=(np.count_nonzero(targets >= 2), 4))
    weights = Classwise().fit(logits, targets).weights_
    assert (weights[1, :2] > 0.6).all() and (weights[0, 2:] > 0.6).all()


def test_strong_shrinkage_gives_equal_weights():
    logits, targets = make()
    np.testing.assert_allclose(Classwise(strengths=(1e9,)).fit(logits, targets).weights_, 0.2, atol=1e-6)
    np.testing.assert_allclose(nonnegative_weights(np.zeros((3, 3)) + np.eye(3), np.zeros(3), 1.0), 1 / 3)


@pytest.mark.parametrize("seen", [[], [0], [0, 1, 2]])
def test_a_class_that_nobody_gives_a_chance_outside_a_fold_gets_equal_weights_there(seen: list[int]):
    """Probabilities that are exactly 0, or differences of sums that are 0 but for rounding, have no Cholesky factor."""
    logits, targets = make(classes=2)
    logits[..., 0], logits[..., 1] = 8000, -8000
    logits[:, seen, 1] = 8000
    weights = Classwise().fit(logits, targets).weights_
    assert weights is not None
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    if not seen:
        np.testing.assert_array_equal(weights[:, 1], np.full(5, 1 / 5))


# Model averaging


def test_model_averaging_weighs_by_likelihood():
    logits, targets = make(samples=12)
    likelihood = [np.prod(softmax(member)[np.arange(12), targets]) for member in logits]
    weights = BayesianModelAveraging().fit(logits, targets).weights_
    np.testing.assert_allclose(weights, likelihood / np.sum(likelihood), atol=1e-12)


def test_bootstrapped_model_averaging_equals_a_loop_over_draws():
    logits, targets = make()
    log_true = log_softmax(logits)[:, np.arange(120), targets]
    rng = np.random.default_rng(0)
    draws = [rng.standard_exponential(120) for _ in range(30)]
    expected = np.mean([softmax(120 * log_true @ (draw / draw.sum())) for draw in draws], axis=0)
    np.testing.assert_allclose(PseudoBMA(draws=30).fit(logits, targets).weights_, expected, atol=1e-9)


def test_bootstrap_keeps_model_averaging_from_collapsing():
    logits, targets = make(members=2, samples=2000)
    logits[0] = logits[1] + 0.2 * np.random.default_rng(0).normal(size=logits[1].shape)
    collapsed, shared = (kind().fit(logits, targets).weights_ for kind in (BayesianModelAveraging, PseudoBMA))
    assert collapsed.max() > shared.max()


# Greedy selection


def naive_prefixes(probabilities: np.ndarray, orders: list[list[int]], targets: np.ndarray) -> list[int]:
    """The order with the best blend: accuracy, then log-loss, then the first."""
    scores = []
    for place, order in enumerate(orders):
        hits, loss = hits_and_loss(np.mean([probabilities[m] for m in order], axis=0), targets)
        scores.append((-hits, round(loss, 11), place))
    return orders[min(scores)[2]]


def naive_greedy_from(start: list[int], logits: np.ndarray, targets: np.ndarray, steps: int) -> list[int]:
    probabilities = softmax(logits)
    orders = [start]
    for _ in range(steps):
        keys = []
        for candidate in range(len(logits)):
            blend = np.mean([probabilities[m] for m in [*orders[-1], candidate]], axis=0)
            hits, loss = hits_and_loss(blend, targets)
            keys.append((-hits, round(loss, 11), candidate not in orders[-1], candidate))
        orders.append([*orders[-1], min(keys)[3]])
    return naive_prefixes(probabilities, orders, targets)


@pytest.mark.parametrize("seed", range(12))
def test_greedy_sorted_equals_the_naive_loop(seed):
    logits, targets = coarse(seed, members=6, samples=40)
    probabilities = softmax(logits)
    ranked = [group[0] for group in naive_ranking(probabilities, targets)]
    start = naive_prefixes(probabilities, [ranked[: n + 1] for n in range(len(ranked))], targets)
    ensembler = GreedySorted(steps=6).fit(logits, targets)
    assert ensembler.start_ == len(start)
    assert list(ensembler.order_) == naive_greedy_from(start, logits, targets, 6)


def test_greedy_log_loss_is_greedy_with_that_metric():
    logits, targets = make()
    order = Greedy(metric="log_loss").fit(logits, targets).order_
    np.testing.assert_array_equal(GreedyLogLoss().fit(logits, targets).order_, order)


@pytest.mark.parametrize("seed", range(6))
def test_greedy_bagged_is_the_mean_of_greedy_selections(seed):
    logits, targets = coarse(seed, members=7, samples=50)
    ensembler = GreedyBagged(bags=5, random_state=seed).fit(logits, targets)
    bags = ensembler.draw_bags(rank_members(*single_scores(softmax(logits), targets)))
    weights = np.zeros(7)
    for bag in bags:
        weights[bag] += Greedy().fit(logits[bag], targets).weights_ / 5
    np.testing.assert_allclose(ensembler.weights_, weights, atol=1e-12)


def test_bags_are_random_halves_that_keep_copies_together():
    bags = GreedyBagged(bags=200).draw_bags([np.array([3, 5]), np.array([0]), np.array([1, 2]), np.array([4])])
    assert len(bags) == 200 and len({tuple(bag) for bag in bags}) == 6  # pairs of four groups
    for bag in bags:
        assert (3 in bag) == (5 in bag) and (1 in bag) == (2 in bag)
        assert list(bag) == sorted(bag)
    assert [list(bag) for bag in GreedyBagged(bags=1, bag_share=0.1).draw_bags([np.array([0])])] == [[0]]


# Subsets


def naive_best_subset(logits: np.ndarray, targets: np.ndarray, max_members: int) -> list[int]:
    probabilities = softmax(logits)
    ranked = [group[0] for group in naive_ranking(probabilities, targets)][:max_members]
    orders = [list(subset) for size in range(1, len(ranked) + 1) for subset in combinations(ranked, size)]
    return naive_prefixes(probabilities, orders, targets)


@pytest.mark.parametrize("max_members", [3, 12])
@pytest.mark.parametrize("seed", range(9))
def test_best_subset_equals_trying_all(seed, max_members):
    logits, targets = coarse(seed, members=6, samples=40)
    ensembler = BestSubset(max_members=max_members).fit(logits, targets)
    expected = naive_best_subset(logits, targets, max_members)
    assert list(ensembler.members_used_) == sorted(expected)
    np.testing.assert_allclose(ensembler.weights_[expected], 1 / len(expected))


@pytest.mark.parametrize("few", [1, 3, 6])
@pytest.mark.parametrize("seed", range(6))
def test_hits_of_subsets_equal_hits_of_their_averages(seed: int, few: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ensembles.subsets.FEW", few)
    logits, targets = coarse(seed, members=5 + seed % 2, samples=80)
    probabilities, subsets = softmax(logits), choices(len(logits))
    assert [sum(row * 2 ** np.arange(len(logits))) for row in subsets] == list(range(2 ** len(logits)))
    expected = [
        hits_and_loss(np.tensordot(row / row.sum(), probabilities, 1), targets)[0] for row in subsets[1:].astype(float)
    ]
    np.testing.assert_array_equal(count_hits(BlendHits(logits, targets))[1:], expected)


def test_pruned_drops_the_worse_of_near_twins():
    logits, targets = make(samples=500)
    weaker_twin = logits[2].copy()
    weaker_twin[:30] = logits[3][:30]
    ensembler = Pruned().fit(np.concatenate([weaker_twin[None], logits]), targets)
    twins = [member for member in ensembler.members_used_ if member in (0, 3)]
    accuracy = [(member.argmax(axis=1) == targets).mean() for member in (weaker_twin, logits[2])]
    assert twins == [0 if accuracy[0] > accuracy[1] else 3]
    assert len(ensembler.members_used_) == 5
    lowest = diversity.error_correlation(logits.argmax(axis=2) == targets).min()
    assert len(Pruned(correlation=float(lowest) - 0.01).fit(logits, targets).members_used_) == 1
    assert len(Pruned(correlation=1.0).fit(logits, targets).members_used_) == 5


@pytest.mark.parametrize("skill", [1.0, 2.5, 4.0])
def test_members_that_err_independently_are_no_twins_however_often_they_agree(skill: float):
    random = np.random.default_rng(0)
    targets = random.integers(0, 7, 1000)
    logits = skill * np.eye(7)[targets] + random.normal(size=(6, 1000, 7))
    assert len(Pruned().fit(logits, targets).members_used_) == 6


def test_a_member_that_is_always_right_is_kept_alone():
    logits, targets = make()
    perfect = 9.0 * np.eye(logits.shape[2])[targets]
    assert Pruned().fit(np.concatenate([logits, perfect[None]]), targets).members_used_.tolist() == [len(logits)]


# Networks


def test_untrained_networks_are_the_log_opinion_pool():
    logits, targets = make()
    ensembler = StackMLP(max_steps=0).fit(logits, targets)
    members = logits.astype(float)
    pool = np.mean([log_softmax(member / temperature(member, targets)) for member in members], axis=0)
    expected = softmax(pool / temperature(pool, targets))
    np.testing.assert_allclose(ensembler.predict_proba(logits), expected, atol=1e-9)
    assert ensembler.steps_ == [0, 0, 0, 0]


def test_gradient_of_the_network_equals_differences_of_its_loss():
    rng = np.random.default_rng(0)
    network = _Network(4, 3, 5, rng)
    part = _Part(rng.normal(size=(4, 20)), rng.normal(size=(5, 20)), np.eye(5)[rng.integers(0, 5, 20)].T)

    def at(flat: np.ndarray) -> _Network:
        network.flat[:] = flat
        return network

    start = rng.normal(size=network.flat.shape)
    assert check_grad(lambda flat: at(flat).log_loss(part), lambda flat: at(flat).gradient(part), start) < 1e-6


def test_networks_learn_structure_and_not_noise():
    logits, targets = make(samples=600)
    renamed = (targets + 1) % 4  # no pool can know this, a network can
    structured = StackMLP().fit(logits, renamed)
    assert min(structured.steps_) > 20
    assert (structured.predict_proba(logits).argmax(axis=1) == renamed).mean() > 0.7
    assert max(StackMLP().fit(logits, np.random.default_rng(0).permutation(targets)).steps_) < 60


# Dynamic selection


def naive_neighbours(logits: np.ndarray, targets: np.ndarray, unseen: np.ndarray, count: int) -> list[list[int]]:
    temperatures = [temperature(member, targets) for member in logits]
    points, queries = (
        np.hstack([log_softmax(member / its_own) for member, its_own in zip(data, temperatures, strict=True)])
        for data in (logits, unseen)
    )
    mean, spread = points.mean(axis=0), points.std(axis=0)
    points, queries = (points - mean) / spread, (queries - mean) / spread
    return [
        sorted(range(len(points)), key=lambda i: (round(float(((query - points[i]) ** 2).mean()), 7), i))[:count]
        for query in queries
    ]


@pytest.mark.parametrize("kind", [KnoraUnion, KnoraEliminate])
@pytest.mark.parametrize("seed", range(3))
def test_dynamic_selection_equals_a_loop_over_images(kind, seed):
    logits, targets = make(samples=60, seed=seed)
    unseen, _ = make(samples=40, seed=seed + 10)
    probabilities = kind(neighbours=5).fit(logits, targets).predict_proba(unseen)
    for image, neighbours in enumerate(naive_neighbours(logits, targets, unseen, 5)):
        right = logits[:, neighbours].argmax(axis=2) == targets[neighbours]
        weights = right.sum(axis=1).astype(float)
        if kind is KnoraEliminate:
            sizes = [size for size in range(5, 0, -1) if right[:, :size].all(axis=1).any()]
            weights = right[:, : sizes[0]].all(axis=1).astype(float) if sizes else np.zeros(5)
        named = unseen[:, image].argmax(axis=1)
        if not weights.any() or (named == named[0]).all():
            weights[:] = 1.0
        expected = np.average(softmax(unseen)[:, image], axis=0, weights=weights)
        np.testing.assert_allclose(probabilities[image], expected, atol=1e-12)


def test_nearest_breaks_ties_by_order():
    points = np.array([[0.0], [3.0], [-1.0], [1.0], [0.0], [1.0]])
    assert nearest(np.array([[0.0], [3.0]]), points, 4).tolist() == [[0, 4, 2, 3], [1, 3, 5, 0]]
    assert nearest(np.array([[0.0]]), points, 50).tolist() == [[0, 4, 2, 3, 5, 1]]
    assert nearest(np.array([[1e100]]), points, 2).shape == (1, 2)


def test_dynamic_selection_trusts_nobody_more_where_nobody_is_right():
    logits, _ = make()
    wrong = (logits.argmax(axis=2).sum(axis=0) + 1) % 4
    wrong = np.where((logits.argmax(axis=2) == wrong).any(axis=0), (wrong + 1) % 4, wrong)
    kept = ~(logits.argmax(axis=2) == wrong).any(axis=0)
    for kind in (KnoraUnion, KnoraEliminate):
        ensembler = kind().fit(logits[:, kept], wrong[kept])
        np.testing.assert_allclose(ensembler.predict_proba(logits), softmax(logits).mean(axis=0), atol=1e-12)


# Options


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("greedy_sorted", {"steps": 0}, "steps must be at least 1, got 0"),
        ("greedy_bagged", {"steps": 0}, "steps must be at least 1, got 0"),
        ("greedy_bagged", {"bags": 0}, "bags must be at least 1, got 0"),
        ("greedy_bagged", {"bag_share": 1.5}, r"bag_share must be in \(0, 1\], got 1.5"),
        ("best_subset", {"max_members": 0}, "max_members must be at least 1, got 0"),
        ("pruned", {"correlation": 0}, r"correlation must be in \(0, 1\], got 0"),
        ("pseudo_bma", {"draws": 0}, "draws must be at least 1, got 0"),
        ("knora_u", {"neighbours": 0}, "neighbours must be at least 1, got 0"),
    ],
)
def test_options_are_judged_in_fit(name, options, message):
    ensembler = ensembles.create(name, **options)
    with pytest.raises(ValueError, match=message):
        ensembler.fit(*make())


# Diversity


def naive_pair(one: np.ndarray, other: np.ndarray) -> tuple[int, ...]:
    pairs = [(bool(a), bool(b)) for a, b in zip(one, other, strict=True)]
    return tuple(pairs.count(pair) for pair in [(True, True), (True, False), (False, True), (False, False)])


def test_pairwise_measures_equal_counting_by_hand():
    logits, targets = make()
    correct = logits.argmax(axis=2) == targets
    disagreement, fault, q = (
        measure(correct) for measure in (diversity.pairwise_disagreement, diversity.double_fault, diversity.q_statistic)
    )
    for i in range(5):
        for j in range(5):
            a, b, c, d = naive_pair(correct[i], correct[j])
            assert disagreement[i, j] == pytest.approx((b + c) / 120)
            assert fault[i, j] == pytest.approx(d / 120)
            assert q[i, j] == pytest.approx((a * d - b * c) / (a * d + b * c))
    np.testing.assert_allclose(diversity.error_correlation(correct), np.corrcoef(~correct))
    assert diversity.oracle_accuracy(correct) == np.mean([any(column) for column in correct.T])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("measure", [diversity.q_statistic, diversity.error_correlation])
def test_a_member_that_is_always_right_is_like_none(measure):
    alike = measure(np.array([[True, True, True], [True, False, True]]))
    np.testing.assert_array_equal(alike, [[np.nan, np.nan], [np.nan, 1.0]])


def test_kappa_equals_the_definition():
    from sklearn.metrics import cohen_kappa_score

    logits, targets = make()
    kappa, error = diversity.kappa_error(logits, targets)
    predicted = logits.argmax(axis=2)
    for i in range(5):
        for j in range(5):
            assert kappa[i, j] == pytest.approx(cohen_kappa_score(predicted[i], predicted[j]))
            assert error[i, j] == pytest.approx(
                ((predicted[i] != targets).mean() + (predicted[j] != targets).mean()) / 2
            )
    assert diversity.kappa_error(np.zeros((2, 3, 4)), np.zeros(3, dtype=int))[0].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("decomposition", "name"), [(diversity.squared_ambiguity, "uniform"), (diversity.log_loss_ambiguity, "log_pool")]
)
def test_ambiguity_is_exactly_what_the_ensemble_gains(decomposition, name):
    logits, targets = make()

    def loss(rows: np.ndarray) -> float:
        if name == "uniform":
            return float(((rows - np.eye(4)[targets]) ** 2).sum(axis=1).mean())
        return float(-np.log(rows[np.arange(120), targets]).mean())

    parts = decomposition(logits, targets)
    assert parts.ensemble == pytest.approx(loss(ensembles.create(name).fit(logits, targets).predict_proba(logits)))
    assert parts.members == pytest.approx(np.mean([loss(softmax(member)) for member in logits]))
    assert parts.ensemble == pytest.approx(parts.members - parts.ambiguity)
    assert parts.ambiguity > 0
    assert decomposition(logits, (targets + 1) % 4).ambiguity == parts.ambiguity
    assert decomposition(logits[[1, 1]], targets).ambiguity == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros(3, dtype=bool), np.zeros((0, 3), dtype=bool)])
def test_diversity_names_bad_input(bad):
    for measure in (diversity.q_statistic, diversity.error_correlation, diversity.oracle_accuracy):
        with pytest.raises(ValueError, match=r"bool \[members, samples\]"):
            measure(bad)


def test_methods_are_ordered_from_rules_to_selection_by_image():
    complexity = {name: ensembles.get(name).complexity for name in ensembles.names()}
    order = ["best_single", "log_pool", "top_k", "greedy_bagged", "classwise", "knora_e"]
    assert all(complexity[simple] < complexity[rich] for simple, rich in pairwise(order))
