"""What there is, and what a run would do, as text or JSON; imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import ensembles
from benchmarks import suites
from benchmarks.tables import duration, labels
from zoo import registry

if TYPE_CHECKING:
    from benchmarks.session import Session


def catalogue(as_json: bool) -> str:
    """Suites, members and ensemblers."""
    everything = {"suites": _suites(), "members": _members(), "ensemblers": _ensemblers()}
    if as_json:
        return json.dumps(everything, indent=1)
    tables = (f"{title}\n{columns(rows)}" for title, rows in everything.items())
    return "\n\n".join(tables)


def _suites() -> list[dict[str, Any]]:
    return [
        {"name": suite.name, "members": len(suite.members), "summary": suite.summary}
        for suite in suites.suites().values()
    ]


def _members() -> list[dict[str, Any]]:
    """Parameters and multiply-adds at 7 classes and one input channel."""
    shown = ("name", "params", "macs", "init", "image_size", "reference", "summary")
    return [{key: getattr(member, key) for key in shown} for member in registry.members().values()]


def _ensemblers() -> list[dict[str, Any]]:
    kinds = [ensembles.get(name) for name in ensembles.names()]
    return [{"name": kind.name, "reference": kind.reference, "summary": kind.title} for kind in kinds]


def schedule(session: Session) -> str:
    """What a run would load, train and leave out, with estimates."""
    steps, notes = session.steps()
    externals, unusable = session.externals()
    names = labels((step.configuration.name, step.configuration.seed) for step in steps)
    rows: list[dict[str, Any]] = []
    total = 0.0
    for step, name in zip(steps, names, strict=True):
        action = "load" if step.stored else "train" if step.train else "leave out"
        detail = "stored predictions" if step.stored else step.reason
        estimate = "" if step.stored else duration(step.seconds)
        rows.append({"member": name, "action": action, "estimate": estimate, "why": detail})
        total += step.seconds if step.train else 0.0
    for found in externals:
        name = found.configuration.name
        rows.append({"member": name, "action": "load", "estimate": "", "why": "external predictions"})
    trained = sum(step.train for step in steps)
    end = f"{len(session.ensemblers)} ensemblers; {trained} members to train, about {duration(total)} by estimate"
    return "\n".join([columns(rows), "", end, *(f"not used: {note}" for note in [*notes, *unusable])])


def columns(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of equal keys, one at least, as aligned text, numbers with thousands separators."""
    table = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(_line(cells, widths) for cells in table)


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
