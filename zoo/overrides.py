"""Change a member by settings given as text, `recipe.augment.rotation=20`, checked against its fields and types."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from zoo.errors import UnknownName, shortened
from zoo.member import Member
from zoo.recipes import Recipe

SETTABLE = ("recipe", "image_size")  # the fields of a member that can be changed; the others identify it
SMALLEST, LARGEST = 4, 1024  # pixels of a side
SHORT = {"lr": "learning_rate", "wd": "weight_decay"}


def override(member: Member, assignments: Iterable[str]) -> Member:
    """Return the member with each `key=value` applied in order; with another image size its `macs` are None.

    Raises UnknownName for a key that no field has, and ValueError where the value does not fit the field.
    """
    size = member.image_size
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"--set {shortened(assignment)}: write it as key=value, for instance recipe.epochs=10")
        keys = [SHORT.get(key, key) for key in path.strip().split(".")]
        if keys[0] not in SETTABLE:
            raise UnknownName("setting", path, settings())
        member = _changed(member, keys, text.strip(), assignment)
    if member.image_size == size:
        return member
    if not SMALLEST <= member.image_size <= LARGEST:
        raise ValueError(f"--set image_size={member.image_size}: must be from {SMALLEST} to {LARGEST}")
    return replace(member, macs=None)


def _changed(holder: Any, keys: list[str], text: str, assignment: str) -> Any:
    types = _types(holder.__class__)
    key, rest = keys[0], keys[1:]
    if key not in types or bool(rest) != is_dataclass(types[key]):
        raise UnknownName("setting", assignment.partition("=")[0], settings())
    value = _changed(getattr(holder, key), rest, text, assignment) if rest else _value(text, types[key], assignment)
    return replace(holder, **{key: value})


@cache
def _types(kind: type) -> Mapping[str, Any]:
    """Return the types of a dataclass's fields; once, as each name with a variant asks for them."""
    return get_type_hints(kind)


def _value(text: str, kind: Any, assignment: str) -> Any:
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError(f"--set {assignment}: must be one of {', '.join(get_args(kind))}")
        return text
    if kind is str and not text.isprintable():
        raise ValueError(f"--set {assignment.partition('=')[0]}={text!r}: must be text that can be shown")
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"--set {assignment}: must be true or false")
        return text.lower() == "true"
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if kind is not str and not math.isfinite(value):
        raise ValueError(f"--set {assignment}: must be {'an integer' if kind is int else 'a number'}")
    return value


def settings() -> list[str]:
    """Return every key that can be set, such as `recipe.loss.gamma`."""
    return ["image_size", *_keys(Recipe, "recipe")]


def _keys(kind: Any, prefix: str) -> list[str]:
    types = _types(kind)
    keys: list[str] = []
    for field in fields(kind):
        name = f"{prefix}.{field.name}"
        keys += _keys(types[field.name], name) if is_dataclass(types[field.name]) else [name]
    return keys
