"""Every kind of file that is read, damaged at random: refused by name, or read as it was. Nothing else happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ensembles
from benchmarks.files import DamagedFile, csv_text_of, json_text, read_csv, write_atomic
from benchmarks.report.epochs import read_history
from benchmarks.results import read_results
from benchmarks.store.folds import save_folds, stored_folds
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, read_targets, save_targets, targets_path
from benchmarks.store.train_logits import load_in_sample, load_out_of_fold, save_in_sample, save_out_of_fold
from benchmarks.store.votes import kept_votes, save_votes
from benchmarks.store.weights import read_weights, weights_digest, write_weights
from tests.helpers.damage import damaged_copies
from tests.helpers.generated import stored_predictions
from tests.helpers.results import blank_results, member
from zoo import registry
from zoo.training import checkpoint

torch.set_num_threads(1)


@dataclass(frozen=True)
class Kind:
    """A file, and what reads it into something whose `repr` or bytes can be compared."""

    path: Path
    read: Callable[[], Any]
    proven: bool = True  # by digests: whatever is read must be what was written


def predictions(folder: Path, faces: Targets) -> Kind:
    store = PredictionStore(folder)
    configuration = stored_predictions(store, faces, "mini_xception").configuration

    def read() -> Any:
        found = store.read(store.path(configuration), faces)
        return found.val.tobytes(), found.test.tobytes(), found.provenance

    return Kind(store.path(configuration), read)


def targets(folder: Path, faces: Targets) -> Kind:
    save_targets(folder, faces)
    path = targets_path(folder, faces.fingerprint)
    return Kind(path, lambda: _plain(vars(read_targets(path))))


def votes(folder: Path, faces: Targets) -> Kind:
    random = np.random.default_rng(0)
    counts = {split: random.integers(0, 3, (len(getattr(faces, split)), 10)) for split in ("val", "test")}
    return Kind(save_votes(folder, faces, counts), lambda: _plain(kept_votes(folder, faces)))


def _configuration(faces: Targets) -> Configuration:
    return Configuration(registry.get("mini_xception"), 0, faces.fingerprint, len(faces.classes))


def in_sample(folder: Path, faces: Targets) -> Kind:
    configuration, logits = _configuration(faces), np.random.default_rng(0).normal(size=(50, 7))
    save_in_sample(folder, configuration, logits, "0" * 64)

    def read() -> Any:
        found = load_in_sample(folder, configuration, 50)
        return found and (found.logits.tobytes(), found.weights)

    (path,) = folder.glob("*.train.safetensors")
    return Kind(path, read)


def out_of_fold(folder: Path, faces: Targets) -> Kind:
    save_out_of_fold(folder, _configuration(faces), np.random.default_rng(0).normal(size=(50, 7)))

    def read() -> Any:
        found = load_out_of_fold(folder, "mini_xception", 0, faces.fingerprint, (50, 7))
        return found and found.logits.tobytes()

    (path,) = folder.glob("*.train.safetensors")
    return Kind(path, read)


def weights(folder: Path, faces: Targets) -> Kind:
    path, network = folder / "net.s0.0.weights.safetensors", torch.nn.Linear(6, 5)
    write_weights(path, network.state_dict(), {"train_seconds": 1.0}, [{"epoch": 1.0, "val_accuracy": 0.5}])

    def read() -> Any:
        weights, provenance, history = read_weights(path)
        return {name: value.numpy().tobytes() for name, value in weights.items()}, provenance, history

    return Kind(path, read)


def weights_digests(folder: Path, faces: Targets) -> Kind:
    path = weights(folder, faces).path
    return Kind(path, lambda: weights_digest(path))


def fitted(name: str) -> Callable[[Path, Targets], Kind]:
    def make(folder: Path, faces: Targets) -> Kind:
        logits = np.random.default_rng(0).normal(size=(3, len(faces.val), 7)).astype(np.float32)
        path = folder / "fitted.safetensors"
        ensembles.save(ensembles.create(name).fit(logits, faces.val), path)
        return Kind(path, lambda: ensembles.load(path).predict_proba(logits).tobytes())

    return make


KINDS = {
    "predictions": predictions,
    "targets": targets,
    "votes": votes,
    "logits in sample": in_sample,
    "logits out of fold": out_of_fold,
    "weights": weights,
    "digest of weights": weights_digests,
    "weighted": fitted("weighted"),
    "trees": fitted("stack_xgboost"),
}


def _plain(found: Any) -> Any:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in (found or {}).items()}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_what_is_damaged_is_refused_by_name_or_read_as_it_was(
    make: Callable[[Path, Targets], Kind], tmp_path: Path, faces: Targets
):
    kind = make(tmp_path, faces)
    content, expected = kind.path.read_bytes(), kind.read()
    refused = 0
    for what, damaged in damaged_copies(content):
        kind.path.write_bytes(damaged)
        try:
            found = kind.read()
        except ValueError as error:
            assert kind.path.name in str(error), what
            assert str(error).isprintable() and len(str(error)) < 1000, what
            refused += 1
        else:
            assert found == expected, what
    assert refused, "the damage is seen at all"


def test_a_damaged_checkpoint_is_set_aside_or_read_as_it_was(tmp_path: Path):
    path, network = tmp_path / "a.pt", torch.nn.Linear(6, 5)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    parts: dict[str, checkpoint.Stateful] = {"network": network, "optimizer": optimizer}
    checkpoint.save(path, checkpoint.State(epoch=3, best_weights=dict(network.state_dict())), parts)
    content, refused = path.read_bytes(), 0
    kept = network.weight.detach().clone()
    for what, damaged in damaged_copies(content):
        path.write_bytes(damaged)
        with torch.no_grad():
            network.weight.zero_()
        state = checkpoint.load(path, parts, "cpu")
        if state is None:
            refused += 1
            assert path.with_suffix(".unreadable").read_bytes() == damaged and not path.exists(), what
        else:
            assert state.epoch == 3 and torch.equal(network.weight, kept), what
            assert torch.equal(state.best_weights["weight"], kept), what
    assert refused


def results_json(folder: Path) -> tuple[Path, Callable[[Path], Any]]:
    path = folder / "faces" / "results.json"
    write_atomic(path, json_text(json.loads(json.dumps(blank_results(members=[member("net", 0, 0.7)])))))
    return path, read_results


def history(folder: Path) -> tuple[Path, Callable[[Path], Any]]:
    path = folder / "a.s0.0.csv"
    write_atomic(path, csv_text_of([{"epoch": epoch, "val_accuracy": 0.5 + epoch / 100} for epoch in range(30)]))
    return path, read_history


def table(folder: Path) -> tuple[Path, Callable[[Path], Any]]:
    path = folder / "tta.csv"
    write_atomic(path, csv_text_of([{"stem": f"a.s{row}", "tta": "none", "seconds": 0.5} for row in range(30)]))
    return path, lambda path: read_csv(path, ("stem",), ("seconds",))


def folds(folder: Path) -> tuple[Path, Callable[[Path], Any]]:
    save_folds(folder, ["1" * 32, "2" * 32])
    (path,) = folder.glob("folds.*")
    return path, lambda path: stored_folds(folder)


@pytest.mark.parametrize("make", [results_json, history, table, folds])
def test_damaged_text_is_refused_by_name_or_read(make: Callable[[Path], Any], tmp_path: Path):
    path, read = make(tmp_path)
    content = path.read_bytes()
    for what, damaged in damaged_copies(content):
        path.write_bytes(damaged)
        try:
            read(path)
        except DamagedFile as error:
            assert path.name in str(error), what
