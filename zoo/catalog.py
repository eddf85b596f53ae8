"""Record every member in catalog.json, so that listing the zoo needs no torch: `python -m zoo.catalog`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from zoo.member import Member
from zoo.registry import CATALOG, counted, imported
from zoo.sources import sources


def catalogue(note: Callable[[str], None] = print) -> dict[str, Any]:
    """Import every network file, count every network, and return what catalog.json holds; this takes seconds.

    `note` is called with each network that could not be counted by shapes alone.
    """
    entries = [counted(member, note) for module in sources() for member in imported(module)]
    return {"sources": sources(), "members": [_entry(member) for member in entries]}


def _entry(member: Member) -> dict[str, Any]:
    """Return the member as JSON values; of its recipe, only what differs from the defaults."""
    return {**asdict(member), "recipe": member.recipe.changes()}


if __name__ == "__main__":
    CATALOG.write_text(json.dumps(catalogue(), indent=1) + "\n")
    print(f"{CATALOG.name}: {len(json.loads(CATALOG.read_text())['members'])} members")
