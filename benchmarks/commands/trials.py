"""Train members for the same short time, to compare them: `python benchmark.py trials --members '*fer' --seconds 120`.

A trial measures a member's training speed over a few steps, then trains it by its recipe, but with as many epochs and
images as fit the time. It says what a recipe is worth at that price on this hardware, not what the network can reach.
All members are treated alike: no TTA, epochs chosen on a part of val, accuracies on all of val. Test is not looked at:
what trials choose is scored there once, in the leaderboard. Rows go to results/<suite>/trials.csv as they come; a
member whose row is there for the same time is not tried again.
"""

from __future__ import annotations

import contextlib
import math
import sys
import tempfile
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.commands.options import suite_arguments
from benchmarks.data import Dataset, Split
from benchmarks.execution.plan import size_share
from benchmarks.files import CsvRow, csv_text_of, read_csv, write_atomic
from benchmarks.provenance import code_version, device_name
from benchmarks.session import Session, options_from
from zoo import registry
from zoo.registry import Member

if TYPE_CHECKING:
    from zoo.training.loop import Trained

LEAST_EPOCHS = 4  # so that schedule and weight averaging mean something
PROBE_STEPS = 6  # of which the first does not count: it allocates
VAL_IMAGES = 512  # that choose the epoch; validating on all would eat the time of slow networks


def time_of(text: str) -> float:
    """Seconds, more than none."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return seconds


def arguments(parser: ArgumentParser) -> None:
    """Add the time, which members, and what trains."""
    seconds = "training time of each (default: 120)"
    parser.add_argument("--seconds", metavar="N", type=time_of, default=120.0, help=seconds)
    house = "papers' recipes at this project's input size"
    parser.add_argument("--house-size", action="store_true", help=house)
    parser.add_argument("--members", metavar="GLOB", nargs="+", action="extend", required=True, help="which are tried")
    suite_arguments(parser, "--device")


def execute(arguments: Namespace) -> None:
    """Write results/<suite>/trials.csv."""
    options = options_from(arguments)
    session = Session(replace(options, members=()))
    names = registry.select("member", options.members, registry.members())
    members = [registry.get(name) for name in names]
    if arguments.house_size:
        members = [replace(one, image_size=registry.with_recipe(one, "house").image_size) for one in members]
    run(session, members, arguments.seconds, session.device)


@dataclass
class Probe:
    """Stops a training after a few steps, and knows how long they took."""

    limit: float  # seconds
    times: list[float] = field(default_factory=list)

    def __call__(self) -> str | None:
        self.times.append(time.perf_counter())
        steps = len(self.times) - 1
        enough = steps >= PROBE_STEPS or (steps >= 2 and self.times[-1] - self.times[0] > self.limit)
        return "measured" if enough else None

    @property
    def seconds_a_step(self) -> float:
        steps = np.diff(self.times)[1:]
        return float(np.median(steps))


def fitted(member: Member, images_per_second: float, seconds: float, train_size: int) -> Member:
    """The member with as many epochs as fit, and fewer images in each where fewer than LEAST_EPOCHS would fit.

    `images_per_second` is the speed at the full image size; where training begins with smaller images, more fit.
    """
    few = replace(member.recipe, epochs=LEAST_EPOCHS)
    batch, images = member.recipe.batch_size, images_per_second * seconds / size_share(few, member.image_size)
    epochs = min(member.recipe.epochs, max(LEAST_EPOCHS, int(images / train_size)))
    in_epoch = max(batch, int(images / epochs) // batch * batch)
    bound = in_epoch if in_epoch + batch <= train_size else 0
    cycles = max(1, min(member.recipe.cycles, int(epochs * (1 - member.recipe.warmup))))
    return replace(member, recipe=replace(member.recipe, epochs=epochs, epoch_images=bound, cycles=cycles))


def attempt(member: Member, dataset: Dataset, device: str, seconds: float) -> CsvRow:
    """One trial; raises what training raises."""
    from zoo.inference.predict import predict
    from zoo.training.loop import Stopped

    member = replace(member, recipe=replace(member.recipe, tta="none"))
    probe = Probe(limit=seconds / 10)
    endless = replace(member, recipe=replace(member.recipe, epochs=999, start_size=1.0))
    with contextlib.suppress(Stopped):
        _trained(endless, dataset, device, stop=probe)
    member = fitted(member, member.recipe.batch_size / probe.seconds_a_step, seconds, len(dataset.train))
    done = _trained(member, dataset, device)
    recipe, val = member.recipe, dataset.val
    logits = predict(member, done.weights, val.images, len(dataset.classes), device)
    return {
        "member": member.name,
        "image_size": str(member.image_size),
        "params": str(member.params),
        "epochs": str(recipe.epochs),
        "images": str(recipe.epochs * (recipe.epoch_images or len(dataset.train))),
        "seconds": f"{done.seconds:.0f}",
        "images_per_second": f"{done.images_per_second:.0f}",
        "val_accuracy": f"{(logits.argmax(1) == val.targets).mean():.4f}",
        "asked_seconds": f"{seconds:g}",
        "device": device_name(device),
        "code": code_version(),
    }


def _trained(member: Member, dataset: Dataset, device: str, stop: Callable[[], str | None] = lambda: None) -> Trained:
    from zoo.training.job import Splits, TrainContext, TrainJob
    from zoo.training.loop import train

    data = Splits(dataset.train, _first(dataset.val, VAL_IMAGES))
    with tempfile.TemporaryDirectory() as folder:
        return train(TrainJob(member, data, len(dataset.classes)), TrainContext(Path(folder), device, stop=stop))


def _first(split: Split, count: int) -> Split:
    """The first rows: their order is by digest, so they are a random part."""
    return Split(split.images[:count], split.targets[:count], split.ids[:count])


def run(session: Session, members: list[Member], seconds: float, device: str) -> None:
    """Tries each member that has no row yet; one that fails is named and does not stop the others.

    Raises DataError without data, and ValueError where all fail.
    """
    path = session.folder / "trials.csv"
    tried = {row["member"] for row in read_csv(path) if row["asked_seconds"] == f"{seconds:g}"}
    waiting = [member for member in members if member.name not in tried]
    if not waiting:
        return
    fold, failed = session.folds[0], 0
    with fold.images() as dataset:
        for member in waiting:
            try:
                row = attempt(member, fold.training_data(member, dataset), device, seconds)
            except (RuntimeError, ValueError) as error:
                reason = " ".join(str(error).split())
                print(f"{member.name}: {type(error).__name__}: {reason}", file=sys.stderr, flush=True)
                failed += 1
                continue
            known = [{column: old[column] for column in row} for old in read_csv(path)]
            ranked = sorted([*known, row], key=lambda row: (-float(row["val_accuracy"]), row["member"]))
            write_atomic(path, csv_text_of(ranked))
            print(f"{member.name}: val {row['val_accuracy']}, {row['seconds']} s", flush=True)
    if failed == len(waiting):
        raise ValueError(f"no trial was possible: {failed} of {failed} members failed, for the reasons above")
