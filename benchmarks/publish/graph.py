"""A model as one torch module, from pixels to probabilities: what an exported file computes.

uint8 RGB crops of any size become what training saw (grey levels of the stored size), then the views, the passes and
the averages are those of `zoo.inference.predict`, by the same functions. Members that share weights share the passes of
the views that they have in common; the views of one network go through it as one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmarks.publish.combination import Single, combination
from zoo.inference.preprocess import FILTERS
from zoo.inference.tta import network_inputs
from zoo.inference.views import VIEWS, Views, Warp
from zoo.member import Member
from zoo.outputs import logits_of
from zoo.state_dicts import split

if TYPE_CHECKING:
    from benchmarks.publish.spec import ModelSpec
    from benchmarks.publish.trained import TrainedMember

RED, GREEN, BLUE, HALF, ONE = 19595, 38470, 7471, 32768, 65536  # ITU-R 601 in Pillow's fixed point; exact in float32
ROUND_UP = 0.5 + 1 / 1024  # halves go up, as Pillow rounds, also where float32 leaves them a little below
Place = tuple[Warp | int, bool]


class Crop(nn.Module):
    """Crops uint8 [N,H,W,3], RGB of any size, to uint8 [N,C,size,size] as the data set's images are stored.

    Grey (ITU-R 601) as Pillow makes it, or colour; then a triangle filter that is as wide as a pixel of the coarser
    grid: bilinear and antialiased, as Pillow resizes, by two products of matrices. So a file needs no operator for it,
    of which runtimes have versions of their own.
    """

    def __init__(self, size: int, grey: bool) -> None:
        super().__init__()
        self.size, self.grey = size, grey

    def forward(self, crops: Tensor) -> Tensor:
        red, green, blue = crops.float().unbind(3)
        if self.grey:
            levels = torch.floor((RED * red + GREEN * green + BLUE * blue + HALF) / ONE)[:, None]
        else:
            levels = torch.stack([red, green, blue], dim=1)
        resized = self._filter(crops.shape[1]) @ levels @ self._filter(crops.shape[2]).T
        return torch.floor(resized + ROUND_UP).clamp(0, 255).to(torch.uint8)

    def _filter(self, length: int) -> Tensor:
        """Weights [size,length] of the pixels of a side in each pixel of the new side."""
        scale = torch.scalar_tensor(length, dtype=torch.float32) / self.size
        centres = (torch.arange(self.size, dtype=torch.float32) + 0.5) * scale - 0.5
        distances = (torch.arange(length, dtype=torch.float32) - centres[:, None]).abs()
        weights = (1 - distances / scale.clamp_min(1.0)).clamp_min(0)
        return weights / weights.sum(1, keepdim=True)


class SharedPasses(nn.Module):
    """The networks of one set of weights, with the views that the members that use them ask for.

    uint8 [N,C,size,size] to logits [N,K] of each of these members, a kind of test-time augmentation each.
    """

    def __init__(self, member: Member, networks: Sequence[nn.Module], kinds: Sequence[str]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._member, self._kinds = member, list(kinds)
        asked = [places(VIEWS[kind]) for kind in kinds]
        self._views = list(dict.fromkeys(place for of_kind in asked for place in of_kind))
        self._rows = [[self._views.index(place) for place in of_kind] for of_kind in asked]

    @property
    def passes(self) -> int:
        """How many forward passes an image costs."""
        return len(self._views) * len(self.networks)

    def forward(self, levels: Tensor) -> list[Tensor]:
        recipe, size = self._member.recipe, self._member.image_size
        filtered = levels if recipe.preprocess == "none" else FILTERS[recipe.preprocess](levels)
        seen: dict[Place, Tensor] = {}
        for kind in self._kinds:
            for place, inputs in zip(places(VIEWS[kind]), network_inputs(filtered, size, recipe, kind), strict=True):
                seen.setdefault(place, inputs)
        batch = torch.cat([seen[place] for place in self._views])
        logits = torch.stack([logits_of(network(batch)) for network in self.networks]).mean(0)
        by_view = logits.reshape(len(self._views), -1, logits.shape[-1])
        return [by_view[rows].mean(0) for rows in self._rows]


class Model(nn.Module):
    """Crops uint8 [N,H,W,3] to calibrated probabilities float32 [N,K]: members, their combination, a temperature."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        channels, size, _ = spec.image_shape
        members, fitted = spec.members, spec.fitted
        self.crop = Crop(size, grey=channels == 1)
        self.shared = nn.ModuleList(_shared(users, channels) for users in spec.shared)
        made = [one.label for users in spec.shared for one in users]
        self._order = [made.index(one.label) for one in members]
        self.combination = Single() if fitted is None else combination(fitted, fitted.members_used_.tolist())
        self._temperature = spec.calibration.temperature
        self.eval()

    @property
    def passes(self) -> int:
        """How many forward passes an image costs."""
        return sum(shared.passes for shared in self.shared if isinstance(shared, SharedPasses))

    def forward(self, crops: Tensor) -> Tensor:
        levels = self.crop(crops)
        logits = [logits for shared in self.shared for logits in shared(levels)]
        scores = self.combination(torch.stack([logits[index] for index in self._order]))
        return (scores / self._temperature).softmax(1)


def places(kind: Views) -> list[Place]:
    """List the views of a kind in the order in which they are made: what is seen, and whether mirrored.

    Views of several kinds that are equal in this are the same image.
    """
    seen: Sequence[Warp | int] = kind.warps or (range(5) if kind.corners else [Warp()])
    return [(place, mirrored) for place in seen for mirrored in ((False, True) if kind.mirrored else (False,))]


def _shared(users: list[TrainedMember], channels: int) -> SharedPasses:
    first = users[0]
    networks = []
    for weights in split(first.weights):
        network = first.member.build(first.classes, channels)
        network.load_state_dict(weights)
        networks.append(network)
    return SharedPasses(first.member, networks, [one.member.recipe.tta for one in users])
