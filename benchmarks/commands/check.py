"""Check files of predictions, your own or stored ones: `python benchmark.py check mine.npz`.

The dry run of `add` for files made elsewhere, and whether the files of a store, or of an exported model by the JSON
that lies with it, can be trusted.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks import suites
from benchmarks.commands.check_others import check_model, check_others, check_tables, unproven
from benchmarks.commands.options import MODEL, suite_arguments
from benchmarks.external import importer as external
from benchmarks.external.plausibility import Implausible, examine
from benchmarks.formats import percent
from benchmarks.results import EXTERNAL
from benchmarks.session import Options, Session, options_from
from benchmarks.store.container import FORMAT, StoreError, read_header
from benchmarks.store.external_members import check_name, external_files
from benchmarks.store.headers import PredictionsHeader
from benchmarks.store.judgement import STANDARD_ERRORS, far_above
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets, load_targets
from benchmarks.text import printable
from zoo.sealed import Damaged, read_facts


def arguments(parser: ArgumentParser) -> None:
    """Add the files, and what would be said of a model that is added."""
    files = "to be added, or in a store; folders of results; or the JSON of an exported model"
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help=files)
    suite_arguments(parser, *MODEL)


def execute(arguments: Namespace) -> None:
    """Print what was found."""
    print(printable(check(options_from(arguments), arguments.files, external.details_from(arguments))))


class CheckFailed(ValueError):
    """Files that cannot be used; the message names each with its reason."""


def check(options: Options, paths: Iterable[Path], details: external.Details) -> str:
    """What was found of every file, or of every file of a folder of results; raises CheckFailed where one is wrong.

    A folder may be a store, a suite's results, or all results. A file of a store is judged beside the store it lies in,
    any other as one that is to be added to the suite and the results of `options`; what is JSON, as the facts of an
    exported model, whose files lie beside it.
    """
    reports: list[str] = []
    failures: list[str] = []
    for path in paths:
        try:
            if not path.exists():
                raise ValueError(f"{path}: there is no such file or folder")
            if path.suffix == ".json" and path.is_file():
                reports.append(f"{path.name}: ok{check_model(path)}")
            elif path.is_dir() or _is_stored(path):
                reports += _check_store_files(path, failures)
            else:
                session = Session(options)
                found = external.inspect(session, path, details)
                label = f"{path.name} as {found.predictions.configuration.name!r}"
                reports.append(found.described(label, session.suite.split_names[1]))
        except ValueError as error:
            failures.append(str(error))
    if failures:
        raise CheckFailed("\n".join(failures if len(failures) == 1 else [f"{len(failures)} failures", *failures]))
    return "\n".join(reports)


def _is_stored(path: Path) -> bool:
    """Whether a file says that it is of a store."""
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    try:
        return read_facts(path).get("format") == FORMAT
    except (Damaged, OSError):
        return path.parent.name == "predictions"  # damaged, but it can be nothing else


def _check_store_files(path: Path, failures: list[str]) -> list[str]:
    """A report a file that is in order; the others' reasons are added to `failures`."""
    meant = _stored_files(path)
    reports: list[str] = []
    for folder in dict.fromkeys(file.parent for file in meant):
        trusted: list[Predictions] = []
        externals = external_files(PredictionStore(folder))
        # Members first: an external model that repeats one of them is the copy, whatever it is called.
        for file in sorted(_files(folder), key=lambda file: (file in externals, file.name)):
            try:
                report, predictions = _check_one(file, trusted)
            except ValueError as error:
                failures += [str(error)] if file in meant else []
                continue
            trusted.append(predictions)
            reports += [report] if file in meant else []
        if path.is_dir():
            reports += check_others(folder, _files(folder), failures)
            reports += check_tables(folder.parent, failures)
    return reports


def _stored_files(path: Path) -> list[Path]:
    """The files of predictions that a path means; raises ValueError where there are none."""
    if path.is_file():
        return [path]
    folders = [path, path / "predictions", *sorted(path.glob("*/predictions"))]
    found = [file for folder in folders for file in _files(folder)]
    if not found:
        raise ValueError(f"{path}: holds no predictions; a folder of results/<suite>/predictions is needed")
    return found


def _files(folder: Path) -> list[Path]:
    """What lies in a store as predictions on val and test, under whatever name."""
    others = ("targets.*", "votes.*", "*.train.safetensors")
    return [path for path in folder.glob("*.safetensors") if not any(path.match(other) for other in others)]


def _check_one(path: Path, others: Sequence[Predictions]) -> tuple[str, Predictions]:
    """A report on one file and what it holds; raises ValueError naming the file."""
    store = PredictionStore(path.parent)
    data = read_header(path, PredictionsHeader)["configuration"]["data"]
    try:
        targets = load_targets(store.folder, data)
    except StoreError as error:
        raise StoreError(f"{path.name}: {error}") from error
    found = store.read(path, targets)
    name = found.configuration.name
    if found.configuration.described()["kind"] != EXTERNAL:
        _refuse_better_on_test(path, found, targets)
        accuracy = percent(_accuracy(found.val, targets.val))
        return f"{path.name}: ok{unproven(path)}\n  accuracy on val: {accuracy} %", found
    check_name(name)
    if any(other.configuration.name == name for other in others):
        raise StoreError(f"{path.name}: is a second file of {name}; remove the one that is not meant")
    suite = suites.suites().get(path.parent.parent.name)
    limit = None if suite is None else suite.leak_above
    try:
        accepted = bool(found.provenance.get("accepted_suspicious"))
        findings = examine(found.val, found.test, targets, others, limit, accepted)
    except Implausible as error:
        raise Implausible(f"{path.name}: {error}") from error
    if not accepted:
        _refuse_better_on_test(path, found, targets)
    return external.described(path.name, findings, [], "val"), found


def _refuse_better_on_test(path: Path, found: Predictions, targets: Targets) -> None:
    """Raise StoreError where predictions are better on test than on val by more than chance allows."""
    val, test = _accuracy(found.val, targets.val), _accuracy(found.test, targets.test)
    if far_above(val, test, (len(targets.val), len(targets.test))):
        raise StoreError(
            f"{path.name}: {percent(test)} % on test is above {percent(val)} % on val by more than {STANDARD_ERRORS:g} "
            "standard errors: answers of test were put right, or learnt"
        )


def _accuracy(logits: np.ndarray, targets: np.ndarray) -> float:
    return float((logits.argmax(1) == targets).mean())
