"""Parts of a prediction that threads share: each is computed once, by one core, and what comes of it stays in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from zoo import registry
from zoo.inference.by_core import each, shares
from zoo.inference.predict import predict_tasks


@pytest.fixture
def three_threads() -> Iterator[None]:
    """As on a machine of three cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(
    ("images", "at_once", "expected"),
    [(1, 64, (16, 1)), (16, 64, (16, 1)), (17, 64, (16, 2)), (90, 64, (30, 3)), (7178, 64, (64, 3)), (40, 8, (8, 3))],
)
def test_a_batch_is_shared_where_each_core_has_enough(images: int, at_once: int, expected: tuple[int, int]):
    assert shares(images, at_once) == expected


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_are_in_order_whichever_thread_is_done_first(threads: int):
    together = threading.Barrier(threads, timeout=60)
    seen = set()

    def compute(part: int) -> int:
        if part < threads:
            together.wait()  # each thread has a part
        seen.add((threading.get_ident(), torch.get_num_threads() if threads > 1 else 1))
        return part * part

    assert each(compute, range(20), threads) == [part * part for part in range(20)]
    assert len(seen) == threads and all(alone == 1 for _, alone in seen)
    assert torch.get_num_threads() == 3


def test_no_more_parts_are_taken_than_there_are_threads():
    taken, done = [], []

    def parts() -> Iterator[int]:
        for part in range(10):
            taken.append(part)
            yield part

    def compute(part: int) -> int:
        assert len(taken) - len(done) <= 2
        done.append(part)
        return part

    assert each(compute, parts(), 2) == list(range(10))


@pytest.mark.parametrize("threads", [1, 2])
def test_what_fails_is_said(threads: int):
    def compute(part: int) -> int:
        if part == 3:
            raise ValueError("part 3")
        return part

    with pytest.raises(ValueError, match="part 3"):
        each(compute, range(5), threads)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("thread", [0, 1])
def test_what_fails_ends_the_other_threads(thread: int, failure: type[BaseException]):
    failed, computed = threading.Event(), []

    def compute(part: int) -> None:
        if threading.current_thread().name.endswith(f"_{thread}"):
            failed.set()
            raise failure
        assert failed.wait(60)
        time.sleep(0.01)
        computed.append(part)

    with pytest.raises(failure):
        each(compute, range(1000), 2)
    assert len(computed) < 100
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("name", ["vgg_fer", "mini_xception"])
def test_predictions_do_not_depend_on_the_number_of_threads(name: str):
    member = registry.get(name)
    torch.manual_seed(0)
    weights = member.build(7, 1).state_dict()
    images = np.random.default_rng(0).integers(0, 256, (45, 1, 48, 48), dtype=np.uint8)
    shared = predict_tasks(member, weights, images, 7, "cpu")[0]
    torch.set_num_threads(1)
    alone = predict_tasks(member, weights, images, 7, "cpu")[0]
    np.testing.assert_allclose(shared, alone, atol=1e-5 * np.abs(alone).max(), rtol=0)
