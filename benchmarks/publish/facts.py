"""What an exported file says of itself before it is written: all but the hash of its weights."""

from __future__ import annotations

from typing import Any

from benchmarks.provenance import code_version
from benchmarks.publish.selection import Chosen
from benchmarks.publish.spec import ModelSpec
from benchmarks.publish.trained import TrainedMember
from benchmarks.suites.suite import Suite
from zoo import registry
from zoo.member import Member
from zoo.pretrained.faces import FACES
from zoo.recipes import named_members
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


def face_terms(member: Member) -> list[str]:
    """Return the terms of the networks of faces that a member is made of: the one that it starts from, by itself or by
    another that it starts from, and those that its teachers are made of, each once."""
    if start := member.trained_elsewhere:
        own = face_terms(registry.get(start[1].partition(":")[0]))
    else:
        own = [FACES[member.weights].terms] if member.weights in FACES else []
    labels = member.recipe.labels
    guides = [name for named in (labels.teacher, labels.annotator) if named for name, _ in named_members(named)]
    taught = [
        terms.replace("It starts", f"Its teacher {name} starts", 1)
        for name in guides
        if registry.is_known(name)
        for terms in face_terms(registry.get(name))
    ]
    return list(dict.fromkeys([*own, *taught]))


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
    if terms := face_terms(member):
        described["terms"] = " ".join(terms)
    return described | ({"weight": weights[one.label]} if one.label in weights else {})
