"""Whatever the shapes, and however degenerate the input: rows on the simplex, or one clear refusal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import ensembles
from benchmarks.evaluation.significance import holm, letters, pairwise_mcnemar
from ensembles.affect.base import least_squares_weights
from ensembles.arrays import log_softmax, softmax
from ensembles.selection import BlendHits, Greedy

NAMES = ensembles.names()
QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
SCALES = [0.0, 1e-6, 1.0, 30.0, 1e4]


@st.composite
def problems(draw: st.DrawFn, least_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Logits and targets of any small shape: constant, copied, coarse or extreme members, absent classes."""
    members, classes = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    samples = draw(st.integers(least_samples, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    present = draw(st.integers(1, classes))
    targets = rng.permutation(classes)[:present][rng.integers(0, present, samples)]
    logits = rng.normal(size=(members, samples, classes)) + 1.5 * np.eye(classes)[targets]
    logits *= np.array(draw(st.lists(st.sampled_from(SCALES), min_size=members, max_size=members)))[:, None, None]
    if draw(st.booleans()):
        logits = np.round(logits)
    if draw(st.booleans()):
        logits[-1] = logits[0]
    return logits.astype(draw(st.sampled_from([np.float16, np.float32, np.float64]))), targets


@pytest.mark.parametrize("name", NAMES)
@settings(QUICK, max_examples=12)
@given(problem=problems())
def test_any_shape_gives_rows_on_the_simplex_or_is_refused(name: str, problem: tuple[np.ndarray, np.ndarray]):
    logits, targets = problem
    ensembler = ensembles.create(name)
    try:
        ensembler.fit(logits, targets)
    except ValueError as error:  # folds need samples: nothing else may stop a method
        assert "cannot be split into" in str(error) and len(targets) < 5
        return
    rows = ensembler.predict_proba(logits)
    assert rows.shape == logits.shape[1:] and rows.min() >= 0
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-9)
    if ensembler.weights_ is not None:
        np.testing.assert_allclose(ensembler.weights_.sum(axis=0), 1.0, atol=1e-9)


@QUICK
@given(problem=problems())
def test_greedy_is_no_worse_than_its_best_member_whatever_the_input(problem: tuple[np.ndarray, np.ndarray]):
    logits, targets = problem
    ensembler = Greedy(steps=4).fit(logits, targets)
    best = max((softmax(member).argmax(axis=1) == targets).mean() for member in logits)
    # Classes that are equally likely but for rounding may fall either way.
    near = np.sort(softmax(logits), axis=2)
    slack = (near[..., -1] - near[..., -2] < 1e-9).any(axis=0).mean()
    assert (ensembler.predict_proba(logits).argmax(axis=1) == targets).mean() >= best - slack - 1e-12


@QUICK
@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
def test_hits_of_every_next_member_equal_counting(problem: tuple[np.ndarray, np.ndarray], seed: int):
    logits, targets = problem
    rng = np.random.default_rng(seed)
    hits, total = BlendHits(logits, targets), np.zeros(logits.shape[1:])
    probabilities = softmax(logits)
    for member in rng.integers(0, len(logits), 5):
        first, second = np.sort(total + probabilities, axis=2)[..., [-1, -2]].transpose(2, 0, 1)
        assume(not ((first - second > 1e-13) & (first - second < 1e-9)).any())  # a tie, or not: rounding says
        expected = [int((np.round(total + each, 10).argmax(axis=1) == targets).sum()) for each in probabilities]
        assert hits.with_each().tolist() == expected
        hits.add(member)
        total += probabilities[member]
        assert hits.now() == expected[member]


@QUICK
@given(problem=problems(), value=st.sampled_from([np.nan, np.inf, -np.inf]), place=st.integers(0, 10**6))
def test_no_ensembler_takes_what_is_no_number(problem: tuple[np.ndarray, np.ndarray], value: float, place: int):
    logits, targets = problem
    name = NAMES[place % len(NAMES)]
    broken = logits.copy()
    broken.flat[place % broken.size] = value
    member = np.unravel_index(place % broken.size, broken.shape)[0]
    with pytest.raises(ValueError, match=f"1 non-finite values, the first at member {member},"):
        ensembles.create(name).fit(broken, targets)


@QUICK
@given(problem=problems())
def test_softmax_and_its_logarithm_agree(problem: tuple[np.ndarray, np.ndarray]):
    logits, _ = problem
    np.testing.assert_allclose(np.exp(log_softmax(logits)), softmax(logits), atol=1e-12)
    assert np.isfinite(log_softmax(logits)).all()


@QUICK
@given(st.integers(1, 7), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_letters_separate_exactly_what_the_tests_separate(rows: int, images: int, seed: int):
    rng = np.random.default_rng(seed)
    correct = rng.random((rows, images)) < rng.random((rows, 1))
    shown = letters(correct.mean(axis=1).tolist(), correct, alpha=0.2)
    first, second = np.triu_indices(rows, 1)
    adjusted = holm(pairwise_mcnemar(correct)[first, second])
    for a, b, p in zip(first, second, adjusted, strict=True):
        assert bool(set(shown[a]) & set(shown[b])) == (p >= 0.2)


@QUICK
@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_least_squares_weights_are_no_worse_than_any_other(members: int, samples: int, seed: int):
    rng = np.random.default_rng(seed)
    predictions, targets = rng.uniform(-1, 1, (members, samples)), rng.uniform(-1, 1, samples)
    found = least_squares_weights(predictions, targets)
    assert found.min() >= 0 and found.sum() == pytest.approx(1)
    for other in [*np.eye(members), *rng.dirichlet(np.ones(members), 10)]:
        assert ((found @ predictions - targets) ** 2).sum() <= ((other @ predictions - targets) ** 2).sum() + 1e-9
