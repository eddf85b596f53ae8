"""A fit is a function of its data: neither rounding, nor the order of members, nor a copy or a near copy decides it.

Where a method breaks ties by the order of members, it says so in its docstring; the data here has no such ties.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ensembles
from ensembles.arrays import softmax, top_class
from ensembles.common_scale import CommonScale
from ensembles.dynamic import NearestOracles
from ensembles.gating import Gating, gate_path
from ensembles.inputs import PrincipalComponents
from ensembles.least_squares import Classwise, nonnegative_weights
from ensembles.strengths import check_strengths, strongest_of_the_best

NAMES = ensembles.names()
SOLVERS = ["super_learner", "weighted", "pseudo_bma", "classwise", "stack_logistic", "gating", "stack_mlp", "knora_u"]
ROUNDING = 1e-12  # relative; far more than a processor's, far less than what any data means
# Classes that tie count half or go to the first; a vote has no smaller step than one member.
SMALLEST_EFFECT = 1e-6
WITH_STRENGTHS = ["classwise", "gating", "stack_logistic"]


def make(members: int, samples: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Members of unlike skill in float16 steps, so that classes tie as they do in stored predictions."""
    rng = np.random.default_rng(seed)
    targets = rng.permutation(np.arange(samples) % 4)
    shared = 2.0 * np.eye(4)[targets] + rng.normal(size=(samples, 4))
    skill = np.linspace(0.6, 1.4, members)[:, None, None]
    logits = (skill * shared + rng.normal(size=(members, samples, 4))).astype(np.float16).astype(np.float64)
    tied = rng.random((members, samples)) < 0.02
    logits[tied, 3] = logits[tied, 1]
    return logits, targets


def rows(name: str, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return ensembles.create(name).fit(logits, targets).predict_proba(logits)


def rounded(logits: np.ndarray, seed: int) -> np.ndarray:
    return logits * (1.0 + ROUNDING * np.random.default_rng(seed).standard_normal(logits.shape))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max())


@pytest.mark.parametrize("name", NAMES)
def test_rounding_of_the_input_does_not_decide(name: str):
    logits, targets = make(members=6)
    expected = rows(name, logits, targets)
    assert max(distance(rows(name, rounded(logits, seed), targets), expected) for seed in range(2)) < SMALLEST_EFFECT


@pytest.mark.parametrize("name", NAMES)
def test_no_order_of_members_decides(name: str):
    for members, orders in ((3, itertools.permutations(range(3))), (6, [(5, 2, 0, 4, 1, 3), (1, 3, 5, 0, 2, 4)])):
        logits, targets = make(members)
        expected = rows(name, logits, targets)
        for order in orders:
            assert distance(rows(name, logits[list(order)], targets), expected) < SMALLEST_EFFECT


@pytest.mark.parametrize("name", NAMES)
def test_near_copies_are_as_good_as_copies(name: str):
    logits, targets = make(members=4)
    copies, near = np.concatenate([logits, logits]), np.concatenate([logits, rounded(logits, 0)])
    assert distance(rows(name, near, targets), rows(name, copies, targets)) < SMALLEST_EFFECT
    assert distance(rows(name, copies, targets), rows(name, logits, targets)) < SMALLEST_EFFECT


# The scale of a member

SCALE_FREE = ["linear_pool_calibrated", "log_pool_calibrated", "stack_logistic", "stack_mlp"]
VETO = ["log_pool"]  # by what it is, the member that is loudest decides
NO_VETO = [name for name in NAMES if name not in VETO]
BY_LIKELIHOOD = ["bma", "pseudo_bma"]  # by what they are, a member that is sure of what is wrong has no weight


def loud(logits: np.ndarray, member: int, factor: float) -> np.ndarray:
    changed = logits.copy()
    changed[member] *= factor
    return changed


def impossible(logits: np.ndarray, member: int, share: float, value: float) -> np.ndarray:
    """One value of some rows of a member far below all others, as an overflow or a masked class leaves it."""
    changed, rng = logits.copy(), np.random.default_rng(7)
    images = rng.permutation(logits.shape[1])[: max(1, int(share * logits.shape[1]))]
    changed[member, images, rng.integers(0, logits.shape[2], len(images))] = value
    return changed


def without_a_class(logits: np.ndarray, member: int, value: float) -> np.ndarray:
    changed = logits.copy()
    changed[member, :, 2] = value
    return changed


DISTORTIONS = {
    "best x 20": lambda logits: loud(logits, -1, 20.0),
    "best x 100": lambda logits: loud(logits, -1, 100.0),
    "worst x 100": lambda logits: loud(logits, 0, 100.0),
    "worst x 0.01": lambda logits: loud(logits, 0, 0.01),
    "one value": lambda logits: impossible(logits, -1, 0.0, -30_000.0),
    "a row in ninety": lambda logits: impossible(logits, -1, 1 / 90, -30_000.0),
    "a class masked": lambda logits: without_a_class(logits, 0, float(np.finfo(np.float32).min)),
}

OF_THE_BEST = ["best x 20", "best x 100", "one value", "a row in ninety"]


@pytest.fixture(scope="module")
def as_they_are() -> dict[str, float]:
    return {name: accuracy_on_unseen(name, lambda logits: logits) for name in NO_VETO}


def accuracy_on_unseen(name: str, distort: Callable[[np.ndarray], np.ndarray]) -> float:
    logits, targets = make(members=6, samples=900, seed=1)
    logits = distort(logits)
    fitted = ensembles.create(name).fit(logits[:, :450], targets[:450])
    return fitted.score(logits[:, 450:], targets[450:])


@pytest.mark.parametrize("distortion", DISTORTIONS)
@pytest.mark.parametrize("name", NO_VETO)
def test_no_loud_or_broken_member_ruins_a_method(name: str, distortion: str, as_they_are: dict[str, float]):
    least = as_they_are[name]
    if name in BY_LIKELIHOOD and distortion in OF_THE_BEST:
        least = accuracy_on_unseen("best_single", lambda logits: logits[:-1])
    assert accuracy_on_unseen(name, DISTORTIONS[distortion]) > least - 0.03


@pytest.mark.parametrize("factor", [1e-3, 20.0, 100.0, 1e6])
@pytest.mark.parametrize("name", SCALE_FREE)
def test_a_multiple_of_a_members_logits_changes_nothing(name: str, factor: float):
    logits, targets = make(members=4)
    expected = rows(name, logits, targets)
    for member in (0, 3):
        assert distance(rows(name, loud(logits, member, factor), targets), expected) < SMALLEST_EFFECT


@pytest.mark.parametrize("name", ["gating", "knora_u", "knora_e"])
def test_a_multiple_of_a_members_logits_changes_no_weights_by_image(name: str):
    """The pooled members are as loud as they are; which of them count for an image is not decided by that."""
    logits, targets = make(members=4)
    inputs = []
    for each in (logits, loud(logits, 3, 20.0)):
        fitted = ensembles.create(name).fit(each, targets)
        if isinstance(fitted, Gating):
            inputs.append(fitted._columns(each, None))
        else:
            assert isinstance(fitted, NearestOracles)
            inputs.append(fitted.features_)
    np.testing.assert_allclose(inputs[0], inputs[1], atol=1e-7)


def test_an_impossible_class_moves_no_temperature_and_counts_no_more_than_a_very_unlikely_one():
    logits, targets = make(members=3, samples=900)
    broken = logits.copy()
    broken[1, 5, targets[5]] = -30_000.0
    one, other = CommonScale.fit(logits, targets), CommonScale.fit(broken, targets)
    np.testing.assert_allclose(other.temperatures, one.temperatures, rtol=0.05)
    assert other.log_probabilities(broken).min() > -25
    np.testing.assert_array_equal(other.log_probabilities(broken)[[0, 2]], one.log_probabilities(logits)[[0, 2]])


def test_a_member_that_always_says_the_same_has_a_scale():
    logits, targets = make(members=3)
    logits[1], logits[2] = 0.0, np.array([3.0, 1.0, 0.0, -1.0])
    found = CommonScale.fit(logits, targets).log_probabilities(logits)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1], -np.log(4))


FIT_ELSEWHERE = """
import json, sys
import numpy as np
from tests.ensembles.test_well_defined import make, rows
logits, targets = make(members=6)
twice = np.concatenate([logits, logits])
print(json.dumps({name: [rows(name, each, targets).tolist() for each in (logits, twice)] for name in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def fitted_here() -> dict[str, np.ndarray]:
    logits, targets = make(members=6)
    return {name: rows(name, logits, targets) for name in SOLVERS}


@pytest.mark.parametrize(("kernel", "threads"), [("Nehalem", "1"), ("Haswell", "2")])
def test_neither_the_processor_nor_its_threads_decide(kernel: str, threads: str, fitted_here: dict[str, np.ndarray]):
    """The kernels that OpenBLAS would take on another processor; where numpy has another BLAS, they change nothing."""
    settings = {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-c", FIT_ELSEWHERE, *SOLVERS],
        cwd=Path(ensembles.__file__).parents[1],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )
    if done.returncode == -signal.SIGILL:
        pytest.skip(f"this processor lacks the instructions of {kernel}")
    assert done.returncode == 0, done.stderr
    for name, (once, twice) in json.loads(done.stdout).items():
        assert distance(np.array(once), fitted_here[name]) < SMALLEST_EFFECT, name
        assert distance(np.array(twice), fitted_here[name]) < SMALLEST_EFFECT, name


# The gate


def gate_problem(samples: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = np.vstack([rng.normal(size=(3, samples)), np.ones(samples)])
    likelihood = rng.uniform(0.01, 1, (5, samples))
    likelihood[0, inputs[0] > 0] *= 8.0
    likelihood[1, inputs[0] < 0] *= 8.0
    return inputs, likelihood / likelihood.max(axis=0)


def penalised_loss(coef: np.ndarray, inputs: np.ndarray, likelihood: np.ndarray, strength: float) -> float:
    mixture = (softmax((coef @ inputs).T).T * likelihood).sum(axis=0)
    return float(-np.log(mixture).mean() + strength / (2 * len(coef)) * (coef**2).sum())


@pytest.mark.parametrize("strength", [3.0, 0.3, 0.03, 0.003])
def test_every_round_of_the_gate_lowers_the_penalised_loss(strength: float):
    inputs, likelihood = gate_problem()
    gates = [np.zeros((5, 4))] + [gate_path(inputs, likelihood, [strength], rounds)[-1] for rounds in range(1, 30)]
    losses = [penalised_loss(gate, inputs, likelihood, strength) for gate in gates]
    assert np.diff(losses).max() <= 1e-12 and losses[-1] < losses[0] - 1e-3


def test_the_gate_blows_up_no_difference():
    """Steps of an optimiser that looks for a saddle's way down multiply a difference by 1e10 and more."""
    inputs, likelihood = gate_problem()
    path = ([3.0, 0.3, 0.03, 0.003], 20)
    for factor in (1e-12, 1e-6):
        noise = 1.0 + factor * np.random.default_rng(1).standard_normal(likelihood.shape)
        one, other = gate_path(inputs, likelihood, *path)[-1], gate_path(inputs, likelihood * noise, *path)[-1]
        assert distance(one, other) < 100 * factor


def test_copies_share_the_gate_equally():
    inputs, likelihood = gate_problem()
    twice = gate_path(inputs, np.concatenate([likelihood, likelihood]), [0.03], 200)[-1]
    np.testing.assert_allclose(twice[:5], twice[5:], atol=1e-9)
    np.testing.assert_allclose(twice[:5], gate_path(inputs, likelihood, [0.03], 200)[-1], atol=1e-9)


@pytest.mark.parametrize("options", [{"components": 0}, {"rounds": 0}])
def test_options_of_the_gate_are_judged_in_fit(options: dict[str, int]):
    with pytest.raises(ValueError, match="components and rounds must be at least 1"):
        ensembles.create("gating", **options).fit(*make(members=2))


def test_components_do_not_depend_on_copies():
    features = np.random.default_rng(0).normal(size=(5, 60)) * np.arange(1, 6)[:, None]
    twice = np.concatenate([features, features])
    one, other = PrincipalComponents.fit(features, 3).of(features), PrincipalComponents.fit(twice, 3).of(twice)
    np.testing.assert_allclose(one, other, atol=1e-9)


# Linear systems


def test_a_class_that_no_member_believes_in_has_equal_weights():
    """Its Gram matrix is zero, and no Cholesky root of it exists."""
    logits = [[[13680, 6404], [16050, -5356], [18610, 13040], [24460, -7036], [2346, -6232]]]
    one = Classwise().fit(np.array(logits, dtype=np.float16), np.zeros(5, dtype=int))
    assert one.weights_ is not None and one.weights_.tolist() == [[1.0, 1.0]]
    three = Classwise().fit(np.array([logits[0]] * 3, dtype=np.float16), np.zeros(5, dtype=int))
    assert three.weights_ is not None
    np.testing.assert_allclose(three.weights_, 1 / 3, atol=1e-12)


def test_a_class_that_one_fold_alone_believes_in_is_no_difference_of_rounding():
    """The Gram matrix of the other folds, as that of all less that of the fold, may have a negative diagonal."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        logits = np.zeros((3, 10, 3))
        logits[:, :, 2] = -1e4
        logits[:, rng.integers(10), 2] = rng.normal(size=3)
        assert np.isfinite(rows("classwise", logits, np.arange(10) % 2)).all()


@pytest.mark.parametrize("size", [0.0, 1e-320, 1e-150, 1.0, 1e150])
def test_weights_of_any_size_of_outputs(size: float):
    gram = size * np.array([[2.0, 1.0], [1.0, 2.0]])
    np.testing.assert_allclose(nonnegative_weights(gram, size * np.ones(2), 1e-9), 0.5)


@pytest.mark.parametrize("name", NAMES)
def test_logits_whose_squares_overflow_are_refused(name: str):
    logits, targets = make(members=2)
    logits[1, 3, 2] = 1e200
    with pytest.raises(ValueError, match=r"1 too large \(beyond float32\) values, .* at member 1, sample 3, class 2"):
        ensembles.create(name).fit(logits, targets)
    logits[1, 3, 2] = np.finfo(np.float32).max
    with np.errstate(over="raise"):
        assert np.isfinite(rows(name, logits, targets)).all()


@pytest.mark.parametrize("name", WITH_STRENGTHS)
@pytest.mark.parametrize("wrong", [(), (0.0,), (0.1, -1.0), (np.inf,), (np.nan,), (1e-12,)])
def test_strengths_that_leave_a_system_singular_are_refused(name: str, wrong: tuple[float, ...]):
    with pytest.raises(ValueError, match="strengths must be"):
        ensembles.create(name, strengths=wrong).fit(*make(members=2))


def test_the_strongest_of_equal_strengths_is_chosen_whatever_the_last_digit():
    assert check_strengths((0.1, 1.0, 0.01)) == [1.0, 0.1, 0.01]
    assert strongest_of_the_best({0.1: 5.0, 1.0: 5.0 + 1e-14, 10.0: 5.1}) == 1.0
    assert strongest_of_the_best({0.1: 5.0, 1.0: 5.001}) == 0.1


# Ties


def test_classes_that_tie_up_to_rounding_go_to_the_first():
    scores = np.array([[1.0, 2.0, 2.0 + 1e-12], [1.0, 2.0, 2.0 + 1e-6], [-3.0, -1.0, -1.0 - 1e-12], [0.0, 0.0, 0.0]])
    assert top_class(scores).tolist() == [1, 2, 1, 0]
    assert top_class(np.nextafter(np.float32(2), np.array([3, 2, 3], dtype=np.float32))[None]).tolist() == [0]
    assert top_class(np.array([[2, np.nextafter(np.float32(2), np.float32(3))]], dtype=np.float32)).tolist() == [1]


def test_a_scale_is_remembered_by_the_content_of_what_it_was_learnt_from(monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(3)
    logits, targets = random.normal(size=(2, 50, 3)), random.integers(0, 3, 50)
    learnt: list[int] = []
    learn = vars(CommonScale)["_learnt"].__func__

    def counted(cls: type[CommonScale], logits: np.ndarray, targets: np.ndarray) -> CommonScale:
        learnt.append(1)
        return learn(cls, logits, targets)

    monkeypatch.setattr(CommonScale, "_learnt", classmethod(counted))
    first = CommonScale.fit(logits, targets)
    assert CommonScale.fit(logits.copy(), targets.copy()) is first and len(learnt) == 1
    logits[1, 2, 0] += 1e-9
    assert CommonScale.fit(logits, targets) is not first
    CommonScale.fit(logits, 2 - targets)
    CommonScale.fit(logits.astype(np.float32), targets)
    assert len(learnt) == 4
    with pytest.raises(ValueError, match="read-only"):
        first.temperatures[0] = 1.0
