"""Peak memory: a search of many made-up members, and a suite's board made anew from its store.

    python -m benchmarks.speed.memory [--members 200] [--methods GLOB ...] [--results results]

Each search runs in a process of its own, which then says the most that it ever held; methods one by one say which of
them that was. A whole search of 200 members takes minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

import ensembles
from benchmarks.speed.records import Comparison, add_json_option, write_record
from benchmarks.speed.timing import header, made_up

SEARCH_GB, BOARD_GB = 1.0, 0.4
SAMPLES, CLASSES = 3589, 7


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and records."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--members", type=int, default=200)
    arguments.add_argument("--methods", nargs="+", default=["*"], metavar="GLOB", help="fitted alone, once each")
    arguments.add_argument("--results", type=Path, default=Path("results"), help="with the store of fer2013")
    arguments.add_argument("--no-search", action="store_true", help="the methods alone, without a whole search")
    add_json_option(arguments)
    options = arguments.parse_args(argv)
    title = "Peak memory"
    print(header(title))
    rows = []
    for row in measured(options.members, options.methods, options.results, whole=not options.no_search):
        rows.append(row)
        target = "" if row.target is None else f", {'under' if row.reached else 'OVER'} {row.target:g} GB"
        print(f"  {row.what:56s} {row.ours:.3f} GB{target}", flush=True)
    write_record(options.json, "memory", title, rows)


def measured(members: int, methods: Sequence[str], results: Path, *, whole: bool) -> Iterator[Comparison]:
    """The peaks, each as soon as it is known."""
    case = f"{members} members, {SAMPLES:,} samples, {CLASSES} classes"
    logits, targets = made_up(members, SAMPLES, CLASSES)
    chosen = [name for name in ensembles.names() if any(fnmatchcase(name, pattern) for pattern in methods)]
    for name in chosen:
        peak = peak_of(lambda name=name: ensembles.create(name).fit(logits, targets))  # type: ignore[misc]
        yield Comparison(f"{case}: {name}", "GB", peak)
    if whole:
        peak = peak_of(lambda: ensembles.search(logits, targets, chosen))
        yield Comparison(f"{case}: the search", "GB", peak, target=SEARCH_GB)
        yield Comparison("the board of fer2013, from its store", "GB", peak_of_board(results), target=BOARD_GB)


def peak_of(work: Callable[[], object]) -> float:
    """Do the work in a child; return the most memory in GB that it ever held, this process's own included."""
    if not (child := os.fork()):
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return _peak(child, "the work")


def peak_of_board(results: Path) -> float:
    """Make a board anew from a copy of the store; return the most memory in GB that its process ever held."""
    with TemporaryDirectory() as folder:
        shutil.copytree(results / "fer2013" / "predictions", Path(folder, "fer2013", "predictions"))
        command = [sys.executable, "benchmark.py", "--suite", "fer2013", "--jobs", "1", "--train", "never", "--quiet"]
        child = os.posix_spawn(sys.executable, [*command, "--results", folder], os.environ)
        return _peak(child, " ".join(command))


def _peak(child: int, what: str) -> float:
    _, status, used = os.wait4(child, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{what} ended with {code}")
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


if __name__ == "__main__":
    main()
