"""Which curve stands for a backbone at equal training time, and what the figure says of it."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.report.epochs import History
from benchmarks.report.figures.equal_time import HOURS, curves_of, equal_time
from benchmarks.results.row_classes import EXTRA_LABELS, SHORT_BUDGET, RowClass
from tests.helpers.results import blank_results


def row(name: str, device: str | None = "AMD EPYC, 2 cores", classes: tuple[RowClass, ...] = ()) -> Any:
    return SimpleNamespace(name=name, title=name, device=device, row_classes=classes)


def history(*points: tuple[float, float]) -> History:
    """Of hours on two cores and accuracies."""
    return {"seconds": [1800 * hours for hours, _ in points], "val_accuracy": [accuracy for _, accuracy in points]}


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    rows: list[Any] = []
    module = importlib.import_module("benchmarks.report.figures.equal_time")  # the package has a function of that name
    monkeypatch.setattr(module, "member_rows", lambda results: rows)
    return rows


def test_of_each_backbone_the_recipe_that_is_best_within_the_budget_stands(rows: list[Any]):
    rows += [row("vgg"), row("vgg@long"), row("res@muon"), row("net"), row("gpu", "NVIDIA H200"), row("odd", None)]
    rows += [row("voted", classes=(EXTRA_LABELS,)), row("short", classes=(SHORT_BUDGET,)), row("slow"), row("unknown")]
    known = {
        "vgg": history((0.5, 0.5), (1.0, 0.66), (1.5, 0.6)),
        "vgg@long": history((1.5, 0.6), (2.5, 0.9)),
        "res@muon": history((1.0, 0.7), (2.0, 0.71)),
        "net": history((0.1, 0.3)),
        "short": history((0.1, 0.2)),
        "slow": history((2.1, 0.99)),
        **{name: history((0.1, 0.95)) for name in ("gpu", "odd", "voted")},
    }
    guides = ("teacher", "judge", "annotator")
    rows += [*(row(f"by_{guide}") for guide in guides), row("vgg@from_kdef")]
    known |= {name: history((0.1, 0.95)) for name in (*(f"by_{guide}" for guide in guides), "vgg@from_kdef")}
    results = blank_results(members=[{"name": one.name, "recipe": None} for one in rows])
    for place, guide in enumerate(guides, start=-4):
        results["members"][place]["recipe"] = {"labels": {guide: "net"}}
    curves = curves_of(results, known)
    assert [(one.backbone, one.within) for one in curves] == [
        ("res", 71.0),
        ("vgg", 66.0),
        ("net", 30.0),
        ("short", 20.0),
    ]
    assert curves[1].hours == (0.5, 1.0, 1.5) and curves[1].accuracy == (50.0, 66.0, 66.0), "never falls"
    chart = equal_time(results, known)
    assert chart is not None
    reached = f"res reaches 71.0 % on val split within {HOURS:g} core-hours"
    assert chart.title == f"{reached}; none of the other 3 backbones come within 2 points"


@pytest.mark.parametrize(
    ("accuracies", "said"),
    [
        ((0.71, 0.70, 0.60, 0.50), "1 of the other 3 backbones comes within 2 points"),
        ((0.71, 0.70, 0.70, 0.50), "2 of the other 3 backbones come within 2 points"),
        ((0.71, 0.70, 0.70), "all 2 others come within 2 points"),
    ],
)
def test_the_title_counts_who_comes_near(rows: list[Any], accuracies: tuple[float, ...], said: str):
    names = [f"net{place}" for place in range(len(accuracies))]
    rows += [row(name) for name in names]
    known = {name: history((1.0, accuracy)) for name, accuracy in zip(names, accuracies, strict=True)}
    chart = equal_time(blank_results(members=[{"name": name, "recipe": None} for name in names]), known)
    assert chart is not None and chart.title.endswith(f"; {said}")


def test_two_backbones_are_no_comparison(rows: list[Any]):
    rows += [row("vgg"), row("vgg@long"), row("res")]
    known = {name: history((0.5, 0.5)) for name in ("vgg", "vgg@long", "res")}
    results = blank_results(members=[{"name": one.name, "recipe": None} for one in rows])
    assert equal_time(results, known) is None and equal_time(results, {}) is None
