"""Give a network the trained weights that its member starts from: the hub's, or those of a Python package."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo.member import Member
from zoo.multitask import backbone
from zoo.pretrained.faces import FACES
from zoo.pretrained.faces import read as read_faces
from zoo.pretrained.hub import fetch_from_hub
from zoo.pretrained.packages import PACKAGES, Package, WeightsUnavailable, read
from zoo.pretrained.warm_start import WarmStart, start_from


def initialise(
    network: nn.Module, member: Member, num_classes: int, in_chans: int, start: WarmStart | None = None
) -> None:
    """Put the trained weights that the member starts from into a network that it built; nothing for `scratch`.

    Those of a member that was trained on another suite are the caller's, as `start`.

    Those of faces are in place for evaluation; before training, zoo/pretrained/folded_norms.py has to calibrate their
    batch norms. timm converts all others: for one channel the stem's RGB kernels are summed, and position embeddings
    are resampled to the image size. The classifier keeps its random weights, unless it has as many classes as the
    trained one. Raises WeightsUnavailable where the weights are not at hand, and ValueError where the member does not
    say which they are.
    """
    if member.init == "scratch":
        return
    if start is not None:
        return start_from(network, start)
    if member.trained_elsewhere:
        raise WeightsUnavailable(f"{member.name} starts from weights of {member.weights}, which lie in its results")
    if not member.weights:
        raise ValueError(f"{member.name}: its initialisation is {member.init!r}, but its entry names no weights")
    network = backbone(network)
    if member.weights in FACES:
        return network.load_tensors(read_faces(FACES[member.weights]))  # type: ignore[operator]  # a method
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]  # timm's, on every network it builds
    classes, source = config["num_classes"], _source(member.weights)
    with torch.random.fork_rng(devices=[]):  # building the donor draws numbers, which must not change training's
        # With the trained number of classes, timm insists that no tensor is missing.
        donor = member.build(classes, in_chans, pretrained=True, pretrained_cfg_overlay=source)
    weights = backbone(donor).state_dict()
    if num_classes != classes:
        weights = {name: value for name, value in weights.items() if not name.startswith(f"{config['classifier']}.")}
    network.load_state_dict({**network.state_dict(), **weights})


def _source(weights: str) -> dict[str, Any]:
    """Return timm's `pretrained_cfg_overlay`, which says where it takes the weights from."""
    if weights in PACKAGES:
        return {"state_dict": packaged(PACKAGES[weights])}
    return {"file": str(fetch_from_hub(weights)), "custom_load": False}


def packaged(package: Package) -> dict[str, Tensor]:
    """Return a packaged file's tensors under timm's names.

    Raises WeightsUnavailable, and ValueError where the tensors are those of another network.
    """
    import timm

    theirs: dict[str, Tensor] = torch.load(io.BytesIO(read(package)), map_location="cpu", weights_only=True)
    with torch.device("meta"):
        ours = timm.create_model(package.architecture).state_dict()
    return in_order(theirs, ours, package.file)


def in_order(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """Return their tensors under our names; both lists go through the network in the same order.

    Raises ValueError, which names `file`, where numbers or shapes of tensors differ.
    """
    if len(theirs) != len(ours):
        raise ValueError(f"{file} holds {len(theirs)} tensors, the network has {len(ours)}")
    renamed = {}
    for (name, tensor), (their_name, value) in zip(ours.items(), theirs.items(), strict=True):
        if tensor.shape != value.shape:
            shapes = f"{list(value.shape)}, {name} of the network is {list(tensor.shape)}"
            raise ValueError(f"{file}: {their_name} is {shapes}")
        renamed[name] = value
    return renamed
