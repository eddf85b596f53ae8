"""Start a network from the weights of one that was trained for other classes: the same layers, another classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.multitask import backbone
from zoo.state_dicts import split
from zoo.structure import classifier_modules

SECOND_HEAD = "network."  # before the names of a network that predicts valence and arousal, too


@dataclass(frozen=True, eq=False)
class WarmStart:
    """Trained weights by name, and for every class wanted the index of the same one among those trained, or None."""

    weights: Mapping[str, Tensor]
    classes: Sequence[int | None]
    trained_classes: int


def start_from(network: nn.Module, start: WarmStart) -> None:
    """Put trained weights into a network of the same layers; a class that was not trained keeps its random weights.

    The classifier, and whatever else has a row a class, is mapped row by row. Of several networks (snapshots, folds)
    the first is taken. Raises ValueError, which names the tensor, where the network is another one.
    """
    network = backbone(network)
    ours, theirs = network.state_dict(), dict(next(iter(split(start.weights))))
    if f"{SECOND_HEAD}{next(iter(ours))}" in theirs:
        own = {name for name in theirs if name.startswith(SECOND_HEAD)}
        theirs = {name.removeprefix(SECOND_HEAD): theirs[name] for name in own}
    different = sorted(ours.keys() ^ theirs.keys())
    if different:
        who = "the trained network" if different[0] in ours else "this network"
        raise ValueError(f"{who} has no {different[0]}: the two are of different architectures")
    heads = {id(value) for module in classifier_modules(network) for value in module.parameters()}
    names = {name for name, value in network.named_parameters() if id(value) in heads}
    network.load_state_dict(
        {name: _fitted(name, value, theirs[name], start, name in names) for name, value in ours.items()}
    )


def _fitted(name: str, ours: Tensor, theirs: Tensor, start: WarmStart, of_classifier: bool) -> Tensor:
    """Return their tensor, or its rows in the order of our classes where it has a row a class."""
    classes, rows = start.classes, start.trained_classes
    by_class = theirs.shape == (rows, *ours.shape[1:]) and ours.shape[:1] == (len(classes),)
    if by_class and (of_classifier or len(classes) != rows):
        known = [place for place, index in enumerate(classes) if index is not None]
        fitted = ours.clone()
        fitted[known] = theirs[[index for index in classes if index is not None]].to(ours.dtype)
        return fitted
    if theirs.shape != ours.shape:
        raise ValueError(f"{name} of the trained network is {list(theirs.shape)}, here {list(ours.shape)}")
    return theirs
