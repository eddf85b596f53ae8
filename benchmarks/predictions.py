"""The prediction store: one safetensors file a member and seed, with all that is needed to trust it.

A file's name carries the hash of what decided its numbers (recipe, initialisation, size, seed, data). A change of any
of them asks for another file: the old one is named as stale and stays, it is never used silently nor overwritten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from benchmarks.atomic import replace_atomically, write_atomic
from benchmarks.data import Dataset
from zoo.recipes import Recipe, differences
from zoo.registry import Member

FORMAT = "fer-ensembles/predictions/1"


@dataclass(frozen=True)
class Configuration:
    """A member with its seed on certain data: what `hash` identifies."""

    member: Member
    seed: int
    data: str  # fingerprint
    num_classes: int

    @property
    def label(self) -> str:
        """How tables name it: the member, and its seed where that is not 0."""
        return self.member.name if self.seed == 0 else f"{self.member.name} (seed {self.seed})"

    def facts(self) -> dict[str, Any]:
        """Everything that is hashed, as JSON values."""
        identity = {**self.member.identity(), "seed": self.seed, "data": self.data, "num_classes": self.num_classes}
        return json.loads(json.dumps(identity))

    @property
    def hash(self) -> str:
        """Of the facts, of the recipe only what differs from the defaults: a new option leaves old results theirs."""
        identity = {**self.facts(), "recipe": self.member.recipe.changes()}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def stem(self) -> str:
        return f"{self.member.name}.s{self.seed}.{self.hash}"


@dataclass(frozen=True)
class Predictions:
    """Logits float32 [N, classes] of one member on two splits, and where they come from."""

    configuration: Configuration
    val: np.ndarray
    test: np.ndarray
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Targets:
    """What scores the predictions: targets int64 [N] of val and test, and what they belong to."""

    val: np.ndarray
    test: np.ndarray
    fingerprint: str
    classes: tuple[str, ...]
    train_size: int

    @classmethod
    def of(cls, dataset: Dataset) -> Targets:
        """Those of a data set that was read."""
        val, test = dataset.val.targets, dataset.test.targets
        return cls(val, test, dataset.fingerprint, dataset.classes, len(dataset.train))


class StoreError(ValueError):
    """A file of the store that cannot be used; the message names it and says why."""


class Store:
    """Predictions and targets of one suite in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, configuration: Configuration) -> Path:
        return self.folder / f"{configuration.stem}.safetensors"

    def load(self, configuration: Configuration, targets: Targets) -> Predictions | None:
        """The predictions of exactly this configuration; None where there are none.

        Raises StoreError where the file is damaged, foreign, or not what its name says.
        """
        path = self.path(configuration)
        if not path.exists():
            return None
        arrays, provenance = _read(path)
        if _completed(provenance.get("configuration")) != configuration.facts():
            raise StoreError(f"{path.name}: holds another configuration than its name says")
        expected = {"val": len(targets.val), "test": len(targets.test)}
        for split, count in expected.items():
            if split not in arrays or arrays[split].shape != (count, configuration.num_classes):
                shape = list(arrays[split].shape) if split in arrays else "nothing"
                raise StoreError(f"{path.name}: {split} holds {shape}, not [{count}, {configuration.num_classes}]")
            if not np.isfinite(arrays[split]).all():
                raise StoreError(f"{path.name}: {split} holds values that are no numbers")
        val, test = (arrays[split].astype(np.float32) for split in ("val", "test"))
        return Predictions(configuration, val, test, provenance)

    def stale(self, configuration: Configuration) -> list[str]:
        """Why each other file of the same member and seed does not serve, one sentence a file."""
        reasons = []
        pattern = f"{configuration.member.name}.s{configuration.seed}.*.safetensors"
        for path in sorted(self.folder.glob(pattern)):
            if path == self.path(configuration):
                continue
            try:
                changes = differences(_completed(_about(path)["configuration"]), configuration.facts())
                reasons.append(f"{path.name} is stale: {'; '.join(changes)}")
            except (StoreError, KeyError) as error:
                reasons.append(str(error) if isinstance(error, StoreError) else f"{path.name}: has no configuration")
        return reasons

    def seeds(self, member: str) -> list[int]:
        """Seeds of a member that have a file here, fitting or not."""
        return sorted(
            {seed for path in self.folder.glob(f"{member}.s*.*.safetensors") if (seed := _seed(path)) is not None}
        )

    def members(self) -> list[str]:
        """Names of the members that have a file here, fitting or not."""
        return sorted(
            {path.name.split(".")[0] for path in self.folder.glob("*.s*.*.safetensors") if _seed(path) is not None}
        )

    def speed(self, member: str) -> dict[str, Any] | None:
        """The recorded training speed of a member, whatever its recipe: its provenance, or None."""
        for path in sorted(self.folder.glob(f"{member}.s*.*.safetensors")):
            try:
                return _about(path)
            except StoreError:
                continue  # named when the member is loaded
        return None

    def save(self, predictions: Predictions, history: list[dict[str, float]]) -> Predictions:
        """Writes logits (float16) with their provenance, and the training history beside them as CSV; atomically.

        Returns the predictions as a later run reads them, rounded. Raises StoreError, and writes nothing, where the
        logits hold what is no number or too large for float16.
        """
        path = self.path(predictions.configuration)
        with np.errstate(over="ignore"):
            tensors = {"val": predictions.val.astype(np.float16), "test": predictions.test.astype(np.float16)}
        for split, logits in tensors.items():
            if not np.isfinite(logits).all():
                raise StoreError(f"{predictions.configuration.label}: the logits of {split} hold values no number fits")
        header = {**predictions.provenance, "configuration": predictions.configuration.facts()}
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            write_atomic(path.with_suffix(".csv"), _table(history))
            replace_atomically(path, lambda draft: save_file(tensors, draft, _header(header)))
        val, test = (logits.astype(np.float32) for logits in tensors.values())
        return replace(predictions, val=val, test=test)

    def save_train(self, configuration: Configuration, logits: np.ndarray) -> None:
        """Keeps out-of-fold logits [N, classes] on the training images, float16, beside the member's predictions."""
        tensors = {"out_of_fold": logits.astype(np.float16)}
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            header = _header({"configuration": configuration.facts()})
            replace_atomically(self._train_path(configuration), lambda draft: save_file(tensors, draft, header))

    def train_logits(self, member: str, seed: int, data: str, shape: tuple[int, int]) -> np.ndarray | None:
        """Out-of-fold logits float32 [N, classes] of a member on the training images, whatever its recipe, or None.

        Raises StoreError where a file is damaged or several would serve.
        """
        found = []
        for path in sorted(self.folder.glob(f"{member}.s{seed}.*.train.safetensors")):
            arrays, header = _read(path)
            if header["configuration"]["data"] == data and arrays["out_of_fold"].shape == shape:
                found.append((path, arrays["out_of_fold"].astype(np.float32)))
        if len(found) > 1:
            names = ", ".join(path.name for path, _ in found)
            raise StoreError(f"{member}, seed {seed}, has several out-of-fold predictions: {names}; keep one of them")
        return found[0][1] if found else None

    def _train_path(self, configuration: Configuration) -> Path:
        return self.folder / f"{configuration.stem}.train.safetensors"

    def save_targets(self, targets: Targets) -> None:
        """Keeps the targets of val and test, once for each fingerprint of the data."""
        path = self.folder / f"targets.{targets.fingerprint[:12]}.safetensors"
        if path.exists():
            return
        tensors = {"val": targets.val.astype(np.uint8), "test": targets.test.astype(np.uint8)}
        header = {
            "fingerprint": targets.fingerprint,
            "classes": list(targets.classes),
            "train_size": targets.train_size,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            replace_atomically(path, lambda draft: save_file(tensors, draft, _header(header)))

    def targets(self) -> Targets | None:
        """The stored targets where there is no data to ask; of several, those of the data with most predictions.

        Raises StoreError where the file is damaged.
        """
        found = [_read_targets(path) for path in sorted(self.folder.glob("targets.*.safetensors"))]
        if len(found) < 2:
            return found[0] if found else None
        return max(found, key=lambda targets: self._uses(targets.fingerprint))

    def _uses(self, fingerprint: str) -> int:
        count = 0
        for path in self.folder.glob("*.s*.*.safetensors"):
            try:
                count += _about(path).get("configuration", {}).get("data") == fingerprint
            except StoreError:
                continue  # named when its member is loaded
        return count

    def _lock(self) -> FileLock:
        return FileLock(self.folder / ".lock")


def _seed(path: Path) -> int | None:
    """The seed in `member.s0.0123456789ab.safetensors`; None for the name of another kind of file."""
    parts = path.name.split(".")
    return int(parts[1][1:]) if len(parts) == 4 and parts[1][1:].isdigit() else None


def _table(history: list[dict[str, float]]) -> str:
    """A line an epoch, six significant digits."""
    rows = [",".join(f"{value:.6g}" for value in row.values()) for row in history]
    return "\n".join([",".join(history[0]), *rows]) + "\n"


def _completed(facts: Any) -> Any:
    """Stored facts with the defaults of options that came after them; as they are where they are of another kind."""
    try:
        recipe = asdict(Recipe.from_dict(facts["recipe"]))
    except (TypeError, KeyError):
        return facts
    return {**facts, "recipe": json.loads(json.dumps(recipe))}


def _header(values: Mapping[str, Any]) -> dict[str, str]:
    return {"format": FORMAT, "json": json.dumps(values, sort_keys=True)}


def _about(path: Path) -> dict[str, Any]:
    """What the header says: configuration and provenance. The arrays are not read."""
    with _opened(path) as file:
        return _json(path, file)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with _opened(path) as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, the handle is no mapping
        return arrays, _json(path, file)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise StoreError(f"{path.name}: is damaged or no safetensors file ({error})") from error


def _json(path: Path, file: Any) -> dict[str, Any]:
    header = file.metadata() or {}
    if header.get("format") != FORMAT:
        raise StoreError(f"{path.name}: was not written by this store (no {FORMAT!r} in its header)")
    return json.loads(header["json"])


def _read_targets(path: Path) -> Targets:
    arrays, header = _read(path)
    val, test = (arrays[split].astype(np.int64) for split in ("val", "test"))
    return Targets(val, test, header["fingerprint"], tuple(header["classes"]), header["train_size"])
