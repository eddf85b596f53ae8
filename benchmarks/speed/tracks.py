"""Time to an accuracy: `python -m benchmarks.speed.tracks --track T63 --seeds 5 [--data DIR] [--tune]`.

A track is a mean accuracy on PrivateTest and the seconds it may take from scratch on one kind of hardware. Settings are
tuned on PublicTest alone: `--tune` runs the same without looking at PrivateTest. Otherwise each seed is scored on it
once, and a one-sided one-sample t-test says whether the mean over the seeds lies above the track's accuracy.

On the clock: building the network, training with its validations and checkpoints, the choice of the epoch, test-time
augmentation on PrivateTest, and for an ensemble all members and the search on PublicTest. Not on the clock: imports,
reading the data, and a warm-up of a few steps, in which a GPU loads its kernels.
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
    accuracy: float  # per cent, mean over seeds on PrivateTest
    seconds: float
    device: str
    member: str
    settings: tuple[str, ...]  # as zoo.overrides takes them
    networks: int = 1
    cores: int = 2  # of a track on a CPU


@dataclass(frozen=True)
class Run:
    """One seed's outcome, accuracies in per cent; that on PrivateTest is None where it was not looked at."""

    seed: int
    val: float
    test: float | None
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
    parser.add_argument("--tune", action="store_true", help="PublicTest alone: PrivateTest is not looked at")
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
            runs.append(run(track, member, dataset, seed, device, scored=not options.tune))
            print(line(runs[-1]), flush=True)
    except (ValueError, OSError) as error:
        print(f"tracks: {error}", file=sys.stderr)
        return 2
    if options.tune:
        print(f"mean of {len(runs)} on PublicTest {np.mean([one.val for one in runs]):.2f} %")
        return 0
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
    return f"{track.name}: {track.accuracy:g} % on PrivateTest in {track.seconds:g} s ({how})"


def warm_up(member: Member, dataset: Dataset, device: str) -> None:
    """A few steps that count for nothing."""
    from zoo.training.loop import Stopped

    steps = iter(range(WARM_UP))
    with suppress(Stopped):
        _trained(member, dataset, 0, device, stop=lambda: "warm" if next(steps, None) is None else None)


def run(track: Track, member: Member, dataset: Dataset, seed: int, device: str, scored: bool) -> Run:
    """One seed from scratch to its predictions; PrivateTest labels are read when the clock has stopped."""
    start = time.perf_counter()
    seeds = range(seed * track.networks, (seed + 1) * track.networks)
    val, test = zip(*(_predictions(member, dataset, one, device, scored) for one in seeds), strict=True)
    combined_val, combined_test = _combined(np.stack(val), np.stack(test), dataset.val.targets)
    seconds = time.perf_counter() - start
    on_test = 100 * accuracy(combined_test, dataset.test.targets) if scored else None
    return Run(seed, 100 * accuracy(combined_val, dataset.val.targets), on_test, seconds)


def _predictions(
    member: Member, dataset: Dataset, seed: int, device: str, scored: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of val and test; without scoring, those of val stand for both."""
    from zoo.inference.predict import predict

    weights = _trained(member, dataset, seed, device)
    val = predict(member, weights, dataset.val.images, len(dataset.classes), device)
    return val, predict(member, weights, dataset.test.images, len(dataset.classes), device) if scored else val


def _trained(
    member: Member, dataset: Dataset, seed: int, device: str, stop: Callable[[], str | None] = lambda: None
) -> dict[str, Tensor]:
    from zoo.training.job import TrainContext, TrainJob
    from zoo.training.loop import train

    with tempfile.TemporaryDirectory() as folder:
        context = TrainContext(Path(folder), device, stop=stop)
        return train(TrainJob(member, dataset, len(dataset.classes), seed), context).weights


def _combined(val: np.ndarray, test: np.ndarray, val_targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of one network, or of the ensemble that the search on val chooses."""
    names = ENSEMBLERS if len(val) > 1 else ("uniform",)
    chosen = choose(search(val, val_targets, names)).ensembler
    assert chosen is not None, "what was chosen was fitted"
    return chosen.predict_proba(val), chosen.predict_proba(test)


def line(one: Run) -> str:
    """A run in a line."""
    on_test = "" if one.test is None else f", PrivateTest {one.test:.2f} %"
    return f"  seed {one.seed}: {one.seconds:7.1f} s, PublicTest {one.val:.2f} %{on_test}"


def verdict(track: Track, runs: Sequence[Run]) -> tuple[str, bool]:
    """Mean, spread, test and clock in words, and whether the track is reached."""
    found = np.array([one.test for one in runs], dtype=float)
    slowest, mean_seconds = max(one.seconds for one in runs), float(np.mean([one.seconds for one in runs]))
    text = f"mean of {len(found)} on PrivateTest {found.mean():.2f} %"
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
    found = [one.test for one in runs if one.test is not None]
    count = f"mean of {len(found)} seeds"
    return [
        Comparison(
            f"{track.name}, accuracy on PrivateTest, {count}", "%", float(np.mean(found)), target=track.accuracy
        ),
        Comparison(
            f"{track.name}, wall clock, {count}",
            "s",
            float(np.mean([one.seconds for one in runs])),
            target=track.seconds,
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
