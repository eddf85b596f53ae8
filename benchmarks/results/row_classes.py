"""Classes of rows that stand apart: scored beside all others, in no ensemble of theirs, never the best single member.

What learnt from more than the suite's labels, and what comes from elsewhere with a training that cannot be asked about,
would make the comparison one of other things than networks and ensembles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RowClass:
    """A class of rows: what tables call it, its mark behind titles, the headings over its rows and over one alone."""

    name: str
    mark: str
    heading: str
    alone: str
    like_members: bool = True  # trained here, and not from elsewhere

    @property
    def slug(self) -> str:
        """Return the class's name for pages."""
        return self.name.replace(" ", "-")


EXTRA_LABELS = RowClass("extra labels", "†", "Members, extra labels", "Member, extra labels")
TOOLS = RowClass("tools", "‡", "Tools", "Tool", like_members=False)
CHECKPOINT = RowClass("checkpoint", "§", "Published checkpoints", "Published checkpoint", like_members=False)
COSTLY = RowClass("over the limit", "¶", "Members over the limit", "Member over the limit")
SHORT_BUDGET = RowClass("short budget", "‖", "Members, short budgets", "Member, short budget")
ROW_CLASSES = {row_class.name: row_class for row_class in (EXTRA_LABELS, TOOLS, CHECKPOINT, COSTLY, SHORT_BUDGET)}
FROM_ELSEWHERE = (TOOLS.name, CHECKPOINT.name)  # a store's file says it of itself


def row_classes(model: Mapping[str, Any]) -> tuple[RowClass, ...]:
    """Return the classes of a member or ensemble of results.json, in their order; of most there is none."""
    named = {*model.get("row_classes", ()), *([EXTRA_LABELS.name] if model.get("extra_labels") else [])}
    return tuple(row_class for name, row_class in ROW_CLASSES.items() if name in named)
