"""The prediction store: one safetensors file a member and seed, with all that is needed to trust it.

A file's name carries the hash of what decided its numbers (recipe, initialisation, size, seed, data). A change of any
of them asks for another file: the old one is named as stale and stays, it is never used silently nor overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from safetensors.numpy import save_file

from benchmarks.files import replace_atomically, write_atomic
from benchmarks.results import EXTERNAL
from benchmarks.store.container import StoreError, packed, read_file, read_header
from benchmarks.store.identity import Configuration, Identity, identity_from
from benchmarks.store.targets import OPTIONAL, OVERLAPS, RATINGS, Targets
from zoo.recipes import Recipe, differences


@dataclass(frozen=True)
class Predictions:
    """Logits float32 [N, classes] of one model on two splits, and where they come from.

    `val_affect` and `test_affect` are its valence and arousal, float32 [N, 2] in [-1, 1], where it predicts them.
    """

    configuration: Identity
    val: np.ndarray
    test: np.ndarray
    provenance: dict[str, Any]
    val_affect: np.ndarray | None = None
    test_affect: np.ndarray | None = None

    def affect(self) -> dict[str, np.ndarray]:
        """Valence and arousal by the names under which the store keeps them; empty where there are none."""
        found = {name: getattr(self, name) for name in RATINGS}
        return {name: array for name, array in found.items() if array is not None}


class PredictionStore:
    """Predictions and targets of one suite in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, configuration: Identity) -> Path:
        return self.folder / f"{configuration.stem}.safetensors"

    def read(self, path: Path, targets: Targets) -> Predictions:
        """The predictions of a file, whatever model its header says they are of.

        Raises StoreError where the file is damaged, foreign, of other data, or not what its name says.
        """
        facts = read_header(path).get("configuration", {})
        try:
            identity = identity_from(facts)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{path.name}: its header does not say what model it is of ({error!r})") from error
        if identity.data != targets.fingerprint:
            raise StoreError(f"{path.name} is stale: data was {identity.data}, is {targets.fingerprint}")
        if identity.num_classes != len(targets.classes):
            raise StoreError(f"{path.name}: is of {identity.num_classes} classes, the data has {len(targets.classes)}")
        if self.path(identity) != path:
            raise StoreError(f"{path.name}: holds what would be named {identity.stem}")
        found = self.load(identity, targets)
        assert found is not None
        return found

    def load(self, configuration: Identity, targets: Targets) -> Predictions | None:
        """The predictions of exactly this configuration; None where there are none.

        Raises StoreError where the file is damaged, foreign, or not what its name says.
        """
        path = self.path(configuration)
        if not path.exists():
            return None
        arrays, provenance = read_file(path)
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
        if not configuration.holds(val, test):
            raise StoreError(f"{path.name}: holds other logits than those it is named after")
        return Predictions(configuration, val, test, provenance, **_ratings(path, arrays, expected))

    def stale(self, configuration: Configuration) -> list[str]:
        """Why each other file of the same member and seed does not serve, one sentence a file; those of other folds of
        a data set serve there, and are not named."""
        reasons, folds = [], {fold for folds in self._fold_sets() for fold in folds}
        pattern = f"{configuration.member.name}.s{configuration.seed}.*.safetensors"
        for path in sorted(self.folder.glob(pattern)):
            if path == self.path(configuration):
                continue
            try:
                facts = read_header(path)["configuration"]
                if facts.get("data") in folds - {configuration.data}:
                    continue
                changes = differences(_completed(facts), configuration.facts())
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

    def prediction_files(self) -> list[Path]:
        """Every file here that is named as predictions are."""
        named = self.folder.glob("*.*.*.safetensors")
        return sorted(path for path in named if path.name.split(".")[1] == EXTERNAL or _seed(path) is not None)

    def speed(self, member: str) -> dict[str, Any] | None:
        """The recorded training speed of a member, whatever its recipe: its provenance, or None."""
        for path in sorted(self.folder.glob(f"{member}.s*.*.safetensors")):
            try:
                return read_header(path)
            except StoreError:
                continue  # named when the member is loaded
        return None

    def save(self, predictions: Predictions, history: list[dict[str, float]]) -> Predictions:
        """Writes logits, and any ratings, (float16) with their provenance, and any training history beside them as CSV;
        atomically.

        Returns the predictions as a later run reads them, rounded. Raises StoreError, and writes nothing, where the
        logits hold what is no number or too large for float16.
        """
        path = self.path(predictions.configuration)
        with np.errstate(over="ignore"):
            # In the order of C: save_file writes the memory of an array as it lies.
            tensors = {
                "val": predictions.val.astype(np.float16, order="C"),
                "test": predictions.test.astype(np.float16, order="C"),
                **{name: array.astype(np.float16, order="C") for name, array in predictions.affect().items()},
            }
        for split, values in tensors.items():
            if not np.isfinite(values).all():
                raise StoreError(f"{predictions.configuration.name}: the logits of {split} hold values no number fits")
        header = {**predictions.provenance, "configuration": predictions.configuration.facts()}
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            if history:
                write_atomic(path.with_suffix(".csv"), _table(history))
            replace_atomically(path, lambda draft: save_file(tensors, draft, packed(header)))
        rounded: dict[str, Any] = {name: values.astype(np.float32) for name, values in tensors.items()}
        return replace(predictions, **rounded)

    def save_train(self, configuration: Configuration, logits: np.ndarray) -> None:
        """Keeps out-of-fold logits [N, classes] on the training images, float16, beside the member's predictions."""
        tensors = {"out_of_fold": logits.astype(np.float16, order="C")}
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            header = packed({"configuration": configuration.facts()})
            replace_atomically(self._train_path(configuration), lambda draft: save_file(tensors, draft, header))

    def train_logits(self, member: str, seed: int, data: str, shape: tuple[int, int]) -> np.ndarray | None:
        """Out-of-fold logits float32 [N, classes] of a member on the training images, whatever its recipe, or None.

        Raises StoreError where a file is damaged or several would serve.
        """
        found = []
        for path in sorted(self.folder.glob(f"{member}.s{seed}.*.train.safetensors")):
            arrays, header = read_file(path)
            if header["configuration"]["data"] == data and arrays["out_of_fold"].shape == shape:
                found.append((path, arrays["out_of_fold"].astype(np.float32)))
        if len(found) > 1:
            names = ", ".join(path.name for path, _ in found)
            raise StoreError(f"{member}, seed {seed}, has several out-of-fold predictions: {names}; keep one of them")
        return found[0][1] if found else None

    def _train_path(self, configuration: Configuration) -> Path:
        return self.folder / f"{configuration.stem}.train.safetensors"

    def save_targets(self, targets: Targets) -> None:
        """Keeps the targets of val and test, once for each fingerprint; what a kept file lacks is added to it."""
        path = self._targets_path(targets.fingerprint)
        kept = _read_targets(path).extras() if path.exists() else {}
        if path.exists() and targets.extras().keys() <= kept.keys():
            return
        labels = {"val": targets.val.astype(np.uint8), "test": targets.test.astype(np.uint8)}
        tensors = {**labels, **_stored(kept), **_stored(targets.extras())}
        header = {
            "fingerprint": targets.fingerprint,
            "classes": list(targets.classes),
            "train_size": targets.train_size,
            "notes": list(targets.notes),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            replace_atomically(path, lambda draft: save_file(tensors, draft, packed(header)))

    def save_folds(self, fingerprints: Sequence[str]) -> None:
        """Keeps which data sets are the folds of one, in their order: what a machine without images goes by."""
        path = self.folder / f"folds.{fingerprints[0][:12]}.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            write_atomic(path, json.dumps(list(fingerprints), indent=1) + "\n")

    def folds(self) -> list[str]:
        """The fingerprints of the folds, in their order; of several sets those with most predictions; or none.

        Raises StoreError where a file is damaged.
        """
        return max(self._fold_sets(), key=lambda folds: sum(map(self._uses, folds)), default=[])

    def _fold_sets(self) -> list[list[str]]:
        return [_read_folds(path) for path in sorted(self.folder.glob("folds.*.json"))]

    def targets(self, fold: int | None = None) -> Targets | None:
        """The stored targets where there is no data to ask: those of this fold, or without folds, of several those of
        the data with most predictions.

        Raises StoreError where the file is damaged.
        """
        if fold is not None:
            folds = self.folds()
            return self.targets_of(folds[fold]) if fold < len(folds) else None
        found = [_read_targets(path) for path in sorted(self.folder.glob("targets.*.safetensors"))]
        if len(found) < 2:
            return found[0] if found else None
        return max(found, key=lambda targets: self._uses(targets.fingerprint))

    def targets_of(self, fingerprint: str) -> Targets:
        """The stored targets of that data; raises StoreError where there are none or their file is damaged."""
        path = self._targets_path(fingerprint)
        if not path.exists():
            raise StoreError(f"{path.name}: is missing, and with it the targets of data {fingerprint}")
        return _read_targets(path)

    def _targets_path(self, fingerprint: str) -> Path:
        return self.folder / f"targets.{fingerprint[:12]}.safetensors"

    def _uses(self, fingerprint: str) -> int:
        count = 0
        for path in self.prediction_files():
            try:
                count += read_header(path).get("configuration", {}).get("data") == fingerprint
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


def _read_folds(path: Path) -> list[str]:
    try:
        folds = json.loads(path.read_text(encoding="ascii"))
    except ValueError as error:
        raise StoreError(f"{path.name}: is damaged ({error})") from error
    if not isinstance(folds, list) or not all(isinstance(fold, str) for fold in folds):
        raise StoreError(f"{path.name}: is no list of the fingerprints of folds")
    return folds


def _read_targets(path: Path) -> Targets:
    arrays, header = read_file(path)
    val, test = (arrays[split].astype(np.int64) for split in ("val", "test"))
    known: dict[str, Any] = {name: arrays[name] for name in OPTIONAL if name in arrays}
    known |= {name: known[name].astype(bool) for name in OVERLAPS if name in known}
    known["notes"] = tuple(header.get("notes", ()))
    return Targets(val, test, header["fingerprint"], tuple(header["classes"]), header["train_size"], **known)


def _ratings(path: Path, arrays: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Valence and arousal float32 [N, 2] of a member's file that has them; StoreError where they cannot be."""
    found = {name: arrays[name].astype(np.float32) for name in RATINGS if name in arrays}
    for name, array in found.items():
        count = counts[name.partition("_")[0]]
        if len(found) < len(RATINGS) or array.shape != (count, 2) or not (np.abs(array) <= 1).all():
            raise StoreError(f"{path.name}: {name} holds no valence and arousal in [-1, 1] of {count} images")
    return found


def _stored(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Truth values as uint8: the file format has them, its numpy reader does not."""
    return {name: array.astype(np.uint8) if array.dtype == bool else array for name, array in arrays.items()}
