"""The results of a suite: everything that was searched on val, scored once on test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evaluation.ablations import ablations
from benchmarks.evaluation.affect import affect_part
from benchmarks.evaluation.audit import audit
from benchmarks.evaluation.cost import effort
from benchmarks.evaluation.diversity import diversity
from benchmarks.evaluation.figure_data import charts_data, confusions
from benchmarks.evaluation.folds import SearchedModels
from benchmarks.evaluation.protocols import contrast
from benchmarks.evaluation.rivals import story_data
from benchmarks.evaluation.score import score
from benchmarks.evaluation.tta import views_worth
from benchmarks.files import read_csv
from benchmarks.store.targets import Targets
from benchmarks.store.votes import kept_votes
from benchmarks.suites.published_results import read_published, read_published_affect
from benchmarks.suites.suite import Suite
from ensembles.search import choose


def evaluate(
    suite: Suite,
    searched: SearchedModels,
    results: Path,
    *,
    not_run: list[dict[str, Any]],
    notes: list[str],
) -> dict[str, Any]:
    """Score everything that was searched once on test, and return what results.json holds.

    `results` is the folder of all suites' results. `not_run` and `notes` are reported as they are.
    """
    targets, predictions, found, rows = searched.targets, searched.predictions, searched.found, searched.rows
    folder = results / suite.name
    fitted = [one for one in found if one.error is None]
    train_name, val_name, test_name = suite.split_names
    sizes = (targets.train_size, len(targets.val), len(targets.test))
    names = zip(("train", "val", "test"), (train_name, val_name, test_name), sizes, strict=True)
    audited, headline = audit(rows, predictions, targets), choose(fitted).name if fitted else None
    scored = score(rows, predictions, found, targets, searched.excluded)
    return _rounded(
        {
            "suite": suite.name,
            "title": suite.title,
            "classes": list(targets.classes),
            "splits": {split: {"name": name, "size": size} for split, name, size in names},
            "data_fingerprint": targets.fingerprint,
            "headline": headline,
            "leak_above": suite.leak_above,
            "rehearsal": suite.rehearsal,
            "effort": effort(scored["members"]),
            **scored,
            **affect_part(predictions, targets, read_published_affect(suite.published)),
            "diversity": diversity(predictions, targets),
            "ablations": ablations([*predictions, *searched.excluded], targets),
            "views": views_worth(read_csv(folder / "tta.csv")),
            "audit": audited,
            "charts": charts_data(rows, predictions, targets, audited, headline),
            "confusions": confusions(rows, targets.test, headline),
            **(_story(searched, folder / "predictions", audited, headline) if suite.story else {}),
            **_protocol(suite, targets, results),
            "published": read_published(suite.published) if suite.published else [],
            "not_run": not_run,
            "notes": notes,
        }
    )


def _story(
    searched: SearchedModels, predictions: Path, audited: dict[str, Any], headline: str | None
) -> dict[str, Any]:
    """What the page that tells this suite's story needs; `predictions` is the store's folder."""
    votes = kept_votes(predictions, searched.targets)
    test = None if votes is None else votes["test"]
    members = len(searched.predictions)
    return {"story": story_data(searched.rows, members, searched.targets, audited, headline, test)}


def _protocol(suite: Suite, targets: Targets, results: Path) -> dict[str, Any]:
    """What is out of the ordinary: folds, intervals over groups of images, another protocol for the same images."""
    groups, folds = targets.test_groups, max(1, len(suite.folds))
    facts: dict[str, Any] = {}
    if folds > 1 or groups is not None:
        count = None if groups is None else len(np.unique(groups))
        facts["protocol"] = {"folds": folds, "unit": suite.unit, "units": count}
    if suite.contrast is not None:
        facts["contrast"] = contrast(suite.contrast, results)
    return facts


def _rounded(value: Any) -> Any:
    """Floats to six decimals: what lies below differs from processor to processor."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list) else value
