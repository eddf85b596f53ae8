"""results/speed.md and its chart, drawn from what the speed benchmarks left in results/speed/*.json.

    python -m benchmarks.speed.report                     # draws what is there
    python -m benchmarks.speed.report --run all           # measures first, each script with its own defaults
    python -m benchmarks.speed.report --run greedy training

Tracks and designs train for minutes to hours on the data set, so each is run by itself: `python -m
benchmarks.speed.tracks --track T63 --json results/speed/T63.json`. The same records give the same files to the byte.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.files import write_atomic
from benchmarks.formats import escape, table
from benchmarks.report.figures.style import BLUE, GREY, INK, ORANGE, SMALL, Chart, bare, panel, save, sheet
from benchmarks.speed.goals import not_measured, number, shortfalls
from benchmarks.speed.records import Comparison, Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCRIPTS = (
    "startup",
    "use",
    "input_pipeline",
    "training",
    "side_by_side",
    "inference",
    "roofline",
    "greedy",
    "stacking",
    "search",
    "scale",
    "memory",
)
"""Those that measure with their defaults alone, in the order of the report; tracks and designs come last."""

NOTES = {
    "roofline": "The peer is the bound itself, so *times as fast* is the share of it that is reached; behind it stands "
    "which part of the bound arithmetic makes, and which memory. The bound is that of the operators as they are, each "
    "for itself; the arithmetic alone bounds any other way to compute the same products.",
    "use": "deepface runs in an environment of its own (`--deepface PYTHON`; benchmarks/speed/use.py says what is "
    "installed there). Where its weights cannot be fetched they are random, on which its time does not depend.",
    "stacking": "Peers start from probabilities, ours from logits, which it checks and takes the softmax of; ours "
    "chooses its penalty by cross-validation, 13 fits to the peers' one. Peers *from logits* do the same work as ours. "
    "KNORA looks at those images alone on which members disagree, here and in DESlib.",
    **dict.fromkeys(("scale", "memory"), "Members are made up: no store has as many."),
}
"""What a table does not say, by script."""

ROW = 0.22  # inches of a line of the chart
NAMES = 3.3  # inches for the names of its lines


def main(argv: list[str] | None = None) -> int:
    """Returns 0, or 2 where a script fails or a record cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--run", nargs="+", choices=("all", *SCRIPTS), default=[], help="measure these first")
    options = parser.parse_args(argv)
    folder = options.results / "speed"
    try:
        for script in SCRIPTS:
            if script in options.run or "all" in options.run:
                run(script, folder)
        records = read(folder)
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    charts = [path.name for path in save(chart(records), folder / "ratios")] if compared(records) else []
    write_atomic(options.results / "speed.md", markdown(records, charts, (folder / "growth.png").exists()))
    print(f"report: {options.results / 'speed.md'}")
    return 0


def run(script: str, folder: Path) -> None:
    """One script in a process of its own, its output shown; raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", f"benchmarks.speed.{script}", "--json", str(folder / f"{script}.json")]
    subprocess.run(command, check=True)


def read(folder: Path) -> list[Record]:
    """Every record of the folder, in the order of the scripts, then of the files; ValueError where there is none."""
    found = [Record.read(path) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise ValueError(f"no records in {folder}: measure with --run all, or a script with --json {folder}/NAME.json")
    order = {script: place for place, script in enumerate(SCRIPTS)}
    return sorted(found, key=lambda record: order.get(record.script, len(order)))


def markdown(records: Sequence[Record], charts: Sequence[str], growth: bool) -> str:
    """The whole report."""
    blocks = [
        "# Speed",
        "Every figure is measured by `python -m benchmarks.speed.report --run all`, those that train for long by the "
        "script above their table, and drawn from the records in [speed/](speed). Both sides of a comparison work on "
        "the same data in turns; the figures are the best of the rounds, *at least* is the worst case of their ranges. "
        "Targets are ratios where there is a peer.",
        *([f"![How many times as fast as each peer](speed/{charts[0]})"] if charts else []),
        *(_section(record, records) for record in records),
    ]
    if growth:
        blocks.append("## Growth of a selection\n\n![Time against size](speed/growth.png)")
    if awaited := not_measured(records):
        lines = [f"- {target.what}: `{target.command}`" for target in awaited]
        blocks.append("## Not measured here\n\n" + "\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _section(record: Record, records: Sequence[Record]) -> str:
    found = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    head = "What|Unit|Ours|Peer|Theirs|Times as fast|At least|Target"
    rows = [
        [
            one.what,
            one.unit,
            number(one.ours),
            f"{one.peer}: {one.bounded_by}" if one.bounded_by else one.peer or None,
            f"fails: {escape(one.failed)}" if one.failed else number(one.theirs),
            number(one.ratio),
            number(one.least),
            target(one),
        ]
        for one in record.comparisons
    ]
    about = f"{record.hardware}; {found}; code {record.code}. `python -m benchmarks.speed.{record.script}`"
    missed = "\n".join(f"- {sentence}" for sentence in shortfalls(record, records))
    blocks = (f"## {record.title}", about, NOTES.get(record.script), table(head, rows, right={2, 4, 5, 6}), missed)
    return "\n\n".join(block for block in blocks if block)


def target(one: Comparison) -> str | None:
    """The target and how far it is away, in words."""
    if one.target is None:
        return None
    return f"{number(one.target)}, {'reached' if one.reached else 'NOT reached'}"


def compared(records: Sequence[Record]) -> list[tuple[str, Comparison]]:
    """Comparisons that have a peer, each with the name of its line in the chart."""
    found = [(record, one) for record in records for one in record.comparisons if one.ratio is not None]
    return [(f"{record.script.replace('_', ' ')}: {_short(one.peer)}", one) for record, one in found]


def _short(peer: str) -> str:
    return peer if len(peer) <= 40 else peer[:39].rstrip() + "…"


def chart(records: Sequence[Record]) -> Chart:
    """A dot a comparison, a line a script and peer."""
    rows = compared(records)
    names = list(dict.fromkeys(name for name, _ in rows))
    hardware = ", ".join(dict.fromkeys(record.hardware for record in records if compared([record])))
    note = f"Right of 1 ours is faster; a dot is one comparison, a bar its target. {hardware}"
    alt = "; ".join(f"{name} {number(one.ratio)}" for name, one in rows)

    def draw() -> Figure:
        import seaborn

        figure = sheet("How many times as fast as each peer", note, ROW * len(names) + 0.6)
        axes = panel(figure, NAMES, 0.45, 7.2 - NAMES - 0.2, ROW * len(names))
        ratios = [one.ratio for _, one in rows]
        faster = ["faster" if (one.ratio or 0) >= 1 else "slower" for _, one in rows]
        seaborn.stripplot(
            x=ratios,
            y=[name for name, _ in rows],
            order=names,
            hue=faster,
            palette={"faster": BLUE, "slower": ORANGE},
            legend=False,
            jitter=False,
            size=5,
            ax=axes,
        )
        for name, one in rows:
            if one.target is not None:
                axes.plot([one.target] * 2, [names.index(name) - 0.35, names.index(name) + 0.35], color=INK, lw=1.2)
        axes.set_xscale("log")
        axes.axvline(1, color=GREY, lw=0.8)
        axes.grid(axis="x")
        axes.set(xlabel="times as fast", ylabel="")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.tick_params(axis="y", labelsize=SMALL)
        bare(axes, "left")
        return figure

    return Chart("How many times as fast as each peer", alt, draw)


if __name__ == "__main__":
    sys.exit(main())
