"""The whole search: every ensembler fitted and cross-fitted, 20 bags, and the bootstrap over its rows.

python -m benchmarks.speed.search [--suite fer2013] [--made-up 20 3589 7] [--jobs 2 --profile]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmarks.evaluation.significance import bootstrap_intervals
from benchmarks.speed.members import add_members_options, read_members
from benchmarks.speed.records import Comparison, add_json_option, write_record
from benchmarks.speed.timing import header, timed
from ensembles.search import SearchResult, choose, search


def main(argv: list[str] | None = None) -> None:
    """Runs the search and prints how long it took, with `--profile` method by method."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("jobs", 2), ("repeats", 2)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    arguments.add_argument("--profile", action="store_true", help="seconds of each method's fit on all of validation")
    add_members_options(arguments)
    add_json_option(arguments)
    options = arguments.parse_args(argv)
    members = read_members(options)
    title, logits, targets = f"The whole search, {members.title}", members.logits, members.targets
    print(header(f"{title}, {options.jobs} jobs", ["xgboost", "joblib"]))

    def whole() -> list[SearchResult]:
        start = time.perf_counter()
        found = search(logits, targets, n_jobs=options.jobs)
        searched = time.perf_counter()
        rows = [one.ensembler.predict_proba(logits) for one in found if one.ensembler is not None]
        bootstrap_intervals(np.stack([row.argmax(axis=1) == targets for row in rows]))
        print(f"  search {searched - start:.2f} s, rows and bootstrap {time.perf_counter() - searched:.2f} s")
        return found

    timing, found = timed(whole, options.repeats)
    if options.profile:
        for one in sorted(found, key=lambda one: -one.seconds):
            print(f"  {one.seconds:7.3f} s  {one.name}{f': {one.error}' if one.error else ''}")
    print(f"headline {choose(found).name} of {len(found)} methods; whole search: {timing}")
    rows = [Comparison(f"{len(found)} methods, fitted and cross-fitted, and bootstrap", "s", timing.best)]
    write_record(options.json, "search", f"{title}, {options.jobs} jobs", rows, ["xgboost", "joblib"])


if __name__ == "__main__":
    main()
