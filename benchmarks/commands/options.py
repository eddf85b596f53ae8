"""The arguments that several verbs share, each written once.

None has a default here where session.Options has one: what is not given is not in the parsed arguments.
"""

from __future__ import annotations

import argparse
import math
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

MOST = 2**31 - 1  # of any number: seeds, seconds and sizes above it fit nowhere
MOST_EPOCHS, MOST_SIDE, MOST_PROCESSES = 100_000, 4096, 1024


def whole(text: str) -> int:
    """An integer."""
    try:
        number = int(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a whole number, not {text!r}") from None
    if number > MOST:
        raise ArgumentTypeError(f"must be at most {MOST:,}")
    return number


def natural(text: str) -> int:
    """An integer not below zero."""
    number = whole(text)
    if number < 0:
        raise ArgumentTypeError(f"must not be negative: {number}")
    return number


def positive(text: str) -> int:
    """An integer above zero."""
    number = whole(text)
    if number < 1:
        raise ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def up_to(most: int) -> Callable[[str], int]:
    """The type of an integer from 1 to `most`."""

    def number(text: str) -> int:
        found = positive(text)
        if found > most:
            raise ArgumentTypeError(f"must be at most {most:,}, not {found:,}")
        return found

    return number


def count_or_auto(text: str) -> int | str:
    """An integer above zero, or `auto`."""
    if text != "auto" and not text.lstrip("-").isdigit():
        raise ArgumentTypeError(f"must be a number or auto, not {text!r}")
    return text if text == "auto" else up_to(MOST_PROCESSES)(text)


def amount(text: str) -> float:
    """A number above zero, also as 2e9."""
    try:
        number = float(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a number, not {text!r}") from None
    if not (number > 0 and math.isfinite(number)):
        raise ArgumentTypeError(f"must be above 0 and finite: {text}")
    return number


def folder(text: str) -> Path:
    """A folder that is there, or may be made; of the address of a bucket the one that mirrors it."""
    if "://" in text:
        return _mirrored(text)
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise ArgumentTypeError(f"{text} is no folder")
    return path


def _mirrored(address: str) -> Path:
    from benchmarks.store.mirror import mirrored

    try:
        return mirrored(address)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


Option = dict[str, Any]  # what ArgumentParser.add_argument takes


def value(metavar: str, text: str, **more: Any) -> Option:
    """An option with a value, or with `nargs` several, also when it is given several times.

    It has no default of its own unless `more` says so.
    """
    several = {"action": "extend"} if "nargs" in more else {}
    return {"default": argparse.SUPPRESS, "metavar": metavar, "help": text, **several, **more}


def switch(text: str, default: object = False) -> Option:
    """An option without a value."""
    return {"default": default, "action": "store_true", "help": text}


GROUPS: dict[str, dict[str, Option]] = {
    "what": {
        "--suite": value("NAME", "which benchmark (default: fer2013)"),
        "--members": value("GLOB", "only these members (default: the suite's and all stored ones)", nargs="+"),
        "--seeds": value("N", "training seeds (default: 0 and those stored)", nargs="+", type=natural),
        "--ensemblers": value("GLOB", "only these ensemblers (default: all)", nargs="+"),
        "--budget-flops": value("X", "headline: at most so many FLOPs an image", type=amount),
        "--budget-ms": value("X", "headline: at most so many milliseconds an image", type=amount),
        "--zoo": value("FILE", "Python files or modules of your members: their code is run", nargs="+"),
        "--from": value("SUITE", "evaluate here the members trained on SUITE, classes mapped by name", dest="source"),
    },
    "data": {
        "--data": value("DIR", "image folder (default: $BENCHMARK_DATA/<suite>, data/<suite>)", type=Path),
        "--download": switch("download the images first, to --data or data/<suite>"),
        "--image-side": value(
            "N", "side in pixels of the stored images, where image files are read", type=up_to(MOST_SIDE)
        ),
        "--groups": value("WHAT", "keep in one split, for example a person: a CSV, or a path pattern"),
        "--split-seed": value("N", "seed of splits, where no official ones exist (default: 0)", type=natural),
        "--no-cache": {
            "default": argparse.SUPPRESS,
            "action": "store_false",
            "dest": "cached",
            "help": "read image files anew, even where size and time are as before",
        },
    },
    "training": {
        "--train": value(
            "WHEN",
            "missing, always, never, auto (default): missing if on GPU or short",
            choices=("auto", "missing", "always", "never"),
        ),
        "--time-budget": value("SECONDS", "stop training after this long; its state is saved", type=positive),
        "--epochs": value("N", "train so many epochs, not the recipe's; stored apart", type=up_to(MOST_EPOCHS)),
        "--recipe": value("NAME", "house (default), paper (the publication's), or a name of `list`"),
        "--init-from": value("SUITE[:MEMBER]", "start from weights trained on SUITE: each member's own, or one's"),
        "--set": value("K=V", "change a setting, such as recipe.lr=0.05; stored apart", nargs="+", dest="changes"),
    },
    "speed": {
        "--device": value("WHICH", "what trains: auto (default), cpu, cuda", choices=("auto", "cpu", "cuda")),
        "--fresh": switch("compute everything anew, also what is known from earlier runs", argparse.SUPPRESS),
        "--jobs": value(
            "N", "processes for search and figures (default: as many as pay off)", type=up_to(MOST_PROCESSES)
        ),
        "--method-seconds": value(
            "SECONDS", "leave out an ensembler one fit of which takes longer (default: none)", type=positive
        ),
        "--side-by-side": value(
            "N|auto",
            "members trained at once (default: 1; auto: 4 a GPU, 1 a core)",
            type=count_or_auto,
        ),
        "--engine": value("ADDRESS", "train by workers of a scheduler (benchmarks/execution/README.md)"),
        "--compile": value(
            "WHEN",
            "use torch.compile: auto (default), where it pays; always; never",
            choices=("auto", "always", "never"),
            dest="compiling",
        ),
    },
    "engine": {  # benchmarks/execution/README.md explains them, zoo/README.md the last one: help is one screen
        "--threads": value("N", argparse.SUPPRESS, type=up_to(MOST_PROCESSES)),
        "--cards": value("N", argparse.SUPPRESS, type=up_to(MOST_PROCESSES)),
        "--checkpoint-every": value("SECONDS", argparse.SUPPRESS, type=natural),
        "--other-code": switch(argparse.SUPPRESS, argparse.SUPPRESS),
        "--unlabelled": value("DIR", argparse.SUPPRESS, type=Path),
    },
    "model trained elsewhere": {
        "--name": value("NAME", "name of the model (default: the file's)", default=None),
        "--reference": value("TEXT", "where it is from: arXiv:ID, DOI:ID, or an address", default=None),
        "--notes": value("TEXT", "its extra training data, and whatever else matters", default=None),
        "--replace": switch("replace the external model of that name"),
        "--accept-suspicious": switch("accept it even if its accuracy on val looks like a leak"),
    },
    "output": {
        "--results": value("DIR", "folder of predictions and reports (default: results)", type=folder),
        "--json": switch("print JSON"),
        "--quiet": switch("print errors only"),
    },
}
"""Every shared option by its group, in the order in which help shows them."""

SUITE = ("--suite", "--zoo", "--data", "--image-side", "--groups", "--split-seed", "--no-cache", "--results")
MODEL = tuple(GROUPS["model trained elsewhere"])
RUN = tuple(flag for group, its in GROUPS.items() for flag in its if flag not in MODEL and flag != "--json")


def add_options(parser: ArgumentParser, flags: Collection[str], *, hidden: bool = False) -> None:
    """Add options of GROUPS, each below the title of its group; `hidden` ones are parsed, but not in the help."""
    for title, options in GROUPS.items():
        chosen = [flag for flag in options if flag in flags]
        group = parser.add_argument_group(title) if chosen else parser
        for flag in chosen:
            option = options[flag] | ({"help": argparse.SUPPRESS} if hidden else {})
            group.add_argument(flag, **option)


def suite_arguments(parser: ArgumentParser, *more: str) -> None:
    """Add what every command on a suite takes: which suite, where its data and results are; and options in `more`."""
    add_options(parser, {*SUITE, *more})


def run_arguments(parser: ArgumentParser) -> None:
    """Add what a run takes."""
    add_options(parser, RUN)
