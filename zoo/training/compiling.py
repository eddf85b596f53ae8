"""Decide whether `torch.compile` pays for itself within one training: it costs once and saves a little at every step.

On a CPU it saves nothing: forward and backward took 0.33 s compiled and 0.32 s as they are for vgg_fer, 0.40 and 0.36 s
for resnet18, 0.15 and 0.13 s for mini_xception (least seconds of one core, batches of their recipes, torch 2.15), after
one to three minutes of compiling on a busy core; in bfloat16 on a processor with AMX, vgg_fer trained on 433 to 440
images a second compiled, and on 441 to 448 as it is. Convolutions are the library's either way.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.recipes import Recipe
from zoo.training.schedule import size_at

if TYPE_CHECKING:
    from torch import nn

Choice = Literal["auto", "always", "never"]

SAVED = {"cpu": 0.0, "cuda": 0.2}
"""Share of a step's time. The GPU's is assumed until `benchmarks.speed.training --compile` has measured it."""

COMPILE_SECONDS = {"cpu": 40.0, "cuda": 40.0}
"""For one version of a network's code, forward and backward: assumed, for an idle machine."""

VERSIONS_KEPT = 64
"""Versions of one class's code that torch keeps. Its own limit of 8 is for all members of a class together; beyond it,
networks run uncompiled."""


@dataclass(frozen=True)
class Execution:
    """How the steps of a training run, compiled or eager, and why."""

    compiled: bool
    reason: str
    seconds: float = 0.0  # of all networks and steps by estimate, compiling included

    def __str__(self) -> str:
        return f"{'compiled' if self.compiled else 'eager'}: {self.reason}"


def execution(
    choice: Choice, device: str, recipe: Recipe, image_size: int, seconds: float, lacking: str | None = None
) -> Execution:
    """Decide between compiled and eager for a member whose steps take `seconds` uncompiled, all together.

    `auto` compiles where that saves more than it costs and nothing is `lacking` for it. The networks of one member
    (folds, ingredients) share the compiled code, so it costs once.
    """
    saved, cost = SAVED[device] * seconds, COMPILE_SECONDS[device] * versions(recipe, image_size)
    balance = f"saves {saved:,.0f} s, costs {cost:,.0f} s" if SAVED[device] else f"saves nothing on {device}"
    if choice != "auto":
        compiled, reason = choice == "always", f"--compile {choice}; {balance}"
    elif lacking and saved > cost:
        compiled, reason = False, f"{lacking} is missing; {balance}"
    else:
        compiled, reason = saved > cost, balance
    return Execution(compiled, reason, seconds - saved + cost if compiled else seconds)


def versions(recipe: Recipe, image_size: int) -> int:
    """Return how often a network is compiled: once for each image size and phase of fine-tuning.

    Sharpness-aware steps double that: their second pass leaves the statistics of batch norm alone.
    """
    epochs = range(recipe.epochs)
    phases = {(size_at(recipe, image_size, epoch), epoch < recipe.transfer.head_epochs) for epoch in epochs}
    return len(phases) * (2 if recipe.sam else 1)


def lacking_for_gpu_code() -> str | None:
    """Return what Triton needs to compile for a GPU and does not find here; None where everything is there."""
    needs = {
        "Triton": importlib.util.find_spec("triton") is not None,
        "a C compiler": bool(os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")),
        "Python.h": (Path(sysconfig.get_path("include")) / "Python.h").exists(),
    }
    return next((name for name, is_here in needs.items() if not is_here), None)


def compiled_passes(network: nn.Module) -> Callable[..., Any]:
    """Return the network's passes by `torch.compile`, with code for each image size; weights stay the network's.

    Networks of one class share code within a process, so of several alike only the first is compiled.
    """
    import torch
    from torch._dynamo import config

    config.cache_size_limit = VERSIONS_KEPT
    return torch.compile(network, dynamic=False)


def is_of_compiler(error: Exception) -> bool:
    """Return whether the error is `torch.compile`'s, which could not deal with the network."""
    from torch._dynamo.exc import TorchDynamoException

    return isinstance(error, TorchDynamoException)
