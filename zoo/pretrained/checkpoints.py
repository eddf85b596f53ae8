"""Weights files as authors publish them: state dicts in torch.load's format, nested, prefixed, in names of their own.

None of the authors' code runs: files are read with `weights_only`, and tensors are matched with a network of the zoo by
name, or else by the order in which both lists go through the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

NESTED = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "ema")
"""Keys under which authors put a network's tensors beside what else they keep."""
PREFIXES = ("module.", "model.", "net.", "network.", "backbone.", "_orig_mod.")
"""What wrappers put before every name."""
MOST_NAMED = 8  # differences that a message lists


class UnreadableCheckpoint(ValueError):
    """A file that holds no tensors that can be used; the message says why."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file by name, without wrappers; raise UnreadableCheckpoint."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file of anyone's: what reading it raises is not known
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UnreadableCheckpoint(
            f"{path.name} cannot be read as tensors alone: {reason}. A file that holds a whole pickled network runs "
            "its author's code when it is read; save its state_dict() where that code is trusted"
        ) from error
    tensors = _tensors(content)
    if not tensors:
        raise UnreadableCheckpoint(
            f"{path.name} holds no state dict: no tensors by name, nor below {', '.join(NESTED)}"
        )
    return _without_prefixes(tensors)


def _tensors(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    for key in NESTED:
        if isinstance(content.get(key), Mapping):
            return _tensors(content[key])
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            return _without_prefixes({name.removeprefix(prefix): value for name, value in tensors.items()})
    return tensors


def matched(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return their tensors under our names: by name, else by order; counters of batches may be missing.

    A first convolution for colour is summed for grey images, which is what it computes of three equal channels. Raises
    ValueError with the tensors whose shapes or numbers differ.
    """
    counters = {name: value for name, value in ours.items() if name.endswith("num_batches_tracked")}
    our_list = [(name, value) for name, value in ours.items() if name not in counters]
    their_list = [(name, value) for name, value in theirs.items() if not name.endswith("num_batches_tracked")]
    if {name for name, _ in our_list} == {name for name, _ in their_list}:
        their_list = [(name, theirs[name]) for name, _ in our_list]
    their_list[:1] = [(name, _for_grey(value, our_list[0][1])) for name, value in their_list[:1]]
    differences = [
        f"{our_name} {list(here.shape)} here, {name} {list(there.shape)} there"
        for (our_name, here), (name, there) in zip(our_list, their_list, strict=False)
        if here.shape != there.shape
    ]
    if len(their_list) != len(our_list) or differences:
        shown = "; ".join(differences[:MOST_NAMED]) + (" ..." if len(differences) > MOST_NAMED else "")
        counts = f"{len(our_list)} tensors here, {len(their_list)} there"
        raise ValueError(f"the weights are those of another network ({counts}){': ' if shown else ''}{shown}")
    return {name: value for (name, _), (_, value) in zip(our_list, their_list, strict=True)} | counters


def _for_grey(theirs: Tensor, ours: Tensor) -> Tensor:
    """Return a kernel [O,3,H,W] summed to [O,1,H,W] where ours is of that shape; any other as it is."""
    coloured = theirs.ndim == 4 and theirs.shape[1] == 3 and ours.shape == (len(theirs), 1, *theirs.shape[2:])
    return theirs.sum(1, keepdim=True) if coloured else theirs
