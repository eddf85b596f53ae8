"""Command line of the harness: `python benchmark.py --suite fer2013`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EXIT_BAD_INPUT, EXIT_INTERRUPTED = 2, 130


def positive(text: str) -> int:
    """An integer above zero."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def count_or_auto(text: str) -> int | str:
    """An integer above zero, or `auto`."""
    if text != "auto" and not text.lstrip("-").isdigit():
        raise argparse.ArgumentTypeError(f"must be a number or auto, not {text!r}")
    return text if text == "auto" else positive(text)


def natural(text: str) -> int:
    """An integer not below zero."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must not be negative: {number}")
    return number


def parser() -> argparse.ArgumentParser:
    """The arguments; each is stable from release to release."""
    arguments = argparse.ArgumentParser(
        prog="benchmark.py",
        description="Trains or loads the members of a suite, searches ensembles of them on the validation split, "
        "scores all of them once on the test split, and writes leaderboard and figures to results/<suite>/.",
        epilog="Without options, what is committed under results/ is rebuilt: no GPU, no data set, a few seconds.",
        argument_default=argparse.SUPPRESS,  # the defaults are those of Options
    )
    add = arguments.add_argument
    add("--suite", metavar="NAME", help="which benchmark to run (default: fer2013)")
    add("--list", action="store_true", default=False, help="list suites, members and ensemblers, and exit")
    add("--json", action="store_true", default=False, help="with --list and --compare: machine-readable")
    add(
        "--plan",
        action="store_true",
        default=False,
        help="say what would be loaded and trained, and how long by estimate, and exit",
    )
    add("--members", metavar="GLOB", nargs="+", help="only these members (default: the suite's)")
    add(
        "--zoo",
        metavar="FILE",
        nargs="+",
        help="Python files, or importable modules, that register members of your own",
    )
    add(
        "--from",
        metavar="SUITE",
        dest="source",
        help="evaluate here the members that were trained on another suite, their classes mapped by name; trains none",
    )
    add("--ensemblers", metavar="GLOB", nargs="+", help="only these ensemblers (default: all)")
    add("--seeds", metavar="N", nargs="+", type=natural, help="seeds (default: 0 and those in the store)")
    add(
        "--data", metavar="DIR", type=Path, help="where the images are (default: $BENCHMARK_DATA/<suite>, data/<suite>)"
    )
    add("--image-side", metavar="N", type=positive, help="side of the stored images, of suites that read image files")
    groups = "what stays together in one split, such as a person's images: a CSV, or a pattern of file names"
    add("--groups", metavar="WHAT", help=groups)
    add("--split-seed", metavar="N", type=natural, help="of splits that nobody published (default: 0)")
    add("--download", action="store_true", default=False, help="fetch the images first, into --data or data/<suite>")
    add("--results", metavar="DIR", type=Path, help="where predictions and reports live (default: results)")
    add("--device", choices=("auto", "cpu", "cuda"), help="what trains (default: auto)")
    add(
        "--train",
        choices=("auto", "missing", "always", "never"),
        help="auto: train what has no predictions where there is a GPU or the estimate fits the time budget (without "
        "one: two minutes in all); missing: train all that is missing; always: train anew; never: only what is stored",
    )
    add(
        "--compile",
        dest="compiling",
        choices=("auto", "always", "never"),
        help="training steps by torch.compile: auto: where by estimate it saves more than it costs, on a GPU alone; "
        "always; never",
    )
    add("--epochs", metavar="N", type=positive, help="instead of the recipes' epochs; such members are stored apart")
    add(
        "--recipe",
        metavar="NAME",
        help="how to train: house (the members' own), paper (their publication's), or a named one of --list",
    )
    add(
        "--set",
        dest="changes",
        metavar="KEY=VALUE",
        nargs="+",
        help="change a setting, such as recipe.lr=0.05 or image_size=64; such members are stored apart",
    )
    add("--time-budget", metavar="SECONDS", type=positive, help="stop training by then, with everything saved")
    beside = "members trained at once, each in a process with its share of the cores (default: 1); auto: 4 on a GPU"
    add("--side-by-side", metavar="N|auto", type=count_or_auto, help=beside)
    add("--jobs", metavar="N", type=positive, help="processes for search and figures (default: one a core if it pays)")
    add("--quiet", action="store_true", default=False, help="print errors only")
    _add_external(arguments)
    compare = "print paired differences, B minus A, between two runs (folders of results, or of a suite's), and exit"
    add("--compare", metavar=("A", "B"), nargs=2, type=Path, default=None, help=compare)
    return arguments


def _add_external(arguments: argparse.ArgumentParser) -> None:
    add = arguments.add_argument_group("models trained elsewhere").add_argument
    add(
        "--add-predictions",
        metavar="FILE",
        type=Path,
        default=None,
        help="take the predictions of a model trained elsewhere (npz, safetensors, csv, parquet), then run",
    )
    add(
        "--check",
        metavar="FILE",
        nargs="+",
        type=Path,
        default=None,
        help="say whether files could be added, or whether those in a folder of results are in order, and exit",
    )
    add("--name", default=None, help="what the model is called (default: as the file)")
    add("--reference", default=None, metavar="TEXT", help="where it comes from: arXiv:ID, DOI:ID, or an address")
    add("--notes", default=None, metavar="TEXT", help="its extra data, and what else decides whether it compares")
    add("--replace", action="store_true", default=False, help="in place of the external model of that name")
    add(
        "--accept-suspicious",
        action="store_true",
        default=False,
        help="even where its accuracy on val looks like a leak",
    )


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0, 2 for bad input, 130 where the user interrupted."""
    arguments = parser().parse_args(argv)
    try:
        _execute(arguments)
    except BrokenPipeError:  # the reader of our output, such as head, has gone
        sys.stderr.close()
    except (ValueError, OSError) as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "Interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _execute(arguments: argparse.Namespace) -> None:
    from benchmarks.commands import listing  # imports wait until they are needed: --help costs nothing

    if arguments.list:
        print(listing.catalogue(as_json=arguments.json, zoo=getattr(arguments, "zoo", [])))
        return
    from benchmarks import run, session
    from benchmarks.execution.progress import display

    options = session.options_from(arguments)
    if arguments.compare:
        from benchmarks.commands import compare

        print(compare.report(options, *arguments.compare, as_json=arguments.json))
        return
    if arguments.check:
        from benchmarks.commands import check
        from benchmarks.external import importer as external

        print(check.check(options, arguments.check, external.details_from(arguments)))
        return
    if arguments.download:
        print(f"data in {session.download(options)}")
    if arguments.plan:
        print(listing.schedule(session.Session(options)))
        return
    with display(arguments.quiet) as shown:
        if arguments.add_predictions:
            from benchmarks.external import importer as external

            details = external.details_from(arguments)
            shown.note(external.add(session.Session(options), arguments.add_predictions, details))
        results = run.run(options, shown)
    if not arguments.quiet:
        from benchmarks.report import terminal

        terminal.show(results, options.results / results["suite"] / "leaderboard.md")


if __name__ == "__main__":
    sys.exit(main())
