"""What JSON has to look like, said by types: one check for everything that is read back.

A shape is a TypedDict, `list[...]`, `dict[str, ...]`, `X | Y`, `Literal[...]`, `str`, `bool`, `int` (of 64 bits),
`float` (a finite number), `Number` (any number, also none that is finite), `Any`, or one of these with a range:
`Annotated[float, Between(0, 1)]`. JSON has whole numbers of any length: what no float can hold is no number here.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from benchmarks.files import DamagedFile

MOST_NAMED = 5  # departures that one message names
WHOLE, LARGEST = 2**63, int(sys.float_info.max)  # whole numbers stay below the first, and floats hold up to the second


@dataclass(frozen=True)
class Between:
    """The range of a number, both ends included."""

    least: float
    most: float = math.inf


class Number:
    """What JSON has as a number; Python's writes NaN and Infinity, too."""


WORDS = {
    str: "no text",
    bool: "no true or false",
    int: "no whole number",
    float: "no number",
    Number: "no number",
    NoneType: "not null",
}
Share = Annotated[float, Between(0, 1)]
Count = Annotated[int, Between(0)]
Amount = Annotated[float, Between(0)]


def departures(value: Any, shape: Any, place: str = "") -> Iterator[str]:
    """List where a value departs from a shape: the key of what is missing, `members[2].hash`, and what is of another
    kind with the word for it, `splits (no object)`."""
    if shape is Any:
        return
    if shape in WORDS:
        if not _is(value, shape):
            yield f"{_named(place)} ({WORDS[shape]})"
        return
    origin = get_origin(shape)
    if is_typeddict(shape):
        yield from _of_object(value, shape, place)
    elif origin in (UnionType, Union):
        yield from _of_alternatives(value, get_args(shape), place)
    elif origin is Annotated:
        kind, reach = get_args(shape)
        wrong = list(departures(value, kind, place))
        yield from wrong
        if not wrong and not reach.least <= value <= reach.most:
            yield f"{_named(place)} ({value} is not from {reach.least:g} to {reach.most:g})"
    elif origin is Literal:
        if value not in get_args(shape):
            yield f"{_named(place)} (none of {', '.join(map(str, get_args(shape)))})"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{_named(place)} (no array)"
        elif get_args(shape)[0] is not Any:
            for index, part in enumerate(value):
                yield from departures(part, get_args(shape)[0], f"{place}[{index}]")
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{_named(place)} (no object)"
        elif get_args(shape)[1] is not Any:
            for key, part in value.items():
                yield from departures(part, get_args(shape)[1], f"{place}.{key}".lstrip("."))
    else:
        raise TypeError(f"{shape} is no shape of JSON")


def read_json(path: Path, shape: Any, mend: str = "remove it or restore it") -> Any:
    """Read a JSON file of that shape; raise DamagedFile naming it, what is wrong with it, and how to mend that."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise DamagedFile(f"{path.name}: is damaged ({error}); {mend}") from error
    if wrong := told(departures(value, shape)):
        raise DamagedFile(f"{path.name}: lacks {wrong}; {mend}")
    return value


def told(found: Iterator[str]) -> str:
    """Name the first departures in one line; empty where there are none."""
    wrong = list(found)
    return ", ".join(wrong[:MOST_NAMED]) + (" and more" if len(wrong) > MOST_NAMED else "")


def _of_object(value: Any, shape: Any, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{_named(place)} (no object)"
        return
    for key, hint in _hints(shape).items():
        if key in value:
            yield from departures(value[key], hint, f"{place}.{key}".lstrip("."))
        elif key in shape.__required_keys__:
            yield f"{place}.{key}".lstrip(".")


def _of_alternatives(value: Any, shapes: tuple[Any, ...], place: str) -> Iterator[str]:
    """Nothing where one alternative fits; else how the value departs from the one before all others."""
    found = [list(departures(value, shape, place)) for shape in shapes]
    if all(found):
        yield from found[0]


def _is(value: Any, kind: type) -> bool:
    if kind is float or kind is Number:
        if isinstance(value, float):
            return kind is Number or math.isfinite(value)
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < WHOLE
    return isinstance(value, kind)


def _named(place: str) -> str:
    return place or "everything"


@cache
def _hints(shape: Any) -> dict[str, Any]:
    hints = get_type_hints(shape, include_extras=True)
    return {key: get_args(hint)[0] if _is_marked(hint) else hint for key, hint in hints.items()}


def _is_marked(hint: Any) -> bool:
    """Say whether a key is wrapped in NotRequired or Required, which `__required_keys__` tells."""
    return getattr(get_origin(hint), "__name__", str(get_origin(hint))).endswith("Required")
