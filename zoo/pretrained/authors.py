"""Names and layouts in which authors publish weights, where the order of tensors is not enough to see through them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

DEPTHS = {1: 4, 2: 3, 3: 2, 4: 1}  # of the masks behind the four stages
MASK = re.compile(r"mask([1-4])\.(conv|up_pool|downsample)(\d)\.(.+)")


def as_ours(member: str, theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return an author's tensors for a member of the zoo in its layout, where that is another one; else as they are."""
    translate = AUTHORS.get(member.partition("@")[0])
    return dict(theirs) if translate is None else translate(theirs)


def _residual_masking(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of Residual Masking Network's code (github phamquiluan/ResidualMaskingNetwork).

    Its decoders concatenate what was enlarged before the encoder's map, ours behind it: the halves of what they read
    change places. Shortcuts that stand there twice, in their block and beside it, are taken once.
    """
    if not any(MASK.fullmatch(name) for name in theirs):
        return dict(theirs)
    ours = {}
    for name, value in theirs.items():
        found = MASK.fullmatch(name)
        if found is None:
            renamed = re.sub(r"^layer([1-4])\.", r"layer\1.0.", re.sub(r"^fc\.1\.", "fc.", name))
        elif found[2] == "downsample":
            continue
        else:
            stage, part, place, rest = int(found[1]), found[2], int(found[3]), found[4]
            depth = DEPTHS.get(stage, 0)
            renamed = f"layer{stage}.1.{_part(part, place, depth)}.{rest}"
            if ".up." in renamed and rest in ("conv1.weight", "downsample.0.weight") and value.ndim == 4:
                value = torch.cat(value.chunk(2, dim=1)[::-1], dim=1)
        ours[renamed] = value
    return ours


def _part(part: str, place: int, depth: int) -> str:
    """Return where a mask of the zoo has a numbered part of theirs: `depth` blocks down, those up, then the last."""
    if part == "up_pool":
        return f"enlarge.{place - depth - 1}"
    if place <= depth:
        return f"down.{place - 1}"
    return "last" if place == 2 * depth else f"up.{place - depth - 1}"


AUTHORS: dict[str, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = {"residual_masking": _residual_masking}
"""How to translate, by the zoo's name of the network."""
