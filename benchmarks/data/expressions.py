"""Names of expressions: what data sets call the same thing, so that classes of one can be found in another."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

FER2013_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Names and order of FER2013's classes, which KDEF and RAF-DB have, too."""

EXPRESSIONS = (*FER2013_CLASSES, "contempt")
"""All names of expressions that are used here."""

SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "contemptuous": "contempt",
}


def expression(name: str) -> str:
    """Return the usual name of an expression, lower case; of a name not known here, change case and spaces alone."""
    lowered = name.strip().lower()
    return SYNONYMS.get(lowered, lowered)


def shared_classes(trained: Sequence[str], wanted: Sequence[str]) -> list[int | None]:
    """Find for each wanted class the index of the same expression among the trained ones; None where there is none.

    Raises ValueError where fewer than two are the same.
    """
    places = {expression(name): index for index, name in enumerate(trained)}
    shared = [places.get(expression(name)) for name in wanted]
    if len(shared) - shared.count(None) < 2:
        raise ValueError(
            f"the classes trained on ({', '.join(trained)}) and those asked for ({', '.join(wanted)}) have fewer than "
            "two in common"
        )
    return shared


def suggestion(value: str, names: Sequence[str]) -> str:
    """Return ' Did you mean X?' for a near match, else nothing."""
    lowered = {name.lower(): name for name in names}
    near = difflib.get_close_matches(value.strip().lower(), list(lowered), n=1)
    return f" Did you mean {lowered[near[0]]!r}?" if near else ""
