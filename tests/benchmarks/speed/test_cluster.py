"""A thousand members on 64 workers: handed out in nearly the least time that is possible."""

from __future__ import annotations

from benchmarks.speed import cluster


def test_a_thousand_members_take_nearly_the_least_time_that_is_possible():
    share, work, memory = cluster.simulated()
    assert share.reached, f"{share.ours:.0f} s, at least {share.theirs:.0f} s, to be at most {cluster.FLOOR} times that"
    assert (work.unit, memory.unit) == ("s", "GB")
