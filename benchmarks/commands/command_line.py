"""What was typed: a verb and its arguments, or what is wrong with them.

Only the parser of the verb that is named is made, and only its module imported.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.commands import hints, old_flags, shared_results
from benchmarks.commands.verbs import DEFAULT, Command, verbs
from benchmarks.text import told

PACKAGE, SCRIPT = "fer-ensembles", "benchmark.py"  # the program's name where it is installed, and in the source tree
ROOT = Path(__file__).resolve().parents[2]
WIDEST = 100  # columns of help
LONGEST_WORD, LONGEST_MESSAGE, SHOWN = 10_000, 1_000, 100  # characters of an argument, and of what is said of it
ABOUT = (
    "Trains or loads the members of a suite, searches ensembles of them on the validation split,\n"
    "scores all of them once on the test split, and writes leaderboard and figures to results/<suite>/.\n"
    "Without arguments, what is committed there is rebuilt: no GPU, no data set, a few seconds."
)


class Formatter(argparse.HelpFormatter):
    """Help at most WIDEST wide, whose usage names only what has to be given."""

    def __init__(self, prog: str) -> None:
        width = min(WIDEST, shutil.get_terminal_size().columns)
        super().__init__(f"{prog} [options]", max_help_position=32, width=width)

    def add_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], groups: Iterable[Any], prefix: str | None = None
    ) -> None:
        needed = [action for action in actions if action.required]
        super().add_usage(usage, needed, [], prefix)


class Parser(argparse.ArgumentParser):
    """The arguments of one verb; what is wrong with them is raised."""

    def __init__(self, name: str) -> None:
        prog, verb = f"{program()} {name}", verbs()[name]
        super().__init__(prog, description=f"{verb.summary}.", formatter_class=Formatter, add_help=False)
        self.epilog = f"Example: {prog} {verb.example}"
        self.add_argument("-h", "--help", action="help", help=argparse.SUPPRESS)  # whoever reads help knows it

    def error(self, message: str) -> NoReturn:
        raise hints.BadArguments(f"{told(message, LONGEST_MESSAGE)}; see {self.prog} --help")


def program() -> str:
    """What the user types to start this."""
    return PACKAGE if Path(sys.argv[0]).stem == PACKAGE else SCRIPT


def parse(argv: Sequence[str]) -> tuple[Command, argparse.Namespace]:
    """The verb that is meant, and its arguments; raises BadArguments, and SystemExit after help or version."""
    _check_words(argv)
    first = argv[0] if argv else ""
    if first in ("-h", "--help", "--version"):
        print(f"{PACKAGE} {version()}" if first == "--version" else program_help())
        raise SystemExit(0)
    if not first or first.startswith("-"):
        arguments = _parsed(DEFAULT, old_flags.arguments, argv)
        return verbs()[old_flags.verb_of(arguments)].load(), arguments
    if first not in verbs():
        raise hints.BadArguments(hints.no_verb(program(), argv))
    command = verbs()[first].load()
    return command, _parsed(first, command.arguments, argv[1:])


def execute(command: Command, arguments: argparse.Namespace) -> int | None:
    """Do what was typed; somebody's file of members that ends the program has not done it."""
    try:
        with shared_results.current(arguments):
            return command.execute(arguments)
    except SystemExit as left:
        if left.code:
            raise
        raise ValueError("code of a file of members has ended the program (sys.exit); nothing more was done") from left


def _check_words(argv: Sequence[str]) -> None:
    """Raise BadArguments where a word of the command line is empty, as an unset variable of a shell is, or endless."""
    for place, word in enumerate(argv):
        before = f" behind {argv[place - 1]}" if place else ""
        option, equals, given = word.partition("=")
        if not word or (option.startswith("--") and equals and not given):
            raise hints.BadArguments(f"an argument is empty{before if not word else f': {option}'}")
        if len(word) > LONGEST_WORD:
            raise hints.BadArguments(f"an argument has {len(word):,} characters: {told(word, SHOWN)}")
        if "\0" in word:
            raise hints.BadArguments(f"an argument holds a zero byte: {told(word, SHOWN)}")


def _parsed(
    name: str, add_arguments: Callable[[argparse.ArgumentParser], None], argv: Sequence[str]
) -> argparse.Namespace:
    parser = Parser(name)
    add_arguments(parser)
    arguments, rest = parser.parse_known_args(argv)
    if rest:
        raise hints.BadArguments(hints.not_understood(parser, rest))
    if (suite := vars(arguments).get("suite")) in verbs():
        raise hints.BadArguments(f"{suite} is a verb, and comes first: {program()} {suite} --suite NAME")
    return arguments


def program_help() -> str:
    """All verbs, each with an example of its arguments."""
    examples = {f"{verb.name} {verb.example}": verb.summary for verb in verbs().values()}
    wide = max(map(len, examples))
    lines = [f"  {example:{wide}}  {summary}" for example, summary in examples.items()]
    name = program()
    return "\n".join(
        [
            f"usage: {name} [VERB] [options]",
            f"       {name} VERB --help      the options of a verb",
            f"       {name} --version",
            "",
            ABOUT,
            "",
            f"verbs, with examples (without a verb, {DEFAULT} is meant):",
            *lines,
        ]
    )


def version() -> str:
    """The version of the source tree that this runs from, else of the installed package."""
    source = ROOT / "pyproject.toml"
    if source.is_file():
        import tomllib

        return str(tomllib.loads(source.read_text(encoding="utf-8"))["project"]["version"])
    from importlib import metadata

    return metadata.version(PACKAGE)
