"""Trained weights beside the predictions: where they lie, how they are read, and who shares those of another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError

from benchmarks.files import write_atomic
from benchmarks.shapes import Number, departures, told
from benchmarks.store.container import StoreError, opened, read_header
from benchmarks.store.headers import PredictionsHeader, Provenance
from benchmarks.store.identity import Configuration, Transferred, identity_from
from benchmarks.store.predictions import PredictionStore
from zoo import registry
from zoo.errors import UnknownName
from zoo.member import Member
from zoo.sealed import seal

WEIGHTS = ".weights.safetensors"
MEND = "remove it, and train its member anew (--train always)"
LEAST, MOST = 2.0**-14, 65504.0
"""Between these, float16 has its full precision."""


class TrainedWeights(NamedTuple):
    """Tensors by name, how they came to be, and the training epoch by epoch."""

    weights: dict[str, Any]
    provenance: dict[str, Any]
    history: list[dict[str, float]]


def weights_path(checkpoints: Path, configuration: Configuration) -> Path:
    """Return where the trained weights of a member lie: those of another member, where it is that with other views."""
    trained = replace(configuration, member=registry.trained_as(configuration.member))
    return checkpoints / f"{trained.stem}{WEIGHTS}"


def trained_members(folder: Path) -> list[Configuration]:
    """List what has both predictions and trained weights in a suite's folder of results, by members of the zoo."""
    return [one for one in stored_members(folder) if weights_path(folder / "checkpoints", one).exists()]


def stored_members(folder: Path) -> list[Configuration]:
    """List what has predictions in a suite's folder of results, by members of the zoo."""
    return list(_known(PredictionStore(folder / "predictions").prediction_files()))


def as_stored(configuration: Configuration, store: PredictionStore) -> Configuration:
    """Return a configuration as the store knows it: itself where it has predictions, else the only other one of that
    member and seed on the same data, if there is one.

    Who names a member by its name alone means the one that is there: a suite may train its members longer than their
    recipes say, and a user otherwise.
    """
    if store.path(configuration).exists():
        return configuration
    asked = (configuration.name, configuration.seed, configuration.data)
    files = store.files_of(configuration.name, configuration.seed)
    others = [one for one in _known(files) if (one.name, one.seed, one.data) == asked]
    return others[0] if len(others) == 1 else configuration


def _known(files: Iterable[Path]) -> Iterator[Configuration]:
    """Yield the configurations of members of the zoo whose predictions these files hold."""
    for path in files:
        try:
            identity = identity_from(read_header(path, PredictionsHeader)["configuration"])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # a run of its suite names it
        if not isinstance(identity, Configuration) or isinstance(identity, Transferred):
            continue
        if registry.is_known(identity.name):
            yield replace(identity, member=_buildable(identity.member))


def _buildable(member: Member) -> Member:
    """Return the member as it was trained, with the builder that the registry knows."""
    known = registry.get(member.name)
    return replace(known, recipe=member.recipe, image_size=member.image_size, init=member.init, weights=member.weights)


def read_weights(path: Path) -> TrainedWeights:
    """Read weights by name, provenance and training history; raise StoreError where the file is damaged."""
    from safetensors.torch import load

    found = opened(path)
    try:
        provenance, history = (json.loads(found.facts[name]) for name in ("provenance", "history"))
        weights = load(found.content)
    except (KeyError, ValueError, TypeError, RecursionError, SafetensorError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise StoreError(f"{path.name}: is damaged or holds no weights of a training ({reason}); {MEND}") from error
    wrong = told(departures(provenance, Provenance)) or told(departures(history, list[dict[str, Number]]))
    if wrong or not weights:
        raise StoreError(f"{path.name}: its header lacks {wrong or 'weights'}, or has it of another kind; {MEND}")
    if not found.proven:
        _refuse_no_numbers(path, weights)
    return TrainedWeights(weights, provenance, history)


def _refuse_no_numbers(path: Path, weights: Mapping[str, Any]) -> None:
    """Refuse weights without a digest of which one is infinite or no number; raise StoreError."""
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise StoreError(f"{path.name}: {name} holds values that are no numbers; {MEND}")


def write_weights(
    path: Path, weights: Mapping[str, Any], provenance: dict[str, Any], history: list[dict[str, float]]
) -> None:
    """Write tensors by name in half precision, provenance and training history, with their digests, atomically.

    What reads them computes in float32. Half of the bytes cost nothing measurable: predictions are made with the
    weights as they are kept, so that they are those of whatever is exported later.
    """
    from safetensors.torch import save

    header = {"provenance": json.dumps(provenance), "history": json.dumps(history)}
    tensors = {name: _half(value.contiguous()) for name, value in weights.items()}  # channels-last kernels are not
    write_atomic(path, seal(save(tensors, header)))


def _half(tensor: Any) -> Any:
    """Return a tensor of floats as float16, unless its largest value has no full precision there."""
    largest = float(tensor.abs().max()) if tensor.numel() else 0.0
    fits = largest == 0 or LEAST <= largest <= MOST
    return tensor.half() if tensor.is_floating_point() and fits else tensor


def weights_digest(path: Path) -> str:
    """Return the SHA-256 of the trained weights themselves; what the file's header says of them does not count.

    Raises StoreError where the file is damaged.
    """
    found = opened(path)
    if "provenance" not in found.facts:
        raise StoreError(f"{path.name}: holds no weights of a training; {MEND}")
    return found.arrays


def remove_finished(checkpoints: Path, predictions: Path) -> None:
    """Remove the states of trainings that were killed just before they did so: whose weights lie beside them, or, of
    trees, which leave no weights, whose predictions were written after them."""
    done = {path.name.removesuffix(WEIGHTS) for path in checkpoints.glob(f"*{WEIGHTS}")}
    for state in checkpoints.glob("*.pt"):
        with suppress(OSError):  # results that may only be read, or a state that another run has removed
            stem = state.name.removesuffix(".pt")
            if re.sub(r"\.part\d+$", "", stem) in done or (_is_of_trees(stem) and _written_before(state, predictions)):
                state.unlink(missing_ok=True)


def _is_of_trees(stem: str) -> bool:
    with suppress(UnknownName):  # a member of other code, whose state is its own
        return bool(registry.get(stem.partition(".")[0]).features_of)
    return False


def _written_before(state: Path, predictions: Path) -> bool:
    """Tell whether predictions came after a state; of a network, they may be an earlier training's, just fetched."""
    written = predictions / state.with_suffix(".safetensors").name
    return written.exists() and written.stat().st_mtime_ns > state.stat().st_mtime_ns


def states(checkpoints: Path, stem: str) -> list[Path]:
    """List the checkpoints of a training, of each of its networks where they are several."""
    return sorted(checkpoints.glob(f"{escape(stem)}.pt")) + sorted(checkpoints.glob(f"{escape(stem)}.part*.pt"))


def shared_weights(name: str, seed: int | None) -> str:
    """Name whose weights a member uses, in one suite's results."""
    return f"{name}.s{seed}"
