"""The nearest of many points are those that a plain comparison of all finds, ties and far points included."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ensembles import neighbours
from ensembles.neighbours import QUANTUM, nearest


def plainly(queries: np.ndarray, points: np.ndarray, count: int) -> np.ndarray:
    """Each query against each point, one after the other; distances that differ by less than rounding are equal."""
    found = []
    for query in queries:
        quanta = np.round(((points - query) ** 2).sum(axis=1) / (QUANTUM * points.shape[1]))
        found.append(np.argsort(quanta, kind="stable")[:count])
    return np.array(found)


def make(samples: int, features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Queries and points of which a few directions make up the most, as of members that agree."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(features, features)) * 0.6 ** np.arange(features)[:, None]
    queries, points = rng.normal(size=(2, samples, features)) @ directions
    return queries, points


@pytest.mark.parametrize("count", [1, 7, 40, 499, 500, 600])
@pytest.mark.parametrize("features", [1, 3, 30])
def test_they_are_those_that_comparing_all_finds(features: int, count: int):
    queries, points = make(500, features)
    np.testing.assert_array_equal(nearest(queries, points, count), plainly(queries, points, count))


@pytest.mark.parametrize("step", [0.5, 2.0])
def test_of_points_that_tie_the_first_come_first(step: float):
    queries, points = make(400, 4)
    queries, points = step * np.round(queries / step), step * np.round(points / step)
    assert len(np.unique(points, axis=0)) < 300
    np.testing.assert_array_equal(nearest(queries, points, 9), plainly(queries, points, 9))


def test_rounding_of_a_point_does_not_part_it_from_its_copy():
    queries, points = make(60, 5)
    rng = np.random.default_rng(1)
    near = np.concatenate([points, points * (1.0 + 1e-14 * rng.normal(size=points.shape)), points])
    np.testing.assert_array_equal(nearest(queries, near, 9), plainly(queries, np.tile(points, (3, 1)), 9))


def test_where_float32_cannot_tell_points_apart_float64_does():
    """Points in a cloud far from the origin: their distances are lost in the rounding of float32 products."""
    queries, points = make(300, 6)
    np.testing.assert_array_equal(nearest(queries + 300.0, points + 300.0, 7), plainly(queries, points, 7))


@pytest.mark.parametrize("far", [1e4, 1e14, 1e100])
def test_a_far_point_or_query_hides_none(far: float):
    queries, points = make(200, 3)
    points[17], queries[23] = far, -far
    found, expected = nearest(queries, points, 5), plainly(queries, points, 5)
    np.testing.assert_array_equal(np.delete(found, 23, axis=0), np.delete(expected, 23, axis=0))
    assert len(set(found[23].tolist())) == 5


def test_points_that_are_all_alike_are_the_first_ones():
    queries, points = np.zeros((90, 4)), np.ones((700, 4))
    points[650:] = 9.0
    np.testing.assert_array_equal(nearest(queries, points, 6), np.tile(np.arange(6), (90, 1)))
    queries[4] = 9.0
    np.testing.assert_array_equal(nearest(queries, points, 6)[4], np.arange(650, 656))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    queries, points = make(333, 8)
    whole = nearest(queries, points, 7)
    monkeypatch.setattr(neighbours, "KEYS_AT_ONCE", 10 * len(points))
    monkeypatch.setattr(neighbours, "VALUES_AT_ONCE", 50)
    np.testing.assert_array_equal(nearest(queries, points, 7), whole)
    monkeypatch.setattr(neighbours, "WORTH_LISTING", 0.0)
    np.testing.assert_array_equal(nearest(queries, points, 7), whole)


def test_no_query_and_no_more_than_one_point_are_fine():
    queries, points = make(20, 3)
    assert nearest(queries[:0], points, 4).shape == (0, 4)
    assert nearest(queries, points[:1], 4).tolist() == [[0]] * 20


ELSEWHERE = """
import sys
from ensembles.neighbours import nearest
from tests.ensembles.test_neighbours import make
queries, points = make(700, 24)
sys.stdout.buffer.write(nearest(queries, points.round(1), 7).tobytes())
"""


@pytest.mark.parametrize(("kernel", "threads"), [("Nehalem", "1"), ("Haswell", "2")])
def test_neither_the_processor_nor_its_threads_decide(kernel: str, threads: str):
    settings = {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    root = Path(neighbours.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], cwd=root, env=os.environ | settings, capture_output=True)
    if done.returncode == -signal.SIGILL:
        pytest.skip(f"this processor lacks the instructions of {kernel}")
    assert done.returncode == 0, done.stderr
    queries, points = make(700, 24)
    expected = plainly(queries, points.round(1), 7)
    np.testing.assert_array_equal(np.frombuffer(done.stdout, dtype=np.int64).reshape(expected.shape), expected)
