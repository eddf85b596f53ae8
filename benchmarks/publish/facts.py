"""What an exported file says of itself before it is written: all but the hash of its weights."""

from __future__ import annotations

from typing import Any

from benchmarks.provenance import code_version
from benchmarks.publish.selection import Chosen
from benchmarks.publish.spec import ModelSpec
from benchmarks.publish.trained import TrainedMember
from benchmarks.suites.suite import Suite
from zoo.pretrained.faces import FACES
from zoo.use.bundle import Facts

LICENCE, RESTRICTED = "MIT", "as the data set's terms allow: research, not to be handed on"


def facts_of(spec: ModelSpec, chosen: Chosen, suite: Suite, *, as_measured: bool) -> Facts:
    """Return the facts of a model; `as_measured` says whether it has the views that its row on the board has."""
    calibration = spec.calibration
    row, weights = chosen.row, chosen.row.get("weights") or {}
    val = row.get("val_accuracy", row.get("fit_accuracy"))
    measured = {"val": val, "test": row["test_accuracy"], "interval": row["test_interval"]}
    return Facts(
        classes=spec.classes,
        suite=suite.name,
        title=spec.title,
        weights_sha256="",
        crop=spec.crop,
        temperature=round(calibration.temperature, 6),
        thresholds=calibration.thresholds,
        conformal={"coverage": calibration.coverage, "quantile": calibration.quantile},
        members=tuple(_described(one, weights) for one in spec.members),
        accuracy=measured if as_measured else {},
        code_version=code_version(),
        licence=RESTRICTED if suite.restricted else LICENCE,
        restricted=suite.restricted,
    )


def _described(one: TrainedMember, weights: Any) -> dict[str, Any]:
    member = one.member
    described = {
        "label": one.label,
        "hash": one.configuration.hash,
        "seed": one.configuration.seed,
        "init": member.init,
        "views": member.recipe.tta,
        "weights_sha256": one.digest,
    }
    if member.weights in FACES:
        described["terms"] = FACES[member.weights].terms
    return described | ({"weight": weights[one.label]} if one.label in weights else {})
