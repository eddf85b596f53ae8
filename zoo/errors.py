"""The error of a name that nothing has, with a hint at the names that come near."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 200  # characters of a quoted text in a message


def shortened(text: str) -> str:
    """Return a text, or its beginning where it is longer than anyone reads."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


class UnknownName(ValueError):
    """A name or pattern that matches nothing; the message lists the nearest known names, or all of them."""

    def __init__(self, kind: str, wanted: str, known: Iterable[str]) -> None:
        names, wanted = sorted(known), shortened(wanted)
        near = difflib.get_close_matches(wanted, names, n=4, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"no {kind} matches {wanted!r}: {hint}")


class ChangesNothing(UnknownName):
    """The name of a variant that has the numbers of another member."""

    def __init__(self, name: str, same: str, reasons: Iterable[str]) -> None:
        why = "; ".join(reasons) or "these are its settings already"
        ValueError.__init__(self, f"{name} is {same}, and has no name of its own: {why}")
