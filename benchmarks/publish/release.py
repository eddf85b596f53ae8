"""A released model, the folder `results/SUITE/model/`; and folders of the same kind for a hub."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ensembles
from benchmarks.files import json_text, write_atomic
from benchmarks.publish.card import card
from benchmarks.publish.export import CannotExport, Job, Written, described, staged, with_accuracy, write_checked
from benchmarks.publish.measure import measured, pace, predicted, save_probabilities
from benchmarks.publish.selection import Chosen
from benchmarks.publish.spec import ModelSpec
from benchmarks.publish.weights import save_weights
from benchmarks.results import Results
from benchmarks.results.schema import Member
from benchmarks.store.targets import Targets
from zoo.state_dicts import split
from zoo.use.bundle import Bundle

FORMAT = "fer-ensembles/release/1"
MODEL, WEIGHTS, PROBABILITIES, CARD = "expression.onnx", "model.safetensors", "probabilities.safetensors", "README.md"
RELEASED, HUB = "model.json", "config.json"  # the facts, as each kind of folder calls them
LARGEST = 5_000_000  # bytes of one file in the repository
ROOM = 250_000  # bytes of a file beside one for each parameter: the graph, and what is not stored in int8


@dataclass(frozen=True)
class Board:
    """What the card of a model reports beside what its file says: results, where the images come from, and the targets
    that score the file."""

    results: Results
    targets: Targets
    origin: str


def small_enough(results: Results) -> list[Member]:
    """List the members whose file would be small enough for a repository, the best on val first.

    Those with extra labels are left out: they are a class of their own.
    """
    rows = [row for row in results["members"] if row["kind"] == "member" and not row.get("extra_labels")]
    fitting = [row for row in rows if row["params"] and row["params"] + ROOM <= LARGEST]
    return sorted(fitting, key=lambda row: -row["val_accuracy"])


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

    Raises CannotExport, also for a file of more than 5 MB, and ExportFailed. Nothing is left then.
    """
    check_releasable(job, chosen, board.results)
    place = next((place for place, row in enumerate(small_enough(board.results), 1) if row["label"] == chosen.label), 0)
    choice = {"place": place, "of": len(small_enough(board.results)), "bytes": LARGEST}
    return _write(job, chosen, board, folder, RELEASED, {"choice": choice}, limit=LARGEST)


def write_hub_folder(job: Job, chosen: Chosen, board: Board, folder: Path) -> Written:
    """Write the folder that a hub of models takes; with images, its file is scored itself."""
    return _write(job, chosen, board, folder, HUB, {}, limit=None)


def _write(
    job: Job, chosen: Chosen, board: Board, folder: Path, facts: str, more: Mapping[str, Any], limit: int | None
) -> Written:
    with staged(folder) as draft:
        written = write_checked(job, draft / MODEL)
        if limit is not None and written.size > limit:
            raise CannotExport(f"{MODEL} would have {written.size:,} bytes, more than {limit:,}: name a smaller member")
        scores: dict[str, Any] = {}
        if job.dataset is not None:
            written, scores = _scored(job, written, board.targets)
        _write_weights(draft, job.spec, board.results, limit)
        about = {
            "format": FORMAT,
            "name": chosen.name,
            **described(job, written),
            "row": {"kind": chosen.kind, "name": chosen.label},
            "passes": written.passes,
            "origin": board.origin,
            **more,
            **scores,
        }
        about["files"] = {path.name: _described_file(path) for path in sorted(draft.iterdir())}
        write_atomic(draft / facts, json_text(about))
        write_atomic(draft / CARD, card(about, board.results))
    return replace(written, path=folder / MODEL)


def _scored(job: Job, written: Written, targets: Targets) -> tuple[Written, dict[str, Any]]:
    """Score a file on val and test, and keep beside it what it said; make it say its accuracy."""
    assert job.dataset is not None
    recognise = Bundle(written.path, threads=1)
    found = predicted(recognise, job.dataset.val.images, job.dataset.test.images)
    save_probabilities(written.path.with_name(PROBABILITIES), found)
    scores = measured(found, targets, job.spec.calibration)
    accuracies = {"test": scores["test_accuracy"], "interval": scores["test_interval"]}
    written = with_accuracy(job, written, scores["val_accuracy"], **accuracies)
    return written, {"measured": scores, "pace": pace(recognise, job.spec.crop.size)}


def _write_weights(folder: Path, spec: ModelSpec, results: Results, limit: int | None) -> None:
    """Write the weights of each member, and the ensembler that combines them."""
    count = len(spec.members)
    for number, one in enumerate(spec.members, 1):
        name = WEIGHTS if count == 1 else f"model-{number:05}-of-{count:05}.safetensors"
        save_weights(folder / name, one, results["suite"], spec.classes, spec.image_shape[0], limit)
    if spec.fitted is not None:
        ensembles.save(spec.fitted, folder / "ensembler.safetensors")


def _described_file(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def rewrite_card(folder: Path, results: Results) -> Path:
    """Write the card of a released model anew, after results.json has changed; return its path.

    Raises ValueError where there is no released model, or the results have no row of it.
    """
    facts = folder / RELEASED
    if not facts.exists():
        raise ValueError(f"{folder} holds no released model, which is written by python benchmark.py export --release")
    write_atomic(folder / CARD, card(json.loads(facts.read_text(encoding="utf-8")), results))
    return folder / CARD
