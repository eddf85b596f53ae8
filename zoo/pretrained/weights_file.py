"""Load the weights that a training of ours left in a safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from zoo.pretrained.packages import WeightsUnavailable
from zoo.sealed import Damaged, read
from zoo.state_dicts import split


def load_weights(network: nn.Module, path: Path) -> None:
    """Put the file's weights into the network; those in half precision become what the network computes in.

    Raises WeightsUnavailable where there is no such file or it is damaged, and ValueError where it holds the weights of
    several networks, or of another one.
    """
    if not path.is_file():
        raise WeightsUnavailable(f"{path}: there is no such file of weights")
    try:
        networks = split(load(read(path).content))
    except (Damaged, SafetensorError, ValueError, OSError) as error:
        raise WeightsUnavailable(f"{path} is damaged or no safetensors file ({error})") from error
    if len(networks) > 1:
        advice = "zoo.inference.predict.predict averages their logits"
        raise ValueError(f"{path} holds the weights of {len(networks)} networks (folds or snapshots): {advice}")
    difference = first_difference(networks[0], network.state_dict())
    if difference:
        raise ValueError(f"{path} holds the weights of another network: {difference}")
    network.load_state_dict(networks[0])


def first_difference(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> str | None:
    """Say where two lists of named tensors part, or None where names and shapes agree."""
    for name in [*ours, *theirs]:
        there, here = (str(list(tensors[name].shape)) if name in tensors else "missing" for tensors in (theirs, ours))
        if there != here:
            return f"{name} is {there} there, {here} here"
    return None
