"""A run of which nothing has changed: its results are read, and nothing is computed.

What decides a run's results is its options, the code, the libraries, the suite's folder of results, what the pages
around it show, and whether images or a GPU are at hand. Digests of all of it, reports included, are kept when a run is
over; where the next run finds the same, it would write the same bytes again. Where the code of the reports alone is
another, the results are the same, and are reported anew. Files are read whole: a changed byte in any of them is
noticed. Of data sets, which are large and by which stored predictions are not scored, names, sizes and
times of change are looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.data import DataOptions
from benchmarks.data.locate import usual_roots
from benchmarks.digests import CACHES, code, digest, digest_of_files, files_below, libraries
from benchmarks.files import write_atomic
from benchmarks.provenance import cpu_cores
from benchmarks.results import Results, UnreadableResults, read_results
from benchmarks.session import ROOT, Options

FORMAT = "fer-ensembles/last-run/2"
REPORTS = "benchmarks/report"
IN_RESULTS = "benchmarks/report/epochs.py"  # of it: results name histories that cannot be read
NOT_RESULTS = CACHES | {"local", "checkpoints"}  # folders of a suite that no report shows
GPUS = ("nvidia*", "kfd", "dri/render*")  # below /dev
FONTS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")

Facts = dict[str, str]


class LastRun(NamedTuple):
    """Results of a run whose inputs are still the same, those inputs, and whether its reports are what today's code
    writes."""

    results: Results
    inputs: Facts
    reported: bool


def last_run(options: Options) -> LastRun | None:
    """Return the last run with these options where a new one would give the same results; else None."""
    record = _record(options)
    if options.fresh or not _depends_on_results_alone(options) or not record.is_file():
        return None
    try:
        known, now = json.loads(record.read_text(encoding="utf-8")), inputs(options)
        if {**known, "reports": now["reports"]} != now | _outputs(options):
            return None
        return LastRun(read_results(_folder(options) / "results.json"), now, known["reports"] == now["reports"])
    except (UnreadableResults, ValueError, OSError, RecursionError, KeyError, TypeError):
        return None  # the run that follows says what is wrong


def keep(options: Options, began_with: Facts) -> None:
    """Keep what a run has left that trained nothing, for `last_run`.

    `began_with` are the `inputs` before it. Where they have changed meanwhile, nobody knows of which it is the result.
    """
    if _depends_on_results_alone(options) and _folder(options).is_dir() and inputs(options) == began_with:
        write_atomic(_record(options), json.dumps(began_with | _outputs(options)))


def inputs(options: Options) -> Facts:
    """Return digests of what a run with these options reads."""
    predictions = _folder(options) / "predictions"
    asked = replace(options, jobs=None, fresh=False, results=options.results.resolve())
    return {
        "format": FORMAT,
        "options": repr(asked),
        "code": digest([code(without=REPORTS), code(IN_RESULTS)]),
        "reports": code(REPORTS),
        "libraries": libraries(),
        "predictions": digest_of_files(files_below(predictions), predictions),
        "machine": digest(_machine()),
    }


def _outputs(options: Options) -> Facts:
    """Return digests of what a run writes, and of what else its pages show."""
    folder = _folder(options)
    around = [*sorted(options.results.glob("*/results.json")), options.results / "index.html"]
    return {
        "folder": digest_of_files(files_below(folder, NOT_RESULTS), folder),
        "around": digest_of_files((path for path in around if path.is_file()), options.results),
        "readme": digest(_readme(options)),
    }


def _folder(options: Options) -> Path:
    return options.results / options.suite


def _record(options: Options) -> Path:
    return _folder(options) / "local" / "last_run.json"


def _depends_on_results_alone(options: Options) -> bool:
    """Tell whether a run reads no data set, no code of the user's and trains nothing that it was asked to train."""
    trains = options.train in ("missing", "always")
    return not (options.data != DataOptions() or options.source or options.zoo or trains)


def _readme(options: Options) -> Iterator[bytes]:
    """Yield the project's README, whose table a run writes, where its results are the project's."""
    readme = ROOT / "README.md"
    if options.results.resolve() == ROOT / "results" and readme.is_file():
        yield readme.read_bytes()


def _machine() -> Iterator[str]:
    """Yield what decides whether a run would train, and how it writes names: GPUs, cores, data sets, fonts."""
    yield str(cpu_cores())
    yield from (os.environ.get(name, "") for name in ("BENCHMARK_DATA", "CUDA_VISIBLE_DEVICES"))
    yield from (str(path) for pattern in GPUS for path in sorted(Path("/dev").glob(pattern)))
    for root in usual_roots():
        for folder in (root, *sorted(path for path in root.glob("*") if path.is_dir())):
            yield from _listed(folder)
    for fonts in FONTS:
        yield from _listed(Path(fonts).expanduser())


def _listed(folder: Path) -> Iterator[str]:
    """Yield name, size and time of change of everything in a folder; nothing where there is none."""
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                known = entry.stat(follow_symlinks=False)
                yield f"{entry.name}|{known.st_size}|{known.st_mtime_ns}"
