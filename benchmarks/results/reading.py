"""Reading the results of another run: all of it is there, or one error says what is missing and what rebuilds it."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints, is_typeddict

from benchmarks.results.schema import FORMAT, Results

MOST_NAMED = 5  # missing parts that an error names


class UnreadableResults(ValueError):
    """Results that cannot be used; the message names the file, `reason` is without it, for reports of any machine."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.reason = reason


def read_results(path: Path) -> Results:
    """Read the results in a results.json.

    Raises UnreadableResults naming the file, what is wrong with it, and the command that writes it anew, where it is
    damaged, of another version, or lacks anything that every file of this version has.
    """
    rebuild = f"write it anew from the stored predictions: {_command(path)}"
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UnreadableResults(path, f"cannot be read ({type(error).__name__}); {rebuild}") from error
    version = results.get("format") if isinstance(results, dict) else None
    if version != FORMAT:
        raise UnreadableResults(path, f"has the format {version!r}, not {FORMAT!r}; {rebuild}")
    missing = list(_missing(results, Results, ""))
    if missing:
        named = ", ".join(missing[:MOST_NAMED]) + (" and more" if len(missing) > MOST_NAMED else "")
        raise UnreadableResults(path, f"lacks {named}; {rebuild}")
    return cast(Results, results)


def _command(path: Path) -> str:
    """Return the command that writes this results.json anew."""
    folder = path.parent.parent
    elsewhere = "" if folder.name == "results" else f" --results {folder}"
    return f"python benchmark.py --suite {path.parent.name}{elsewhere}"


def _missing(value: Any, kind: Any, place: str) -> Iterator[str]:
    """List the keys that the type of `value` requires and `value` lacks, such as `members[2].hash`.

    Also what is no object or array, as `splits (no object)`. Numbers and texts are taken as they are.
    """
    if is_typeddict(kind):
        if not isinstance(value, dict):
            yield f"{place or 'everything'} (no object)"
            return
        for key, hint in _hints(kind).items():
            if key in value:
                yield from _missing(value[key], hint, f"{place}.{key}".lstrip("."))
            elif key in kind.__required_keys__:
                yield f"{place}.{key}".lstrip(".")
    elif get_origin(kind) is UnionType:
        (known,) = (part for part in get_args(kind) if part is not type(None))
        yield from () if value is None else _missing(value, known, place)
    elif get_origin(kind) is list and not isinstance(value, list):
        yield f"{place} (no array)"
    elif get_origin(kind) is list and _has_keys(kind):
        for index, part in enumerate(value):
            yield from _missing(part, get_args(kind)[0], f"{place}[{index}]")
    elif get_origin(kind) is dict and _has_keys(get_args(kind)[1]):
        for key, part in value.items():
            yield from _missing(part, get_args(kind)[1], f"{place}.{key}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _has_keys(kind: Any) -> bool:
    """Tell whether there is anything to look for below a value of this kind."""
    return is_typeddict(kind) or any(_has_keys(part) for part in get_args(kind))
