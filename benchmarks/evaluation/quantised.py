"""What quantisation costs: files of the released model, each scored itself, beside the row that they are of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.results.analyses import Quantised
from benchmarks.results.schema import Member

FACTS = Path("model") / "model.json"
"""The facts of a suite's released model, in its folder of results; `export --release` writes them."""


def quantised(folder: Path, members: Sequence[Member]) -> Quantised | None:
    """Return what the released model in a suite's folder says of its files.

    None where there is no released model, or it is of other predictions than those of these members.
    """
    path = folder / FACTS
    if not path.exists():
        return None
    facts = json.loads(path.read_text(encoding="utf-8"))
    row, of = facts["row"]["name"], facts["members"][0]["hash"]
    if not any((member["label"], member["hash"]) == (row, of) for member in members):
        return None
    return Quantised(row=row, files=facts["quantised"])
