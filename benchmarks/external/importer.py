"""External models: predictions made elsewhere, judged and taken into the store.

They take part like members and are marked external: nothing is known of their training but what their owner states.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.external.alignment import Aligned, align
from benchmarks.external.formats import digest, read
from benchmarks.external.incoming import SPLITS, Expected
from benchmarks.external.plausibility import Findings, examine
from benchmarks.formats import percent
from benchmarks.store.container import StoreError
from benchmarks.store.external_members import check_name, external_files
from benchmarks.store.file_names import model_in
from benchmarks.store.identity import External, Identity
from benchmarks.store.locks import locked
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets, save_targets
from benchmarks.text import fault, told

if TYPE_CHECKING:
    from benchmarks.session import Session


LONGEST = 600  # characters of a message that has the classes twice
LONGEST_NAME, LONGEST_REFERENCE, LONGEST_NOTES = 255, 300, 2_000  # characters of a file's name, and of what is stated


@dataclass(frozen=True)
class Details:
    """What the owner of an external model states of it, and allows."""

    name: str | None = None  # default: that of the file
    reference: str | None = None
    notes: str | None = None  # on extra data and whatever else decides whether it compares
    replace: bool = False
    accept_suspicious: bool = False


@dataclass(frozen=True, eq=False)
class Examined:
    """Predictions that can be taken into the store."""

    predictions: Predictions
    findings: Findings
    remarks: tuple[str, ...]

    def described(self, label: str, val_name: str) -> str:
        return described(label, self.findings, self.remarks, val_name)


def details_from(arguments: Namespace) -> Details:
    """Read the details of a parsed command line."""
    return Details(arguments.name, arguments.reference, arguments.notes, arguments.replace, arguments.accept_suspicious)


def name_of(path: Path, details: Details) -> str:
    """Return the name that the file's model is to have."""
    return details.name or path.stem


def inspect(session: Session, path: Path, details: Details) -> Examined:
    """Do everything that `add` does, but for writing; raise ValueError naming the file and what is wrong with it."""
    check_name(name_of(path, details))
    _check_texts(path, details)
    expected = expected_of(session)
    incoming = read(path, expected)
    try:
        aligned = align(incoming, session.folds[0].targets, expected)
    except ValueError as error:
        raise ValueError(f"{told(path.name)}: {told(error, LONGEST)}") from error
    source = {"file": path.name, "sha256": digest(path), "given": aligned.given}
    more = {} if incoming.row_class is None else {"row_class": incoming.row_class}
    return judged(session, aligned, replace(details, name=name_of(path, details)), source, more)


def expected_of(session: Session) -> Expected:
    """Return what the suite expects of predictions made elsewhere; raise ValueError where it can take none."""
    if len(session.folds) > 1:
        raise ValueError(
            f"{session.suite.name} is scored in {len(session.folds)} folds, each by a network that has not seen it: "
            "predictions of one model made elsewhere cannot be that"
        )
    targets = session.folds[0].targets
    split_names = dict(zip(SPLITS, session.suite.split_names[1:], strict=True))
    return Expected(targets.classes, split_names, {"val": len(targets.val), "test": len(targets.test)})


def judged(
    session: Session, aligned: Aligned, details: Details, source: Mapping[str, str], more: Mapping[str, Any]
) -> Examined:
    """Judge predictions in the store's order, of the model that the details name; `more` is kept beside the details.

    Raises ValueError naming the file of `source` and what is wrong.
    """
    assert details.name is not None
    store, targets, name = session.store, session.folds[0].targets, details.name
    others = [model for model in readable(store, targets) if model.configuration.name != name]
    val, test = (logits.astype(np.float16).astype(np.float32) for logits in (aligned.val, aligned.test))
    try:
        findings = examine(val, test, targets, others, session.suite.leak_above, details.accept_suspicious)
    except ValueError as error:
        raise ValueError(f"{told(source['file'])}: {told(error, LONGEST)}") from error
    identity = External.of(name, targets.fingerprint, val, test)
    _refuse_taken_name(store, identity, details)
    predictions = Predictions(identity, val, test, {**_provenance(source, details), **more})
    return Examined(predictions, findings, (f"values: {aligned.given}", *aligned.remarks))


def add(session: Session, path: Path, details: Details) -> str:
    """Take the file's predictions into the store, and say what was found of them.

    Raises ValueError as `inspect` does, and then nothing is written. Of processes that add one name at once, the first
    takes it; the others are told, unless they say `replace`.
    """
    return keep(session, inspect(session, path, details), details)


def keep(session: Session, examined: Examined, details: Details) -> str:
    """Write what was judged into the store, and say what was found of it; raises ValueError as `add` does."""
    store, identity = session.store, examined.predictions.configuration
    targets = session.folds[0].targets
    save_targets(store.folder, targets)
    with locked(store.folder):
        _refuse_taken_name(store, identity, details)
        if details.replace or not _is_there(store, identity, targets):
            store.save(examined.predictions, history=[])
        for old in _of_that_name(store, identity):
            old.unlink(missing_ok=True)
    file = examined.predictions.provenance["source"]["file"]
    return examined.described(f"{file}, added as {identity.name!r}", session.suite.split_names[1])


def _refuse_taken_name(store: PredictionStore, identity: Identity, details: Details) -> None:
    """Raise ValueError where a model of that name is there with other predictions, and is not to be replaced.

    Where the same predictions are there, nothing is wrong: who was stopped while adding them gives the command again.
    """
    if _of_that_name(store, identity) and not details.replace:
        raise ValueError(f"an external model {identity.name!r} is there already: --replace puts this one in its place")


def _is_there(store: PredictionStore, identity: Identity, targets: Targets) -> bool:
    try:
        return store.load(identity, targets) is not None
    except StoreError:
        return False


def _of_that_name(store: PredictionStore, identity: Identity) -> list[Path]:
    """List the files of external models of that name, but for that of these predictions."""
    own = store.path(identity)
    return [path for path in external_files(store) if model_in(path) == identity.name and path != own]


def readable(store: PredictionStore, targets: Targets) -> list[Predictions]:
    """Load whatever the store holds on this data, of any recipe; the run that needs it names what cannot be read."""
    models = []
    for path in store.prediction_files():
        try:
            models.append(store.read(path, targets))
        except StoreError:
            continue
    return models


def described(label: str, findings: Findings, remarks: Collection[str], val_name: str) -> str:
    """Write what was found of predictions that can be used, one line for each finding."""
    lines = [*remarks, f"accuracy on {val_name}: {percent(findings.val_accuracy)} %"]
    if findings.nearest:
        lines.append(f"agrees most with {findings.nearest[0]}: on {percent(findings.nearest[1])} % of {val_name}")
    lines += [f"warning: {warning}" for warning in findings.warnings]
    return "\n  ".join([f"{label}: ok", *lines])


def _check_texts(path: Path, details: Details) -> None:
    """Raise ValueError where a text that is stored with the predictions could not be shown by every later report."""
    texts = (
        ("the file's name", path.name, LONGEST_NAME),
        ("--reference", details.reference, LONGEST_REFERENCE),
        ("--notes", details.notes, LONGEST_NOTES),
    )
    for what, text, longest in texts:
        if reason := fault(text or "", longest):
            raise ValueError(f"{told(path.name)}: {what} {reason}")


def _provenance(source: Mapping[str, str], details: Details) -> dict[str, Any]:
    return {
        "source": dict(source),
        "reference": details.reference,
        "extra_data": details.notes or "not stated",
        "accepted_suspicious": details.accept_suspicious,
        "created": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
