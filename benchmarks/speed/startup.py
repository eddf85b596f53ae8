"""How long the command line takes to answer: help, listing, and the leaderboard from stored predictions.

    python -m benchmarks.speed.startup [--profile]

Each command runs in a process of its own, as a user starts it; the leaderboard is built from all members of the store,
in a copy of the results: from nothing, with known fits and figures, where the code of reports alone has changed, and
where nothing has. From nothing it is also built of the first FEW members by name: a store grows, and that figure does
not with it. With `--profile` the modules that `--list` spends most time importing are named.

Seconds are worth what the machine is. What a change is worth shows on any: another checkout of this repository, of an
earlier commit, builds the same leaderboards from nothing in turns.

    python -m benchmarks.speed.startup --beside CHECKOUT --json results/speed/startup_beside.json
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

from benchmarks.speed.records import Comparison, add_json_option, compare_times, write_record
from benchmarks.speed.timing import header, ratio, timed, timed_in_turns
from benchmarks.store.predictions import PredictionStore

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {"--help": 0.25, "--list": 0.25}  # seconds
IMPORT = 0.1  # seconds, beyond those of an interpreter that imports nothing
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
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="of another version, to compare with in turns")
    parser.add_argument("--profile", action="store_true")
    add_json_option(parser)
    options = parser.parse_args(argv)
    if options.beside and not (options.beside / "benchmark.py").is_file():
        parser.error(f"--beside {options.beside}: no benchmark.py is there; name a checkout of this repository")
    print(header("Start-up of benchmark.py"))
    with TemporaryDirectory() as folder:
        if options.beside:
            rows, title = beside(options.beside, options, Path(folder)), "Start-up, beside earlier code"
        else:
            rows, title = alone(options, Path(folder)), "Start-up"
    if options.profile:
        print("\n".join(profile(["--list"])))
    write_record(options.json, "startup", title, rows)


def alone(options: argparse.Namespace, folder: Path) -> list[Comparison]:
    """Each command beside its target."""
    suite, rows = options.suite, []
    (every, count), (few, fewer) = (copied(options, folder / str(most), most) for most in (None, FEW))
    calls: list[tuple[str, Callable[[], object], int, float]] = [
        *((flag, partial(answered, [flag]), options.repeats, target) for flag, target in TARGETS.items()),
        (board(fewer, FROM_NOTHING), partial(rebuilt, few, suite, FROM_NOTHING), 3, LEADERBOARD[FROM_NOTHING]),
        *(
            (board(f"all {count}", how), partial(rebuilt, every, suite, how), 3, target)
            for how, target in LEADERBOARD.items()
        ),
    ]
    for name, call, repeats, target in calls:
        timing, _ = timed(call, repeats)
        rows.append(Comparison(f"benchmark.py, {name}", "s", timing.best, target=target))
        print(f"  {name:50s} {timing}, {_within(rows[-1])}")
    rows.append(Comparison("import ensembles", "s", imported("ensembles", options.repeats), target=IMPORT))
    print(f"  {rows[-1].what:50s} {rows[-1].ours:.4f} s, {_within(rows[-1])}")
    return rows


def beside(checkout: Path, options: argparse.Namespace, folder: Path) -> list[Comparison]:
    """The leaderboard from nothing, by this code and by that of another checkout."""
    rows, version = [], commit(checkout)
    for most in (FEW, None):
        (results, count), (theirs, _) = (copied(options, folder / f"{most}{side}", most) for side in ("", "beside"))
        name = board(count if most else f"all {count}", FROM_NOTHING)
        ours = partial(rebuilt, results, options.suite, FROM_NOTHING)
        timings = timed_in_turns(ours, partial(rebuilt, theirs, options.suite, FROM_NOTHING, checkout), 3)
        rows.append(compare_times(f"benchmark.py, {name}", timings[0], f"code {version}", timings[1]))
        print(f"  {name}: {timings[0]}, by code {version} {timings[1]}: {ratio(*timings)}")
    return rows


def copied(options: argparse.Namespace, results: Path, most: int | None) -> tuple[Path, int]:
    """A copy of the results with the first `most` members by name, and how many these are."""
    shutil.copytree(options.results / options.suite, results / options.suite)
    files = PredictionStore(results / options.suite / "predictions").prediction_files()
    for file in files[most:] if most else ():
        file.unlink()
    return results, len(files[:most])


def board(members: int | str, how: str) -> str:
    """The name of a row."""
    return f"leaderboard of {members} members, {how}"


def _within(row: Comparison) -> str:
    return f"{'within' if row.reached else 'OVER'} {row.target:g} s"


def rebuilt(results: Path, suite: str, how: str, checkout: Path = ROOT) -> None:
    """Builds the leaderboard, in one of the ways of LEADERBOARD, by the code of a checkout."""
    record = results / suite / "local" / "last_run.json"
    if how == WITH_KNOWN_FITS:
        record.unlink(missing_ok=True)
    if how == OTHER_REPORTS:
        record.write_text(json.dumps(json.loads(record.read_text()) | {"reports": "of an earlier version"}))
    fresh = ["--fresh"] if how == FROM_NOTHING else []
    asked = ["--suite", suite, "--results", str(results), "--train", "never", "--quiet", *fresh]
    answered(asked, checkout=checkout)


def answered(arguments: list[str], *interpreter: str, checkout: Path = ROOT) -> str:
    """What the command line writes to stderr; raises CalledProcessError where it fails."""
    return _run(*interpreter, str(checkout / "benchmark.py"), *arguments, checkout=checkout)


def commit(checkout: Path) -> str:
    """The commit of a checkout; the folder's name where git knows none."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short=12", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else checkout.name


def imported(module: str, repeats: int) -> float:
    """Seconds that importing a module takes, beyond those of an interpreter that imports nothing."""
    timings = timed_in_turns(partial(_run, "-c", f"import {module}"), partial(_run, "-c", "pass"), repeats)
    return timings[0].best - timings[1].best


def _run(*arguments: str, checkout: Path = ROOT) -> str:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users compile modules once
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=checkout).stderr


def profile(arguments: list[str]) -> list[str]:
    """The modules whose own import took longest, a line each."""
    lines = [line.partition(":")[2].split("|") for line in answered(arguments, "-X", "importtime").splitlines()]
    spent = [
        (int(own), name.strip()) for own, _, name in (line for line in lines if len(line) == 3) if own.strip().isdigit()
    ]
    return [f"  {own / 1000:7.1f} ms  {name}" for own, name in sorted(spent, reverse=True)[:SLOWEST]]


if __name__ == "__main__":
    main()
