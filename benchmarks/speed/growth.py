"""How the time of a selection grows with members, samples, classes and steps.

    python -m benchmarks.speed.growth [--results results]

Each is varied alone, from 50 members of FER2013's shape and 25 steps; the figure and its numbers go to
`results/speed/growth.{csv,png,svg}`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.files import csv_text_of, write_atomic
from benchmarks.speed.timing import header, made_up, timed
from ensembles import Ensembler
from ensembles.greedy import GreedyBagged
from ensembles.selection import Greedy
from ensembles.weighting import Weighted

USUAL = {"members": 50, "samples": 3589, "classes": 7, "steps": 25}
VARIED = {
    "members": (10, 20, 50, 100, 200, 400),
    "samples": (500, 1000, 2000, 4000, 8000, 16000),
    "classes": (2, 4, 8, 16, 32, 64, 128),
    "steps": (5, 10, 25, 50, 100, 200),
}
METHODS: dict[str, Callable[[int], Ensembler]] = {
    "greedy, accuracy": lambda steps: Greedy(steps=steps),
    "greedy, log-loss": lambda steps: Greedy(steps=steps, metric="log_loss"),
    "greedy, 20 bags": lambda steps: GreedyBagged(steps=steps),
    "optimal weights": lambda steps: Weighted(),
}
Row = dict[str, str | int | float]


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and draws."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--results", type=Path, default=Path("results"))
    arguments.add_argument("--repeats", type=int, default=3)
    options = arguments.parse_args(argv)
    title = header("Growth of the time of a selection")
    print(title)
    rows = measure(options.repeats)
    folder = options.results / "speed"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "growth.csv", csv_text_of(rows))
    draw(rows, title.splitlines()[1], folder)
    print(f"figure: {folder / 'growth.png'}")


def measure(repeats: int) -> list[Row]:
    """A row a method and setting: what is varied, its value, and the best of `repeats` wall times in seconds."""
    rows: list[Row] = []
    for varied, values in VARIED.items():
        for value in values:
            setting = {**USUAL, varied: value}
            data = made_up(setting["members"], setting["samples"], setting["classes"])
            for method, build in METHODS.items():
                if varied == "steps" and method == "optimal weights":
                    continue
                timing, _ = timed(partial(build(setting["steps"]).fit, *data), repeats)
                rows.append({"varied": varied, "value": value, "method": method, "seconds": round(timing.best, 5)})
        last = [row for row in rows if (row["varied"], row["value"]) == (varied, values[-1])]
        found = [f"{row['method']} {row['seconds']:.3f} s" for row in last]
        print(f"  {varied} up to {values[-1]:,}: {', '.join(found)}")
    return rows


def draw(rows: list[Row], hardware: str, folder: Path) -> None:
    """Four panels with logarithmic axes: a line a method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 3.4), layout="constrained")
    panels = figure.subplots(1, len(VARIED), sharey=True)
    for axes, varied in zip(panels, VARIED, strict=True):
        for method in METHODS:
            line = [row for row in rows if row["varied"] == varied and row["method"] == method]
            axes.loglog(
                [row["value"] for row in line], [row["seconds"] for row in line], "o-", markersize=3, label=method
            )
        axes.set_xlabel(varied)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("seconds")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center", frameon=False, fontsize=8)
    usual = ", ".join(f"{value:,} {name}" for name, value in USUAL.items())
    figure.suptitle(f"Seconds a selection takes, one size varied and the others {usual}\n{hardware}", fontsize=8)
    for suffix in ("png", "svg"):
        figure.savefig(folder / f"growth.{suffix}", dpi=160)


if __name__ == "__main__":
    main()
