"""Teachers that see what their student sees: the same augmented view of each image, at every step (arXiv:2106.05237).

A teacher's answer to the image as it is stored says less of a view that is turned, cut or mixed. What that costs is one
pass of every teacher a step, without gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.cpu import supports_bf16
from zoo.inference.pixels import normalise
from zoo.member import Member
from zoo.outputs import logits_of
from zoo.recipes import Recipe
from zoo.state_dicts import split


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained member: its weights are those of one network or, as zoo/state_dicts.py joins them, of several."""

    member: Member
    weights: Mapping[str, Tensor]


class Teachers:
    """The networks of all teachers, in evaluation mode on the student's device."""

    def __init__(
        self, teachers: Sequence[Teacher], recipe: Recipe, num_classes: int, in_chans: int, device: str
    ) -> None:
        """Build them; no random number of the training is drawn.

        Raises ValueError where there is none, or where a teacher needs images preprocessed otherwise than the student.
        """
        if not teachers:
            raise ValueError("the recipe's labels.matched needs the teachers' networks, and none were handed over")
        for teacher in teachers:
            if teacher.member.recipe.preprocess != recipe.preprocess:
                raise ValueError(
                    f"{teacher.member.name} cannot see the student's views: its images are preprocessed by "
                    f"{teacher.member.recipe.preprocess!r}, the student's by {recipe.preprocess!r}"
                )
        self._temperature, self._share = recipe.labels.temperature, recipe.labels.teacher_weight
        self._networks = []
        with torch.random.fork_rng(devices=[]):
            for teacher in teachers:
                parts = []
                for weights in split(teacher.weights):
                    network = teacher.member.build(num_classes, in_chans)
                    network.load_state_dict(weights)
                    network = network.to(device).to(memory_format=torch.channels_last)
                    parts.append(network.eval().requires_grad_(False))
                self._networks.append((teacher.member, parts))

    @torch.no_grad()
    def targets(self, views: Tensor, targets: Tensor) -> Tensor:
        """Return what a student learns from views, float [B,C,S,S] in [0,1]: its targets [B,K] and the teachers' share.

        A teacher sees the view at its own size. The mean of their probabilities is softened as the recipe says.
        """
        each = torch.stack([self._probabilities(member, parts, views) for member, parts in self._networks])
        softened = each.mean(0) ** (1 / self._temperature)
        softened = softened / softened.sum(dim=1, keepdim=True)
        return torch.lerp(targets, softened.to(targets.dtype), self._share)

    def _probabilities(self, member: Member, parts: Sequence[torch.nn.Module], views: Tensor) -> Tensor:
        size, device = member.image_size, views.device.type
        if views.shape[-1] != size:
            views = F.interpolate(views, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
        inputs = normalise(views, member.recipe.normalise).contiguous(memory_format=torch.channels_last)
        half = device == "cuda" or (member.recipe.bf16_on_cpu and supports_bf16())
        with torch.autocast(device, torch.bfloat16, enabled=half):
            logits = [logits_of(network(inputs)).float() for network in parts]
        return torch.stack(logits).mean(0).softmax(dim=1)
