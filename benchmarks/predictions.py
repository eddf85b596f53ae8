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
from benchmarks.data.twins import also_in
from zoo.recipes import Recipe, differences
from zoo.registry import Member

FORMAT = "fer-ensembles/predictions/1"
OVERLAPS = ("val_in_train", "test_in_train", "test_in_val")


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
    """What scores the predictions: targets int64 [N] of val and test, and what they belong to.

    `val_in_train`, `test_in_train` and `test_in_val` say which images also stand, pixel for pixel, in another split:
    bool [N], None where a file that was written before they were kept does not know.
    """

    val: np.ndarray
    test: np.ndarray
    fingerprint: str
    classes: tuple[str, ...]
    train_size: int
    val_in_train: np.ndarray | None = None
    test_in_train: np.ndarray | None = None
    test_in_val: np.ndarray | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> Targets:
        """Those of a data set that was read."""
        train, val, test = dataset.train, dataset.val, dataset.test
        return cls(
            val.targets,
            test.targets,
            dataset.fingerprint,
            dataset.classes,
            len(train),
            val_in_train=also_in(val.images, train.images),
            test_in_train=also_in(test.images, train.images),
            test_in_val=also_in(test.images, val.images),
        )

    def overlaps(self) -> dict[str, np.ndarray]:
        """What is known of images that stand in two splits."""
        known = {name: getattr(self, name) for name in OVERLAPS}
        return {name: marks for name, marks in known.items() if marks is not None}


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

    def save_targets(self, targets: Targets) -> None:
        """Keeps the targets of val and test, once for each fingerprint of the data; a file that knows less of images
        in two splits is replaced."""
        path = self.folder / f"targets.{targets.fingerprint[:12]}.safetensors"
        overlaps = targets.overlaps()
        if path.exists() and len(_read_targets(path).overlaps()) >= len(overlaps):
            return
        tensors = {"val": targets.val, "test": targets.test, **overlaps}
        tensors = {name: array.astype(np.uint8) for name, array in tensors.items()}
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
    overlaps = {name: arrays[name].astype(bool) for name in OVERLAPS if name in arrays}
    return Targets(val, test, header["fingerprint"], tuple(header["classes"]), header["train_size"], **overlaps)
