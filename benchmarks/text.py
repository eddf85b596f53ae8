"""Text from elsewhere: judged where it comes in, made harmless where it goes to a terminal.

What other outputs need stands where they are written: `escape` of formats.py for markdown, `csv_text` of files.py,
`escape_tex` and `escape_bibtex` of report/latex.py; pages escape whatever is no Markup.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

LONGEST = 400  # characters of a message that quotes a file of others
INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Unicode's categories of what is no letter to see: controls, directions, halves of pairs, and what means nothing."""
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}\N{SOFT HYPHEN}\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}"
"""Of these categories, and part of words in some scripts."""


def printable(text: str) -> str:
    """Return text fit for a terminal: what could steer it, or is not seen, is written as `\\x1b`; line feeds stay."""
    if text.isprintable():
        return text
    return "".join(letter if letter == "\n" or not _unseen(letter) else _spelled(letter) for letter in text)


def told(error: BaseException | str, longest: int = LONGEST) -> str:
    """Return a message that quotes others, on one line, printable and no longer than a reader reads."""
    text = printable(" ".join(str(error).split()))
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"


def fault(text: str, longest: int) -> str | None:
    """Say what keeps text that a user gives from being stored and shown; None where nothing does."""
    if any(unicodedata.category(letter) == "Cs" for letter in text):
        return "is not UTF-8"
    if unseen := next((letter for letter in text if _unseen(letter)), None):
        return f"holds {_spelled(unseen)}, which cannot be shown"
    if len(text) > longest:
        return f"has {len(text):,} characters; at most {longest:,} are taken"
    return None


def _unseen(letter: str) -> bool:
    return not letter.isprintable() and letter not in JOINERS and unicodedata.category(letter) in INVISIBLE


def _spelled(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text anywhere in nested lists and dicts, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from texts_in(key)
            yield from texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)
