"""What a suite is: data, protocol, members and published results under one name."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from benchmarks.data import DataError, DataOptions, Dataset
from benchmarks.data.cache import reading_anew
from benchmarks.data.dataset import FLAGS


@dataclass(frozen=True)
class Contrast:
    """A suite of the same images under another protocol, and in a sentence or two what tells the two apart."""

    suite: str
    difference: str


@dataclass(frozen=True)
class ExtraLabels:
    """Labels of the training images beside the suite's own, for members that ask for votes: what they are called, and
    what joins them to the data or raises DataError. Other members, and published results, do not have them."""

    name: str
    join: Callable[[Dataset, DataOptions], Dataset]


@dataclass(frozen=True)
class Suite:
    """A benchmark: where its data comes from, what its splits are called, who takes part.

    `load(options)` reads the data and raises DataError where it cannot; `download(folder)` fetches it, None where there
    is nothing to fetch. `changes` are settings in which this suite's training differs from the members' recipes, as
    `--set` takes them; the user's own come after them. `options` are the fields of DataOptions, beside the path, that
    `load` heeds.

    Where `folds` has loaders, one a fold, the whole chain runs once a fold, and the results are of all folds' test
    images together; `load` is then the first of them. `unit` is what the test split is a sample of: where it is not
    images, intervals are drawn over the groups that the data names (Split.groups).
    """

    name: str
    title: str
    summary: str
    split_names: tuple[str, str, str]  # train, val and test, as the data set's own papers call them
    members: tuple[str, ...]
    load: Callable[[DataOptions], Dataset]
    download: Callable[[Path], Path] | None = None
    folds: tuple[Callable[[DataOptions], Dataset], ...] = ()
    unit: str = "images"
    contrast: Contrast | None = None
    extra_labels: ExtraLabels | None = None
    changes: tuple[str, ...] = ()
    least_images: int = 0  # that a training sees: where the train split is small, recipes get more epochs
    options: tuple[str, ...] = ()
    channels: int | None = None  # of the images; None where the data decides
    leak_above: float | None = None  # accuracy that no clean published result passes; None: no such limit is known
    human_accuracy: tuple[float, float] | None = None  # from and to, on the test images
    published: str = ""  # published/<published>.csv; "": no number is known
    summary_page: bool = False  # results/<suite>/README.md says on one page what the results show
    origin: str = ""  # where its images and labels come from: "It was trained on ..."
    restricted: bool = False  # its terms forbid to hand on what was trained on it: no weights of it are committed
    packaged: str = ""  # the package that its images come with, so that no folder has any
    rehearsal: bool = False  # made anew by whoever runs it: nothing of it is committed, so no page lists it
    own: bool = False  # of whatever images --data names: each such folder has results of its own
    asked: str = ""  # how the command line asks for it, where that is not by the name alone

    def of(self, options: DataOptions) -> Suite:
        """Return the suite of these data: itself, or where it is of anyone's own, one that bears the folder's name.

        What else decides images and splits stands in the name, too, and behind it a hash of the folder's whole path and
        of the options as they are: names that are alike, or become so in small letters, do not share results.
        """
        flags = list(chain.from_iterable(options.flags().items()))
        if not self.own or options.path is None:
            return replace(self, asked=shlex.join(["--suite", self.name, *flags])) if flags else self
        folder, table = Path(os.path.expanduser(options.path)).resolve(), Path(os.path.expanduser(options.groups))
        # Of a table of groups the name is enough to read; where it lies tells two of one name apart.
        shown = {flag: Path(value).name for flag, value in options.flags().items()}
        words = [self.name, folder.name, *chain.from_iterable(shown.items())]
        name = "-".join(re.sub(r"[^\w.]+", "-", word.lower()).strip("-.") for word in words)
        place = str(table.resolve()) if options.groups and table.is_file() else options.groups
        key = json.dumps([str(folder), replace(options, path=None, groups=place).flags()])
        asked = ", ".join(f"{flag} {value}" for flag, value in shown.items())
        return replace(
            self,
            name=f"{name}-{hashlib.blake2b(key.encode(errors='surrogateescape'), digest_size=4).hexdigest()}",
            title=f"{folder.name} ({asked})" if asked else folder.name,
            unit="groups" if options.groups else self.unit,
            asked=shlex.join(["--suite", self.name, "--data", str(folder), *flags]),
        )

    @property
    def selection(self) -> str:
        """Return the options by which the command line selects this suite and these data."""
        return self.asked or f"--suite {self.name}"

    def gone(self, options: DataOptions) -> bool:
        """Tell whether it is of a folder that is not there, or no longer."""
        return self.own and options.path is not None and not Path(os.path.expanduser(options.path)).is_dir()

    def of_fold(self, fold: int) -> Suite:
        """Return the suite of one fold alone; of a suite without folds, itself."""
        return replace(self, load=self.folds[fold], folds=()) if self.folds else self

    def check(self, options: DataOptions) -> None:
        """Raise DataError where an option does not apply to the suite's data."""
        if self.packaged and options.path is not None:
            raise DataError(f"--data does not apply to the suite {self.name}: its images come with {self.packaged}.")
        if self.packaged and not options.cached:
            raise DataError(f"--no-cache does not apply to the suite {self.name}, whose images are not cached.")
        heeded = {FLAGS[field] for field in self.options}
        for flag in options.flags():
            if flag not in heeded:
                raise DataError(f"{flag} does not apply to the suite {self.name}: its data leaves no choice there.")

    def read(self, options: DataOptions) -> Dataset:
        """Read the data; raise DataError, also where an option does not apply to it."""
        self.check(options)
        with reading_anew(not options.cached):
            return self.load(options)
