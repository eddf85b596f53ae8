"""Precision, recall and F1 by class, against scikit-learn; and the epoch log's best so far."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.evaluation import metrics
from benchmarks.evaluation.figure_data import confusions
from benchmarks.evaluation.models import ScoredModel
from benchmarks.report.classification import confusion_csv, lines, markdown
from benchmarks.report.epochs import epoch_log
from tests.helpers.results import blank_results

CLASSES = ("a", "b", "c", "d")


@pytest.mark.parametrize("labels", [4, 3, 2])
def test_every_number_is_scikit_learns(labels: int):
    from sklearn.metrics import classification_report

    random = np.random.default_rng(labels)
    targets, probabilities = random.integers(0, labels, 80), random.random((80, 4))
    probabilities[:, 3] = 0.0  # never predicted, and with few labels no target either
    counts = metrics.confusion_matrix(probabilities, targets)
    predicted = probabilities.argmax(axis=1)
    expected = classification_report(targets, predicted, output_dict=True, zero_division=0)
    averages = {"macro average": "macro avg", "weighted average": "weighted avg"}
    for line in lines(counts.tolist(), CLASSES):
        if line.name == "accuracy":
            assert line.precision == line.recall == line.f1 == pytest.approx(expected["accuracy"])
            continue
        key = averages.get(line.name) or str(CLASSES.index(line.name))
        want = expected.get(key, {"precision": 0.0, "recall": 0.0, "f1-score": 0.0, "support": 0.0})
        found = (line.precision, line.recall, line.f1, line.support)
        assert found == pytest.approx((want["precision"], want["recall"], want["f1-score"], want["support"]))


def test_macro_f1_is_that_of_the_leaderboard():
    random = np.random.default_rng(0)
    targets, probabilities = random.integers(0, 4, 50), random.random((50, 4))
    found = {line.name: line for line in lines(metrics.confusion_matrix(probabilities, targets).tolist(), CLASSES)}
    assert found["macro average"].f1 == pytest.approx(metrics.macro_f1(probabilities, targets))


def test_members_and_the_headline_are_reported_and_no_other_ensemble():
    same = np.eye(2)[[0, 1]]
    rows = [ScoredModel(kind, name, name, same, same) for kind, name in
            (("member", "net"), ("ensemble", "uniform"), ("ensemble", "greedy"))]  # fmt: skip
    assert [row["name"] for row in confusions(rows, np.array([0, 1]), "greedy")] == ["net", "greedy"]


def test_confusions_are_those_of_scikit_learn_as_text_and_as_csv():
    from sklearn.metrics import confusion_matrix

    random = np.random.default_rng(3)
    targets, probabilities = random.integers(0, 4, 2000), random.random((2000, 4))
    counts = metrics.confusion_matrix(probabilities, targets)
    assert counts.tolist() == confusion_matrix(targets, probabilities.argmax(1)).tolist()
    model = {"kind": "ensemble", "name": "mean", "title": "Mean", "counts": counts.tolist()}
    results = blank_results(classes=["a", "b|c", "$d$", "e"], confusions=[model])
    header, *rows = csv.reader(io.StringIO(confusion_csv(results)))
    assert header == ["kind", "name", "class", "as a", "as b|c", "as $d$", "as e"]
    assert [list(map(int, row[3:])) for row in rows] == counts.tolist()
    assert {tuple(row[:2]) for row in rows} == {("ensemble", "Mean")}
    text = markdown(results)
    assert r"| true class | a | b\|c | $d$ | e |" in text
    assert f"| a | {' | '.join(f'{count:,}' for count in counts[0])} |" in text


def test_the_epoch_log_marks_the_epoch_that_was_kept(tmp_path: Path):
    history = "epoch,val_loss,val_accuracy\n1,1.0,0.5\n2,0.9,0.4\n3,0.8,0.5\n4,0.9,0.5\n"
    (tmp_path / "net.s0.abc.csv").write_text(history)
    results: Any = {"members": [{"name": "net", "label": "net", "seed": 0, "hash": "abc"}]}
    found = list(csv.DictReader(io.StringIO(epoch_log(results, tmp_path))))
    assert [row["best_so_far"] for row in found] == ["0.5"] * 4
    assert [row["new_best"] for row in found] == ["yes", "", "yes", ""]
    assert {row["train_loss"] for row in found} == {""}


def test_a_member_without_history_has_no_line(tmp_path: Path):
    results: Any = {"members": [{"name": "mine", "label": "mine", "seed": None, "hash": "abc"}]}
    assert len(epoch_log(results, tmp_path).splitlines()) == 1
