"""Calls from before there were verbs: `--suite fer2013 --plan` means `plan --suite fer2013`.

They are options of a run that help does not show, so they stand among its others in any order. The arguments they set
have the names that those of the verbs have.
"""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.commands.hints import BadArguments
from benchmarks.commands.options import MODEL, add_options, run_arguments
from benchmarks.commands.verbs import DEFAULT

MARKS = {"list": "list", "runs": "compare", "files": "check", "plan": "plan", "file": "add"}
"""The argument that tells which verb is meant; where several are there, the first counts."""

WITH_MODEL, WITH_JSON = ("add", "check"), ("list", "compare")
"""The verbs that take these options."""


def arguments(parser: ArgumentParser) -> None:
    """Add what a run takes, and the old flags."""
    run_arguments(parser)
    add_options(parser, (*MODEL, "--json"), hidden=True)
    hidden = argparse.SUPPRESS
    parser.add_argument("--list", action="store_true", help=hidden)
    parser.add_argument("--plan", action="store_true", help=hidden)
    parser.add_argument("--compare", dest="runs", nargs=2, type=Path, help=hidden)
    parser.add_argument("--check", dest="files", nargs="+", type=Path, help=hidden)
    parser.add_argument("--add-predictions", dest="file", type=Path, help=hidden)


def verb_of(arguments: Namespace) -> str:
    """The name of the verb that is meant; raises BadArguments where an option of another verb would have no effect."""
    verb = next((verb for mark, verb in MARKS.items() if getattr(arguments, mark)), DEFAULT)
    given = [flag for flag in MODEL if getattr(arguments, flag.removeprefix("--").replace("-", "_"))]
    if given and verb not in WITH_MODEL:
        raise BadArguments(f"{given[0]} is of a model trained elsewhere, whose file is missing: {WITH_MODEL[0]} FILE")
    if arguments.json and verb not in WITH_JSON:
        raise BadArguments(f"--json is for {' and '.join(WITH_JSON)}; a run writes results.json")
    return verb
