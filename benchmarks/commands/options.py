"""The arguments that several verbs share, each written once.

None has a default here where session.Options has one: what is not given is not in the parsed arguments.
"""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Collection
from pathlib import Path
from typing import Any


def whole(text: str) -> int:
    """An integer."""
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a whole number, not {text!r}") from None


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


def count_or_auto(text: str) -> int | str:
    """An integer above zero, or `auto`."""
    if text != "auto" and not text.lstrip("-").isdigit():
        raise ArgumentTypeError(f"must be a number or auto, not {text!r}")
    return text if text == "auto" else positive(text)


def folder(text: str) -> Path:
    """A folder that is there, or may be made."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise ArgumentTypeError(f"{text} is no folder")
    return path


Option = dict[str, Any]  # what ArgumentParser.add_argument takes


def switch(text: str) -> Option:
    """An option without a value."""
    return {"action": "store_true", "default": False, "help": text}


GROUPS: dict[str, dict[str, Option]] = {
    "what": {
        "--suite": {"metavar": "NAME", "help": "which benchmark (default: fer2013)"},
        "--members": {
            "metavar": "GLOB",
            "nargs": "+",
            "help": "only these members (default: the suite's, and all stored)",
        },
        "--seeds": {"metavar": "N", "nargs": "+", "type": natural, "help": "default: 0 and those stored"},
        "--ensemblers": {"metavar": "GLOB", "nargs": "+", "help": "only these ensemblers (default: all)"},
        "--zoo": {"metavar": "FILE", "nargs": "+", "help": "Python files or modules that register members of your own"},
        "--from": {
            "metavar": "SUITE",
            "dest": "source",
            "help": "evaluate here the members trained on SUITE, classes mapped by name",
        },
    },
    "data": {
        "--data": {
            "metavar": "DIR",
            "type": Path,
            "help": "of the images (default: $BENCHMARK_DATA/<suite>, data/<suite>)",
        },
        "--download": switch("fetch the images first, into --data or data/<suite>"),
        "--image-side": {"metavar": "N", "type": positive, "help": "side of stored images, where files are read"},
        "--groups": {
            "metavar": "WHAT",
            "help": "what stays in one split, as one person: a CSV, or a pattern of paths",
        },
        "--split-seed": {"metavar": "N", "type": natural, "help": "of splits that nobody published (default: 0)"},
    },
    "training": {
        "--train": {
            "metavar": "WHEN",
            "choices": ("auto", "missing", "always", "never"),
            "help": "auto (default): what is missing, on a GPU or within --time-budget (without one, two minutes); "
            "missing: all of it; always: anew; never",
        },
        "--time-budget": {"metavar": "SECONDS", "type": positive, "help": "stop training by then, with all saved"},
        "--epochs": {"metavar": "N", "type": positive, "help": "in place of the recipes' epochs; stored apart"},
        "--recipe": {"metavar": "NAME", "help": "house (default), paper (the publications'), or a name of `list`"},
        "--set": {
            "metavar": "K=V",
            "nargs": "+",
            "dest": "changes",
            "help": "change settings, such as recipe.lr=0.05; stored apart",
        },
    },
    "speed": {
        "--device": {"choices": ("auto", "cpu", "cuda"), "help": "what trains (default: auto)"},
        "--jobs": {"metavar": "N", "type": positive, "help": "processes of search and figures (default: what pays)"},
        "--side-by-side": {
            "metavar": "N|auto",
            "type": count_or_auto,
            "help": "members trained at once (default: 1; auto: 4 on a GPU)",
        },
        "--compile": {
            "metavar": "WHEN",
            "choices": ("auto", "always", "never"),
            "dest": "compiling",
            "help": "torch.compile: auto (default), where it pays; always; never",
        },
    },
    "model trained elsewhere": {
        "--name": {"default": None, "help": "what the model is called (default: as the file)"},
        "--reference": {"metavar": "TEXT", "default": None, "help": "its source: arXiv:ID, DOI:ID, or an address"},
        "--notes": {
            "metavar": "TEXT",
            "default": None,
            "help": "its extra data, and what else to know of it",
        },
        "--replace": switch("in place of the external model of that name"),
        "--accept-suspicious": switch("even where its accuracy on val looks like a leak"),
    },
    "output": {
        "--results": {"metavar": "DIR", "type": folder, "help": "where predictions and reports are (default: results)"},
        "--json": switch("for programs"),
        "--quiet": switch("print errors only"),
    },
}
"""Every shared option by its group, in the order in which help shows them."""

SUITE = ("--suite", "--zoo", "--data", "--image-side", "--groups", "--split-seed", "--results")
MODEL = tuple(GROUPS["model trained elsewhere"])
RUN = tuple(flag for group, its in GROUPS.items() for flag in its if flag not in MODEL and flag != "--json")


def add_options(parser: ArgumentParser, flags: Collection[str], *, hidden: bool = False) -> None:
    """Adds options of GROUPS, each below the title of its group; `hidden` ones are parsed, but not in the help."""
    for title, options in GROUPS.items():
        chosen = [flag for flag in options if flag in flags]
        group = parser.add_argument_group(title) if chosen else parser
        for flag in chosen:
            option = {"default": argparse.SUPPRESS, **options[flag]}
            group.add_argument(flag, **{**option, "help": argparse.SUPPRESS} if hidden else option)


def suite_arguments(parser: ArgumentParser, *more: str) -> None:
    """Adds what every command on a suite takes: which suite, where its data and results are; and options in `more`."""
    add_options(parser, {*SUITE, *more})


def run_arguments(parser: ArgumentParser) -> None:
    """Adds what a run takes."""
    add_options(parser, RUN)
