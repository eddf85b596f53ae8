"""List the members of the zoo and create their networks, under the names that timm has for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.member import Member
from zoo.registry import get, members, trained_as

if TYPE_CHECKING:
    from torch import nn

    from zoo.pretrained.released import Released


def list_models(filter: str | Iterable[str] = "*", *, pretrained: bool = False) -> list[str]:
    """Return the names of all members that match a shell wildcard, or any of several; none matches: an empty list.

    With `pretrained`, only those that start from trained weights. Recipes and variants go with every member
    (`vgg_fer@muon@long`) and are not listed, nor are members that are no networks: those whose classifier is XGBoost.

    >>> import zoo
    >>> zoo.list_models("vgg_fer*")
    ['vgg_fer', 'vgg_fer_wide']
    >>> zoo.list_models(["resnet18*", "*vit*"], pretrained=True)
    ['resnet18_imagenet', 'vit_small_imagenet_22k']
    """
    patterns = [filter] if isinstance(filter, str) else list(filter)
    networks = [member for member in members().values() if not member.features_of]
    return [
        member.name
        for member in networks
        if any(fnmatchcase(member.name, pattern) for pattern in patterns) and (member.weights or not pretrained)
    ]


def create_model(
    name: str,
    num_classes: int,
    in_chans: int = 1,
    pretrained: bool = False,
    image_size: int | None = None,
    checkpoint_path: str | Path | None = None,
) -> nn.Module:
    """Return the network of a member, in training mode, with random or trained weights.

    It takes floats [B,in_chans,image_size,image_size], normalised as the member's recipe says (`recipe.normalise`), and
    returns logits [B,num_classes]; in training some return zoo/outputs.py's Outputs. `image_size` is a side in pixels,
    by default the member's own.

    With `pretrained`, it starts from the weights that the member's entry names: from the hub or a Python package, for
    `in_chans` channels, with a new classifier unless `num_classes` is theirs. A member that starts from nothing has
    those of this project's own training where they are released (results/SUITE/model/): of the suite with as many
    classes, and of several such suites the first by name. `checkpoint_path` names a safetensors file of the member's
    own weights, such as a training leaves in results/SUITE/checkpoints/.

    >>> import zoo, torch
    >>> network = zoo.create_model("vgg_fer", num_classes=7).eval()
    >>> network(torch.zeros(2, 1, 48, 48)).shape
    torch.Size([2, 7])

    Raises UnknownName for a name that no member has, WeightsUnavailable where weights are not at hand, and ValueError
    where a member has none to start from, a file holds those of another network, or the name means no network.
    """
    member = get(name)
    if member.features_of:
        raise ValueError(f"{name} is XGBoost on the features of a network: create {member.features_of}")
    if pretrained and checkpoint_path is not None:
        raise ValueError("pretrained and checkpoint_path both say which weights to load: give one of them")
    ours = _released(member, num_classes) if pretrained and not member.weights else None
    if pretrained and not member.weights and ours is None:
        raise ValueError(_no_trained_weights(member))
    member = member if image_size is None else replace(member, image_size=image_size)
    network = member.build(num_classes, in_chans)
    if ours is not None:
        from zoo.pretrained.released import load_released

        load_released(network, ours, num_classes, in_chans)
    elif pretrained:
        from zoo.pretrained.initialise import initialise

        initialise(network, member, num_classes, in_chans)
    if checkpoint_path is not None:
        from zoo.pretrained.weights_file import load_weights

        load_weights(network, Path(checkpoint_path))
    return network


def _released(member: Member, num_classes: int) -> Released | None:
    """Return the released weights that a member uses; None where there are none."""
    from zoo.pretrained.released import choose, released

    own = [one for one in released() if one.member == trained_as(member).name]
    return choose(own, num_classes) if own else None


def _no_trained_weights(member: Member) -> str:
    """Say what there is instead, for a member that starts from random weights."""
    recipe = member.name.removeprefix(member.name.partition("@")[0])
    others = [other for other in members().values() if other.builder == member.builder and other.weights]
    twins = [other.name + recipe for other in others if "@" not in other.name and not other.features_of]
    known = f"its network with trained weights is {', '.join(twins)}" if twins else "its network has no trained weights"
    own = f"results/SUITE/checkpoints/{member.name}.s0.*.weights.safetensors"
    return (
        f"{member.name} starts from random weights, and {known}. "
        f"zoo.list_models(pretrained=True) lists all; weights of your own training load with checkpoint_path={own!r}"
    )
