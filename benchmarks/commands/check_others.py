"""What lies with predictions: whether targets, votes, logits, weights and a released model are as they were written,
and whether the tables of budgets and of views are of today's predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import TypedDict

from benchmarks.commands.budget import FILE as BUDGETS
from benchmarks.commands.budget import known_members, stored_members
from benchmarks.evaluation.budgets import OFFERED, STALE_BUDGETS
from benchmarks.evaluation.tta import FILE as VIEWS
from benchmarks.evaluation.tta import stored_views
from benchmarks.files import DamagedFile, read_csv
from benchmarks.session import Options, Session
from benchmarks.shapes import Count, read_json
from benchmarks.store.container import opened, read_file, read_header
from benchmarks.store.headers import TrainLogitsHeader
from benchmarks.store.targets import load_targets, read_targets
from benchmarks.store.votes import kept_votes
from benchmarks.suites import suites


def check_others(folder: Path, predictions: Collection[Path], failures: list[str]) -> list[str]:
    """A report on each file that lies in or beside a store, but for `predictions`; why another is refused goes to
    `failures`."""
    reports = []
    beside = [*(folder.parent / "checkpoints").glob("*.safetensors"), *(folder.parent / "model").glob("model.json")]
    for file in [*sorted(set(folder.glob("*.safetensors")) - set(predictions)), *sorted(beside)]:
        try:
            reports += [f"{file.name}: ok{_check(file)}"]
        except ValueError as error:
            failures.append(str(error))
    return reports


def check_tables(folder: Path, failures: list[str]) -> list[str]:
    """A report on the tables of budgets and of views in a suite's folder, where they are; that one is of other members
    than today's goes to `failures`."""
    reports, suite = [], folder.name
    if suite not in suites():
        return []
    for name, check in ((BUDGETS, _check_budgets), (VIEWS, _check_views)):
        if not (folder / name).is_file():
            continue
        try:
            check(Session(Options(suite, results=folder.parent, train="never")))
            reports.append(f"{name}: ok")
        except ValueError as error:
            failures.append(str(error))
    return reports


def _check_budgets(session: Session) -> None:
    offer = known_members(session).offered
    if not all(row.get(OFFERED) == offer for row in read_csv(session.folder / BUDGETS)):
        raise DamagedFile(f"{BUDGETS}: {STALE_BUDGETS}")


def _check_views(session: Session) -> None:
    models = stored_members(session) if len(session.folds) == 1 else None  # of several folds, as a run does
    _, notes = stored_views(session.folder, models, session.folds[0].targets)
    if notes:
        raise DamagedFile(notes[0])


def _check(file: Path) -> str:
    """What has to be said of a file that is in order; raises ValueError naming it where it is not."""
    if file.suffix == ".json":
        return check_model(file)
    if file.match("targets.*"):
        read_targets(file)
    elif file.match("votes.*"):
        kept_votes(file.parent, load_targets(file.parent, read_header(file).get("fingerprint", "unknown")))
    elif file.match("*.train.safetensors"):
        read_file(file, TrainLogitsHeader)
    return unproven(file)


def unproven(file: Path) -> str:
    """What is said of a file of arrays that has no digests; raises StoreError where it has, and is another."""
    return "" if opened(file).proven else ", as far as can be judged: it has no digests"


class _Described(TypedDict):
    bytes: Count
    sha256: str


class _Model(TypedDict):
    files: dict[str, _Described]


def check_model(facts: Path) -> str:
    """Compare the files of an exported or released model with the digests that its facts have of them.

    Returns the end of a report, which names them; raises DamagedFile.
    """
    files = read_json(facts, _Model)["files"]
    for name, described in files.items():
        path = facts.parent / Path(name).name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != described["sha256"]:
            raise DamagedFile(f"{path.name}: is missing, or not the file that {facts.name} describes; restore it")
    return f", with {', '.join(files)}"
