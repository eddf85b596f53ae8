"""Calls from before there were verbs: `--suite fer2013 --plan` means `plan --suite fer2013`.

They are options of a run that help does not show, so they stand among its others in any order. The arguments they set
have the names that those of the verbs have.
"""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.commands.options import MODEL, add_options, run_arguments
from benchmarks.commands.verbs import DEFAULT

MARKS = {"list": "list", "runs": "compare", "files": "check", "plan": "plan", "file": "add"}
"""The argument that tells which verb is meant; where several are there, the first counts."""


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
    """The name of the verb that is meant."""
    return next((verb for mark, verb in MARKS.items() if getattr(arguments, mark)), DEFAULT)
