"""How long the command line takes to answer: help, listing, and the leaderboard from stored predictions.

    python -m benchmarks.speed.startup [--profile]

Each command runs in a process of its own, as a user starts it; the leaderboard is built from all members of the store,
in a copy of the results: from nothing, with known fits and figures, where the code of reports alone has changed, and
where nothing has. From nothing it is also built of the first FEW members by name: a store grows, and that figure does
not with it.
With `--profile` the modules that `--list` spends most time importing are named.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed.records import Comparison, add_json_option, write_record
from benchmarks.speed.timing import header, timed
from benchmarks.store.predictions import PredictionStore

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"--help": 0.4, "--list": 0.4}  # seconds
FROM_NOTHING, WITH_KNOWN_FITS, OTHER_REPORTS, UNCHANGED = (
    "from nothing", "with known fits", "other code of reports", "nothing changed",
)  # fmt: skip
LEADERBOARD = {FROM_NOTHING: 10.0, WITH_KNOWN_FITS: 4.0, OTHER_REPORTS: 4.0, UNCHANGED: 1.0}
"""Seconds, each after the one before."""
FEW = 28  # members
SLOWEST = 12  # modules of a profile


def main(argv: list[str] | None = None) -> None:
    """Times each command, and prints it beside its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="fer2013", help="whose leaderboard is rebuilt")
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument(
        "--repeats", type=int, default=5, help="of --help and --list; the leaderboard is built 3 times each way"
    )
    parser.add_argument("--profile", action="store_true")
    add_json_option(parser)
    options = parser.parse_args(argv)
    print(header("Start-up of benchmark.py"))
    rows = []
    with TemporaryDirectory() as folder:
        every, few = Path(folder) / "every", Path(folder) / "few"
        for results in (every, few):
            shutil.copytree(options.results / options.suite, results / options.suite)
        files = PredictionStore(few / options.suite / "predictions").prediction_files()
        for file in files[FEW:]:
            file.unlink()
        count, fewer = len(files), len(files[:FEW])
        leaderboard = partial(rebuilt, every, options.suite)
        of_few = partial(rebuilt, few, options.suite, FROM_NOTHING)
        calls: list[tuple[str, Callable[[], object], int, float]] = [
            *((flag, partial(answered, [flag]), options.repeats, target) for flag, target in TARGETS.items()),
            (f"leaderboard of {fewer} members, {FROM_NOTHING}", of_few, 3, LEADERBOARD[FROM_NOTHING]),
            *(
                (f"leaderboard of all {count} members, {how}", partial(leaderboard, how), 3, target)
                for how, target in LEADERBOARD.items()
            ),
        ]
        for name, call, repeats, target in calls:
            timing, _ = timed(call, repeats)
            row = Comparison(f"benchmark.py, {name}", "s", timing.best, target=target)
            print(f"  {name:50s} {timing}, {'within' if row.reached else 'OVER'} {target:g} s")
            rows.append(row)
    if options.profile:
        print("\n".join(profile(["--list"])))
    write_record(options.json, "startup", "Start-up", rows)


def rebuilt(results: Path, suite: str, how: str) -> None:
    """Builds the leaderboard, in one of the ways of LEADERBOARD."""
    record = results / suite / "local" / "last_run.json"
    if how == WITH_KNOWN_FITS:
        record.unlink(missing_ok=True)
    if how == OTHER_REPORTS:
        record.write_text(json.dumps(json.loads(record.read_text()) | {"reports": "of an earlier version"}))
    fresh = ["--fresh"] if how == FROM_NOTHING else []
    answered(["--suite", suite, "--results", str(results), "--train", "never", "--quiet", *fresh])


def answered(arguments: list[str], *interpreter: str) -> str:
    """What the command line writes to stderr; raises CalledProcessError where it fails."""
    command = [sys.executable, *interpreter, str(ROOT / "benchmark.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users compile modules once
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stderr


def profile(arguments: list[str]) -> list[str]:
    """The modules whose own import took longest, a line each."""
    lines = [line.partition(":")[2].split("|") for line in answered(arguments, "-X", "importtime").splitlines()]
    spent = [
        (int(own), name.strip()) for own, _, name in (line for line in lines if len(line) == 3) if own.strip().isdigit()
    ]
    return [f"  {own / 1000:7.1f} ms  {name}" for own, name in sorted(spent, reverse=True)[:SLOWEST]]


if __name__ == "__main__":
    main()
