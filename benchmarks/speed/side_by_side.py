"""Throughput of several trainings at once: side by side against one after the other with all cores.

    python -m benchmarks.speed.side_by_side                          # one member, as many times as there are cores
    python -m benchmarks.speed.side_by_side --members vgg_fer resnet_fer mini_xception
    python -m benchmarks.speed.side_by_side --device cuda --count 8

A figure is the images a second of all trainings together, by the loop of the zoo on made-up images; the first steps are
not counted, and all start the clock at once. Of unlike members each does what it can in that time: what it is compared
with is the rate at which the same images pass one member after the other.

`processes` is what `benchmark.py --side-by-side` does: the cores are divided, a card is shared. On a card there are two
more ways, which the pipeline does not have: `threads` of one process with a stream each; and, of one member, `stacked`
parameters, so many networks in one pass by vmap. The stacked pass is SGD with momentum on our augmented batches without
the average of the weights, the clipping and the look at the loss that the loop of the zoo has: it flatters itself.

Processes take turns on a card, and fill the gaps that each leaves while it prepares its next kernel; their kernels run
at once only where NVIDIA's MPS is on (`nvidia-cuda-mps-control -d`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Barrier
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.nn import functional as F

from benchmarks.data import Split
from benchmarks.execution.slots import Slot, available, inherited, pin, slots, visible_cards
from benchmarks.provenance import cpu_cores
from benchmarks.speed.records import Comparison, add_json_option, compare_rates, write_record
from benchmarks.speed.timing import Rate, header
from benchmarks.speed.training import CLASSES, PACKAGES, Clock, clocked, made_up_images, ours, prepared
from zoo import registry
from zoo.cpu import keep_freed_memory
from zoo.outputs import logits_of
from zoo.recipes import Recipe
from zoo.registry import Member
from zoo.training.loop import augmented

ALONE = "one after the other, all cores"

Rates = list[float]  # images a second of each training


@dataclass(frozen=True)
class Work:
    """What every side trains: networks of these members, each on so many made-up images, for so long."""

    members: tuple[Member, ...]
    images: int
    device: str
    seconds: float
    cores: tuple[int, ...]

    def data(self, member: Member) -> Split:
        return made_up_images(self.images, member.image_size)


def main(argv: list[str] | None = None) -> None:
    """Runs all sides in turns, and prints them with the ratios last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", nargs="+", default=["vgg_fer"], help="one, several times; or several, once each")
    parser.add_argument("--count", type=int, default=max(2, cpu_cores()), help="trainings of a single member")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each side's round")
    for name, default in (("images", 28709), ("rounds", 2), ("cores", cpu_cores())):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--batch-size", type=int, help="default: that of the members' recipes")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    add_json_option(parser)
    options = parser.parse_args(argv)
    names = options.members if len(options.members) > 1 else options.members * options.count
    members = tuple(prepared(registry.get(name), options.batch_size) for name in names)
    cores = tuple(available()[: options.cores])
    work = Work(members, options.images, options.device, options.seconds, cores)
    torch.set_num_threads(len(cores))
    keep_freed_memory()
    title = f"Trainings of {'unlike members' if len(options.members) > 1 else 'one member'} side by side"
    print(header(title, PACKAGES, options.device))
    what = " + ".join(options.members) if len(options.members) > 1 else f"{options.count} x {names[0]}"
    what += f", {len(cores)} core(s)" if options.device == "cpu" else f", {options.device}"
    rows = compared(what, work, sides(work), options.rounds)
    write_record(options.json, "side_by_side", title, rows, PACKAGES, options.device)


Side = Callable[[Work], Rates]


def sides(work: Work) -> dict[str, Side]:
    """The ways there are on the device, by name."""
    count = len(work.members)
    found: dict[str, Side] = {f"{count} processes": processes}
    if work.device == "cuda":
        found[f"{count} threads with streams"] = threads
        if len(set(work.members)) == 1:
            found[f"{count} networks stacked"] = stacked
    return found


def compared(what: str, work: Work, each: Mapping[str, Side], rounds: int) -> list[Comparison]:
    """Measures all sides in turns, prints them, and returns each with what it is compared with."""
    mine: dict[str, Rates] = {name: [] for name in each}
    theirs: dict[str, Rates] = {name: [] for name in each}
    for _ in range(rounds):
        alone = {member: ours(member, work.data(member), work.device, work.seconds) for member in set(work.members)}
        for name, side in each.items():
            found = side(work)
            mine[name].append(sum(found))
            theirs[name].append(in_turn(found, [alone[member] for member in work.members]))
    print(f"\n{what}")
    rows, ratios = [], []
    for name in each:
        beside, peer = Rate(tuple(mine[name])), Rate(tuple(theirs[name]))
        print(f"  {name:38s} images: {beside}\n  {ALONE:38s} images: {peer}")
        ratios.append(f"  {name} against {ALONE}: {_precise(beside, peer)}")
        rows += compare_rates({name: beside, ALONE: peer}, f"{what}: {name}", "images/s")
    print("\n".join(ratios))
    return rows


def in_turn(beside: Sequence[float], alone: Sequence[float]) -> float:
    """Images a second where the images that trainings do side by side are done one training after the other."""
    return sum(beside) / sum(rate / its for rate, its in zip(beside, alone, strict=True))


def _precise(beside: Rate, alone: Rate) -> str:
    """As `Rate.over`, to the second decimal: a fifth more is what this is about."""
    least = min(beside.per_second) / alone.best
    return f"{beside.best / alone.best:.2f} times as fast (at least {least:.2f} in these runs)"


@dataclass
class GatedClock(Clock):
    """Starts when all trainings have passed the gate."""

    gate: Barrier = field(default_factory=partial(Barrier, 1))

    def __call__(self) -> str | None:
        if self.steps == 0:
            self._now()  # whatever was asked of a card is done
            self.gate.wait()
        return super().__call__()


@contextmanager
def opened_for_others(gate: Barrier) -> Iterator[None]:
    """A training that fails must not leave the others waiting."""
    try:
        yield
    except BaseException:
        gate.abort()
        raise


def processes(work: Work) -> Rates:
    """Each training in a process with its share of the cores; RuntimeError where one is lost."""
    context = get_context("spawn")
    gate, lines, started = context.Barrier(len(work.members)), [], []
    for place, slot in enumerate(slots(len(work.members), visible_cards(work.device)[:1], cores=work.cores)):
        line, theirs = context.Pipe(duplex=False)
        process = context.Process(target=one_process, args=(work, place, slot, gate, theirs))
        with inherited(slot):
            process.start()
        theirs.close()
        lines.append(line)
        started.append(process)
    try:
        return [line.recv() for line in lines]
    except EOFError as error:
        raise RuntimeError("a process was lost, see above; fewer at once need less memory (--count)") from error
    finally:
        for process in started:
            process.kill()
            process.join()


def one_process(work: Work, place: int, slot: Slot, gate: Any, line: Connection) -> None:
    """Times the training of that place, and sends its images a second."""
    pin(slot)
    torch.set_num_threads(slot.threads)
    member = work.members[place]
    with opened_for_others(gate):
        line.send(clocked(GatedClock(work.seconds, work.device, gate=gate), member, work.data(member)))


def threads(work: Work) -> Rates:
    """Each training in a thread of this process, on a card with a stream of its own."""
    gate = Barrier(len(work.members))

    def one(member: Member) -> float:
        stream = torch.cuda.stream(torch.cuda.Stream()) if work.device == "cuda" else nullcontext()
        with opened_for_others(gate), stream:
            return clocked(GatedClock(work.seconds, work.device, gate=gate), member, work.data(member))

    with ThreadPoolExecutor(len(work.members)) as pool:
        return list(pool.map(one, work.members))


def stacked(work: Work) -> Rates:
    """All networks of one member in one pass."""
    member, count, clock = work.members[0], len(work.members), Clock(work.seconds, work.device)
    recipe, data = member.recipe, work.data(member)
    images, targets = (torch.from_numpy(array).to(work.device) for array in (data.images, data.targets))
    generator = torch.Generator(work.device).manual_seed(0)
    networks = [member.build(CLASSES, 1).to(work.device).train() for _ in range(count)]
    stack = Stack(networks, recipe, bf16=work.device == "cuda")
    while not clock():
        rows = torch.randint(len(images), (count * recipe.batch_size,), device=work.device, generator=generator)
        inputs = augmented(images[rows], member.image_size, recipe, generator)
        stack.step(*(part.unflatten(0, (count, recipe.batch_size)) for part in (inputs, targets[rows])))
    return [clock.steps * recipe.batch_size / clock.elapsed] * count


class Stack:
    """Networks of one architecture whose parameters lie in one tensor each, trained in one pass by SGD.

    Batch norm keeps its statistics apart, network by network, and dropout draws apart.
    """

    def __init__(self, networks: Sequence[nn.Module], recipe: Recipe, bf16: bool) -> None:
        self.parameters, self.buffers = stack_module_state(list(networks))
        self._shape = deepcopy(networks[0]).to("meta")  # says what is computed, holds no numbers
        self._recipe, self._bf16 = recipe, bf16
        self._optimizer = torch.optim.SGD(
            self.parameters.values(),
            recipe.learning_rate,
            recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=True,
        )

    def step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """One update by float [K,B,C,H,W] and int64 [K,B], a batch a network; returns the losses [K]."""
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self._bf16):
            losses = torch.vmap(self._loss, randomness="different")(self.parameters, self.buffers, inputs, targets)
        self._optimizer.zero_grad()
        losses.sum().backward()  # each has a gradient for its own parameters alone
        self._optimizer.step()
        detached: Tensor = losses.detach()
        return detached

    def _loss(self, parameters: Any, buffers: Any, inputs: Tensor, targets: Tensor) -> Tensor:
        logits = logits_of(functional_call(self._shape, (parameters, buffers), (inputs,)))
        return F.cross_entropy(logits.float(), targets, label_smoothing=self._recipe.loss.label_smoothing)


if __name__ == "__main__":
    main()
