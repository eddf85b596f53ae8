"""Where each row's number comes from: a member's recipe and training, an ensemble's members, a paper's protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report.epochs import member_history
from benchmarks.report.page.plots import Panel, history_panels
from benchmarks.results import Results, split_names
from benchmarks.results.analyses import AuditRow, Failed, LeftOut
from benchmarks.results.schema import Ensemble, Member


@dataclass(frozen=True)
class Weight:
    """A member in an ensemble; `share` is its bar's length in per cent of the longest, `by_class` one share a class."""

    member: str
    value: float | None = None
    share: float = 0.0
    by_class: Sequence[float] = ()


@dataclass(frozen=True)
class Detail:
    """What a row opens to. Empty parts are not shown."""

    facts: dict[str, Any] = field(default_factory=dict)
    reference: str | None = None
    recipe: dict[str, str] | None = None  # None: not recorded
    panels: list[Panel] = field(default_factory=list)
    weights: list[Weight] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    audit: AuditRow | None = None


def member_detail(member: Member, results: Results, predictions: Path) -> Detail:
    """Describe a member or an external model; its history is read from beside its predictions."""
    label, source, best, fitted = member["label"], member["source"], member["best_epoch"], results["ensembles"]
    facts = {
        "Configuration": member["hash"],
        "Seed": member["seed"],
        "Code": member["code"],
        "Image size": member["image_size"],
        "Epoch kept": None if best is None else f"{best} of {member['epochs']}",
        "File": source and source["file"],
        "SHA-256": source and source["sha256"],
        "Given as": source and source["given"],
        "Used by": f"{sum(label in row['members_used'] for row in fitted)} of {len(fitted)} ensembles",
    }
    recipe = member["recipe"]
    return Detail(
        facts=known(facts),
        reference=member["reference"],
        recipe=None if recipe is None else flat(recipe),
        panels=history_panels(member_history(member, predictions), best),
        audit=_audited("member", label, results),
    )


def ensemble_detail(ensemble: Ensemble, results: Results) -> Detail:
    """Describe a fitted ensembler."""
    facts = {
        "Ensembler": ensemble["name"],
        "Fitted on": _split(ensemble["fitted_on"], results),
        "Fitted by": ensemble.get("library"),
    }
    return Detail(
        facts=known(facts),
        reference=ensemble["reference"],
        weights=_weights(ensemble),
        left_out=ensemble["left_out"],
        audit=_audited("ensemble", ensemble["name"], results),
    )


def flat(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested recipe as `loss.label_smoothing` and the like."""
    settings: dict[str, str] = {}
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            settings |= flat(value, f"{prefix}{key}.")
        else:
            settings[prefix + key] = f"{value:.4g}" if isinstance(value, float) else str(value)
    return settings


def known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that are not None."""
    return {name: value for name, value in facts.items() if value is not None}


def failed_detail(failed: Failed) -> Detail:
    """Describe an ensembler that could not be fitted."""
    return Detail(facts={"Ensembler": failed["name"]})


def _split(split: str, results: Results) -> str:
    """Return what a split is called; another text as it is."""
    names = dict(zip(("train", "val", "test"), split_names(results), strict=True))
    return names.get(split, split)


def _weights(ensemble: Ensemble) -> list[Weight]:
    """Return the members used, the heaviest first; in their own order where the method has no weights."""
    used, weights = ensemble["members_used"], ensemble["weights"]
    if not weights:
        return [Weight(member) for member in used]
    rows = {member: weights[member] if isinstance(weights[member], list) else [weights[member]] for member in used}
    means = {member: sum(row) / len(row) for member, row in rows.items()}
    longest = max(map(abs, means.values()), default=0.0) or 1.0
    return [
        Weight(member, means[member], round(100 * abs(means[member]) / longest, 1), row if len(row) > 1 else ())
        for member, row in sorted(rows.items(), key=lambda item: -means[item[0]])
    ]


def _audited(kind: str, name: str, results: Results) -> AuditRow | None:
    return next((row for row in results["audit"]["rows"] if row["kind"] == kind and row["name"] == name), None)
