"""A new metric is one edit: what is registered stands in results.json and in every report."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.evaluation import metrics
from benchmarks.evaluation.evaluate import evaluate
from benchmarks.files import json_text
from benchmarks.pipeline import search_fold
from benchmarks.report import leaderboard
from benchmarks.report.figures import charts
from benchmarks.report.latex import tex_table
from benchmarks.report.page.suite_page import page
from benchmarks.results import Results
from benchmarks.session import Options, Session
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.generated import stored_predictions

pytestmark = pytest.mark.usefixtures("nowhere_else")


@pytest.fixture
def top_two() -> Iterator[None]:
    """Registered for a while: the share of images whose target is one of the two most probable classes."""

    @metrics.metric(
        "top_two", "Top 2", "target among the two best", percent=True, shown=("ranking", "latex", "validation")
    )
    def score(probabilities: np.ndarray, targets: np.ndarray) -> float:
        best = np.argsort(-probabilities, axis=1)[:, :2]
        return float((best == targets[:, None]).any(axis=1).mean())

    yield
    del metrics.METRICS["top_two"]


def evaluated(folder: Path, targets: Targets) -> tuple[Results, float]:
    """Results as a file holds them, and the first member's expected score on test, in per cent."""
    store = PredictionStore(folder / "fer2013" / "predictions")
    save_targets(store.folder, targets)
    some = [stored_predictions(store, targets, name, skill=1.5) for name in ("vgg_fer", "resnet18")]
    session = Session(Options("fer2013", results=folder, ensemblers=("best_single", "uniform")))
    searched = search_fold(session, session.folds[0], some)
    found: Any = evaluate(session.suite, searched, folder, not_run=[], notes=[])
    order = np.argsort(-some[0].test, axis=1)[:, :2]
    return json.loads(json_text(found)), 100 * float((order == targets.test[:, None]).any(axis=1).mean())


def test_a_registered_metric_stands_in_results_and_every_report(tmp_path: Path, faces: Targets, top_two: None):
    results, expected = evaluated(tmp_path, faces)
    assert results["metrics"][-1]["name"] == "top_two"
    assert results["members"][0]["test_metrics"]["top_two"] == pytest.approx(expected / 100, abs=1e-6)
    assert "top_two" in results["ensembles"][0]["test_metrics"] and "top_two" in results["members"][0]["val_metrics"]

    (row,) = (row for row in csv.DictReader(io.StringIO(leaderboard.csv_table(results))) if row["name"] == "vgg_fer")
    assert row["top_two"] == f"{expected / 100:.6f}" and list(row).index("top_two") == list(row).index("aurc") + 1

    ranking, everything = (
        leaderboard.markdown(results).split(f"## {title}\n")[1].split("\n## ")[0]
        for title in ("Ranking", "All metrics")
    )
    assert "| ECE | Top 2 | Models |" in ranking and f"| {expected:.2f} |" in ranking
    assert "| AURC | Top 2, % |" in everything and "Top 2: target among the two best." in everything
    assert "ECE & Top 2 & Models" in tex_table(results) and f"& {expected:.2f} &" in tex_table(results)

    text = page(results, tmp_path / "fer2013")
    assert 'data-key="top_two"' in text and f">{expected:.2f}</td>" in text
    assert "Target among the two best, in per cent; higher is better" in text
    chart = charts(results)["validation"]
    assert chart is not None and "top 2" in chart.alt


def test_without_it_no_report_knows_it(tmp_path: Path, faces: Targets):
    results, _ = evaluated(tmp_path, faces)
    assert "top_two" not in json_text(results) and "Top 2" not in leaderboard.markdown(results)


def test_names_and_columns_of_metrics_are_unique_and_not_those_of_a_row():
    names = [column["name"] for column in metrics.columns()]
    head = leaderboard.csv_columns({"metrics": metrics.columns()})
    assert len(set(names)) == len(names) and len(set(head)) == len(head)


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="two metrics are called 'ece'"):
        metrics.metric("ece", "Mine", "another one")(lambda probabilities, targets: 0.0)
