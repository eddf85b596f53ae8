"""The one look at the test targets: members and fitted ensembles scored, with intervals, paired tests and ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import metrics
from benchmarks.predictions import Predictions, Targets
from benchmarks.significance import bootstrap_intervals, mcnemar, ranks
from benchmarks.tables import labels
from ensembles import softmax
from ensembles.search import Found


def score(predictions: Sequence[Predictions], found: Sequence[Found], targets: Targets) -> dict[str, Any]:
    """`members` and `ensembles` of the results: rows in the given order.

    All rows share their bootstrap draws and their ranks. The single member that ensembles are compared with is the
    best on val, not on test: a choice one could have made.
    """
    test = np.stack([one.test for one in predictions])
    val_accuracy = [float((one.val.argmax(1) == targets.val).mean()) for one in predictions]
    probabilities = [softmax(logits) for logits in test]
    fitted = {one.name: one.ensembler.predict_proba(test) for one in found if one.ensembler is not None}
    rows = [*probabilities, *fitted.values()]
    correct = np.stack([metrics.correctness(row, targets.test) for row in rows])
    scores = _scores(rows, correct, targets.test)
    names = labels((one.configuration.name, one.configuration.seed) for one in predictions)
    members = [
        {**_member(one), "label": name, "val_accuracy": accuracy, **row}
        for one, name, accuracy, row in zip(predictions, names, val_accuracy, scores, strict=False)
    ]
    by_name = dict(zip(fitted, range(len(probabilities), len(rows)), strict=True))
    single = int(np.argmax(val_accuracy))
    ensembles = []
    for one in found:
        row = by_name.get(one.name)
        judged = {} if row is None else {**scores[row], "p_best_single": mcnemar(correct[row], correct[single])}
        if row is not None and "uniform" in by_name:
            judged["p_uniform"] = mcnemar(correct[row], correct[by_name["uniform"]])
        ensembles.append({**_ensemble(one, members), **judged})
    return {"members": members, "ensembles": ensembles}


def _scores(rows: Sequence[np.ndarray], correct: np.ndarray, targets: np.ndarray) -> list[dict[str, Any]]:
    accuracies = correct.mean(axis=1)
    intervals = bootstrap_intervals(correct)
    places = ranks(accuracies.tolist(), correct)
    return [
        {
            "test_accuracy": float(accuracies[index]),
            "test_interval": [float(bound) for bound in intervals[index]],
            "test_macro_f1": metrics.macro_f1(row, targets),
            "test_log_loss": metrics.log_loss(row, targets),
            "test_ece": metrics.expected_calibration_error(row, targets),
            "rank": places[index],
        }
        for index, row in enumerate(rows)
    ]


def _member(one: Predictions) -> dict[str, Any]:
    provenance = one.provenance
    copied = ("params", "train_seconds", "images_per_second", "device", "tta", "best_epoch", "reference", "code")
    return {
        **one.configuration.described(),
        "flops": 2 * provenance["macs"] if provenance.get("macs") else None,
        "hash": one.configuration.hash,
        "extra_data": provenance.get("extra_data", "none"),
        "source": provenance.get("source"),
        **{key: provenance.get(key) for key in copied},
    }


def _ensemble(one: Found, members: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if one.ensembler is None:
        return {"name": one.name, "title": one.title, "error": one.error}
    used = [members[index] for index in one.ensembler.members_used_]
    every = [member["label"] for member in members]
    weights = one.ensembler.weights_
    return {
        "name": one.name,
        "title": one.title,
        "reference": one.ensembler.reference,
        "fit_accuracy": one.fit_accuracy,
        "cross_fit_accuracy": one.cross_fit_accuracy,
        "members_used": [member["label"] for member in used],
        "weights": None if weights is None else dict(zip(every, np.asarray(weights).tolist(), strict=True)),
        "params": _total(used, "params"),
        "flops": _total(used, "flops"),
        "train_seconds": _total(used, "train_seconds"),
        "error": None,
    }


def _total(members: Sequence[dict[str, Any]], key: str) -> float | None:
    values = [member[key] for member in members]
    return None if any(value is None for value in values) else sum(values)
