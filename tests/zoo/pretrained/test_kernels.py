"""Kernels of published networks in convolutions of ours."""

import numpy as np
import pytest
import torch
from torch import nn

from zoo.pretrained.kernels import set_kernel


@pytest.fixture
def kernel() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)


def test_a_kernel_is_taken_over_and_scaled(kernel: np.ndarray) -> None:
    convolution = nn.Conv2d(3, 5, 3)
    set_kernel(convolution, kernel, "stem", 2.0)
    np.testing.assert_array_equal(convolution.weight.detach().numpy(), 2 * kernel)
    assert convolution.weight.requires_grad and convolution.weight.grad_fn is None


@pytest.mark.parametrize("scale", [1.0, 255.0, 0.5])
def test_grey_images_give_what_they_gave_in_colour(kernel: np.ndarray, scale: float) -> None:
    grey, colour = nn.Conv2d(1, 5, 3, bias=False), nn.Conv2d(3, 5, 3, bias=False)
    for convolution in (grey, colour):
        set_kernel(convolution, kernel, "stem", scale)
    images = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(grey(images), colour(images.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize(
    "convolution", [nn.Conv2d(4, 5, 3), nn.Conv2d(3, 6, 3), nn.Conv2d(3, 5, 1), nn.Conv2d(1, 5, 5)]
)
def test_another_shape_is_named(kernel: np.ndarray, convolution: nn.Conv2d) -> None:
    before = convolution.weight.detach().clone()
    with pytest.raises(ValueError, match=r"^conv_7 is \[5, [13], 3, 3\], here \["):
        set_kernel(convolution, kernel, "conv_7")
    assert torch.equal(convolution.weight, before)


def test_depthwise_kernels_are_not_summed() -> None:
    kernel = np.arange(27, dtype=np.float32).reshape(3, 1, 3, 3)
    convolution = nn.Conv2d(3, 3, 3, groups=3)
    set_kernel(convolution, kernel, "depthwise")
    np.testing.assert_array_equal(convolution.weight.detach().numpy(), kernel)
