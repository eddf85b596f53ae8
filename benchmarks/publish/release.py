"""A released model, the folder `results/SUITE/model/`; and folders of the same kind for a hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ensembles
from benchmarks.files import json_text, write_atomic
from benchmarks.publish.card import card
from benchmarks.publish.export import (
    CannotExport,
    Job,
    Written,
    described,
    described_files,
    staged,
    with_accuracy,
    write_checked,
)
from benchmarks.publish.facts import face_terms
from benchmarks.publish.formats import FORMATS
from benchmarks.publish.measure import Scored, measured, pace, predicted, save_probabilities
from benchmarks.publish.selection import Chosen
from benchmarks.publish.spec import ModelSpec
from benchmarks.publish.weights import save_weights
from benchmarks.results import Results
from benchmarks.results.schema import Member
from benchmarks.store.targets import Targets
from zoo import registry
from zoo.state_dicts import split
from zoo.use.bundle import Bundle

FORMAT = "fer-ensembles/release/1"
MODEL, WEIGHTS, PROBABILITIES, CARD = "expression.onnx", "model.safetensors", "probabilities.safetensors", "README.md"
QUANTISED = ("fp16", "int8", "int8-static")  # how a released model is stored, the most exact first
BYTES = {"fp16": 2, "int8": 1}  # of a parameter
RELEASED, HUB = "model.json", "config.json"  # the facts, as each kind of folder calls them
LARGEST = 5_000_000  # bytes of one file in the repository
ROOM = 250_000  # bytes of a file beside its parameters: the graph, and what is not stored in int8


@dataclass(frozen=True)
class Board:
    """What the card of a model reports beside what its file says: results, where the images come from, and the targets
    that score the file."""

    results: Results
    targets: Targets
    origin: str


def small_enough(results: Results) -> list[Member]:
    """List the members whose file would be small enough for a repository, the best on val first.

    Those with extra labels are left out: they are a class of their own. So are those that start from a network of
    faces, or from a member that does, or learnt from one: its terms bind whoever uses what was made of it.
    """
    rows = [row for row in results["members"] if row["kind"] == "member" and not row.get("extra_labels")]
    rows = [row for row in rows if not (registry.is_known(row["name"]) and face_terms(registry.get(row["name"])))]
    fitting = [row for row in rows if row["params"] and row["params"] + ROOM <= LARGEST]
    return sorted(fitting, key=lambda row: -row["val_accuracy"])


def finest(params: int) -> str:
    """Return how so many parameters are stored the most exactly in a file that is small enough for a repository."""
    return next((stored for stored in QUANTISED if BYTES.get(stored, 1) * params + ROOM <= LARGEST), "int8")


def check_releasable(job: Job, chosen: Chosen, results: Results) -> None:
    """Raise CannotExport for what may not, or cannot, be the released model of a suite."""
    if job.facts.restricted:
        raise CannotExport(f"{results['title']} is given for research: no model trained on it is released")
    if chosen.kind != "member" or len(split(job.spec.members[0].weights)) > 1:
        raise CannotExport(f"{chosen.title} is no single network: a release is one, small enough for a repository")
    if job.dataset is None:
        raise CannotExport("a released file is scored itself, and no images are at hand: --data DIR")


def release(job: Job, chosen: Chosen, board: Board, folder: Path) -> Written:
    """Write the released model of a suite: one small file, scored itself, with a card.

    Its weights are stored as exactly as fits. Files that store them otherwise are scored, too, for the board, and not
    kept. Raises CannotExport, also for a file of more than 5 MB, and ExportFailed. Nothing is left then.
    """
    check_releasable(job, chosen, board.results)
    job = replace(job, weights=finest(sum(tensor.numel() for tensor in job.spec.members[0].weights.values())))
    place = next((place for place, row in enumerate(small_enough(board.results), 1) if row["label"] == chosen.label), 0)
    choice = {"place": place, "of": len(small_enough(board.results)), "bytes": LARGEST}
    row = chosen.models[chosen.label]
    with staged(folder) as draft:
        written = write_checked(job, draft / MODEL)
        if written.size > LARGEST:
            raise CannotExport(f"{MODEL} has {written.size:,} bytes, more than {LARGEST:,}: name a smaller member")
        written, scored = _scored(job, written, board.targets)
        stored = {
            weights: scored if weights == job.weights else _scored_only(job, weights, board.targets)
            for weights in QUANTISED
        }
        files = [one.beside(weights, row, board.targets) for weights, one in stored.items()]
        _write_weights(draft, job.spec, board.results, LARGEST)
        _write_facts(draft, RELEASED, job, chosen, board, written, scored, {"choice": choice, "quantised": files})
    return replace(written, path=folder / MODEL)


def write_hub_folder(job: Job, chosen: Chosen, board: Board, folder: Path) -> Written:
    """Write the folder that a hub of models takes; with images, its file is scored itself.

    Raises CannotExport and ExportFailed. Nothing is left then.
    """
    with staged(folder) as draft:
        written, scored = write_checked(job, draft / MODEL), None
        if job.dataset is not None:
            written, scored = _scored(job, written, board.targets)
        _write_weights(draft, job.spec, board.results, None)
        _write_facts(draft, HUB, job, chosen, board, written, scored, {})
    return replace(written, path=folder / MODEL)


def _scored(job: Job, written: Written, targets: Targets) -> tuple[Written, Scored]:
    """Score a file on val and test, keep beside it what it said, and make it say its accuracy."""
    scored = _scored_file(job, written.path, targets)
    save_probabilities(written.path.with_name(PROBABILITIES), scored.probabilities)
    accuracies = {"test": scored.measured["test_accuracy"], "interval": scored.measured["test_interval"]}
    return with_accuracy(job, written, scored.measured["val_accuracy"], **accuracies), scored


def _scored_only(job: Job, weights: str, targets: Targets) -> Scored:
    """Score the same model with weights stored otherwise, whether or not it is good enough to be exported."""
    assert job.dataset is not None
    from benchmarks.publish.graph import Model

    with TemporaryDirectory() as folder:
        path = Path(folder) / MODEL
        FORMATS["onnx"].write(Model(job.spec), path, weights, job.facts, job.dataset.train.images)
        return _scored_file(job, path, targets)


def _scored_file(job: Job, path: Path, targets: Targets) -> Scored:
    assert job.dataset is not None
    recognise = Bundle(path, threads=1)
    found = predicted(recognise, job.dataset.val.images, job.dataset.test.images)
    scores = measured(found, targets, job.spec.calibration)
    return Scored(path.stat().st_size, found, scores, pace(recognise, job.spec.crop.size))


def _write_facts(
    folder: Path,
    name: str,
    job: Job,
    chosen: Chosen,
    board: Board,
    written: Written,
    scored: Scored | None,
    more: Mapping[str, Any],
) -> None:
    """Write the facts of a model, those of its files, and its card."""
    facts = {
        "format": FORMAT,
        "name": chosen.name,
        **described(job, written),
        "row": {"kind": chosen.kind, "name": chosen.label},
        "passes": written.passes,
        "origin": board.origin,
        **more,
        **({} if scored is None else {"measured": scored.measured, "pace": scored.pace}),
        "files": described_files(folder),
    }
    write_atomic(folder / name, json_text(facts))
    write_atomic(folder / CARD, card(facts, board.results))


def _write_weights(folder: Path, spec: ModelSpec, results: Results, limit: int | None) -> None:
    """Write the weights of each member, and the ensembler that combines them."""
    count = len(spec.members)
    for number, one in enumerate(spec.members, 1):
        name = WEIGHTS if count == 1 else f"model-{number:05}-of-{count:05}.safetensors"
        save_weights(folder / name, one, results["suite"], spec.classes, spec.image_shape[0], limit)
    if spec.fitted is not None:
        ensembles.save(spec.fitted, folder / "ensembler.safetensors")


def rewrite_card(folder: Path, results: Results) -> Path:
    """Write the card of a released model anew, after results.json has changed; return its path.

    Raises ValueError where there is no released model, or the results have no row of it.
    """
    facts = folder / RELEASED
    if not facts.exists():
        raise ValueError(f"{folder} holds no released model, which is written by python benchmark.py export --release")
    write_atomic(folder / CARD, card(json.loads(facts.read_text(encoding="utf-8")), results))
    return folder / CARD
