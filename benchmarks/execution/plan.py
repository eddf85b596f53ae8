"""Which members are at hand, which would be trained, and how long that takes by estimate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.data.known import named
from benchmarks.execution.hardware import Hardware
from benchmarks.session import Mode
from benchmarks.store.container import StoreError
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets
from zoo import registry
from zoo.member import Member
from zoo.recipes import Recipe, named_members
from zoo.training.compiling import SAVED, Choice, Execution, execution

AUTO_SECONDS = 120.0
"""Without a GPU and without a time budget, `--train auto` trains what all together takes no longer than this."""

UNKNOWN_MACS = 10**8  # of a network that was never counted

# Multiply-adds a second in training where nothing was measured yet: between plain and depthwise networks at 48 pixels.
MACS_PER_SECOND = {"cpu": 5e10, "cuda": 4e13}  # of one core; of one card


NOT_TRAINED = Execution(compiled=False, reason="not trained")


@dataclass(frozen=True)
class Step:
    """What is to be done for one member and seed."""

    configuration: Configuration
    stored: Predictions | None
    train: bool
    seconds: float  # estimate of its training
    reason: str  # why it is not at hand, or why it is not trained
    execution: Execution = NOT_TRAINED

    @property
    def command(self) -> str:
        """What trains this member later; the suite is filled in by the caller."""
        seed = f" --seeds {self.configuration.seed}" if self.configuration.seed else ""
        return f"--members {self.configuration.member.name}{seed} --train missing"


def estimate(
    configuration: Configuration, train_size: int, hardware: Hardware, known: Mapping[str, Any] | None
) -> float:
    """Estimate the seconds to train, not compiled: from the recorded speed of the member on such a device, else
    from its size."""
    member, recipe = configuration.member, configuration.member.recipe
    device, cores = hardware.device, hardware.cores
    speed = known.get("images_per_second") if known and known.get("device_kind") == device else None
    if known and speed:
        speed *= cores / known.get("cpu_cores", cores) if device == "cpu" else 1.0
        speed *= 1 - SAVED[device] if known.get("compiled") else 1.0
        return images_seen(recipe, train_size) / speed
    rate = MACS_PER_SECOND[device] * (cores if device == "cpu" else 1)
    seen = images_seen(recipe, train_size)
    own = 3 * (member.macs or UNKNOWN_MACS) * size_share(recipe, member.image_size)
    return seen * (own + sum(macs for _, macs in teachers_passes(member))) / rate


def teachers_passes(member: Member) -> list[tuple[str, int]]:
    """List the teachers that look at each of a member's views, with the multiply-adds that this takes of an image."""
    labels = member.recipe.labels
    named = named_members(labels.teacher) if labels.teacher and labels.matched else []
    teachers = [(name, registry.get(name)) for name, _ in named if registry.is_known(name)]
    return [(name, (one.recipe.folds or 1) * (one.macs or UNKNOWN_MACS)) for name, one in teachers]


def cost_of_views(member: Member) -> str:
    """Say what a member's training pays for teachers that look at each of its views; empty where it has none."""
    passes = teachers_passes(member)
    if not passes:
        return ""
    share = sum(macs for _, macs in passes) / (3 * (member.macs or UNKNOWN_MACS))
    who = ", ".join(name for name, _ in passes)
    return f"{member.name}: {who} look at each of its views, which adds {100 * share:.0f} % to its own multiply-adds"


def images_seen(recipe: Recipe, train_size: int) -> int:
    """Count the images in all training steps of a member: epochs times networks (folds, ingredients of a soup)."""
    networks = recipe.folds or (recipe.ingredients if recipe.soup != "none" else 1)
    own = train_size * (recipe.folds - 1) // recipe.folds if recipe.folds else train_size
    return networks * recipe.epochs * min(own, recipe.epoch_images or own)


def size_share(recipe: Recipe, image_size: int) -> float:
    """Average the cost of an image over the epochs, as a share of one at full size."""
    from zoo.training.schedule import size_at

    sizes = [size_at(recipe, image_size, epoch) for epoch in range(recipe.epochs)]
    return sum(size**2 for size in sizes) / len(sizes) / image_size**2


def inspect(wanted: Iterable[Configuration], store: PredictionStore, targets: Targets) -> tuple[list[Step], list[str]]:
    """Make a step for each wanted member, in their order, and notes on files that are not used; decide nothing yet."""
    steps: list[Step] = []
    notes: list[str] = []
    elsewhere: defaultdict[str, list[tuple[int, list[str]]]] = defaultdict(list)  # steps and notes, by name of the data
    for configuration in wanted:
        stored, trouble = None, []
        try:
            stored = store.load(configuration, targets)
        except StoreError as error:
            trouble.append(str(error))
        if stored is None:
            trouble += store.stale(configuration)
        others = store.other_data(configuration) if stored is None else []
        if others and len(others) == len(trouble):  # and its own file is not damaged
            elsewhere[" and ".join(sorted({named(data) for data in others}))].append((len(steps), trouble))
        else:
            notes += trouble
        steps.append(Step(configuration, stored, False, 0.0, "; ".join(trouble) or "no stored predictions"))
    for data, held in elsewhere.items():
        if len(held) == 1:
            notes += held[0][1]
            continue
        notes.append(f"{len(held):,} members have predictions of {data}; this is {named(targets.fingerprint)}")
        for place, _ in held:
            steps[place] = replace(steps[place], reason=f"its predictions are of {data}")
    return steps, notes


def decide(
    steps: Sequence[Step],
    store: PredictionStore,
    *,
    mode: Mode,
    compiling: Choice,
    hardware: Hardware,
    train_size: int,
    time_budget: float | None,
    obstacle: str | None,
) -> list[Step]:
    """Decide which steps are trained, and say of the others why not.

    `obstacle` is None, or the reason why nothing can be trained here. In mode `auto` a member is trained where its
    estimate still fits the time budget; the other modes start it all the same and stop in time.
    """
    device, decided = hardware.device, []
    left = time_budget if time_budget is not None else float("inf") if device == "cuda" else AUTO_SECONDS
    for step in steps:
        if step.stored is None or mode == "always":
            member, known = step.configuration.member, store.speed(step.configuration.member.name)
            as_it_is = estimate(step.configuration, train_size, hardware, known)
            chosen = execution(compiling, device, member.recipe, member.image_size, as_it_is, hardware.lacking)
            seconds = chosen.seconds
            if obstacle:
                step = replace(step, reason=f"{step.reason}; {obstacle}")
            elif mode == "auto" and seconds > left:
                step = replace(step, seconds=seconds, reason=f"{step.reason}; training it does not fit the time budget")
            else:
                step = replace(step, seconds=seconds, train=True, stored=None, execution=chosen)
                left -= seconds
        decided.append(step)
    return decided
