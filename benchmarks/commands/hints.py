"""What to say of arguments that cannot be understood: what is wrong, and what to type in their place."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Sequence

from benchmarks.commands.verbs import DEFAULT, verbs
from benchmarks.text import told

LONGEST = 100  # characters of a word that may be a known one


class BadArguments(ValueError):
    """The command line cannot be understood; the message says what to type."""


def no_verb(program: str, argv: Sequence[str]) -> str:
    """Of a first argument that is no verb."""
    word, suites = argv[0], _suites()
    if word in suites:
        return f"{word} is a suite, not a verb: {program} {DEFAULT} --suite {shlex.join(argv)}"
    near = [f"--suite {name}" if name in suites else name for name in _nearest(word, [*verbs(), *suites])]
    hint = _choice(near) or f"known: {', '.join(verbs())}"
    return f"no verb matches {told(repr(word))}: {hint}"


def not_understood(parser: argparse.ArgumentParser, rest: Sequence[str]) -> str:
    """Of arguments that a verb does not know."""
    word, where = rest[0], f"see {parser.prog} --help"
    flags = [flag for flag, action in _options(parser) if action.help != argparse.SUPPRESS]
    if (verb := word.lstrip("-")) in verbs():
        return f"{verb} is a verb, and comes first: {parser.prog.rpartition(' ')[0]} {verb} ..."
    if word.startswith("-"):
        return f"there is no option {told(word)}: {_choice(_nearest(word.partition('=')[0], flags)) or where}"
    if "--suite" in flags and word in _suites():
        return f"a suite is named by --suite: --suite {word}"
    return f"{told(repr(word))} is one argument too many; {where}"


def _options(parser: argparse.ArgumentParser) -> Iterable[tuple[str, argparse.Action]]:
    return parser._option_string_actions.items()


def _suites() -> list[str]:
    from benchmarks import suites  # with numpy: only where something is wrong

    return list(suites.suites())


def _nearest(word: str, known: Sequence[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(word[:LONGEST], known, n=3, cutoff=0.7)


def _choice(near: Sequence[str]) -> str:
    return f"did you mean {', '.join(near)}?" if near else ""
