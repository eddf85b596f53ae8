"""Results in a bucket (`--results s3://bucket/results`) for any verb: brought before it, put back after it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = ".bucket"  # of store/mirror.py, which is imported where there is one


@contextmanager
def current(arguments: Namespace) -> Iterator[None]:
    """Bring the results that a verb is about from their bucket, and put back what it changed; nothing without one."""
    results: Path | None = vars(arguments).get("results")
    if not isinstance(results, Path) or not (results / MARK).is_file():
        yield
        return
    from benchmarks.store.mirror import mirror_of

    mirror = mirror_of(results)
    assert mirror is not None
    own, others = _suites(arguments)
    trains = "download" in vars(arguments)  # and asks for the weights of each member that it needs

    def wanted(name: str) -> bool:
        suite, _, rest = name.partition("/")
        if rest == "results.json":  # the page of all suites shows them
            return True
        weights = rest.startswith("checkpoints/")
        skipped = rest.endswith((".pt", ".claim")) or (weights and trains and suite in own)
        return suite in (*own, *others) and not skipped

    mirror.fetch("", wanted=wanted)
    yield
    for suite in own:
        mirror.put_new(suite)
        mirror.put_reports(suite)


def _suites(arguments: Namespace) -> tuple[list[str], list[str]]:
    """List the suites whose results a verb is about, and those that members come from."""
    from benchmarks import suites
    from benchmarks.data import DataOptions

    given = vars(arguments)
    others = [given.get("init_from", "").partition(":")[0], given.get("source", "")]
    if given.get("queue") is not None:
        from benchmarks.execution.train_list import read_list

        return list(dict.fromkeys(entry.suite for entry in read_list(given["queue"]))), others
    return [suites.get(given.get("suite", "fer2013")).of(DataOptions(path=given.get("data"))).name], others
