"""Networks of packages, made of ours and of the arrays in their files; each refuses arrays that are not its own."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from zoo.networks.mini_xception import big_xception, mini_xception
from zoo.pretrained.checkpoints import matched, read_checkpoint
from zoo.pretrained.packages import WeightsUnavailable
from zoo.pretrained.tfjs import UnreadableShards, read_tensors
from zoo.tools.keras import keras_arrays
from zoo.tools.networks import FaceExpressionNet, NetworkV2

Arrays = Mapping[str, np.ndarray]
BATCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def keras_mini_xception(files: Mapping[str, bytes]) -> nn.Module:
    """Fill mini-Xception with the arrays of Keras, whose layers are numbered in the order of their creation.

    In each module the shortcut was created first, and ours has it last.
    """
    network = mini_xception(7, 1, 64)
    arrays = keras_arrays(*files.values())
    plain, separable, norms = (
        _numbered(arrays, kind) for kind in ("conv2d", "separable_conv2d", "batch_normalization")
    )
    if (len(plain), len(separable), len(norms)) != (7, 8, 14):
        raise WeightsUnavailable(
            f"mini-Xception has 7 convolutions, 8 separable ones and 14 norms; the file has {len(plain)}, "
            f"{len(separable)} and {len(norms)}"
        )
    convolutions, order = [plain[0], plain[1]], [0, 1]
    for module in range(4):
        convolutions += [*(separable[2 * module : 2 * module + 2]), plain[2 + module]]
        order += [3 + 3 * module, 4 + 3 * module, 2 + 3 * module]
    convolutions.append(plain[6])
    return _filled(network, _convolutions(arrays, convolutions), [_norm(arrays, norms[place]) for place in order])


def folded_big_xception(files: Mapping[str, bytes]) -> nn.Module:
    """Fill big-Xception with a graph of TensorFlow.js whose norms are folded into the convolutions before them."""
    arrays = _tensors("emotion.json", files)
    named = {name.removeprefix("StatefulPartitionedCall/model_1/"): array for name, array in arrays.items()}
    by_channel = dict(enumerate(("unknown_9", "unknown_15", "unknown_26", "unknown_32"), start=1))
    separable = [(name, f"separable_conv2d_{place}/separable_conv2d") for place, name in by_channel.items()]
    plain = [(f"conv2d_{place}/Conv2D",) for place in range(1, 5)]
    steps = [*plain[:2], *separable[:2], plain[2], *separable[2:], plain[3]]
    try:
        convolutions = [
            {"weight": _transposed(named[name] if name.startswith("unknown") else named[f"{name}_weights"])}
            for step in steps
            for name in step
        ]
        convolutions.append({"weight": _transposed(named["unknown_43"]), "bias": named["unknown_44"]})
        norms = [_identity(named[f"{step[-1]}_bn_offset"]) for step in steps]
    except KeyError as error:
        raise WeightsUnavailable(f"the file has no tensor {error}") from error
    return _filled(big_xception(7, 1, 64), convolutions, norms)


def face_expression(files: Mapping[str, bytes]) -> nn.Module:
    """Fill the expression network of face-api with its arrays, which are named after its layers."""
    arrays = _tensors("face_expression_model-weights_manifest.json", files)
    network = FaceExpressionNet().to(memory_format=torch.channels_last)  # twice as fast
    theirs = {}
    for name, array in arrays.items():
        layer, kind = name.rsplit("/", 1)
        part = {"filters": ".weight", "weights": ".weight", "depthwise_filter": ".depthwise.weight"}.get(kind)
        part = part or {"pointwise_filter": ".pointwise.weight", "bias": ".bias"}.get(kind, f".{kind}")
        if f"{layer}/pointwise_filter" in arrays and kind == "bias":
            part = ".pointwise.bias"
        theirs[layer.replace("/", ".") + part] = torch.from_numpy(_transposed(array))
    return _loaded(network, theirs)


def facial_emotion_recognition(files: Mapping[str, bytes]) -> nn.Module:
    """Fill NetworkV2 with a state dict that lies beside an optimizer's in a file of torch, read by `weights_only`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, *files)
        path.write_bytes(next(iter(files.values())))
        theirs = read_checkpoint(path)
    return _loaded(NetworkV2(), theirs)


def _tensors(manifest: str, files: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    try:
        return read_tensors(files[manifest], files)
    except UnreadableShards as error:
        raise WeightsUnavailable(f"{manifest}: {error}") from error


def _numbered(arrays: Arrays, kind: str) -> list[str]:
    """List the layers of a kind by their numbers, which count on where a session made several networks."""
    names = {name.split("/")[0] for name in arrays}
    found = [(int(match[1]), name) for name in names if (match := re.fullmatch(rf"{kind}_(\d+)", name))]
    return [name for _, name in sorted(found)]


def _convolutions(arrays: Arrays, layers: list[str]) -> list[Mapping[str, np.ndarray]]:
    """Return the tensors of Keras' convolutions, a separable one as its two."""
    found: list[Mapping[str, np.ndarray]] = []
    for layer in layers:
        if layer.startswith("separable"):
            found += [{"weight": _transposed(arrays[f"{layer}/{half}wise_kernel"])} for half in ("depth", "point")]
        else:
            bias = {"bias": arrays[f"{layer}/bias"]} if f"{layer}/bias" in arrays else {}
            found.append({"weight": _transposed(arrays[f"{layer}/kernel"]), **bias})
    return found


def _norm(arrays: Arrays, layer: str) -> dict[str, np.ndarray]:
    return {ours: arrays[f"{layer}/{theirs}"] for ours, theirs in BATCH_NORM.items()}


def _identity(offset: np.ndarray) -> dict[str, np.ndarray]:
    """Return a norm that adds an offset and does nothing else, but for its eps."""
    ones = np.ones_like(offset)
    return {"weight": ones, "bias": offset, "running_mean": 0 * ones, "running_var": ones - np.float32(1e-3)}


def _transposed(array: np.ndarray) -> np.ndarray:
    """Return a kernel in torch's order of axes: HWIO as OIHW, depthwise HWC1 as C1HW, a matrix turned; vectors stay."""
    if array.ndim != 4:
        return np.ascontiguousarray(array.T)
    depthwise = array.shape[3] == 1 and array.shape[2] > 1
    return np.ascontiguousarray(array.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1)))


def _filled(
    network: nn.Module, convolutions: Sequence[Mapping[str, np.ndarray]], norms: Sequence[Mapping[str, np.ndarray]]
) -> nn.Module:
    """Fill convolutions and norms in the order in which the network lists them."""
    tensors: dict[str, Tensor] = {}
    waiting: dict[type, Iterator[Mapping[str, np.ndarray]]] = {
        nn.Conv2d: iter(convolutions),
        nn.BatchNorm2d: iter(norms),
    }
    for name, module in network.named_modules():
        if type(module) in waiting:
            given = next(waiting[type(module)], {})
            tensors |= {f"{name}.{kind}": torch.from_numpy(np.array(array)) for kind, array in given.items()}
    return _loaded(network, tensors)


def _loaded(network: nn.Module, theirs: Mapping[str, Tensor]) -> nn.Module:
    ours = network.state_dict()
    counters = {name: value for name, value in ours.items() if name.endswith("num_batches_tracked")}
    try:
        network.load_state_dict(matched({**counters, **theirs}, ours))
    except ValueError as error:
        raise WeightsUnavailable(f"the file is not of {type(network).__name__}: {error}") from error
    return network.eval()
