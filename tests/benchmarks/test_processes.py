"""Calls in other processes answer as they do here, also where a process is killed."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial

import pytest

from benchmarks.processes import begun, beside, spread


def product(left: int, right: int) -> tuple[int, int]:
    return left * right, os.getpid()


def killed(parent: int, number: int) -> int:
    """Answer in one process, and be killed in any other."""
    if os.getpid() != parent and number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return 10 * number


def refuse(number: int) -> int:
    raise ValueError(f"no {number}")


@pytest.mark.parametrize("processes", [1, 2])
def test_answers_come_in_the_order_of_the_calls(processes: int):
    answers = spread(product, [(number, 3) for number in range(5)], processes)
    assert [number for number, _ in answers] == [0, 3, 6, 9, 12]
    ((number, process),) = beside(product, [(6, 7)], processes)()
    assert number == 42
    assert (os.getpid() in {process, *(process for _, process in answers)}) == (processes == 1)


def knows(module: str) -> tuple[bool, int]:
    return module in sys.modules, os.getpid()


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_that_were_begun_have_imported_what_they_need(processes: int):
    with begun(processes, ["tabnanny"]):
        pass
    if processes == 2:
        assert all(known for known, _ in spread(knows, [("tabnanny",)] * 4, processes))
    assert not knows("tabnanny")[0], "nothing is imported here"


def test_processes_that_were_begun_do_not_hide_an_error():
    with pytest.raises(ValueError, match="no 3"), begun(2, ["tabnanny"]):
        refuse(3)


def test_one_call_is_made_here():
    assert spread(product, [(2, 3)], 2) == [(6, os.getpid())] and spread(product, [], 2) == []


def test_what_a_killed_process_leaves_is_done_here():
    parent = os.getpid()
    assert spread(killed, [(parent, number) for number in range(4)], 2) == [0, 10, 20, 30]
    assert beside(killed, [(parent, 1)], 2)() == [10]


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_call_raises_is_raised(processes: int):
    with pytest.raises(ValueError, match="no 1"):
        spread(refuse, [(1,), (1,)], processes)
    with pytest.raises(ValueError, match="no 2"):
        beside(refuse, [(2,)], processes)()


def test_a_call_beside_may_hold_what_only_here_can_be_named():
    assert beside(partial(lambda number: number + 1, 1), [()], 2)() == [2]
