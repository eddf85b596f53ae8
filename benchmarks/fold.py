"""One fold of a suite's data: its images for as long as they are needed, and the targets that score predictions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from benchmarks.data import DataOptions, Dataset
from benchmarks.data.unlabelled import with_unlabelled
from benchmarks.store.folds import stored_targets
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets, kept_targets
from benchmarks.suites.suite import Suite
from zoo.member import Member


class Fold:
    """One fold of a suite, number `index` of `count`, from 0; a suite without folds is one fold.

    `listings` are texts by file name that the data, once it was read, has to list.
    """

    def __init__(self, suite: Suite, options: DataOptions, store: PredictionStore, index: int = 0) -> None:
        self.index, self.count = index, max(1, len(suite.folds))
        self.listings: dict[str, str] = {}
        self._suite, self._options, self._store = suite.of_fold(index), options, store
        self._dataset: Dataset | None = None
        self._readers = 0

    @contextmanager
    def images(self) -> Iterator[Dataset]:
        """Read the data, and let go of its images afterwards: each fold holds nearly all of a suite's.

        A `with` inside another one reads nothing. Raises DataError.
        """
        if self._dataset is None:
            self._dataset = self._suite.read(self._options)
            self.listings = dict(self._dataset.listings)
        self._readers += 1
        try:
            yield self._dataset
        finally:
            self._readers -= 1
            if not self._readers:
                self._dataset = None

    def training_data(self, member: Member, dataset: Dataset) -> Dataset:
        """Return the data as a member learns from it: with the suite's extra labels where its recipe asks for votes,
        and with images without labels where it names who labels them.

        Raises DataError where they are missing.
        """
        extra, labels = self._suite.extra_labels, member.recipe.labels
        if extra is not None and labels.votes:
            dataset = extra.join(dataset, self._options)
        return with_unlabelled(dataset, self._options.unlabelled, member.name) if labels.annotator else dataset

    @cached_property
    def targets(self) -> Targets:
        """Targets of val and test: of the data where options say which, else those stored with the predictions.

        A folder of one's own that is gone leaves what is stored of it. Raises DataError where neither is there.
        """
        named = replace(self._options, unlabelled=None) != DataOptions() and not self._suite.gone(self._options)
        stored = None if named else stored_targets(self._store.folder, self.index if self.count > 1 else None)
        if stored is not None:
            return stored
        with self.images() as dataset:
            return Targets.of(dataset, kept_targets(self._store.folder, dataset.fingerprint))

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the images that are there, which need not be those of the targets; raises DataError."""
        with self.images() as dataset:
            return dataset.fingerprint

    def load(self, configuration: Configuration) -> Predictions | None:
        """Load the stored predictions of a member on this fold; raise StoreError where they cannot be used."""
        return self._store.load(configuration, self.targets)

    @property
    def place(self) -> str:
        """`fold 2 of 5`; empty where the suite has no folds."""
        return f"fold {self.index + 1} of {self.count}" if self.count > 1 else ""
