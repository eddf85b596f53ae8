"""What a speed benchmark leaves behind: its comparisons as JSON, from which results/speed.md is drawn."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.files import write_atomic
from benchmarks.provenance import code_version, device_name
from benchmarks.speed.timing import Rate, Timing, versions

LESS_IS_BETTER = {"s", "GB"}


@dataclass(frozen=True)
class Comparison:
    """One figure of ours, beside a peer's where there is one.

    Of seconds and gigabytes less is better, of any other unit more. `least` is the worst ratio of the runs' ranges,
    `target` the ratio, or the value of a figure without peer, that this project asks of itself. Where the peer is what
    the hardware allows at most (benchmarks/speed/roofline.py), `bounded_by` says what of it bounds. `failed` says why
    the peer has no figure.
    """

    what: str
    unit: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    least: float | None = None
    target: float | None = None
    bounded_by: str = ""
    failed: str = ""

    @property
    def less_is_better(self) -> bool:
        return self.unit in LESS_IS_BETTER

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the peer."""
        if self.theirs is None:
            return None
        return self.theirs / self.ours if self.less_is_better else self.ours / self.theirs

    @property
    def reached(self) -> bool | None:
        """Whether the target is; None where there is none."""
        if self.target is None:
            return None
        if self.ratio is not None:
            return self.ratio >= self.target
        return self.ours <= self.target if self.less_is_better else self.ours >= self.target


@dataclass(frozen=True)
class Record:
    """The comparisons of one run of one script, and where they were made; `device` is cpu or cuda."""

    script: str
    title: str
    hardware: str
    versions: dict[str, str]
    code: str
    comparisons: list[Comparison] = field(default_factory=list)
    device: str = "cpu"

    @classmethod
    def read(cls, path: Path) -> Record:
        """Raises ValueError naming a file that holds something else."""
        try:
            values: dict[str, Any] = json.loads(path.read_text())
            rows = [Comparison(**row) for row in values.pop("comparisons")]
            return cls(**values, comparisons=rows)
        except (json.JSONDecodeError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is no record of a speed benchmark ({error}): run its script anew") from error


def add_json_option(parser: ArgumentParser) -> None:
    """`--json FILE`, for `leave`."""
    parser.add_argument(
        "--json", metavar="FILE", type=Path, help="leave the figures there, for benchmarks.speed.report"
    )


def compare_rates(
    found: Mapping[str, Rate], what: str, unit: str, targets: Mapping[str, float] | None = None
) -> list[Comparison]:
    """The first side with each of the others; `targets` by a peer's name."""
    (_, ours), *peers = found.items()
    return [
        Comparison(
            what, unit, ours.best, name, theirs.best, min(ours.per_second) / theirs.best, (targets or {}).get(name)
        )
        for name, theirs in peers
    ]


def compare_times(what: str, ours: Timing, peer: str, theirs: Timing, target: float | None = None) -> Comparison:
    """Seconds of both sides; `target` is a ratio."""
    least = theirs.best / max(ours.seconds)
    return Comparison(what, "s", ours.best, peer, theirs.best, least, target)


def write_record(
    path: Path | None,
    script: str,
    title: str,
    comparisons: Sequence[Comparison],
    packages: Sequence[str] = (),
    device: str = "cpu",
) -> None:
    """Writes the record of a run, or nothing where no path was given."""
    if path is None:
        return
    record = Record(script, title, device_name(device), versions(packages), code_version(), list(comparisons), device)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(asdict(record), indent=1) + "\n")
