"""Add predictions of a model trained elsewhere, then run: `python benchmark.py add mine.npz --name my_model`.

The file is npz, safetensors, csv or parquet with predictions on val and test; `check` is the dry run.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.commands.options import MODEL, suite_arguments
from benchmarks.commands.run_suite import options_with_data, run_and_show


def arguments(parser: ArgumentParser) -> None:
    """Add the file, what is to be said of the model, and what decides the run."""
    parser.add_argument("file", metavar="FILE", type=Path, help="predictions: npz, safetensors, csv or parquet")
    suite_arguments(parser, *MODEL, "--members", "--ensemblers", "--download", "--train", "--jobs", "--quiet")


def execute(arguments: Namespace) -> None:
    """Add the model to the store, and run the suite."""
    if not arguments.file.is_file():
        raise ValueError(f"{arguments.file}: there is no such file")
    options = options_with_data(arguments)

    def add() -> str:
        from benchmarks.external import importer
        from benchmarks.session import Session

        details = importer.details_from(arguments)
        session = Session(options, adding=[importer.name_of(arguments.file, details)])
        return importer.add(session, arguments.file, details)

    run_and_show(options, quiet=arguments.quiet, before=add)
