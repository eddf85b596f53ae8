"""The prediction store: one safetensors file for each member and seed, with all that is needed to trust it.

A file's name carries the hash of what decided its numbers (recipe, initialisation, size, seed, data). A change of any
of them asks for another file: the old one is named as stale and stays, it is never used silently nor overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.files import write_atomic
from benchmarks.store.container import Gone, StoreError, read_file, read_header, write_file
from benchmarks.store.file_names import member_files, model_in, prediction_files, seed_in
from benchmarks.store.folds import fold_sets
from benchmarks.store.headers import PredictionsHeader
from benchmarks.store.identity import Configuration, Identity, identity_from
from benchmarks.store.judgement import judge_logits
from benchmarks.store.targets import RATINGS, Targets
from benchmarks.store.texts import check_texts
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
        """Return valence and arousal by the names under which the store keeps them; empty where there are none."""
        ratings = {name: getattr(self, name) for name in RATINGS}
        return {name: array for name, array in ratings.items() if array is not None}


class PredictionStore:
    """Predictions of one suite in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[str, list[Path]] | None = None  # files by the name of their model
        self._folds: list[list[str]] | None = None

    @contextmanager
    def listed_once(self) -> Iterator[None]:
        """List the folder once for all questions until the block ends, which then do not see what others write.

        A thousand members that each look for themselves read two million names.
        """
        if self._listed is not None:
            yield
            return
        self._listed = {}
        for path in prediction_files(self.folder):
            self._listed.setdefault(model_in(path), []).append(path)
        self._folds = fold_sets(self.folder)
        try:
            yield
        finally:
            self._listed, self._folds = None, None

    def path(self, configuration: Identity) -> Path:
        return self.folder / f"{configuration.stem}.safetensors"

    def read(self, path: Path, targets: Targets) -> Predictions:
        """Read the predictions of a file, whatever model its header says they are of.

        Raises StoreError where the file is damaged, foreign, of other data, or not what its name says; Gone where
        another process has removed it since it was listed.
        """
        facts = read_header(path, PredictionsHeader)["configuration"]
        try:
            identity = identity_from(facts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"{path.name}: its header does not say what model it is of ({error!r})") from error
        if identity.data != targets.fingerprint:
            raise StoreError(f"{path.name} is stale: data was {identity.data}, is {targets.fingerprint}")
        if identity.num_classes != len(targets.classes):
            raise StoreError(f"{path.name}: is of {identity.num_classes} classes, the data has {len(targets.classes)}")
        if self.path(identity) != path:
            raise StoreError(f"{path.name}: holds what would be named {identity.stem}")
        return self._load(identity, targets)

    def load(self, configuration: Identity, targets: Targets) -> Predictions | None:
        """Load the predictions of exactly this configuration; None where there are none.

        Raises StoreError where the file is damaged, foreign, or not what its name says, and where it has no digests and
        its numbers cannot be those that were written.
        """
        try:
            return self._load(configuration, targets)
        except Gone:
            return None

    def _load(self, configuration: Identity, targets: Targets) -> Predictions:
        path = self.path(configuration)
        arrays, provenance, proven = read_file(path, PredictionsHeader)
        if _completed(provenance.get("configuration")) != configuration.facts():
            raise StoreError(f"{path.name}: holds another configuration than its name says")
        check_texts(path, configuration.name, provenance)
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
        if not proven and isinstance(configuration, Configuration):  # others are named after their logits
            judge_logits(path, configuration, val, test, targets)
        return Predictions(configuration, val, test, provenance, **_ratings(path, arrays, expected))

    def stale(self, configuration: Configuration) -> list[str]:
        """Say why each other file of the same member and seed does not serve, one sentence each; files of other folds
        of a data set serve there, and are not named."""
        reasons = []
        for path, facts in self._others(configuration):
            if isinstance(facts, StoreError):
                reasons.append(str(facts))
            else:
                reasons.append(f"{path.name} is stale: {'; '.join(differences(facts, configuration.facts()))}")
        return reasons

    def other_data(self, configuration: Configuration) -> list[str]:
        """List the fingerprints of the data of which other files of the same member and seed are, where all of these
        differ in the data alone; else nothing."""
        found = [facts for _, facts in self._others(configuration)]
        expected = configuration.facts()
        if any(isinstance(facts, StoreError) or facts | {"data": expected["data"]} != expected for facts in found):
            return []
        return [facts["data"] for facts in found if not isinstance(facts, StoreError)]

    def _others(self, configuration: Configuration) -> Iterator[tuple[Path, dict[str, Any] | StoreError]]:
        """Yield each other file of the same member and seed with the facts it holds, or why it holds none; pass over
        those of other folds."""
        fold_sets_here = fold_sets(self.folder) if self._folds is None else self._folds
        folds = {fold for folds in fold_sets_here for fold in folds} - {configuration.data}
        for path in self.files_of(configuration.member.name, configuration.seed):
            if path == self.path(configuration):
                continue
            try:
                facts = read_header(path, PredictionsHeader)["configuration"]
            except Gone:
                continue
            except StoreError as error:
                yield path, error
            else:
                if facts["data"] not in folds:
                    yield path, _completed(facts)

    def seeds(self, member: str) -> list[int]:
        """List the seeds of a member that have a file here, fitting or not."""
        return sorted({seed for path in self.files_of(member) if (seed := seed_in(path)) is not None})

    def members(self) -> list[str]:
        """List the names of the members that have a file here, fitting or not."""
        return sorted({model_in(path) for path in self.prediction_files() if seed_in(path) is not None})

    def prediction_files(self) -> list[Path]:
        """List every file here that is named as predictions are."""
        if self._listed is None:
            return prediction_files(self.folder)
        return sorted(path for paths in self._listed.values() for path in paths)

    def files_of(self, member: str, seed: int | None = None) -> list[Path]:
        """List the files of a member's predictions, of one seed or of all, fitting or not, by name."""
        if self._listed is None:
            return member_files(self.folder, member, seed)
        files = ((path, seed_in(path)) for path in self._listed.get(member, ()))
        return [path for path, its in files if its is not None and seed in (None, its)]

    def speed(self, member: str) -> dict[str, Any] | None:
        """Return the recorded training speed of a member, whatever its recipe: its provenance, or None."""
        for path in self.files_of(member):
            try:
                return read_header(path, PredictionsHeader)
            except StoreError:
                continue  # named when the member is loaded
        return None

    def save(self, predictions: Predictions, history: list[dict[str, float]]) -> Predictions:
        """Write logits, and any ratings, as float16 with their provenance, and any training history beside them as CSV,
        atomically.

        Returns the predictions as a later run reads them, rounded. Raises StoreError, and writes nothing, where the
        logits hold what is no number or too large for float16.
        """
        path = self.path(predictions.configuration)
        with np.errstate(over="ignore"):
            tensors = {
                "val": predictions.val.astype(np.float16),
                "test": predictions.test.astype(np.float16),
                **{name: array.astype(np.float16) for name, array in predictions.affect().items()},
            }
        for split, values in tensors.items():
            if not np.isfinite(values).all():
                raise StoreError(f"{predictions.configuration.name}: the logits of {split} hold values no number fits")
        header = {**predictions.provenance, "configuration": predictions.configuration.facts()}
        if history:
            write_atomic(path.with_suffix(".csv"), _table(history))
        write_file(path, tensors, header)
        rounded: dict[str, Any] = {name: values.astype(np.float32) for name, values in tensors.items()}
        return replace(predictions, **rounded)


def _table(history: list[dict[str, float]]) -> str:
    """Write one line for each epoch, six significant digits."""
    rows = [",".join(f"{value:.6g}" for value in row.values()) for row in history]
    return "\n".join([",".join(history[0]), *rows]) + "\n"


def _completed(facts: Any) -> Any:
    """Complete stored facts by the defaults of options that came after them; facts of another kind stay as they are."""
    try:
        recipe = asdict(Recipe.from_dict(facts["recipe"]))
    except (TypeError, KeyError):
        return facts
    return {**facts, "recipe": json.loads(json.dumps(recipe))}


def _ratings(path: Path, arrays: Mapping[str, np.ndarray], counts: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Read valence and arousal float32 [N, 2] of a file that has them; raise StoreError where they cannot be."""
    ratings = {name: arrays[name].astype(np.float32) for name in RATINGS if name in arrays}
    for name, array in ratings.items():
        count = counts[name.partition("_")[0]]
        if len(ratings) < len(RATINGS) or array.shape != (count, 2) or not (np.abs(array) <= 1).all():
            raise StoreError(f"{path.name}: {name} holds no valence and arousal in [-1, 1] of {count} images")
    return ratings
