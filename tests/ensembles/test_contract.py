"""Every registered ensembler keeps one contract; the exact ones agree with slow references."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scipy.optimize import minimize

import ensembles
from ensembles import registry
from ensembles.arrays import log_softmax, softmax
from ensembles.base import Ensembler, LinearPool
from ensembles.calibration import temperature
from ensembles.selection import SMALLEST_PROBABILITY, TIE, Greedy
from ensembles.stacking import StackLogistic
from ensembles.stacking_xgboost import StackXGBoost
from ensembles.voting import BestSingle, Uniform
from ensembles.weighting import GAP_LIMIT, Weighted, duality_gap

NAMES = ensembles.names()
POOLS = [name for name in NAMES if issubclass(ensembles.get(name), LinearPool)]
# A method that searches weights gains nothing by a copy; where each member has its say, a copy has one more.
INDIFFERENT_TO_COPIES = [name for name in POOLS if name not in {"uniform", "top_k", "bma", "pseudo_bma"}]
# Iterative fits stop near, not at, the optimum; xgboost works in float32.
TOLERANCE = {"stack_logistic": 1e-6, "stack_xgboost": 1e-5}


def make(members: int = 5, samples: int = 160, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Members of unlike skill that share the images' difficulty; not a copy of the truth, so that errors remain."""
    rng = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(classes), rng.integers(0, classes, samples - classes)])
    shared = 2.0 * np.eye(classes)[targets] + rng.normal(size=(samples, classes))
    skill = np.linspace(0.6, 1.4, members)[:, None, None]
    return (skill * shared + rng.normal(size=(members, samples, classes))).astype(np.float32), targets


def fitted(name: str, logits: np.ndarray, targets: np.ndarray) -> Ensembler:
    return ensembles.create(name).fit(logits, targets)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# The family


def test_the_expected_ensemblers_are_discovered_simplest_first():
    assert [n for n in NAMES if n in {"best_single", "uniform", "weighted", "greedy"}] == [
        "best_single",
        "uniform",
        "weighted",
        "greedy",
    ]
    assert {"stack_logistic", "stack_xgboost"} <= set(NAMES)


def test_class_says_what_a_table_needs(name):
    kind = ensembles.get(name)
    assert kind.name == name == name.lower()
    assert kind.title and kind.complexity >= 0
    assert kind.reference.startswith(("doi:", "arXiv:"))


def test_constructor_only_stores_its_fields(name):
    ensembler = ensembles.create(name)
    assert set(vars(ensembler)) == {field.name for field in fields(ensembler)}


def test_predictions_are_float64_rows_on_the_simplex(name):
    logits, targets = make()
    unseen, _ = make(samples=70, seed=1)
    ensembler = ensembles.create(name)
    assert ensembler.fit(logits, targets) is ensembler
    probabilities = ensembler.predict_proba(unseen)
    assert probabilities.shape == (70, 4) and probabilities.dtype == np.float64
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=0, atol=1e-12)


def test_learns_something(name):
    logits, targets = make(samples=400)
    unseen, unseen_targets = make(samples=400, seed=1)
    accuracy = (fitted(name, logits, targets).predict_proba(unseen).argmax(axis=1) == unseen_targets).mean()
    assert accuracy > (unseen.argmax(axis=2) == unseen_targets).mean()


def test_fitted_state_describes_the_members(name):
    logits, targets = make()
    ensembler = fitted(name, logits, targets)
    assert ensembler.members_used_.dtype.kind == "i"
    assert 1 <= len(ensembler.members_used_) <= 5
    if ensembler.weights_ is not None:
        assert ensembler.weights_.min() >= 0
        np.testing.assert_allclose(
            ensembler.weights_.sum(axis=0), 1.0, rtol=0, atol=1e-12
        )  # for every class, if [M, C]
        used = ensembler.weights_.reshape(5, -1).any(axis=1)
        np.testing.assert_array_equal(ensembler.members_used_, np.flatnonzero(used))


@pytest.mark.parametrize("name", POOLS)
def test_pool_is_the_weighted_mean_of_probabilities(name):
    logits, targets = make()
    ensembler = fitted(name, logits, targets)
    expected = sum(w * softmax(member) for w, member in zip(ensembler.weights_, logits, strict=True))
    np.testing.assert_allclose(ensembler.predict_proba(logits), expected, atol=1e-12)


def test_member_order_does_not_matter(name):
    logits, targets = make()
    order = np.array([3, 0, 4, 2, 1])
    one, other = fitted(name, logits, targets), fitted(name, logits[order], targets)
    np.testing.assert_allclose(
        other.predict_proba(logits[order]), one.predict_proba(logits), atol=TOLERANCE.get(name, 1e-9)
    )
    np.testing.assert_array_equal(np.sort(order[other.members_used_]), one.members_used_)
    if one.weights_ is not None:
        np.testing.assert_allclose(other.weights_, one.weights_[order], atol=1e-6)


@pytest.mark.parametrize("name", POOLS)
def test_one_member_is_its_own_ensemble(name):
    logits, targets = make(members=1)
    np.testing.assert_allclose(fitted(name, logits, targets).predict_proba(logits), softmax(logits[0]), atol=1e-12)


def test_every_member_twice_changes_nothing(name):
    logits, targets = make()
    twice = np.concatenate([logits, logits])
    np.testing.assert_allclose(
        fitted(name, twice, targets).predict_proba(twice),
        fitted(name, logits, targets).predict_proba(logits),
        atol=TOLERANCE.get(name, 1e-6),
    )


@pytest.mark.parametrize("name", INDIFFERENT_TO_COPIES)
def test_one_member_twice_changes_nothing_where_weights_are_sought(name):
    logits, targets = make()
    extended = np.concatenate([logits, logits[-1:]])
    np.testing.assert_allclose(
        fitted(name, extended, targets).predict_proba(extended),
        fitted(name, logits, targets).predict_proba(logits),
        atol=1e-6,
    )


def test_inputs_are_not_mutated(name):
    logits, targets = make()
    logits_before, targets_before = logits.copy(), targets.copy()
    logits.flags.writeable = targets.flags.writeable = False
    fitted(name, logits, targets).predict_proba(logits)
    np.testing.assert_array_equal(logits, logits_before)
    np.testing.assert_array_equal(targets, targets_before)


def test_fits_are_byte_identical_and_leave_nothing_behind(name):
    logits, targets = make()
    fresh = fitted(name, logits, targets).predict_proba(logits)
    reused = ensembles.create(name).fit(*make(members=3, classes=5, seed=2))
    again = reused.fit(logits, targets).predict_proba(logits)
    assert fresh.tobytes() == again.tobytes()
    assert fresh.tobytes() == reused.predict_proba(logits).tobytes()


def test_precision_of_the_input_is_immaterial(name):
    logits, targets = make()
    halves = logits.astype(np.float16)
    expected = fitted(name, halves.astype(np.float32), targets).predict_proba(halves.astype(np.float32))
    for dtype in (np.float16, np.float64):
        same = halves.astype(dtype)
        assert fitted(name, same, targets.astype(np.int32)).predict_proba(same).tobytes() == expected.tobytes()


@pytest.mark.parametrize("present", [[0, 1, 3], [0, 1, 2], [1, 2, 3], [2]])
def test_classes_may_be_absent_from_the_targets(name, present):
    logits, targets = make()
    kept = np.isin(targets, present)
    probabilities = fitted(name, logits[:, kept], targets[kept]).predict_proba(logits)
    assert probabilities.shape == (160, 4)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-12)


def test_extreme_logits_are_safe(name):
    logits, targets = make()
    probabilities = fitted(name, logits * 1e4, targets).predict_proba(logits * 1e4)
    assert np.isfinite(probabilities).all()


def test_constant_members_are_safe(name):
    _, targets = make()
    logits = np.zeros((3, 160, 4), dtype=np.float32)
    assert np.isfinite(fitted(name, logits, targets).predict_proba(logits)).all()


# Checks of input


def bad_logits() -> np.ndarray:
    logits, _ = make()
    logits[2, 7, 1] = np.nan
    logits[3, 0, 0] = np.inf
    return logits


@pytest.mark.parametrize(
    ("logits", "targets", "message"),
    [
        (make()[0][0], make()[1], r"shape \[members, samples, classes\], got \[160, 4\]"),
        (make()[0][:, :, :1], make()[1], r"two classes at least, got \[5, 160, 1\]"),
        (make()[0][:0], make()[1], r"a member.* got \[0, 160, 4\]"),
        (make()[0].astype(int), make()[1], "floating point, got int64"),
        (bad_logits(), make()[1], "2 non-finite values, the first at member 2, sample 7, class 1"),
        (make()[0], make()[1][:-1], r"shape \[160\] to match the logits, got \[159\]"),
        (make()[0], make()[1].astype(float), "integers, got float64"),
        (make()[0], np.where(np.arange(160) == 9, 4, make()[1]), r"0\.\.3; 1 do not, the first at sample 9: 4"),
        (make()[0], np.where(np.arange(160) >= 9, -1, make()[1]), r"0\.\.3; 151 do not, the first at sample 9: -1"),
    ],
)
def test_bad_input_to_fit_is_named(logits, targets, message):
    with pytest.raises(ValueError, match=message):
        Uniform().fit(logits, targets)


def test_bad_input_to_predict_is_named(name):
    logits, targets = make()
    with pytest.raises(ValueError, match=f"{name} is not fitted"):
        ensembles.create(name).predict_proba(logits)
    ensembler = fitted(name, logits, targets)
    with pytest.raises(ValueError, match="fitted on 5 members, got logits of 4"):
        ensembler.predict_proba(logits[:4])
    with pytest.raises(ValueError, match="fitted on 4 classes, got logits of 3"):
        ensembler.predict_proba(logits[:, :, :3])
    with pytest.raises(ValueError, match="2 non-finite values"):
        ensembler.predict_proba(bad_logits())


# The registry


@pytest.fixture
def scratch_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))


def test_unknown_name_suggests_near_ones():
    with pytest.raises(ensembles.UnknownEnsemblerError, match=r"'gredy'; did you mean greedy\?"):
        ensembles.create("gredy")
    with pytest.raises(ensembles.UnknownEnsemblerError, match=r"known: best_single, .*uniform"):
        ensembles.get("zzz")


def test_registering(scratch_registry):
    @dataclass
    class Own(Uniform):
        name: ClassVar[str] = "own"

    assert ensembles.register(Own) is Own
    assert ensembles.get("own") is Own and "own" in ensembles.names()
    with pytest.raises(ValueError, match="two ensemblers are named 'own'"):
        ensembles.register(Own)


def test_options_reach_the_constructor():
    assert ensembles.create("greedy", steps=7) == Greedy(steps=7)
    with pytest.raises(TypeError):
        ensembles.create("uniform", steps=7)


def test_import_is_light():
    heavy = "{'torch', 'sklearn', 'scipy', 'xgboost', 'joblib', 'pandas', 'zoo', 'benchmarks'}"
    code = f"import sys, ensembles, ensembles.search; ensembles.names(); print(sorted({heavy} & set(sys.modules)))"
    root = Path(ensembles.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Transforms


def test_softmax_and_log_softmax_are_stable_and_agree():
    logits = np.array([[[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]], [[1.0, 2.0, 3.0], [-5e3, -5e3, -5e3]]], dtype=np.float32)
    probabilities, log_probabilities = softmax(logits), log_softmax(logits)
    assert probabilities.dtype == log_probabilities.dtype == np.float64
    np.testing.assert_allclose(np.exp(log_probabilities), probabilities, atol=1e-15)
    np.testing.assert_allclose(probabilities[0], [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(probabilities[1, 0], np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum())
    assert log_probabilities[0, 0, 2] == -2e4


# Voting


def test_best_single_breaks_ties_by_log_loss_then_order():
    targets = np.array([0, 1, 0, 1])
    truth = np.eye(2, dtype=np.float32)[targets]
    assert BestSingle().fit(np.stack([-truth, truth, 3 * truth]), targets).members_used_ == [2]
    assert BestSingle().fit(np.stack([-truth, 2 * truth, 2 * truth]), targets).members_used_ == [1]
    sure_and_once_just_wrong = truth * [[3], [3], [3], [-0.1]]
    logits = np.stack([sure_and_once_just_wrong, 0.01 * truth]).astype(np.float32)
    assert BestSingle().fit(logits, targets).members_used_ == [1]


# Weighting


def mean_log_loss(weights: np.ndarray, logits: np.ndarray, targets: np.ndarray) -> float:
    true = softmax(logits)[:, np.arange(len(targets)), targets]
    return float(-np.log(weights @ true).mean())


@pytest.mark.parametrize("seed", range(5))
def test_weighted_is_no_worse_than_a_general_solver(seed):
    logits, targets = make(members=6, seed=seed)
    weights = Weighted().fit(logits, targets).weights_
    reference = minimize(
        mean_log_loss,
        np.full(6, 1 / 6),
        args=(logits, targets),
        method="SLSQP",
        bounds=[(0, 1)] * 6,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    np.testing.assert_allclose(mean_log_loss(weights, logits, targets), reference.fun, atol=1e-7)
    np.testing.assert_allclose(weights, reference.x, atol=2e-3)


def test_weighted_of_two_members_equals_a_line_search():
    logits, targets = make(members=2, seed=3)
    grid = np.linspace(0, 1, 2001)
    losses = [mean_log_loss(np.array([w, 1 - w]), logits, targets) for w in grid]
    assert Weighted().fit(logits, targets).weights_[0] == pytest.approx(grid[np.argmin(losses)], abs=1e-3)


@pytest.mark.parametrize(("members", "samples", "scale"), [(1, 5, 1), (3, 2, 1), (40, 30, 1), (12, 300, 1e3)])
def test_weighted_certifies_its_optimum(members, samples, scale):
    logits, targets = make(members, max(samples, 4))
    ensembler = Weighted().fit(logits * np.float32(scale), targets)
    assert ensembler.gap_ <= GAP_LIMIT


def test_duality_gap_bounds_the_excess_loss():
    logits, targets = make()
    likelihood = softmax(logits)[:, np.arange(len(targets)), targets].T
    best = mean_log_loss(Weighted().fit(logits, targets).weights_, logits, targets)
    rng = np.random.default_rng(0)
    for weights in rng.dirichlet(np.ones(5), size=20):
        gap = duality_gap(likelihood, weights)
        assert 0 < mean_log_loss(weights, logits, targets) - best <= gap
        assert duality_gap(likelihood * rng.uniform(0.1, 9, (160, 1)), weights) == pytest.approx(gap)


def test_weighted_shares_equally_between_copies_and_drops_the_useless():
    logits, targets = make(members=2)
    wrong = -20 * np.eye(4, dtype=np.float32)[targets]
    weights = Weighted().fit(np.stack([logits[1], wrong, logits[1], logits[1]]), targets).weights_
    np.testing.assert_allclose(weights, [1 / 3, 0, 1 / 3, 1 / 3], atol=1e-6)
    assert weights[1] == 0


# Greedy selection


def naive_greedy(logits: np.ndarray, targets: np.ndarray, steps: int, metric: str) -> list[int]:
    """Caruana's loop as one would write it down: every candidate, every image, ties in the written order."""
    probabilities = softmax(logits)
    order: list[int] = []
    path = []
    for _ in range(steps):
        scored = []
        for candidate in range(len(logits)):
            picked = [*order, candidate]
            # equal up to rounding is equal, and argmax then takes the first class
            guesses = np.round(sum(probabilities[m] for m in picked), 10).argmax(axis=1)
            misses = sum(int(guess != target) for guess, target in zip(guesses, targets, strict=True))
            loss = 0.0
            for image, target in enumerate(targets):
                parts = [max(probabilities[m, image, target], SMALLEST_PROBABILITY) for m in picked]
                loss -= np.log(sum(parts) / len(parts)) / len(targets)
            scored.append((misses if metric == "accuracy" else 0, loss))
        fewest = min(misses for misses, _ in scored)
        lowest = min(loss for misses, loss in scored if misses == fewest)
        tied = [m for m, (misses, loss) in enumerate(scored) if misses == fewest and loss <= lowest + TIE]
        order.append(next((m for m in tied if m in order), tied[0]))
        path.append((fewest, lowest))
    best = min(range(steps), key=lambda i: (path[i][0], round(path[i][1], 11), i))
    return order[: best + 1]


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
@pytest.mark.parametrize("seed", range(12))
def test_greedy_equals_the_naive_loop(metric, seed):
    logits, targets = make(members=6, samples=40, seed=seed)
    if seed % 3 == 1:  # coarse logits: ties of counts, of losses and between classes
        logits = np.round(logits / 2)
    if seed % 3 == 2:  # certain members and copies: ties everywhere
        logits = 1e4 * np.round(logits / 2)
        logits[4] = logits[1]
    order = Greedy(steps=8, metric=metric).fit(logits, targets).order_
    assert list(order) == naive_greedy(logits, targets, 8, metric)


def test_greedy_reference_data_has_ties_and_long_blends():
    lengths = [len(Greedy(steps=8).fit(*make(members=6, samples=40, seed=seed)).order_) for seed in range(0, 12, 3)]
    assert max(lengths) >= 3


def test_greedy_fit_score_is_never_below_the_best_single():
    logits, targets = make(members=8, seed=4)

    def fit_accuracy(name: str) -> float:
        return float((fitted(name, logits, targets).predict_proba(logits).argmax(axis=1) == targets).mean())

    assert fit_accuracy("greedy") >= fit_accuracy("best_single")


def test_greedy_prefers_members_already_chosen():
    """After member 1 (0.5 on both images) either member gives the same log-loss: 1.25 * 0.8 = 1.0 * 1.0."""
    true = np.array([[0.75, 0.3], [0.5, 0.5]])
    logits = np.log(np.stack([true, 1 - true], axis=2))
    assert list(Greedy(steps=3, metric="log_loss").fit(logits, np.array([0, 0])).order_) == [1, 1, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "auc"}, "metric must be one of accuracy, log_loss, got 'auc'"),
        ({"steps": 0}, "steps must be at least 1"),
    ],
)
def test_greedy_options_are_judged_in_fit(options, message):
    ensembler = Greedy(**options)
    with pytest.raises(ValueError, match=message):
        ensembler.fit(*make())


# Stacking


def test_strong_penalty_gives_the_log_opinion_pool():
    logits, targets = make()
    ensembler = StackLogistic(strengths=(1e6,)).fit(logits, targets)
    members = [log_softmax(member / temperature(member, targets)) for member in logits]
    pool = softmax(ensembler.inverse_temperature_ * np.mean(members, axis=0))
    np.testing.assert_allclose(ensembler.predict_proba(logits), pool, atol=1e-4)


def test_logistic_minimises_the_penalised_loss():
    """The gradient vanishes: features' and residual's product balances the penalty."""
    logits, targets = make()
    ensembler = StackLogistic(strengths=(0.01,)).fit(logits, targets)
    features = ensembler._features(ensembler.on_common_scale(logits))
    residual = ensembler.predict_proba(logits) - np.eye(4)[targets]
    np.testing.assert_allclose(features.T @ residual / 160 + 0.01 * ensembler.coef_, 0, atol=1e-4)


def test_logistic_chooses_a_strong_penalty_on_noise_and_a_weak_one_on_structure():
    logits, targets = make(samples=600)
    assert StackLogistic().fit(logits, np.random.default_rng(0).permutation(targets)).strength_ >= 0.1
    renamed = (targets + 1) % 4  # no pool can know this, a regression can
    structured = StackLogistic().fit(logits, renamed)
    assert structured.strength_ <= 0.01
    assert (structured.predict_proba(logits).argmax(axis=1) == renamed).mean() > 0.75


def test_xgboost_without_learning_is_the_uniform_average():
    logits, targets = make()
    still = StackXGBoost(learning_rate=1e-9).fit(logits, targets).predict_proba(logits)
    np.testing.assert_allclose(still, Uniform().fit(logits, targets).predict_proba(logits), atol=1e-6)


def test_xgboost_stops_early_on_noise():
    logits, targets = make(samples=600)
    assert StackXGBoost().fit(logits, (targets + 1) % 4).rounds_ > 15
    assert StackXGBoost(max_rounds=200).fit(*make(samples=600)).rounds_ < 100


def test_missing_xgboost_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(ImportError, match="pip install xgboost"):
        StackXGBoost().fit(*make())
