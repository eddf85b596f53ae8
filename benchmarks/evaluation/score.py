"""The one look at the test targets: members and fitted ensembles scored, with intervals, paired tests and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.evaluation import metrics
from benchmarks.evaluation.cost import (
    forward_passes,
    mean,
    milliseconds,
    networks,
    pareto_front,
    total,
    total_milliseconds,
    trained_once,
)
from benchmarks.evaluation.diversity import left_out
from benchmarks.evaluation.folds import fits_of
from benchmarks.evaluation.models import ScoredModel, member_labels
from benchmarks.evaluation.significance import bootstrap_intervals, holm, letters, mcnemar, ranks
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles.search import SearchResult

METRICS = {  # beside accuracy, on test
    "macro_f1": metrics.macro_f1,
    "balanced_accuracy": metrics.balanced_accuracy,
    "kappa": metrics.cohen_kappa,
    "auroc": metrics.macro_auroc,
    "auprc": metrics.macro_auprc,
    "log_loss": metrics.log_loss,
    "brier": metrics.brier_score,
    "ece": metrics.expected_calibration_error,
}


def score(
    rows: Sequence[ScoredModel],
    predictions: Sequence[Predictions],
    found: Sequence[SearchResult],
    targets: Targets,
    excluded: Sequence[Predictions] = (),
) -> dict[str, Any]:
    """`members` and `ensembles` of the results, in the given order; `rows` are those of `predict_rows`.

    All rows share their bootstrap draws and their ranks. The single member that ensembles are compared with is the
    best on val, not on test: a choice one could have made. Members `excluded` are scored as the others, after them, and
    have no part in ensembles nor in that choice.
    """
    everyone = [*predictions, *excluded]
    val_accuracy = [float((one.val.argmax(1) == targets.val).mean()) for one in everyone]
    fitted = [one for one in found if one.ensembler is not None]
    correct = np.stack([metrics.correctness(row.test, targets.test) for row in rows])
    members = [
        {**_member(one, targets), "label": label, "val_accuracy": accuracy, **_validation(row, targets)}
        for one, label, accuracy, row in zip(everyone, member_labels(everyone), val_accuracy, rows, strict=False)
    ]
    candidates = members[: len(predictions)]
    described = [*members, *(_ensemble(one, candidates) for one in fitted)]
    for description, one, row in zip(described[len(members) :], fitted, rows[len(members) :], strict=True):
        assert one.ensembler is not None
        used = one.ensembler.members_used_.tolist()
        description["left_out"] = left_out(row, rows[: len(candidates)], used, targets.val)
    names = [one.name for one in fitted]
    uniform = len(members) + names.index("uniform") if "uniform" in names else None
    single = int(np.argmax(val_accuracy[: len(candidates)]))
    scores = _scores([row.test for row in rows], correct, targets, single)
    compared = _compared(correct, single, uniform)
    whole = [{**row, **own, **other} for row, own, other in zip(described, scores, compared, strict=True)]
    front = pareto_front([row["test_accuracy"] for row in whole], [row["flops"] for row in whole])
    for description, pareto in zip(whole, front, strict=True):
        description["pareto"] = pareto
    scored = {row["name"]: row for row in whole[len(members) :]}
    failures = {one.name: {"name": one.name, "title": one.title, "error": one.error} for one in found}
    return {"members": whole[: len(members)], "ensembles": [scored.get(one.name, failures[one.name]) for one in found]}


def _compared(correct: np.ndarray, single: int, uniform: int | None) -> list[dict[str, float]]:
    """McNemar's p of every row against the best single member and the uniform average, as it is and Holm-adjusted over
    the family of all rows but the one they are compared with."""
    compared: list[dict[str, float]] = [{} for _ in correct]
    for key, reference in (("p_best_single", single), ("p_uniform", uniform)):
        if reference is None:
            continue
        p = np.array([mcnemar(row, correct[reference]) for row in correct])
        adjusted = np.insert(holm(np.delete(p, reference)), reference, 1.0)
        for row, value, corrected in zip(compared, p, adjusted, strict=True):
            row[key], row[f"{key}_holm"] = float(value), float(corrected)
    return compared


def _scores(rows: Sequence[np.ndarray], correct: np.ndarray, of: Targets, single: int) -> list[dict[str, Any]]:
    """Test scores of every row, and its difference in accuracy to the best single member with a paired interval."""
    targets = of.test
    accuracies = correct.mean(axis=1)
    paired = correct.astype(np.int8) - correct[single]
    intervals, differences = np.split(bootstrap_intervals(np.concatenate([correct, paired]), groups=of.test_groups), 2)
    places, shared = ranks(accuracies.tolist(), correct), letters(accuracies.tolist(), correct)
    return [
        {
            "test_accuracy": float(accuracies[index]),
            "test_interval": [float(bound) for bound in intervals[index]],
            **{f"test_{name}": _defined(metric(row, targets)) for name, metric in METRICS.items()},
            "test_class_f1": metrics.class_f1(row, targets),
            "difference": float(accuracies[index] - accuracies[single]),
            "difference_interval": [float(bound) for bound in differences[index]],
            "rank": places[index],
            "letters": shared[index],
        }
        for index, row in enumerate(rows)
    ]


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else value


def _validation(row: ScoredModel, targets: Targets) -> dict[str, float]:
    """What val says of a member beside its accuracy."""
    return {
        "val_macro_f1": metrics.macro_f1(row.val, targets.val),
        "val_log_loss": metrics.log_loss(row.val, targets.val),
        "val_ece": metrics.expected_calibration_error(row.val, targets.val),
    }


def _member(one: Predictions, targets: Targets) -> dict[str, Any]:
    provenance = one.provenance
    copied = ("train_seconds", "images_per_second", "device", "tta", "best_epoch", "reference", "code")
    about, params, macs = one.configuration.described(), provenance.get("params"), provenance.get("macs")
    passes = forward_passes(provenance.get("tta"), about.get("recipe"))
    return {
        **about,
        "params": networks(about.get("recipe")) * params if params else None,
        "flops": 2 * passes * macs if macs else None,
        "ms_per_image": milliseconds(provenance.get("inference_seconds"), len(targets.val) + len(targets.test)),
        "hash": one.configuration.hash,
        "extra_data": provenance.get("extra_data", "none"),
        "source": provenance.get("source"),
        **{key: provenance.get(key) for key in copied},
        **_extra_labels([provenance]),
        **({"weights_of": provenance["weights_of"]} if provenance.get("weights_of") else {}),
    }


def _ensemble(one: SearchResult, members: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is known of a fitted ensembler without a look at test."""
    assert one.ensembler is not None
    used = [members[index] for index in one.ensembler.members_used_]
    fits = [[members[index] for index in fit] for fit in fits_of(one.ensembler)]
    every = [member["label"] for member in members]
    weights = one.ensembler.weights_
    return {
        "name": one.name,
        "title": one.title,
        "reference": one.ensembler.reference,
        "fitted_on": one.fitted_on,
        "fit_accuracy": one.fit_accuracy,
        "cross_fit_accuracy": one.cross_fit_accuracy,
        "members_used": [member["label"] for member in used],
        "weights": None if weights is None else dict(zip(every, np.asarray(weights).tolist(), strict=True)),
        "flops": mean([total(fit, "flops") for fit in fits]),
        **{key: mean([total(trained_once(fit), key) for fit in fits]) for key in ("params", "train_seconds")},
        "ms_per_image": mean([total_milliseconds(fit) for fit in fits]),
        **({"models": mean([len(fit) for fit in fits])} if len(fits) > 1 else {}),
        "error": None,
        **_extra_labels(used),
    }


def _extra_labels(models: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What any of them learnt from beside the suite's own labels; nothing where none did."""
    names = sorted({model["extra_labels"] for model in models if model.get("extra_labels")})
    return {"extra_labels": ", ".join(names)} if names else {}
