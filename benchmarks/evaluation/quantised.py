"""What quantisation costs: files of the released model, each scored itself, beside the row that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from benchmarks.results.analyses import Quantised, QuantisedFile
from benchmarks.results.schema import Member
from benchmarks.shapes import read_json

FACTS = Path("model") / "model.json"
"""The facts of a suite's released model, in its folder of results; `export --release` writes them."""


class ReleasedRow(TypedDict):
    name: str


class ReleasedMember(TypedDict):
    hash: str


class ReleasedFacts(TypedDict):
    """What is read here of the facts of a released model."""

    row: ReleasedRow
    members: list[ReleasedMember]
    quantised: list[QuantisedFile]


def quantised(folder: Path, members: Sequence[Member]) -> Quantised | None:
    """Return what the released model in a suite's folder says of its files.

    None where there is no released model, or it is of other predictions than those of these members.
    Raises DamagedFile.
    """
    path = folder / FACTS
    if not path.exists():
        return None
    facts = read_json(path, ReleasedFacts, "restore it, or have it written anew: python benchmark.py export --release")
    row, of = facts["row"]["name"], [one["hash"] for one in facts["members"][:1]]
    if not any((member["label"], [member["hash"]]) == (row, of) for member in members):
        return None
    return Quantised(row=row, files=facts["quantised"])
