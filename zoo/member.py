"""What a member of the zoo is: an architecture, the recipe it is trained by, and the weights it starts from."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo.recipes import Recipe

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Member:
    """One trained network of the zoo, but for its seed: architecture, recipe and initialisation.

    `params` and `macs` (multiply-adds for one image) are counted at 7 classes and one input channel. `init` says what
    the first weights were trained on (`scratch`: nothing), `weights` exactly which they are: a repository of the hub, a
    file of zoo/pretrained/packages.py, or `suite:member`. `code` is the hash of the file that a member from outside the
    package comes from.
    """

    name: str
    builder: str  # "module:function", imported when the network is built
    recipe: Recipe
    image_size: int
    init: str
    reference: str  # id of the paper the network comes from
    summary: str
    params: int | None = None
    macs: int | None = None
    weights: str = ""
    code: str = ""
    features_of: str = ""  # the member on whose penultimate features XGBoost is the classifier; "": the network's own

    @property
    def trained_elsewhere(self) -> tuple[str, str] | None:
        """The suite and the member, NAME or NAME:SEED, whose training gave the weights that this one starts from."""
        suite, colon, name = self.weights.partition(":")
        return (suite, name) if colon and self.init == suite else None

    def starting_from(self, suite: str, name: str) -> Member:
        """Return the member that starts from what `name`, NAME or NAME:SEED of the zoo, has learnt on another suite."""
        return replace(self, init=suite, weights=f"{suite}:{name}")

    def build(self, num_classes: int, in_chans: int, **options: Any) -> nn.Module:
        """Return the network with random weights: float [B,in_chans,image_size,image_size] to logits [B,num_classes].

        With the recipe's `affect` it is wrapped as zoo/multitask.py says, and returns Outputs. Only
        zoo/pretrained/initialise.py gives `options`, to the builders of members that start from trained weights.
        Raises ValueError where `affect` is asked of a network without a dense classifier.
        """
        network = load_builder(self.builder)(num_classes, in_chans, self.image_size, **options)
        if not self.recipe.affect:
            return network
        from zoo.multitask import MultiTask

        try:
            return MultiTask(network)
        except ValueError as error:
            raise ValueError(f"{self.name} cannot have recipe.affect: {error}") from error

    def identity(self) -> dict[str, Any]:
        """Return what makes this member this member; with seed and data it decides the configuration hash.

        Two files outside the package may give one name to different networks of one size, and an experiment edits its
        file: `code` tells them apart. In the package, the parameter count stands for the architecture.
        """
        facts = asdict(self)
        kept = {key: facts[key] for key in ("name", "recipe", "image_size", "init", "params")}
        return kept | {key: facts[key] for key in ("weights", "code", "features_of") if facts[key]}


@dataclass(frozen=True)
class Pretrained:
    """Trained weights for the same network, from which `register` makes a member of its own: `name_imagenet`.

    The builder then takes options for `timm.create_model` beside its three arguments; or, for weights of
    zoo/pretrained/faces.py, its network has a method `load_tensors`, which takes them by name.
    """

    init: str  # what the weights were trained on: "imagenet", "imagenet-22k", "face (VGGFace2)"
    weights: (
        str  # "timm/resnet18.a1_in1k" on the hub, a file of zoo/pretrained/packages.py, or a key of faces.py's FACES
    )
    recipe: Recipe
    image_size: int
    paper: Recipe | None = None  # makes one more member, `name_imagenet@paper`: fine-tuned as a publication has it
    paper_size: int | None = None

    @property
    def suffix(self) -> str:
        """What the member's name has behind the network's: `_imagenet_22k`, `_vggface2`."""
        short = self.init.removeprefix("face (").removesuffix(")")
        return f"_{short.replace('-', '_').lower()}"


def load_builder(target: str) -> Callable[..., nn.Module]:
    """Import and return the function that `target`, "module:function", names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
