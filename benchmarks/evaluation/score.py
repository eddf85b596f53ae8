"""The one look at the test targets: members and fitted ensembles scored, with intervals, paired tests and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, cast

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
    total_of_views,
    trained_once,
)
from benchmarks.evaluation.cross_validated import fold_interval
from benchmarks.evaluation.diversity import LeftOutMembers
from benchmarks.evaluation.folds import fits_of
from benchmarks.evaluation.models import ScoredModel, member_labels
from benchmarks.evaluation.significance import bootstrap_means, holm, letters, mcnemar, quantile_intervals, ranks
from benchmarks.results import UNIFORM
from benchmarks.results.analyses import Failed
from benchmarks.results.row_classes import ROW_CLASSES
from benchmarks.results.schema import Ensemble, EnsembleFacts, Member, MemberFacts, Scores
from benchmarks.store.identity import FROM
from benchmarks.store.predictions import Predictions
from benchmarks.store.targets import Targets
from ensembles.search import SearchResult
from zoo.variants import display_title


def score(
    rows: Sequence[ScoredModel],
    predictions: Sequence[Predictions],
    search_results: Sequence[SearchResult],
    targets: Targets,
    excluded: Sequence[Predictions] = (),
) -> tuple[list[Member], list[Ensemble]]:
    """Score members and ensembles on test: `members` and `ensembles` of the results, in the given order.

    `rows` are those of `scored_models`.

    All rows share their bootstrap draws and their ranks. The single member that ensembles are compared with is the best
    on val, not on test: a choice one could have made. Members `excluded` are scored as the others, after them, and have
    no part in ensembles nor in that choice.
    """
    everyone = [*predictions, *excluded]
    fitted = [result for result in search_results if result.ensembler is not None]
    named = zip(everyone, member_labels(everyone), rows[: len(everyone)], strict=True)
    members = [_member(model, label, row, targets) for model, label, row in named]
    candidates, candidate_rows = members[: len(predictions)], rows[: len(predictions)]
    left_out = LeftOutMembers(candidate_rows, targets.val)
    ensembles = [
        _ensemble(result, row, candidates, left_out) for result, row in zip(fitted, rows[len(everyone) :], strict=True)
    ]
    names = [result.name for result in fitted]
    uniform = len(members) + names.index(UNIFORM) if UNIFORM in names else None
    single = int(np.argmax([member["val_accuracy"] for member in candidates]))
    # What may have been chosen on test is measured, and pushes nobody off the front.
    flops = [None if model.get("row_classes") else model["flops"] for model in (*members, *ensembles)]
    scores = _scores(rows, flops, targets, single, uniform)
    return (
        [Member(**facts, **scored) for facts, scored in zip(members, scores[: len(members)], strict=True)],
        [Ensemble(**facts, **scored) for facts, scored in zip(ensembles, scores[len(members) :], strict=True)],
    )


def failures(search_results: Sequence[SearchResult]) -> list[Failed]:
    """List the ensemblers that could not be fitted: `failed` of the results."""
    return [
        Failed(name=result.name, title=result.title, error=result.error)
        for result in search_results
        if result.error is not None
    ]


def _scores(
    rows: Sequence[ScoredModel], flops: Sequence[float | None], of: Targets, single: int, uniform: int | None
) -> list[Scores]:
    """Score every row on test, and compare its accuracy with the best single member's."""
    correct = np.stack([metrics.correctness(row.test, of.test) for row in rows])
    accuracies = correct.mean(axis=1)
    drawn = bootstrap_means(correct, groups=of.test_groups)
    intervals, differences = quantile_intervals(drawn), quantile_intervals(drawn - drawn[:, [single]])
    places, shared = ranks(accuracies.tolist(), correct), letters(accuracies.tolist(), correct)
    against_single, against_uniform = _compared(correct, single), _compared(correct, uniform)
    front = pareto_front(accuracies.tolist(), flops)
    return [
        {
            "test_accuracy": float(accuracies[index]),
            "test_interval": intervals[index].tolist(),
            "test_metrics": metrics.scores(row.test, of.test),
            "test_class_f1": metrics.class_f1(row.test, of.test),
            "difference": float(accuracies[index] - accuracies[single]),
            "difference_interval": differences[index].tolist(),
            "rank": places[index],
            "letters": shared[index],
            "p_best_single": cast(float, against_single[index][0]),
            "p_best_single_holm": cast(float, against_single[index][1]),
            "p_uniform": against_uniform[index][0],
            "p_uniform_holm": against_uniform[index][1],
            "pareto": front[index],
        }
        for index, row in enumerate(rows)
    ]


def _compared(correct: np.ndarray, reference: int | None) -> list[tuple[float | None, float | None]]:
    """Return McNemar's p of every row against the row `reference`, unadjusted and Holm-adjusted.

    The family are all rows but the reference; None without such a row.
    """
    if reference is None:
        return [(None, None)] * len(correct)
    p = np.array([mcnemar(row, correct[reference]) for row in correct])
    adjusted = np.insert(holm(np.delete(p, reference)), reference, 1.0)
    return list(zip(p.tolist(), adjusted.tolist(), strict=True))


def _member(predictions: Predictions, label: str, row: ScoredModel, targets: Targets) -> MemberFacts:
    provenance = predictions.provenance
    copied = ("train_seconds", "images_per_second", "device", "tta", "best_epoch", "reference", "code")
    about, params, macs = predictions.configuration.described(), provenance.get("params"), provenance.get("macs")
    passes = forward_passes(provenance.get("tta"), about["recipe"])
    described = {
        **about,
        "params": networks(about["recipe"]) * params if params else None,
        "flops": 2 * passes * macs if macs else None,
        "ms_per_image": milliseconds(provenance.get("inference_seconds"), len(targets.val) + len(targets.test)),
        "hash": predictions.configuration.hash,
        "extra_data": provenance.get("extra_data", "none"),
        "source": provenance.get("source"),
        **{key: provenance.get(key) for key in copied},
        **_apart([provenance]),
        **({"weights_of": provenance["weights_of"]} if provenance.get("weights_of") else {}),
        **_folds_of_train(provenance.get("fold_accuracies")),
        **_display(about["kind"], about["name"]),
        "label": label,
        "val_accuracy": float((predictions.val.argmax(1) == targets.val).mean()),
        "val_metrics": metrics.scores(row.val, targets.val, "validation"),
    }
    return cast(MemberFacts, described)  # identities describe themselves


def _display(kind: str, name: str) -> Any:
    """Return the title of a member of the zoo, where it is not its name; models from elsewhere have their own names."""
    title = display_title(name) if kind == "member" and FROM not in name else name
    return {} if title == name else {"display": title}


def _folds_of_train(accuracies: list[float] | None) -> Any:
    if not accuracies:
        return {}
    scores = np.array(accuracies)
    known = {"accuracies": accuracies, "mean": float(scores.mean()), "interval": fold_interval(scores)}
    return {"folds_of_train": known}


def _ensemble(
    result: SearchResult,
    row: ScoredModel,
    members: Sequence[MemberFacts],
    left_out: LeftOutMembers,
) -> EnsembleFacts:
    """Describe a fitted ensembler without a look at test."""
    assert result.ensembler is not None
    used = [members[index] for index in result.ensembler.members_used_]
    fits = [[members[index] for index in fit] for fit in fits_of(result.ensembler)]
    every = [member["label"] for member in members]
    weights = result.ensembler.weights_
    facts: EnsembleFacts = {
        "name": result.name,
        "title": result.title,
        "reference": result.ensembler.reference,
        "fitted_on": result.fitted_on,
        "fit_accuracy": result.fit_accuracy,
        "cross_fit_accuracy": result.cross_fit_accuracy,
        "cross_fit_log_loss": result.cross_fit_log_loss,
        "members_used": [member["label"] for member in used],
        "weights": None if weights is None else dict(zip(every, np.asarray(weights).tolist(), strict=True)),
        "flops": mean([total_of_views(fit, "flops") for fit in fits]),
        "params": mean([total(trained_once(fit), "params") for fit in fits]),
        "train_seconds": mean([total(trained_once(fit), "train_seconds") for fit in fits]),
        "ms_per_image": mean([total_milliseconds(fit) for fit in fits]),
        "left_out": left_out.of(row, result.ensembler.members_used_.tolist()),
        **_apart(used),
    }
    if result.repeats:
        facts["cross_fits"] = result.repeats
    if len(fits) > 1:
        facts["models"] = mean([len(fit) for fit in fits]) or 0.0
    if library := result.ensembler.library:
        facts["library"] = f"{library} {version(library)}"
    return facts


def _apart(models: Sequence[Mapping[str, Any]]) -> Any:
    """Name what sets any of the models apart: labels beside the suite's own, and classes; nothing where none is."""
    names = sorted({model["extra_labels"] for model in models if model.get("extra_labels")})
    given = {name for model in models for name in (model.get("row_class"), *model.get("row_classes", ())) if name}
    classes = [name for name in ROW_CLASSES if name in given]
    return {**({"extra_labels": ", ".join(names)} if names else {}), **({"row_classes": classes} if classes else {})}
