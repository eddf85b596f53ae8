"""How much of what the hardware allows is reached: the roofline model (doi:10.1145/1498765.1498785), per operator.

    python -m benchmarks.speed.roofline [--members vgg_fer resnet18 --cores 1 --device cuda]

An operator takes at least as long as its operations at the measured peak of their type, and at least as long as its
bytes at the measured speed of the memory that can hold them; the larger of the two bounds it, and their sum over all
operators bounds the whole: a step of `zoo.training.loop.train` (augmentation, forward, backward, optimizer, average of
the weights), scoring by `zoo.inference.predict`, and augmentation alone. Operators and what is counted of them:
benchmarks/speed/operators.py, noted in one real step; ceilings: benchmarks/speed/ceilings.py, measured before and after
each workload, the best of all.

Of two peers, the bound is what these operators could reach without being fused. The arithmetic alone, at its peak, is
what nothing that computes the same products can pass. On a GPU whose nominal bf16 peak is known, that peak is a third
one (MFU).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchmarks.provenance import cpu_cores, device_name
from benchmarks.speed import input_pipeline, training
from benchmarks.speed.ceilings import Ceilings, measure
from benchmarks.speed.operators import Operator, Operators, groups
from benchmarks.speed.records import Comparison, add_json_option, compare_rates, write_record
from benchmarks.speed.timing import Rate, header, in_turns, rates
from zoo import registry
from zoo.cpu import keep_freed_memory
from zoo.inference.fuse import folded
from zoo.inference.predict import class_scores
from zoo.registry import Member
from zoo.training.job import Splits, TrainContext, TrainJob
from zoo.training.loop import Stopped, train
from zoo.training.products import by_library

PACKAGES = ("torch", "timm")
AUGMENTED = 128
COUNTED_STEP = 2  # the first one has no momentum to read
MFU = {"ferplus_vgg13": 0.3}
"""Shares of a GPU's nominal peak that this project asks of itself, by member."""


@dataclass(frozen=True)
class Work:
    """So many images, the operators they take, and how fast they go.

    `figure` is what the script that compares it with other programs calls it, `mfu` the share of a GPU's nominal peak
    that is asked of it.
    """

    kind: str
    figure: str
    images: int
    operators: Sequence[Operator]
    measured: Rate
    mfu: float | None = None


@dataclass(frozen=True)
class Bound:
    """The least seconds of operators: of those bound by arithmetic, of those bound by memory, and of all products."""

    arithmetic: float
    memory: float
    products: float

    @classmethod
    def of(cls, operators: Sequence[Operator], ceilings: Ceilings) -> Bound:
        pairs = [(ceilings.arithmetic(operator), ceilings.memory(operator)) for operator in operators]
        return cls(
            sum(arithmetic for arithmetic, memory in pairs if arithmetic > memory),
            sum(memory for arithmetic, memory in pairs if arithmetic <= memory),
            sum(arithmetic for arithmetic, _ in pairs),
        )

    @property
    def seconds(self) -> float:
        return self.arithmetic + self.memory

    def __str__(self) -> str:
        shares = {"arithmetic": self.arithmetic / self.seconds, "memory": self.memory / self.seconds}
        ordered = sorted(shares.items(), key=lambda share: -share[1])
        return ", ".join(f"{name} {100 * share:.0f} %" for name, share in ordered)


BATCH = {"cpu": 64, "cuda": 256}  # images of inference, as benchmarks/speed/inference.py has them


def main(argv: list[str] | None = None) -> None:
    """Measures ceilings and workloads in turns; prints what bounds each, and the share of its bound last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", nargs="+", default=["vgg_fer", "resnet_fer", "resnet18", "mini_xception"])
    parser.add_argument("--seconds", type=float, default=10.0, help="of a round of training; others take a third")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--images", type=int, default=8192, help="to train on and to augment")
    parser.add_argument("--batch-size", type=int, help="of training; default: that of the member's recipe")
    parser.add_argument("--cores", type=int, default=cpu_cores(), help="threads")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    add_json_option(parser)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.cores)
    keep_freed_memory()
    print(header("Roofline", PACKAGES, options.device))
    ceilings, works = measure(options.device), list[Work]()
    for work in workloads(options):
        print(f"measured: {work.figure}, {work.kind}", flush=True)
        works.append(work)
        ceilings = ceilings.raised_by(measure(options.device))
    rows = ceilings.comparisons()
    for row in rows:
        print(f"  {row.what}: {row.ours:,.0f} {row.unit}")
    for work in works:
        rows += reported(work, ceilings, options.device)
    write_record(options.json, "roofline", "Roofline", rows, PACKAGES, options.device)


def workloads(options: argparse.Namespace) -> Iterator[Work]:
    """Two a member, and augmentation last; each is measured when it is asked for."""
    for name in options.members:
        member = training.prepared(registry.get(name), options.batch_size)
        yield training_step(member, options)
        yield scoring(member, options)
    yield augmentation(options)


def training_step(member: Member, options: argparse.Namespace) -> Work:
    """A step of the training loop at the full image size, measured as benchmarks/speed/training.py does."""
    data = training.made_up_images(options.images, member.image_size)
    batch_size, size = member.recipe.batch_size, member.image_size
    where = f"{options.cores} core(s)" if options.device == "cpu" else options.device
    sides = {"ours": partial(training.ours, member, data, options.device, options.seconds)}
    return Work(
        "a training step",
        f"{member.name}, {size}x{size}, batch {batch_size}, {where}",
        batch_size,
        operators_of_a_step(member, options.device),
        in_turns(sides, options.rounds)["ours"],
        MFU.get(member.name),
    )


def operators_of_a_step(member: Member, device: str) -> list[Operator]:
    """Those of one step, noted while `zoo.training.loop.train` takes it.

    Convolutions are counted as such: what is saved by computing some as matrix products is saved against them.
    """
    data = training.made_up_images((COUNTED_STEP + 1) * member.recipe.batch_size, member.image_size)
    noted, found, asked = Operators(), list[Operator](), 0

    def stop() -> str | None:
        nonlocal asked
        asked += 1
        if asked > COUNTED_STEP:
            found.extend(noted.found)
            return "counted"
        noted.found.clear()
        return None

    with tempfile.TemporaryDirectory() as folder, suppress(Stopped), by_library(), noted:
        job = TrainJob(member, Splits(data, data), training.CLASSES)
        train(job, TrainContext(Path(folder), device, stop=stop))
    return found


def scoring(member: Member, options: argparse.Namespace) -> Work:
    """Logits of uint8 images on the device, as predictions are made, without test-time augmentation.

    Operators are counted of the network as it is: what folding saves is saved against them.
    """
    network = member.build(training.CLASSES, 1).eval().to(options.device).to(memory_format=torch.channels_last)
    batch, on_cpu = BATCH[options.device], options.device == "cpu"
    faster = folded(network, (1, member.image_size, member.image_size)) if on_cpu else network
    images = torch.from_numpy(training.made_up_images(batch, member.image_size).images).to(options.device)

    def one_batch(some: nn.Module) -> int:
        class_scores(some, images, member, "none", batch).cpu()
        return batch

    where = f"{options.cores} core(s)" if on_cpu else options.device
    figure = f"{member.name}, batch {batch}, {where}"
    return Work(
        "inference", figure, batch, noted_in(partial(one_batch, network)), _rate(partial(one_batch, faster), options)
    )


def augmentation(options: argparse.Namespace) -> Work:
    """What benchmarks/speed/input_pipeline.py measures, at its defaults."""
    size, device = 48, options.device
    images = torch.from_numpy(training.made_up_images(options.images, size).images)
    one, every = (
        input_pipeline.ours(some, input_pipeline.FULL, AUGMENTED, device) for some in (images[:AUGMENTED], images)
    )
    figure = f"Augmentation of {size}x{size} images, 1 channel(s), batch {AUGMENTED}, {options.cores} core(s)"
    return Work("augmentation", figure, AUGMENTED, noted_in(one), _rate(every, options))


def noted_in(call: Callable[[], int]) -> list[Operator]:
    """The operators of a call, after one that loads what there is to load."""
    call()
    with Operators() as noted:
        call()
    return noted.found


def _rate(call: Callable[[], int], options: argparse.Namespace) -> Rate:
    return rates({"ours": call}, options.seconds / 3, options.rounds)["ours"]


def reported(work: Work, ceilings: Ceilings, device: str) -> list[Comparison]:
    """Prints a workload group by group, and returns it beside its bounds."""
    bound = Bound.of(work.operators, ceilings)
    print(f"\n{work.figure}: {work.kind}")
    for group, operators in groups(work.operators).items():
        print(line(group, operators, ceilings))
    print(line("all", work.operators, ceilings))
    print(f"  measured {1000 * work.images / work.measured.best:.2f} ms, images: {work.measured}")
    least = {"bound": bound.seconds, "arithmetic": bound.products}
    peers = {f"{what} of {work.kind}": work.images / seconds for what, seconds in least.items() if seconds}
    sides = {"ours": work.measured, **{peer: Rate((images,)) for peer, images in peers.items()}}
    rows = compare_rates(sides, work.figure, "images/s")
    rows[0] = replace(rows[0], bounded_by=str(bound))
    rows += beside_the_nominal_peak(work) if device == "cuda" else []
    for row in rows:
        print(f"  {100 * (row.ratio or 0):.1f} % of the {row.peer}")
    return rows


def beside_the_nominal_peak(work: Work) -> list[Comparison]:
    """The workload's operations on a card whose dense bf16 peak is known: MFU. Empty for another card."""
    card, operations = device_name("cuda"), sum(operator.operations for operator in work.operators)
    for part, peak in training.PEAKS.items():
        if part in card:
            name = f"nominal peak of {part}"
            sides = {"ours": work.measured, name: Rate((work.images * peak / operations,))}
            return compare_rates(sides, work.figure, "images/s", {} if work.mfu is None else {name: work.mfu})
    return []


def line(group: str, operators: Sequence[Operator], ceilings: Ceilings) -> str:
    """Operations, bytes and least time of some operators, and what bounds them."""
    bound = Bound.of(operators, ceilings)
    operations, moved = sum(one.operations for one in operators), sum(one.moved for one in operators)
    counts = f"{len(operators):4d} operators {operations / 1e9:9.2f} GFLOP {moved / 1e6:8.1f} MB"
    return f"  {group:26s} {counts}, at least {bound.seconds * 1000:8.2f} ms: {bound}"


if __name__ == "__main__":
    main()
