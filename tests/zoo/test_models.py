"""The faces of the zoo: what is listed, what is created, which weights arrive, and what is refused in words."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import Tensor, nn

import zoo
from tests.helpers.hub_cache import in_the_hubs_cache
from tests.helpers.runs import python
from zoo import models, registry
from zoo.errors import UnknownName
from zoo.pretrained.packages import WeightsUnavailable
from zoo.state_dicts import join

torch.set_num_threads(1)

TINY = '''"""A network of timm's, small enough for tests, and its twin with trained weights."""

from zoo.backbones import backbone
from zoo.recipes import DIGITS

backbone("tiny", "test_resnet.r160_in1k", "Tiny", recipe=DIGITS, image_size=32, reference="doi:none", init="imagenet")
'''


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Members `tiny` and `tiny_imagenet`; no test sees the user's caches, and none waits for a hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (tmp_path / "tiny.py").write_text(TINY)
    registry.include([str(tmp_path / "tiny.py")])
    yield
    registry.include([])


def linear() -> nn.Module:
    torch.manual_seed(3)
    return zoo.create_model("linear", num_classes=10)


def stored(network: nn.Module, path: Path) -> Path:
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    return path


def equal(first: nn.Module, second: nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


# Faces


def test_importing_the_zoo_imports_neither_torch_nor_its_own_modules():
    done = python(
        "-c",
        "import sys, zoo\n"
        "assert not [name for name in sys.modules if name.startswith('zoo.')], sys.modules\n"
        "zoo.list_models(), zoo.get('vgg_fer@muon'), zoo.Recipe(), zoo.Member, zoo.register\n"
        "assert 'torch' not in sys.modules",
    )
    assert done.returncode == 0, done.stderr


def test_each_face_is_what_its_module_has():
    from zoo.member import Member
    from zoo.recipes import Recipe

    assert (zoo.Member, zoo.Recipe) == (Member, Recipe)
    assert (zoo.get, zoo.register) == (registry.get, registry.register)
    assert (zoo.create_model, zoo.list_models) == (models.create_model, models.list_models)
    assert set(zoo.__all__) <= set(dir(zoo))


def test_a_name_that_the_zoo_has_not_is_refused_with_those_it_has():
    with pytest.raises(AttributeError, match=r"'zoo' has no attribute 'create_modle'; it has .*create_model"):
        _ = zoo.create_modle


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(models).attempted >= 6
    assert doctest.testmod(models).failed == 0


# Listing


def test_names_are_listed_by_pattern_in_registry_order():
    every = zoo.list_models()
    assert every == [name for name, member in registry.members().items() if not member.features_of]
    assert zoo.list_models("vgg*") == [name for name in every if name.startswith("vgg")]
    assert zoo.list_models(["vgg_fer", "linear"]) == [name for name in every if name in ("vgg_fer", "linear")]
    assert zoo.list_models("no_such_*") == []


def test_pretrained_lists_those_that_start_from_trained_weights():
    listed = zoo.list_models(pretrained=True)
    assert listed and all(zoo.get(name).weights for name in listed)
    assert set(zoo.list_models()) - set(listed) == {name for name in zoo.list_models() if not zoo.get(name).weights}


# Creating


def test_a_network_is_that_of_its_member():
    network = zoo.create_model("vgg_fer@muon", num_classes=5, in_chans=3)
    assert network.training
    assert network(torch.zeros(2, 3, 48, 48)).shape == (2, 5)


def test_an_image_size_builds_the_network_for_it(tiny):
    dense = zoo.create_model("linear", num_classes=3, image_size=4)
    assert sum(parameter.numel() for parameter in dense.parameters()) == 4 * 4 * 3 + 3


def test_pretrained_brings_the_weights_that_the_entry_names(tiny, tmp_path: Path):
    torch.manual_seed(99)
    source = timm.create_model("test_resnet")
    in_the_hubs_cache(tmp_path, "timm/test_resnet.r160_in1k", source)
    network = zoo.create_model("tiny_imagenet", num_classes=7, in_chans=3, pretrained=True)
    theirs = source.state_dict()
    for name, value in network.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(value, theirs[name]), name
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert not equal(network, zoo.create_model("tiny_imagenet", num_classes=7, in_chans=3))


@pytest.mark.parametrize("precision", [torch.float32, torch.float16])
def test_a_checkpoint_brings_the_weights_of_an_own_training(tmp_path: Path, precision: torch.dtype):
    network = linear()
    network.to(precision)
    path = stored(network, tmp_path / "linear.s0.abc.weights.safetensors")
    again = zoo.create_model("linear", num_classes=10, checkpoint_path=path)
    assert all(value.dtype == torch.float32 for value in again.state_dict().values())
    assert equal(again, network.float())
    assert equal(zoo.create_model("linear@long", num_classes=10, checkpoint_path=str(path)), network)


# Refused


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg_fer", r"vgg_fer starts from random weights, and its network has no trained weights\."),
        ("tiny", r"tiny starts from random weights, and its network with trained weights is tiny_imagenet\."),
        ("tiny@muon", r"tiny@muon starts from .* is tiny_imagenet@muon\..*checkpoint_path='results/SUITE/checkpoints/"),
    ],
)
def test_a_member_without_trained_weights_says_what_there_is(tiny, name: str, message: str):
    with pytest.raises(ValueError, match=message):
        zoo.create_model(name, num_classes=7, pretrained=True)


def test_weights_that_are_not_at_hand_are_an_error_and_never_random(tiny):
    with pytest.raises(WeightsUnavailable, match="hf download timm/test_resnet"):
        zoo.create_model("tiny_imagenet", num_classes=7, pretrained=True)


def test_what_is_no_network_and_what_is_not_known_are_refused():
    with pytest.raises(ValueError, match=r"efficientnet_b0_xgboost is XGBoost on .*: create efficientnet_b0$"):
        zoo.create_model("efficientnet_b0_xgboost", num_classes=7)
    with pytest.raises(UnknownName, match="did you mean vgg_fer"):
        zoo.create_model("vgg_fre", num_classes=7)
    with pytest.raises(ValueError, match="pretrained and checkpoint_path both say"):
        zoo.create_model("resnet18_imagenet", num_classes=7, pretrained=True, checkpoint_path="a.safetensors")


def test_a_file_that_is_missing_or_damaged_is_named(tmp_path: Path):
    with pytest.raises(WeightsUnavailable, match=r"nothing\.safetensors: there is no such file of weights"):
        zoo.create_model("linear", num_classes=10, checkpoint_path=tmp_path / "nothing.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00")
    with pytest.raises(WeightsUnavailable, match=r"cut\.safetensors is damaged or no safetensors file"):
        zoo.create_model("linear", num_classes=10, checkpoint_path=tmp_path / "cut.safetensors")


@pytest.mark.parametrize(
    ("name", "classes", "message"),
    [
        ("linear", 7, r"another network: 1\.weight is \[10, 64\] there, \[7, 64\] here"),
        ("mlp", 10, r"another network: 1\.weight is \[10, 64\] there, \[64, 64\] here"),
        ("lenet", 10, r"another network: 0\.weight is missing there, \[8, 1, 3, 3\] here"),
    ],
)
def test_weights_of_another_network_are_refused_in_words(tmp_path: Path, name: str, classes: int, message: str):
    path = stored(linear(), tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=message):
        zoo.create_model(name, num_classes=classes, checkpoint_path=path)


def test_a_file_of_several_networks_says_who_takes_them(tmp_path: Path):
    parts: list[dict[str, Tensor]] = [dict(linear().state_dict()) for _ in range(3)]
    save_file({name: value.clone() for name, value in join(parts).items()}, tmp_path / "folds.safetensors")
    with pytest.raises(ValueError, match=r"weights of 3 networks .*: zoo\.inference\.predict\.predict averages"):
        zoo.create_model("linear", num_classes=10, checkpoint_path=tmp_path / "folds.safetensors")
