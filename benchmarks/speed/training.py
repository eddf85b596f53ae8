"""Images a second of a training step against a usual script, and against the same loop in float32.

    python -m benchmarks.speed.training [--members vgg_fer mobilenetv2 --seconds 20 --device cuda]

All sides train the same network by SGD on the same made-up images with the full augmentation. `ours` is
`zoo.training.loop.train`, which also averages the weights, clips gradients and watches the loss. `timm-style` is what
most scripts do: PIL transforms in a DataLoader with 2 workers, timm's optimizer and loss, float32 on a CPU and bf16
autocast on a GPU. `eager float32` takes our own batches, without bf16 and channels-last memory. On a CPU one more side
is ours with torch's convolutions instead of zoo/training/products.py. The first steps of each round are not counted. On
a GPU whose peak is known, the share of it that ours reaches is printed (MFU). With `--compile` a further side is ours
by `torch.compile`, compiled in the steps that are not counted.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from benchmarks.data import Split
from benchmarks.provenance import cpu_cores, device_name
from benchmarks.speed.input_pipeline import PilImages
from benchmarks.speed.records import Comparison, add_json_option, compare_rates, write_record
from benchmarks.speed.timing import Rate, header, in_turns
from zoo import registry
from zoo.cpu import keep_freed_memory, supports_bf16
from zoo.inference.images import batch_of
from zoo.inference.pixels import normalise
from zoo.registry import Member
from zoo.training.augment import augment
from zoo.training.job import Splits, TrainContext, TrainJob
from zoo.training.loop import Stopped, train
from zoo.training.products import by_library

CLASSES = 7
MEMBERS = ["vgg_fer", "resnet18", "efficientnet_lite0", "mobilenetv4_conv_small", "convnext_atto"]
WARM_UP = 3  # steps of each round that are not counted: they allocate, and start workers
PEAKS = {"H100 80GB HBM3": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bf16 floating-point operations a second by a part of the card's name."""
PACKAGES = ("torch", "torchvision", "timm", "pillow")

Step = Callable[[Tensor, Tensor], None]


def main(argv: list[str] | None = None) -> None:
    """Runs all sides of each member in turns, and prints them with the ratios last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", nargs="+", default=MEMBERS)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each side's round")
    for name, default in (("images", 28709), ("workers", 2), ("rounds", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--batch-size", type=int, help="default: that of the member's recipe")
    parser.add_argument("--cores", type=int, default=cpu_cores(), help="threads of the training process")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compile", action="store_true", help="ours by torch.compile as well")
    add_json_option(parser)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.cores)
    keep_freed_memory()
    print(header("Training steps", PACKAGES, options.device))
    rows: list[Comparison] = []
    for name in options.members:
        member = prepared(registry.get(name), options.batch_size)
        what = f"{name}, {member.image_size}x{member.image_size}, batch {member.recipe.batch_size}, "
        what += f"{options.cores} core(s)" if options.device == "cpu" else options.device
        data = made_up_images(options.images, member.image_size)
        each = sides(member, data, options.device, options.workers, options.seconds)
        if options.compile:
            each["ours, compiled"] = partial(ours, member, data, options.device, options.seconds, compiled=True)
        found = in_turns(each, options.rounds)
        print(f"\n{what}" + "".join(f"\n  {side:38s} images: {rate}" for side, rate in found.items()))
        for line in utilisation(member, found["ours"], options.device):
            print(line)
        for side in list(found)[1:]:
            print(f"  against {side}: {found['ours'].over(found[side])}")
        rows += compare_rates(found, what, "images/s")
    half = options.device != "cpu" or supports_bf16()
    title = f"Training steps{'' if half else ', without bfloat16'}"
    write_record(options.json, "training", title, rows, PACKAGES, options.device)


def prepared(member: Member, batch_size: int | None) -> Member:
    """The member at its full image size from the first step, with epochs enough for any round."""
    recipe = replace(member.recipe, start_size=1.0, epochs=10_000, optimizer="sgd")
    return replace(member, recipe=replace(recipe, batch_size=batch_size or recipe.batch_size))


def made_up_images(images: int, size: int) -> Split:
    """Noise, whose content costs nothing and changes nothing here."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, 1, size, size), dtype=np.uint8)
    return Split(pixels, rng.integers(0, CLASSES, images), np.arange(images))


def sides(member: Member, data: Split, device: str, workers: int, seconds: float) -> dict[str, Callable[[], float]]:
    """What `in_turns` measures: each starts anew and returns images a second."""
    usual = f"timm-style, PIL with {workers} workers"
    found: dict[str, Callable[[], float]] = {
        "ours": partial(ours, member, data, device, seconds),
        usual: partial(usual_script, member, data, device, workers, seconds),
        "eager float32, our batches": partial(plain_loop, member, data, device, seconds),
    }
    if device == "cpu":
        found["ours, torch's convolutions"] = partial(ours_by_library, member, data, device, seconds)
    return found


@dataclass
class Clock:
    """Counts steps, and after the first few times them; asked before each step whether it is enough."""

    seconds: float
    device: str
    steps: int = -WARM_UP
    began: float = field(default=0.0)
    elapsed: float = field(default=0.0)

    def __call__(self) -> str | None:
        if self.steps == 0:
            self.began = self._now()
        enough = self.steps > 0 and time.perf_counter() - self.began >= self.seconds
        if enough:
            self.elapsed = self._now() - self.began
            return "measured"
        self.steps += 1
        return None

    def _now(self) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def ours(member: Member, data: Split, device: str, seconds: float, compiled: bool = False) -> float:
    """The training loop of the zoo itself."""
    return clocked(Clock(seconds, device), member, data, compiled)


def ours_by_library(member: Member, data: Split, device: str, seconds: float) -> float:
    """The same, but for the convolutions."""
    with by_library():
        return ours(member, data, device, seconds)


def clocked(clock: Clock, member: Member, data: Split, compiled: bool = False) -> float:
    """Images a second of a training that stops when the clock says so."""
    val = Split(data.images[:256], data.targets[:256], data.ids[:256])
    with tempfile.TemporaryDirectory() as folder, suppress(Stopped):
        context = TrainContext(Path(folder), clock.device, compiled, stop=clock)
        train(TrainJob(member, Splits(data, val), CLASSES), context)
    return clock.steps * member.recipe.batch_size / clock.elapsed


def usual_script(member: Member, data: Split, device: str, workers: int, seconds: float) -> float:
    """PIL and DataLoader, timm's SGD and loss; bf16 autocast on a GPU alone."""
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2

    network, recipe = member.build(CLASSES, 1).to(device).train(), member.recipe
    optimizer = create_optimizer_v2(network, "sgd", recipe.learning_rate, recipe.weight_decay, recipe.momentum)
    criterion = LabelSmoothingCrossEntropy(recipe.loss.label_smoothing)
    pairs = _Pairs(PilImages(torch.from_numpy(data.images), recipe), data.targets)
    loader = DataLoader(
        pairs, recipe.batch_size, shuffle=True, num_workers=workers, drop_last=True, pin_memory=device == "cuda"
    )

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in count():
            for images, targets in loader:
                yield images.to(device, non_blocking=True), targets.to(device, non_blocking=True)

    def step(images: Tensor, targets: Tensor) -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = criterion(network(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return _measured(batches(), step, Clock(seconds, device), recipe.batch_size)


class _Pairs(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images with their labels."""

    def __init__(self, images: PilImages, targets: np.ndarray) -> None:
        self._images, self._targets = images, targets

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._images[index], int(self._targets[index])


def plain_loop(member: Member, data: Split, device: str, seconds: float) -> float:
    """Our batched augmentation, then float32 in torch's default memory format."""
    network, recipe = member.build(CLASSES, 1).to(device).train(), member.recipe
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    images, targets = torch.from_numpy(data.images).to(device), torch.from_numpy(data.targets).to(device)
    generator = torch.Generator(device).manual_seed(0)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in count():
            for rows in torch.randperm(len(images), device=device).split(recipe.batch_size):
                if len(rows) == recipe.batch_size:
                    floats = augment(batch_of(images, rows), member.image_size, recipe.augment, generator)
                    yield normalise(floats, recipe.normalise), targets[rows]

    def step(inputs: Tensor, labels: Tensor) -> None:
        loss = F.cross_entropy(_logits(network, inputs), labels, label_smoothing=recipe.loss.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return _measured(batches(), step, Clock(seconds, device), recipe.batch_size)


def _logits(network: nn.Module, inputs: Tensor) -> Tensor:
    found: Tensor = network(inputs)
    return found


def _measured(batches: Iterator[tuple[Tensor, Tensor]], step: Step, clock: Clock, batch_size: int) -> float:
    while not clock():
        step(*next(batches))
    return clock.steps * batch_size / clock.elapsed


def utilisation(member: Member, rate: Rate, device: str) -> Iterator[str]:
    """Model FLOPs utilisation on a card whose peak is known: a step takes three times the forward pass."""
    if device != "cuda" or member.macs is None:
        return
    card = device_name(device)
    flops = 3 * 2 * member.macs * rate.best
    for name, peak in PEAKS.items():
        if name in card:
            yield f"  MFU {flops / peak:.1%}: {flops / 1e12:.1f} of {peak / 1e12:.0f} TFLOP/s dense bf16"


if __name__ == "__main__":
    main()
