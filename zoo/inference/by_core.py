"""Share the batches of a prediction among the cores: each thread computes its own, which no other core looks at.

With all threads on one batch, layers hand each other's parts from core to core, and wait for the slower at each of the
many steps of a convolution by tiles (zoo/winograd.py): 512 images on two cores took vgg_fer_wide 2.8 s so and 2.4 s
shared, resnet_fer 2.6 and 1.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

import torch

from zoo.cpu import denormals_flushed

FEWEST = 16  # images of a thread: for less, threads on one batch are as fast

Part = TypeVar("Part")
Result = TypeVar("Result")


def shares(images: int, at_once: int) -> tuple[int, int]:
    """Return the size of batches, at most `at_once`, and the number of threads for so many images on a CPU."""
    threads = torch.get_num_threads()
    size = min(at_once, max(FEWEST, -(-images // threads)))
    return size, min(threads, -(-images // size))


def each(compute: Callable[[Part], Result], parts: Iterable[Part], threads: int) -> list[Result]:
    """Return `compute(part)` of all parts in their order, without gradients, by so many threads of a core each.

    Each takes the next part when it is done with one, so that parts that are read from a file are not all in memory.
    Raises what `compute` raises; that, or an interrupt, ends the other threads with the part they are at.
    """
    if threads == 1:
        return [compute(part) for part in parts]
    rest, lock, ended, results = enumerate(parts), Lock(), Event(), dict[int, Result]()

    @torch.no_grad()
    @denormals_flushed()
    def work() -> None:
        torch.set_num_threads(1)
        try:
            while not ended.is_set():
                with lock:
                    taken = next(rest, None)
                if taken is None:
                    return
                place, part = taken
                results[place] = compute(part)
        finally:
            ended.set()  # here, as results are awaited in order: those of a thread that fails may be the last

    before, pool = torch.get_num_threads(), ThreadPoolExecutor(threads)
    try:
        for done in [pool.submit(work) for _ in range(threads)]:
            done.result()
    finally:
        ended.set()
        pool.shutdown()
        torch.set_num_threads(before)  # what later threads begin with
    return [results[place] for place in sorted(results)]
