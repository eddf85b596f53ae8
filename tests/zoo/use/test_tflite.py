"""The converter: networks of TensorFlow Lite compute the same in ONNX, and what cannot be converted is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.tflite_files import File
from zoo.use import tflite
from zoo.use.bundle import session
from zoo.use.tflite import NotConvertible, to_onnx

SAME, ONE, TWO = ("int8", 0), ("int32", 1), ("int32", 2)


def computed(file: bytes, image: np.ndarray) -> list[np.ndarray]:
    return session(to_onnx(file), "test", threads=1).run(None, {"image": image})


def padded(image: np.ndarray, stride: int, kernel: int) -> np.ndarray:
    """As TensorFlow's SAME pads: the odd pixel behind."""
    amounts = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in image.shape[1:3]]
    return np.pad(image, [(0, 0), *((amount // 2, amount - amount // 2) for amount in amounts), (0, 0)])


def convolved(image: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """[1,H,W,I] by [O,h,w,I]."""
    windows = np.lib.stride_tricks.sliding_window_view(
        padded(image, stride, kernel.shape[1]), kernel.shape[1:3], (1, 2)
    )
    return np.einsum("nhwcij,oijc->nhwo", windows[:, ::stride, ::stride], kernel) + bias


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("half", [True, False])
def test_a_convolution(random: np.random.Generator, stride: int, half: bool):
    image = random.normal(size=(1, 8, 6, 3)).astype(np.float32)
    kernel = random.normal(size=(5, 3, 3, 3)).astype(np.float16 if half else np.float32)
    bias = random.normal(size=5).astype(np.float32)
    file = File()
    source, weights, offset = file.tensor(*image.shape), file.tensor(values=kernel), file.tensor(values=bias)
    if half:
        weights = file.operator(tflite.DEQUANTIZE, [weights], file.tensor(*kernel.shape))
    out = file.tensor(1, 8 // stride, 6 // stride, 5)
    file.operator(tflite.CONV, [source, weights, offset], out, SAME, ("int32", stride), ("int32", stride))
    (found,) = computed(file.written([source], [out]), image)
    expected = convolved(image, kernel.astype(np.float32), bias, stride).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_convolution_of_each_channel(random: np.random.Generator):
    image = random.normal(size=(1, 6, 6, 4)).astype(np.float32)
    kernel, bias = random.normal(size=(1, 3, 3, 4)).astype(np.float32), np.arange(4, dtype=np.float32)
    file = File()
    source, out = file.tensor(*image.shape), file.tensor(1, 3, 3, 4)
    operands = [source, file.tensor(values=kernel), file.tensor(values=bias)]
    file.operator(tflite.DEPTHWISE, operands, out, SAME, TWO, TWO, ONE)
    (found,) = computed(file.written([source], [out]), image)
    for channel in range(4):
        alone = convolved(image[..., channel : channel + 1], kernel[..., channel : channel + 1], bias[channel], 2)
        np.testing.assert_allclose(found[:, channel], alone[..., 0], atol=1e-4)


def test_what_lies_between_convolutions(random: np.random.Generator):
    """A pool, more channels, twice the size, a sum, no negative values, one row for each place."""
    image = random.normal(size=(1, 4, 4, 2)).astype(np.float32)
    file = File()
    source = file.tensor(*image.shape)
    pooled = file.operator(tflite.POOL, [source], file.tensor(1, 2, 2, 2), SAME, TWO, TWO, TWO, TWO)
    amounts = file.tensor(values=np.array([[0, 0], [0, 0], [0, 0], [0, 1]], dtype=np.int32))
    more = file.operator(tflite.PAD, [pooled, amounts], file.tensor(1, 2, 2, 3))
    size = file.tensor(values=np.array([4, 4], dtype=np.int32))
    large = file.operator(tflite.RESIZE, [more, size], file.tensor(1, 4, 4, 3), None, None, None, ("int8", 1))
    twice = file.operator(tflite.ADD, [large, large], file.tensor(1, 4, 4, 3), ("int8", 0))
    positive = file.operator(tflite.RELU, [twice], file.tensor(1, 4, 4, 3))
    rows = file.operator(tflite.RESHAPE, [positive], file.tensor(1, 16, 3))
    (found,) = computed(file.written([source], [rows]), image)
    small = np.zeros((2, 2, 3), dtype=np.float32)
    small[..., :2] = image[0].reshape(2, 2, 2, 2, 2).max(axis=(1, 3))
    weights = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])  # between the centres of pixels
    expected = np.maximum(2 * np.einsum("ai,bj,ijc->abc", weights, weights, small), 0)
    np.testing.assert_allclose(found[0], expected.reshape(16, 3), atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"no network at all", bytes(4) + b"TFL3", bytes(4) + b"TFL3" + bytes(100)])
def test_what_is_no_network(content: bytes):
    with pytest.raises(NotConvertible, match="no "):
        to_onnx(content)


def test_an_operator_that_nothing_converts():
    file = File()
    source, out = file.tensor(1, 4, 4, 1), file.tensor(1, 4, 4, 1)
    file.operator(99, [source], out)
    with pytest.raises(NotConvertible, match="it has the operator 99"):
        to_onnx(file.written([source], [out]))


def test_an_activation_within_another_operator():
    file = File()
    source, out = file.tensor(1, 4, 4, 1), file.tensor(1, 4, 4, 1)
    file.operator(tflite.ADD, [source, source], out, ("int8", 1))
    with pytest.raises(NotConvertible, match="activation"):
        to_onnx(file.written([source], [out]))


def test_the_written_model_satisfies_the_checker(random: np.random.Generator):
    onnx = pytest.importorskip("onnx")
    file = File()
    source, out = file.tensor(1, 4, 4, 1), file.tensor(1, 4, 4, 1)
    file.operator(tflite.RELU, [source], out)
    onnx.checker.check_model(to_onnx(file.written([source], [out])), full_check=True)
