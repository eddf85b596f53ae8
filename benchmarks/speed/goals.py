"""What the report says of targets: by how much one is missed and what bounds it, and which no record is about yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.speed.records import Comparison, Record
from benchmarks.speed.tracks import TRACKS

BINDS = 0.5
"""The share of a bound from which on it is said to bind; below, calls and instructions without operations do."""


def number(value: float | None) -> str | None:
    """Three significant digits, thousands with commas and without a fraction."""
    if value is None:
        return None
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def shortfalls(record: Record, records: Sequence[Record]) -> list[str]:
    """A sentence for each target of the record that is not reached, with its bound where one of `records` has it."""
    return [
        f"{one.what}: {short_of(one)}{bounded(one, bound_of(record, one, records))}"
        for one in record.comparisons
        if one.reached is False
    ]


def short_of(one: Comparison) -> str:
    """By how much a figure misses its target."""
    assert one.target is not None, "only a target can be missed"
    if one.ratio is not None:
        asked, found, unit = one.target, one.ratio, f"times as fast as {one.peer}"
        return f"{number(found)} of {number(asked)} {unit}, {percent(1 - found / asked)} short."
    unit = "points" if one.unit == "%" else one.unit
    missing = f"{number(abs(one.ours - one.target))} {unit} {'too much' if one.less_is_better else 'short'}"
    return f"{number(one.ours)} {one.unit} against {number(one.target)} {one.unit}, {missing}."


def bound_of(record: Record, one: Comparison, records: Sequence[Record]) -> Comparison | None:
    """The figure of the roofline, on the same hardware, for the same work; for a track's clock, a step of its member.

    None where there is no such figure.
    """
    found = (
        row
        for other in records
        if other.script == "roofline" and other.hardware == record.hardware
        for row in other.comparisons
        if row.bounded_by
    )
    track = TRACKS.get(one.what.partition(",")[0]) if one.unit == "s" else None
    if track is None:
        return next((row for row in found if row.what == one.what), None)
    network = track.member.partition("@")[0]  # whatever its recipe
    return next((row for row in found if row.what.startswith(f"{network}, ") and "training" in row.peer), None)


def bounded(one: Comparison, bound: Comparison | None) -> str:
    """What a figure would be at its bound, and what of the hardware bounds it; empty without a bound."""
    if bound is None or not bound.ratio:
        return ""
    faster = 1 / bound.ratio
    if one.ratio is not None:
        best = f"{number(one.ratio * faster)} times"
    else:
        best = f"{number(one.ours / faster if one.less_is_better else one.ours * faster)} {one.unit}"
    share = f"{percent(bound.ratio)} of the {bound.peer} ({bound.bounded_by}) is reached"
    free = "" if bound.ratio >= BINDS else " Neither resource binds it yet: time goes to what the model leaves out."
    return f" By the roofline, {share}; all of it would be {best}.{free}"


def percent(share: float) -> str:
    """0.2136 as 21.4 %."""
    return f"{100 * share:.3g} %"


@dataclass(frozen=True)
class Awaited:
    """A target, the records that would be about it, and the command that leaves one."""

    what: str
    script: str
    device: str
    command: str
    title: str = ""  # how such a record's title begins
    figure: str = ""  # and how what the figure is of begins

    def measured(self, records: Sequence[Record]) -> bool:
        """Whether one of the records is about it: the script has left a figure with a target, by this hardware."""
        return any(
            (record.script, record.device) == (self.script, self.device)
            and record.title.startswith(self.title)
            and any(one.target is not None and one.what.startswith(self.figure) for one in record.comparisons)
            for record in records
        )


def targets() -> Iterator[Awaited]:
    """Those whose hardware or data the other scripts may have run without."""
    yield Awaited(
        "The leaderboard of all members of the committed store in 10 s on 2 cores",
        "startup",
        "cpu",
        "python -m benchmarks.speed.startup --json results/speed/startup.json",
        figure="benchmark.py, leaderboard of all",
    )
    for track in TRACKS.values():
        several = f"{track.networks} networks" if track.networks > 1 else "one network"
        on = f"{track.cores} cores" if track.device == "cpu" else "a GPU"
        what = f"{track.name}: {track.accuracy:g} % on PublicTest in {track.seconds:g} s by {several} on {on}"
        options = f"--track {track.name} --data DIR --json results/speed/{track.name}.json"
        command = f"python -m benchmarks.speed.tracks {options}"
        yield Awaited(what, "tracks", track.device, command, f"{track.name}:", f"{track.name}, accuracy")
    yield _on_a_gpu("30 % of a GPU's nominal peak (MFU) in a training step", "roofline", "--members ferplus_vgg13")
    yield _on_a_gpu("Augmentation at 100 times the PIL loader on a GPU", "input_pipeline")


def _on_a_gpu(what: str, script: str, *more: str) -> Awaited:
    options = " ".join(("--device cuda", *more, f"--json results/speed/{script}_cuda.json"))
    return Awaited(what, script, "cuda", f"python -m benchmarks.speed.{script} {options}")


def not_measured(records: Sequence[Record]) -> list[Awaited]:
    """The targets that no record is about."""
    return [target for target in targets() if not target.measured(records)]
