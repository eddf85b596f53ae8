"""All figures of a suite: pure functions of its results and of the training histories beside its predictions.

Each is a PNG, which is committed, and an SVG beside it, which is not, in results/<suite>/figures; a figure that the
results have nothing for is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import beside
from benchmarks.report.epochs import History
from benchmarks.report.figures import kept
from benchmarks.report.figures.annotator_agreement import agreement
from benchmarks.report.figures.benchmark_chart import benchmark
from benchmarks.report.figures.calibration import reliability
from benchmarks.report.figures.classes import class_scores, confusion
from benchmarks.report.figures.cost import cost, size
from benchmarks.report.figures.curves import histories, training
from benchmarks.report.figures.differences import differences
from benchmarks.report.figures.diversity import disagreement, kappa_error
from benchmarks.report.figures.equal_time import equal_time
from benchmarks.report.figures.glyphs import drawable, missing
from benchmarks.report.figures.members import validation
from benchmarks.report.figures.risk_coverage import risk_coverage
from benchmarks.report.figures.scores import scores
from benchmarks.report.figures.sets import sets
from benchmarks.report.figures.style import SUFFIXES, Chart, save
from benchmarks.results import Results

FOLDER = "figures"
TELLING = (
    "benchmark", "differences", "scores", "risk_coverage", "sets", "size", "cost", "class_scores", "confusion",
    "reliability", "disagreement",
)  # fmt: skip
DEAREST = "benchmark", "disagreement", "validation", "equal_time"
"""Begun first, the dearest at the head: none is then left to one process at the end."""


class Entry(NamedTuple):
    """A figure in a report: its PNG, relative to results/<suite>, its title, and its text for who cannot see it."""

    file: str
    title: str
    alt: str


def charts(results: Results, known: Mapping[str, History] | None = None) -> dict[str, Chart | None]:
    """Return every figure by the name of its files; None where the results have nothing to show.

    Nothing is drawn yet.

    `known` are the `histories` of the members; without them there are no training curves.
    """
    return {
        "benchmark": benchmark(results),
        "differences": differences(results),
        "scores": scores(results),
        "risk_coverage": risk_coverage(results),
        "sets": sets(results),
        "size": size(results),
        "cost": cost(results),
        "validation": validation(results),
        "training": training(results, known or {}),
        "equal_time": equal_time(results, known or {}),
        "class_scores": class_scores(results),
        "confusion": confusion(results),
        "reliability": reliability(results),
        "disagreement": disagreement(results),
        "kappa_error": kappa_error(results),
        "agreement": agreement(results),
    }


def index(results: Results, names: Sequence[str] = TELLING) -> list[Entry]:
    """Return those of the named figures that these results have, in the order in which a report shows them."""
    drawn = charts(results)
    shown = [(name, drawn[name]) for name in names]
    return [Entry(f"{FOLDER}/{name}.png", chart.title, chart.alt) for name, chart in shown if chart is not None]


def draw(results: Results, folder: Path, jobs: int = 1, *, fresh: bool = False) -> list[Path]:
    """Draw every figure into `folder`/figures, and remove those that there no longer are; return the paths.

    Byte-identical for the same results: one that shows what it did is not drawn again, unless `fresh` asks for it.
    `folder` is results/<suite>. With several `jobs`, joblib's processes draw: those that searched ensembles are still
    there.
    """
    return begin(results, folder, jobs, fresh=fresh)()


def begin(results: Results, folder: Path, jobs: int = 1, *, fresh: bool = False) -> Callable[[], list[Path]]:
    """Begin what `draw` does, and return what waits for it: with several `jobs`, this process may go on meanwhile."""
    known = {drawable(label): history for label, history in histories(results, folder / "predictions").items()}
    everything = charts(drawable(results), known)
    shown = {name: chart for name, chart in everything.items() if chart is not None}
    for stem in (folder / FOLDER / name for name in everything if name not in shown):
        for suffix in SUFFIXES:
            stem.with_suffix(f".{suffix}").unlink(missing_ok=True)
    decided_by = kept.decisive(shown)
    record = {} if fresh else kept.still_there(folder, decided_by)
    waiting = [name for name in shown if name not in record]
    new = [*(name for name in DEAREST if name in waiting), *(name for name in waiting if name not in DEAREST)]
    drawn = beside(save, [(shown[name], folder / FOLDER / name) for name in new], jobs)

    def waited() -> list[Path]:
        for name, paths in zip(new, drawn(), strict=True):
            record[name] = kept.described(folder, decided_by[name], paths)
        kept.keep(folder, {name: record[name] for name in shown})
        return [folder / name for figure in shown for name in record[figure]["files"]]

    return waited


def lacking_fonts(results: Results) -> str | None:
    """Say which characters in names of classes and models the figures write as code points, and what would help."""
    names = [*results["classes"], *(row["label"] for row in results["members"])]
    characters = sorted(missing(names))
    if not characters:
        return None
    shown = f"{len(characters)} characters" if len(characters) > 1 else "a character"
    return (
        f"the figures write {shown} of names as code points ({drawable(characters[0])} is {characters[0]}): no font "
        "for them is installed; with one, such as Noto Sans or GNU Unifont, the next run shows them"
    )
