"""The zoo: its registry and catalogue, every member's network, and the parts that recipes are made of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.helpers.runs import ROOT, python
from zoo import catalog, registry
from zoo.inference.pixels import normalise, to_float
from zoo.inference.predict import class_scores
from zoo.outputs import Outputs, logits_of
from zoo.overrides import override
from zoo.recipes import PLAIN, Augment
from zoo.training.optimizers import build_optimizer
from zoo.training.schedule import size_at

torch.set_num_threads(1)

MEMBERS = list(registry.members())
OFF = Augment(flip=False, shift=0.0, rotation=0.0, scale=0.0, contrast=0.0, brightness=0.0, erase=0.0)

NEWCOMER = '''"""A network of one layer."""

from dataclasses import replace

from torch import nn

from zoo.recipes import PLAIN
from zoo.registry import register


@register(recipe=replace(PLAIN, epochs=7), image_size=12, reference="doi:none")
def newcomer(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """One dense layer

    And more about it."""
    return nn.Sequential(nn.Flatten(), nn.Linear(in_chans * image_size**2, num_classes))
'''


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int, side: int = 48, channels: int = 1, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=seeded(seed))


# Registry and catalogue


@cache
def fresh_catalogue() -> dict[str, Any]:
    return json.loads(json.dumps(catalog.catalogue(note=pytest.fail)))


def test_the_committed_catalogue_covers_the_files_as_they_are():
    recorded = json.loads(registry.CATALOG.read_text())
    advice = "python -m zoo.catalog records it anew"
    assert recorded["sources"] == fresh_catalogue()["sources"], advice
    assert [entry["name"] for entry in recorded["members"]] == [entry["name"] for entry in fresh_catalogue()["members"]]


@pytest.mark.parametrize("name", MEMBERS)
def test_the_catalogue_says_of_a_member_what_its_file_says(name: str):
    (entry,) = (entry for entry in fresh_catalogue()["members"] if entry["name"] == name)
    member = registry.get(name)
    assert json.loads(json.dumps({**asdict(member), "recipe": member.recipe.changes()})) == entry


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_has_all_its_facts(name: str):
    member = registry.get(name)
    builder = member.builder.partition(":")[2]
    start = "" if member.init == "scratch" else f"_{member.init.replace('-', '_')}"
    trees = "_xgboost" if member.features_of else ""
    assert member.name == name in {builder + start + trees, f"{builder}{start}@paper"}
    assert member.features_of == (name.removesuffix("_xgboost") if trees else "")
    assert member.params and member.macs
    assert member.summary and member.summary == member.summary.strip()
    assert member.reference.partition(":")[0] in {"arXiv", "doi"}
    assert (member.init == "scratch") == (member.weights == ""), "what starts from trained weights says from which"


def test_listing_imports_no_torch():
    script = (
        "import sys; from zoo import registry; registry.members(); print(sorted({'torch', 'timm'} & set(sys.modules)))"
    )
    done = python("-c", script)
    assert done.stdout.strip() == "[]", done.stderr


def test_two_members_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_registered", {})

    def build(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
        return nn.Identity()

    register = registry.register(recipe=PLAIN, image_size=8, reference="doi:none")
    assert register(build) is build
    with pytest.raises(ValueError, match="two members are named 'build'"):
        register(build)


def test_an_unknown_member_gets_near_matches():
    with pytest.raises(registry.UnknownName, match=r"no member matches 'resnet81'.*resnet18"):
        registry.get("resnet81")
    with pytest.raises(registry.UnknownName, match=r"known: .*vgg_fer"):
        registry.get("zzz")


def test_select_keeps_registry_order_and_takes_wildcards():
    assert registry.select("member", ["linear", "resnet1?", "resnet10?"], MEMBERS) == [
        "resnet10t",
        "resnet18",
        "linear",
    ]
    assert registry.select("member", ["*"], MEMBERS) == MEMBERS
    with pytest.raises(registry.UnknownName, match="'nothing\\*'"):
        registry.select("member", ["*", "nothing*"], MEMBERS)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the code, to add files to."""
    for package in ("zoo", "benchmarks", "ensembles"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "benchmark.py", tmp_path)
    return tmp_path


def listed(folder: Path) -> dict[str, dict[str, Any]]:
    done = python("benchmark.py", "--list", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return {member["name"]: member for member in json.loads(done.stdout)["members"]}


def test_one_new_file_is_a_new_member(copy: Path):
    before = listed(copy)
    (copy / "zoo" / "networks" / "newcomer.py").write_text(NEWCOMER)
    after = listed(copy)
    assert set(after) - set(before) == {"newcomer"}
    assert {name: after[name] for name in before} == before
    assert (after["newcomer"]["params"], after["newcomer"]["image_size"]) == (12 * 12 * 7 + 7, 12)
    assert after["newcomer"]["summary"] == "One dense layer"
    build = "import torch; from zoo.registry import get; network = get('newcomer').build(5, 3)"
    done = python("-c", f"{build}; print(network(torch.zeros(2, 3, 12, 12)).shape)", cwd=copy)
    assert done.stdout.strip() == "torch.Size([2, 5])", done.stderr


def test_an_edited_file_speaks_for_itself(copy: Path):
    path = copy / "zoo" / "networks" / "digits.py"
    path.write_text(
        path.read_text().replace('image_size=16, reference="doi:10.1109', 'image_size=24, reference="doi:10.1109')
    )
    members = listed(copy)
    assert members["lenet"]["image_size"] == 24
    assert members["lenet"]["params"] == 16 * 6 * 6 * 84 + 84 + 84 * 7 + 7 + 8 * 9 + 8 + 8 * 9 * 16 + 16


def test_a_member_shares_the_weights_of_the_one_that_it_is_with_other_views():
    shared = {
        "vgg_fer@scale_tta": "vgg_fer",
        "vgg_fer@muon@scale_tta@long": "vgg_fer@muon@long",
        "vgg_fer@muon@long": "vgg_fer@muon@long",
        "vgg_fer@ten_crop": "vgg_fer@ten_crop",  # crops in training, too
    }
    assert {name: registry.trained_as(registry.get(name)).name for name in shared} == shared
    changes = ["recipe.epochs=2", "recipe.labels.votes=true"]
    changed = registry.trained_as(override(registry.get("vgg_fer@scale_tta"), changes))
    assert changed.identity() == override(registry.get("vgg_fer"), changes).identity()
    turned = registry.trained_as(override(registry.get("vgg_fer@scale_tta"), ["recipe.tta=rotate"]))
    assert turned.identity() == override(registry.get("vgg_fer"), ["recipe.tta=rotate"]).identity()


def test_what_another_image_size_costs_is_not_known_before_it_is_counted():
    large = registry.get("vgg_fer@large")
    assert large.macs is None
    counted = registry.counted(large).macs
    assert counted is not None and counted > 1.7 * (registry.get("vgg_fer").macs or 0)


# Networks

NETWORKS = list(
    {(registry.get(name).builder, registry.get(name).image_size): name for name in reversed(MEMBERS)}.values()
)[::-1]
"""One member for each network and image size; the others differ in what they are trained by."""

HEAVY = 100e6  # parameters: above, gradients are asked of shapes alone, which need no memory
LARGE = 3e9  # multiply-adds an image: above, at a paper's own input size, shapes alone are asked for
HEAVIEST = 200e6  # above, nothing is computed: eva02 members are made of the same layers


@pytest.fixture(scope="module", params=NETWORKS)
def member(request: pytest.FixtureRequest) -> Iterator[registry.Member]:
    yield registry.get(request.param)


@pytest.fixture(scope="module")
def network(member: registry.Member) -> nn.Module:
    """Built once for all tests of a member."""
    torch.manual_seed(0)
    return member.build(7, 1).to(memory_format=torch.channels_last)


def shapes(member: registry.Member, *, classes: int = 7, channels: int = 1, side: int, batch: int = 2) -> Any:
    """The network in training mode on the meta device, where nothing is computed, and its result for a batch."""
    with torch.device("meta"):
        network = member.build(classes, channels).train()
        return network, network(torch.zeros(batch, channels, side, side))


def total_loss(network: nn.Module, result: Tensor | Outputs, targets: Tensor) -> Tensor:
    """Of the logits, of a second classifier, and the network's own term, where it has them."""
    loss = F.cross_entropy(logits_of(result), targets)
    if not isinstance(result, Outputs):
        return loss
    if result.auxiliary is not None:
        loss = loss + F.cross_entropy(result.auxiliary, targets)
    if hasattr(network, "regulariser"):
        loss = loss + network.regulariser(result, targets)  # type: ignore[operator]  # a method, not a tensor
    return loss


def test_a_training_step_reaches_every_parameter(member: registry.Member):
    network, result = shapes(member, side=member.image_size)
    total_loss(network, result, torch.zeros(2, 7, device="meta")).backward()
    idle = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert idle == []


def test_a_training_step_leaves_finite_numbers(member: registry.Member, request: pytest.FixtureRequest):
    if (member.params or 0) > HEAVY or (member.macs or 0) > LARGE:
        pytest.skip("gradients of a network of this size take gigabytes, or minutes")
    network = request.getfixturevalue("network").train()
    inputs = normalise(to_float(noise(3), member.image_size), member.recipe.normalise)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    optimizer = build_optimizer(replace(member.recipe, learning_rate=1e-3, sam=0.0), network)
    assert isinstance(optimizer, torch.optim.Optimizer)
    targets = F.one_hot(torch.arange(3), 7).float()
    total_loss(network, network(inputs), targets).backward()
    optimizer.step()
    optimizer.zero_grad()
    broken = [name for name, value in network.state_dict().items() if not torch.isfinite(value).all()]
    assert broken == []
    assert torch.isfinite(logits_of(network(inputs))).all()


def test_logits_do_not_depend_on_batch_mates(member: registry.Member, request: pytest.FixtureRequest):
    if (member.params or 0) > HEAVIEST or (member.macs or 0) > LARGE:
        pytest.skip("a network of this size takes gigabytes, or minutes")
    network = request.getfixturevalue("network")
    images = noise(5, seed=1) // torch.arange(1, 6, dtype=torch.uint8)[:, None, None, None]
    _feed_statistics(network, images, member)
    together = class_scores(network, images, member, tta="none")
    order = torch.tensor([3, 0, 4, 2, 1])
    apart = class_scores(network, images[order], member, tta="none", batch_size=2)
    rounding = 1e-3 * together.abs().max().item()  # deep networks of random weights magnify it
    torch.testing.assert_close(apart, together[order], atol=rounding, rtol=1e-4)
    assert together.std(dim=0).max() > 1e-3, "the test needs logits that differ between images"


def _feed_statistics(network: nn.Module, images: Tensor, member: registry.Member) -> None:
    """Puts the images' own statistics, and nothing else, in place of those that batch norm starts with."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(normalise(to_float(images, member.image_size), member.recipe.normalise))


def test_a_network_takes_colour_images_of_any_number_of_classes(member: registry.Member):
    _, result = shapes(member, classes=10, channels=3, side=member.image_size)
    assert logits_of(result).shape == (2, 10)


def test_a_network_trains_at_every_size_its_recipes_ask_for(member: registry.Member):
    with_it = [registry.get(name) for name in MEMBERS]
    recipes = [one.recipe for one in with_it if (one.builder, one.image_size) == (member.builder, member.image_size)]
    for side in {size_at(recipe, member.image_size, epoch) for recipe in recipes for epoch in range(recipe.epochs)}:
        _, result = shapes(member, side=side)
        assert logits_of(result).shape == (2, 7)


def counted(network: nn.Module, *, without: type[nn.Module] | tuple[type[nn.Module], ...] = ()) -> int:
    left_out = {id(p) for module in network.modules() if isinstance(module, without) for p in module.parameters()}
    return sum(p.numel() for p in network.parameters() if id(p) not in left_out)


def test_mini_xception_has_the_published_number_of_parameters():
    assert registry.get("mini_xception").params == counted(registry.get("mini_xception").build(7, 1)) == 56_951


def test_five_layer_cnn_has_the_published_number_of_parameters():
    network = registry.get("five_layer_cnn").build(7, 1)
    assert counted(network, without=(nn.BatchNorm1d, nn.BatchNorm2d)) == 2_436_007
