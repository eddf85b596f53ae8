"""Networks of packages that the zoo has no member of: after their code, in its names where its files use them."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class _Separable(nn.Module):
    """A 3x3 convolution by channel and one of 1x1, padded as TensorFlow does: with stride 2 at the far edge."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding=stride % 2, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x if self.stride == 1 else F.pad(x, (0, 1, 0, 1))))


class _DenseBlock(nn.Module):
    """Four convolutions, each of which is given the sum of all before it; the first halves the map."""

    def __init__(self, inputs: int, outputs: int, first: bool = False) -> None:
        super().__init__()
        self.first = first
        self.conv0: nn.Module = nn.Conv2d(inputs, outputs, 3, 2) if first else _Separable(inputs, outputs, 2)
        self.conv1, self.conv2, self.conv3 = (_Separable(outputs, outputs) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        total = current = F.relu(self.conv0(F.pad(x, (0, 1, 0, 1)) if self.first else x))
        for convolution in (self.conv1, self.conv2, self.conv3):
            total = total + convolution(current)
            current = F.relu(total)
        return current


class FaceExpressionNet(nn.Module):
    """The expression network of face-api: RGB of 112 pixels, 323,687 parameters."""

    def __init__(self, num_classes: int = 7) -> None:
        super().__init__()
        self.dense0 = _DenseBlock(3, 32, first=True)
        self.dense1, self.dense2, self.dense3 = (_DenseBlock(width, 2 * width) for width in (32, 64, 128))
        self.fc = nn.Linear(256, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        for block in (self.dense0, self.dense1, self.dense2, self.dense3):
            x = block(x)
        return self.fc(F.avg_pool2d(x, 7, 2).flatten(1))


class NetworkV2(nn.Module):
    """The network of facial-emotion-recognition: grey of 48 pixels, 2,750,151 parameters.

    It ends in a sigmoid, and the package takes the class with the largest exponential of that, which is a softmax.
    """

    def __init__(self, num_classes: int = 7) -> None:
        super().__init__()
        for place, (inputs, outputs) in enumerate(((1, 32), (32, 64), (64, 128), (128, 256)), start=1):
            convolution = nn.Conv2d(inputs, outputs, 3, 1 if place == 1 else 2)
            layers = (nn.ReflectionPad2d(1), convolution, nn.BatchNorm2d(outputs), nn.ReLU())
            self.add_module(f"conv_{place}", nn.Sequential(*layers))
        self.linear = nn.Sequential(nn.Linear(256 * 6 * 6, 256), nn.ReLU(), nn.Linear(256, num_classes), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        for place in range(1, 5):
            x = self.get_submodule(f"conv_{place}")(x)
        return self.linear(x.flatten(1))
