"""Whether `torch.compile` pays for itself within one training: it costs once what it saves at every step.

On a CPU it saves nothing: forward and backward took 0.33 s compiled and 0.32 s as they are for vgg_fer, 0.40 and 0.36 s
for resnet18, 0.15 and 0.13 s for mini_xception (least seconds of one core, batches of their recipes, torch 2.15), after
one to three minutes of compiling on a busy core. Convolutions are the library's either way.
"""

from __future__ import annotations

from zoo.recipes import Recipe
from zoo.schedule import size_at

SAVED = {"cpu": 0.0, "cuda": 0.2}
"""Share of a step's time. What is said of a GPU is assumed until `benchmarks.speed.training --compile` measured it."""

COMPILE_SECONDS = {"cpu": 40.0, "cuda": 40.0}
"""For one network and one image size, forward and backward: assumed, for an idle machine."""


def worth_compiling(device: str, steps: int, seconds_a_step: float, sizes: int = 1) -> bool:
    """Whether compiled code would be faster over all `steps` (epochs x steps an epoch), compiling included.

    `seconds_a_step` are those of the network as it is; it is compiled anew for each of `sizes` image sizes.
    """
    return SAVED[device] * steps * seconds_a_step > COMPILE_SECONDS[device] * sizes


def image_sizes(recipe: Recipe, image_size: int) -> int:
    """How many sizes of images a training sees: more than one where it starts with smaller ones."""
    return len({size_at(recipe, image_size, epoch) for epoch in range(recipe.epochs)})
