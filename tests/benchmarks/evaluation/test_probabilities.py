"""What results hold of probabilities, against the leaderboard's own numbers and a naive bootstrap; what is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.evaluation.reliability import class_calibration_errors
from benchmarks.report import leaderboard
from benchmarks.report.probabilities import probabilities_csv, probabilities_page
from benchmarks.report.sections.probabilities import separation
from benchmarks.results.separation import counted
from benchmarks.store.targets import Targets
from tests.helpers.evaluated import evaluated
from tests.helpers.generated import FACES
from tests.helpers.results import blank_results

pytestmark = pytest.mark.usefixtures("nowhere_else")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Any:
    random = np.random.default_rng(0)
    targets = Targets(random.integers(0, 7, 400), random.integers(0, 7, 500), "f" * 32, FACES, train_size=500)
    members = (("vgg_fer", 0, 1.5), ("resnet18", 0, 1.4), ("mini_xception", 0, 1.3))
    return evaluated(tmp_path_factory.mktemp("probabilities"), targets, *members)


def test_all_rows_are_measured_and_their_scores_are_the_leaderboards(results: Any):
    rows = results["probabilities"]["rows"]
    entries = [*results["members"], *results["ensembles"]]
    assert len(rows) == len(entries)
    for row, entry in zip(rows, entries, strict=True):
        scores, metrics = row["scores"], entry["test_metrics"]
        assert scores["accuracy"]["value"] == entry["test_accuracy"]
        assert [scores[name]["value"] for name in ("log_loss", "brier", "aurc")] == [
            metrics[name] for name in ("log_loss", "brier", "aurc")
        ]
        assert row["recalibrated"]["classwise_ece"]["none"] == metrics["classwise_ece"]


def test_draws_are_those_of_the_leaderboards_intervals(results: Any):
    for row, entry in zip(results["probabilities"]["rows"], [*results["members"], *results["ensembles"]], strict=True):
        accuracy = row["scores"]["accuracy"]
        assert accuracy["interval"] == pytest.approx(entry["test_interval"], abs=1e-6)
        assert accuracy["single_interval"] == pytest.approx(entry["difference_interval"], abs=1e-6)


def test_a_row_is_not_apart_from_itself(results: Any):
    known = results["probabilities"]
    (single,) = [row for row in known["rows"] if row["kind"] == "member" and row["title"] == known["single"]]
    (uniform,) = [row for row in known["rows"] if row["name"] == "uniform"]
    for score in single["scores"].values():
        assert score["single"] == 0 and score["single_interval"] == [0, 0]
    for score in uniform["scores"].values():
        assert score["uniform"] == 0 and score["uniform_interval"] == [0, 0]
        assert score["single_interval"][0] <= score["single"] <= score["single_interval"][1]


def test_audit_and_probabilities_agree_on_what_a_temperature_does(results: Any):
    for row, audited in zip(results["probabilities"]["rows"], results["audit"]["rows"], strict=True):
        assert row["scores"]["log_loss_scaled"]["value"] == audited["log_loss_scaled"]
        assert row["recalibrated"]["ece"]["temperature"] == audited["ece_scaled"]


def test_sets_and_answers_add_up(results: Any):
    for row in results["probabilities"]["rows"]:
        for sets in (row["sets"], row["class_sets"]):
            size = sum(share * (place + 1) for place, share in enumerate(sets["sizes"]))
            assert size == pytest.approx(sets["size"], abs=1e-4) and sets["alone"] == sets["sizes"][0]
            assert 0.8 < sets["covered"] <= 1
        answered = [one["answered"] for one in row["selective"] if one["answered"] is not None]
        assert answered == sorted(answered, reverse=True)


def test_class_calibration_errors_are_those_of_a_loop():
    random = np.random.default_rng(0)
    probabilities, targets = random.dirichlet(np.ones(3), 200), random.integers(0, 3, 200)
    for label, found in enumerate(class_calibration_errors(probabilities, targets, bins=5)):
        expected = 0.0
        for low in np.arange(5) / 5:
            inside = (probabilities[:, label] > low) & (probabilities[:, label] <= low + 0.2)
            expected += abs((probabilities[inside, label] - (targets[inside] == label)).sum()) / 200
        assert found == pytest.approx(expected)


def test_the_headline_says_what_separates_and_what_does_not(results: Any):
    row = _row(
        "greedy", accuracy=[-0.004, 0.011], log_loss=[-0.02, -0.008], brier=[-0.006, 0.001], aurc=[-0.01, -0.001]
    )
    rows = {"single": "tiny", "coverage": 0.9, "rows": [row], "curves": []}
    said = separation(blank_results(headline="greedy", probabilities=rows))
    assert said == (
        "Accuracy cannot tell the two apart on 1,000 images (paired 95 % interval -0.40 to +1.10 points); log-loss "
        "does, lower is better: -0.0140 [-0.0200, -0.0080], and so does the area under the risk-coverage curve."
    )
    assert counted([row], "log_loss") == (1, 0) and counted([row], "accuracy") == (0, 0)
    nothing = {**rows, "rows": [_row("greedy", *([[-0.1, 0.1]] * 4))]}
    assert "nor can log-loss" in separation(blank_results(headline="greedy", probabilities=nothing))
    assert separation(blank_results(headline=None, probabilities=rows)) == ""


def _row(name: str, accuracy: Any, log_loss: Any, brier: Any, aurc: Any) -> Any:
    scores = {"accuracy": accuracy, "log_loss": log_loss, "brier": brier, "aurc": aurc}
    paired = {
        key: {"value": 0.5, "single": sum(interval) / 2, "single_interval": interval}
        for key, interval in scores.items()
    }
    return {"kind": "ensemble", "name": name, "title": name, "scores": paired}


def test_tables_have_every_row_and_fit_a_screen(results: Any):
    page = probabilities_page(results)
    heads = [block.splitlines()[0] for block in page.split("\n\n") if block.startswith("|")]
    assert len(heads) == 8 and max(head.count("|") - 1 for head in heads) <= 11
    lines = probabilities_csv(results).splitlines()
    assert len(lines) == 1 + len(results["probabilities"]["rows"])
    assert "log_loss_single_low" in lines[0] and "asked_85_answered" in lines[0] and "sets_size" in lines[0]
    assert "## Beside accuracy" in leaderboard.markdown(results)
