"""Whether `torch.compile` pays for itself within one training: it costs once what it saves at every step.

On a CPU it saves nothing: a training step of vgg_fer took 0.36 s compiled and 0.32 s as it is, one of resnet18 0.40 s
and 0.38 s, after 40 to 70 s of compiling (one core, torch 2.15). Convolutions are the library's either way.
"""

from __future__ import annotations

from zoo.recipes import Recipe
from zoo.schedule import size_at

SAVED = {"cpu": 0.0, "cuda": 0.2}
"""Share of a step's time. That of a GPU is assumed until measured: `python -m benchmarks.speed.training --compile`."""

COMPILE_SECONDS = {"cpu": 40.0, "cuda": 40.0}
"""For one network and one image size, forward and backward."""


def worth_compiling(device: str, steps: int, seconds_a_step: float, sizes: int = 1) -> bool:
    """Whether compiled code would be faster over all `steps` (epochs x steps an epoch), compiling included.

    `seconds_a_step` are those of the network as it is; it is compiled anew for each of `sizes` image sizes.
    """
    return SAVED[device] * steps * seconds_a_step > COMPILE_SECONDS[device] * sizes


def image_sizes(recipe: Recipe, image_size: int) -> int:
    """How many sizes of images a training sees: more than one where it starts with smaller ones."""
    return len({size_at(recipe, image_size, epoch) for epoch in range(recipe.epochs)})
