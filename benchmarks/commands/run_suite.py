"""Train or load members, search ensembles, score, report: `python benchmark.py run --suite fer2013`.

The verb that is meant where none is named.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.commands.options import run_arguments

if TYPE_CHECKING:
    from benchmarks.results import Results
    from benchmarks.session import Options


def arguments(parser: ArgumentParser) -> None:
    """Add what a run takes."""
    run_arguments(parser)


def execute(arguments: Namespace) -> None:
    """Run the suite, and show its leaderboard."""
    run_and_show(options_with_data(arguments), quiet=arguments.quiet)


def options_with_data(arguments: Namespace) -> Options:
    """The options of a run, whose data is fetched first where that is asked for."""
    from benchmarks import session  # imports wait until they are needed: --help costs nothing

    options = session.options_from(arguments)
    if arguments.download:
        print(f"data in {session.download(options)}")
    return options


def run_and_show(options: Options, *, quiet: bool, before: Callable[[], str] | None = None) -> None:
    """Run the suite and show its leaderboard; what `before` does first, and says, is shown with it."""
    from benchmarks.rerun.unchanged import last_run

    last = None if before is not None else last_run(options)
    if last and last.reported:
        if not quiet:
            print("Nothing has changed since the last run: these are its results (--fresh computes them anew).\n")
            _show(last.results, options)
        return
    from benchmarks import pipeline
    from benchmarks.execution.progress import display

    unwritten: pipeline.NotReported | None = None
    with display(quiet) as shown:
        if before is not None:
            shown.note(before())
        try:
            results = pipeline.report_again(options, last, shown) if last else pipeline.run(options, shown)
        except pipeline.NotReported as error:
            results, unwritten = error.results, error
    if not quiet or unwritten:
        _show(results, options)
    if unwritten:
        raise unwritten


def _show(results: Results, options: Options) -> None:
    from benchmarks.report import terminal

    terminal.show(results, options.results / results["suite"] / "leaderboard.md")
