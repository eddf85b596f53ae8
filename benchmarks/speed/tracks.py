"""Time to an accuracy: `python -m benchmarks.speed.tracks --track T63 --seeds 5 [--data DIR]`.

A track is a mean accuracy on PublicTest and the seconds it may take from scratch on one kind of hardware. A one-sided
one-sample t-test says whether the mean over the seeds lies above the track's accuracy. PrivateTest is not looked at: a
track is run for every setting that is tried, and what is chosen is scored there once, in the leaderboard. PublicTest
has chosen epochs and settings, so its accuracy is somewhat too good.

On the clock: building the network, training with its validations and checkpoints, the choice of the epoch, test-time
augmentation on PublicTest, and for an ensemble all members and the search there. Not on the clock: imports, reading the
data, and a warm-up of a few steps, in which a GPU loads its kernels.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import ttest_1samp

from benchmarks import suites
from benchmarks.data import DataOptions, Dataset
from benchmarks.evaluation.metrics import accuracy
from benchmarks.provenance import cpu_cores, resolve_device
from benchmarks.speed.records import Comparison, add_json_option, write_record
from benchmarks.speed.timing import header
from ensembles.search import choose, search
from zoo import registry
from zoo.overrides import override
from zoo.registry import Member

if TYPE_CHECKING:
    from torch import Tensor


PACKAGES = ("torch", "timm")
SIGNIFICANT = 0.01  # of the one-sided test
WARM_UP = 3  # steps
ENSEMBLERS = ("best_single", "uniform", "log_pool", "top_k", "weighted", "greedy", "greedy_bagged")


@dataclass(frozen=True)
class Track:
    """What is to be reached, and by which training; `networks` of it with seeds of their own make an ensemble."""

    name: str
    accuracy: float  # per cent, mean over seeds on PublicTest
    seconds: float
    device: str
    member: str
    settings: tuple[str, ...]  # as zoo.overrides takes them
    networks: int = 1
    cores: int = 2  # of a track on a CPU


@dataclass(frozen=True)
class Run:
    """One seed's outcome, its accuracy on PublicTest in per cent."""

    seed: int
    val: float
    seconds: float


_FEW_EPOCHS = ("recipe.augment.erase=0", "recipe.augment.rotation=8", "recipe.ema_decay=0.99")
_LARGE_BATCH = ("recipe.batch_size=512", "recipe.lr=0.04")

TRACKS = {
    track.name: track
    for track in (
        Track("T63", 63.0, 300.0, "cpu", "vgg_fer@muon", ("recipe.epochs=5", *_FEW_EPOCHS)),
        Track("T66", 66.0, 900.0, "cpu", "vgg_fer@muon", ("recipe.epochs=11", "recipe.augment.erase=0.1")),
        Track("T70", 70.0, 10.0, "cuda", "vgg_fer@muon", ("recipe.epochs=16", *_LARGE_BATCH)),
        Track("T72", 72.0, 60.0, "cuda", "resnet_fer@muon", ("recipe.epochs=50", *_LARGE_BATCH)),
        Track("T73", 73.0, 240.0, "cuda", "resnet_fer@muon", ("recipe.epochs=160", *_LARGE_BATCH)),
        Track("ensemble10min", 75.0, 600.0, "cuda", "resnet_fer@muon", ("recipe.epochs=50", *_LARGE_BATCH), networks=9),
    )
}
"""Those for a GPU are settings to start from: none was run yet."""


def main(argv: list[str] | None = None) -> int:
    """Returns 0, 1 where the track was run and not reached, or 2 for bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--track", choices=TRACKS, required=True)
    parser.add_argument("--seeds", type=int, default=5, help="so many, from 0 (default: 5)")
    parser.add_argument("--set", metavar="KEY=VALUE", nargs="+", default=[], help="settings after the track's own")
    parser.add_argument("--data", metavar="DIR", type=Path)
    add_json_option(parser)
    options = parser.parse_args(argv)
    track = TRACKS[options.track]
    try:
        member = override(registry.get(track.member), [*track.settings, *options.set])
        device = _device(track)
        print(header(described(track, member), PACKAGES, device))
        dataset = suites.get("fer2013").read(DataOptions(options.data))
        warm_up(member, dataset, device)
        runs = []
        for seed in range(options.seeds):
            runs.append(run(track, member, dataset, seed, device))
            print(line(runs[-1]), flush=True)
    except (ValueError, OSError) as error:
        print(f"tracks: {error}", file=sys.stderr)
        return 2
    text, reached = verdict(track, runs)
    print(text)
    write_record(options.json, "tracks", described(track, member), comparisons(track, runs), PACKAGES, device)
    return 0 if reached else 1


def _device(track: Track) -> str:
    """Raises ValueError where the hardware is not of the track's kind."""
    device = resolve_device(track.device)
    if device == "cpu" and cpu_cores() != track.cores:
        print(f"note: {track.name} is for {track.cores} cores; with {cpu_cores()} its time does not count")
    return device


def described(track: Track, member: Member) -> str:
    """The track in a line, with what its training changes."""
    several = f"{track.networks} x " if track.networks > 1 else ""
    how = f"{several}{member.name}, {', '.join(track.settings)}"
    return f"{track.name}: {track.accuracy:g} % on PublicTest in {track.seconds:g} s ({how})"


def warm_up(member: Member, dataset: Dataset, device: str) -> None:
    """A few steps that count for nothing."""
    from zoo.training.loop import Stopped

    steps = iter(range(WARM_UP))
    with suppress(Stopped):
        _trained(member, dataset, 0, device, stop=lambda: "warm" if next(steps, None) is None else None)


def run(track: Track, member: Member, dataset: Dataset, seed: int, device: str) -> Run:
    """One seed from scratch to its predictions."""
    start = time.perf_counter()
    seeds = range(seed * track.networks, (seed + 1) * track.networks)
    logits = np.stack([_predictions(member, dataset, one, device) for one in seeds])
    combined = _combined(logits, dataset.val.targets)
    seconds = time.perf_counter() - start
    return Run(seed, 100 * accuracy(combined, dataset.val.targets), seconds)


def _predictions(member: Member, dataset: Dataset, seed: int, device: str) -> np.ndarray:
    """Logits of val."""
    from zoo.inference.predict import predict

    weights = _trained(member, dataset, seed, device)
    return predict(member, weights, dataset.val.images, len(dataset.classes), device)


def _trained(
    member: Member, dataset: Dataset, seed: int, device: str, stop: Callable[[], str | None] = lambda: None
) -> dict[str, Tensor]:
    from zoo.training.job import TrainContext, TrainJob
    from zoo.training.loop import train

    with tempfile.TemporaryDirectory() as folder:
        context = TrainContext(Path(folder), device, stop=stop)
        return train(TrainJob(member, dataset, len(dataset.classes), seed), context).weights


def _combined(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Probabilities of one network, or of the ensemble that the search chooses, of images held out of its fit."""
    names = ENSEMBLERS if len(logits) > 1 else ("uniform",)
    held_out = choose(search(logits, targets, names)).cross_fit_probabilities
    assert held_out is not None, "what was chosen was fitted"
    return np.asarray(held_out[0])


def line(one: Run) -> str:
    """A run in a line."""
    return f"  seed {one.seed}: {one.seconds:7.1f} s, PublicTest {one.val:.2f} %"


def verdict(track: Track, runs: Sequence[Run]) -> tuple[str, bool]:
    """Mean, spread, test and clock in words, and whether the track is reached."""
    found = np.array([one.val for one in runs])
    slowest, mean_seconds = max(one.seconds for one in runs), float(np.mean([one.seconds for one in runs]))
    text = f"mean of {len(found)} on PublicTest {found.mean():.2f} %"
    significant = False
    if len(found) > 1 and np.ptp(found) > 0:
        p = float(ttest_1samp(found, track.accuracy, alternative="greater").pvalue)
        text += f" (standard deviation {found.std(ddof=1):.2f}; p = {p:.2g} for no more than {track.accuracy:g} %)"
        significant = p < SIGNIFICANT
    in_time = mean_seconds <= track.seconds
    text += f"; mean {mean_seconds:.1f} s, slowest {slowest:.1f} s, of {track.seconds:g} s"
    reached = significant and in_time
    missing = [
        *([] if found.mean() >= track.accuracy else [f"{track.accuracy - found.mean():.2f} points short"]),
        *([] if significant or found.mean() < track.accuracy else [f"not significant at {SIGNIFICANT:g}"]),
        *([] if in_time else [f"{mean_seconds - track.seconds:.1f} s too long"]),
    ]
    return f"{text}\n{track.name} {'reached' if reached else 'not reached: ' + ', '.join(missing)}", reached


def comparisons(track: Track, runs: Sequence[Run]) -> list[Comparison]:
    """Accuracy and clock beside the track's."""
    found = [one.val for one in runs]
    count = f"mean of {len(found)} seeds"
    return [
        Comparison(f"{track.name}, accuracy on PublicTest, {count}", "%", float(np.mean(found)), target=track.accuracy),
        Comparison(
            f"{track.name}, wall clock, {count}",
            "s",
            float(np.mean([one.seconds for one in runs])),
            target=track.seconds,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
