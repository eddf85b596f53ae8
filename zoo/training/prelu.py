"""PReLU (arXiv:1502.01852) on a CPU, from operators that are fast there.

torch computes it and its gradients number by number: 25 ms forth and back for 4 million of them in bfloat16, 26 in
float32, where ReLU takes 2 and 4; so, 7 and 12 (one core, EPYC with AVX-512, torch 2.15). face_mobilenet_mid trains on
113 images a second instead of 60, ddamfn on 97 instead of 79. Channels lie together in memory, and slopes are repeated
along a row of the map, so that operators see long rows. Numbers are the library's but for the order in which products
are added up; in bfloat16 the gradient of the slopes is rounded once a column of the map.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from zoo.training.convolution import OwnConv2d


class OwnPReLU(nn.PReLU):
    """A PReLU with a slope for each channel, of images [B,C,H,W]; anything else is left to the library."""

    def forward(self, input: Tensor) -> Tensor:
        known = input.dtype in (torch.bfloat16, torch.float32) and input.device.type == "cpu"
        if OwnConv2d.may and known and input.dim() == 4 and input.shape[1] == len(self.weight) and input.numel():
            return cast(Tensor, _PReLU.apply(input, self.weight))
        return super().forward(input)


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, images: Tensor, slopes: Tensor) -> Tensor:
        context.save_for_backward(images, slopes)
        rows = _rows(images)
        return _images(torch.lerp(rows.relu(), rows, _repeated(slopes, images)), images)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        images, slopes = context.saved_tensors
        rows, above = _rows(images), _rows(gradient)
        positive = torch.ops.aten.threshold_backward(above, rows, 0)
        of_images = of_slopes = None
        if context.needs_input_grad[0]:
            of_images = _images(torch.lerp(positive, above, _repeated(slopes, images)), images)
        if context.needs_input_grad[1]:
            sums = positive.sub_(above).mul_(rows).sum(0).view(-1, len(slopes))  # negated: one operator less
            of_slopes = -sums.sum(0, dtype=torch.float32).to(slopes.dtype)
        return of_images, of_slopes


def _rows(images: Tensor) -> Tensor:
    """Return images [B,C,H,W] as [B*H,W*C]; no copy where channels lie together."""
    count, channels, high, wide = images.shape
    return images.permute(0, 2, 3, 1).reshape(count * high, wide * channels)


def _images(rows: Tensor, like: Tensor) -> Tensor:
    count, channels, high, wide = like.shape
    return rows.view(count, high, wide, channels).permute(0, 3, 1, 2)


def _repeated(slopes: Tensor, images: Tensor) -> Tensor:
    return slopes.to(images.dtype).repeat(images.shape[3])
