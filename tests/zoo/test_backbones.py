"""timm backbones: what their entries say about small images and trained weights, and how networks are counted."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

from benchmarks.store.file_names import member_files
from tests.helpers.runs import cli
from zoo import profile as facts
from zoo import registry
from zoo.outputs import logits_of
from zoo.pretrained.packages import PACKAGES
from zoo.recipes import NAMED, PLAIN

BACKBONES = [member for member in registry.members().values() if member.builder.startswith("zoo.backbones:")]
BY_NAME = {member.name: member for member in BACKBONES}
TRAINED = [member for member in BACKBONES if member.weights]

UNCHANGED = {  # parameters, multiply-adds and epochs that stored results are identified and described by
    "resnet10t": (4_925_647, 156_283_904, 14),
    "resnet18": (11_173_831, 94_346_752, 12),
    "mobilenetv4_conv_small": (2_501_415, 33_614_144, 6),
    "regnetx_002": (2_317_799, 35_166_224, 6),
    "convnext_atto": (3_381_527, 23_514_240, 8),
}


def trained_from(member: registry.Member) -> str:
    """timm's name of the weights, tag included, whether they come from the hub or in a package."""
    if member.weights in PACKAGES:
        return PACKAGES[member.weights].architecture
    return member.weights.removeprefix("timm/")


@pytest.mark.parametrize("name", UNCHANGED)
def test_members_with_stored_results_stay_what_they_are(name: str):
    member = BY_NAME[name]
    assert (member.params, member.macs, member.recipe.epochs) == UNCHANGED[name]
    assert (member.image_size, member.init, "weights" in member.identity()) == (48, "scratch", False)


@pytest.mark.parametrize(
    ("name", "published"),
    [("vit_small", 22.05e6), ("efficientnet_b0", 5.29e6), ("resnet50", 25.56e6), ("densenet121", 7.98e6),
     ("xception", 22.86e6), ("convnext_base", 88.59e6), ("mobilenetv2", 3.50e6), ("fbnetv3_b", 8.60e6),
     ("vgg16_bn", 138.37e6), ("inception_v3", 23.83e6)],
)  # fmt: skip
def test_a_backbone_is_the_published_network(name: str, published: float):
    with torch.device("meta"):
        network = BY_NAME[name].build(1000, 3)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(published, rel=0.015)


@pytest.mark.parametrize("member", TRAINED, ids=lambda member: member.name)
def test_the_entry_agrees_with_timm_about_the_trained_weights(member: registry.Member):
    config = timm.get_pretrained_cfg(trained_from(member))
    assert config is not None
    signed = config.mean == config.std == (0.5, 0.5, 0.5)
    assert member.recipe.normalise == ("signed" if signed else "imagenet")
    more = any(origin in trained_from(member) for origin in ("in21k", "in22k"))
    assert member.init == ("imagenet-22k" if more else "imagenet")
    if member.weights not in PACKAGES:
        assert config.hf_hub_id == member.weights


@pytest.mark.parametrize("member", TRAINED, ids=lambda member: member.name)
def test_a_member_with_trained_weights_has_a_twin_from_scratch(member: registry.Member):
    twin = registry.get(member.builder.partition(":")[2])
    assert (twin.init, twin.builder, twin.params) == ("scratch", member.builder, member.params)
    if not member.name.endswith("@paper"):  # which does as its publication does
        assert member.recipe.transfer.head_epochs >= 1
        assert member.recipe.transfer.backbone < 1


def test_a_packaged_file_belongs_to_the_network_it_is_named_for():
    packaged = {member.weights: member for member in TRAINED if member.weights in PACKAGES}
    assert set(packaged) == set(PACKAGES)
    for file, member in packaged.items():
        with torch.device("meta"):
            network = member.build(7, 1)
        assert network.pretrained_cfg["architecture"] == PACKAGES[file].architecture


@pytest.mark.parametrize(("name", "side"), [("inception_v3", 74), ("densenet121", 30), ("vgg16_bn", 31)])
def test_an_image_too_small_for_a_network_is_refused_in_words(name: str, side: int):
    build = getattr(pytest.importorskip("zoo.backbones"), name)
    with pytest.raises(ValueError, match=f"{name} takes images of at least {side + 1} pixels a side, not {side}"):
        build(7, 1, side)
    with torch.device("meta"):
        assert build(7, 1, side + 1)(torch.zeros(2, 1, side + 1, side + 1)).shape == (2, 7)


@pytest.mark.parametrize("name", ["vit_small", "deit_small", "eva_large", "eva02_tiny"])
@pytest.mark.parametrize("built", [48, 112])
def test_a_transformer_is_built_at_any_size_and_takes_others(name: str, built: int):
    build = getattr(pytest.importorskip("zoo.backbones"), name)
    with torch.device("meta"):
        network = build(7, 3, built)
        for side in (40, 48, 72, 112):
            assert network(torch.zeros(2, 3, side, side)).shape == (2, 7)


@pytest.mark.parametrize("recipe", NAMED)
@pytest.mark.parametrize("name", ["eva02_tiny_imagenet_22k", "inception_v3", "resnet18_imagenet"])
def test_a_backbone_follows_any_named_recipe_from_its_first_small_images_on(name: str, recipe: str):
    member = registry.get(f"{name}@{recipe}")
    assert (member.recipe, member.weights) == (NAMED[recipe], BY_NAME[name].weights)
    side = max(8, round(member.image_size * member.recipe.start_size / 8) * 8)
    with torch.device("meta"):
        assert logits_of(member.build(7, 1).train()(torch.zeros(2, 1, side, side))).shape == (2, 7)


def test_attention_is_in_every_block_of_the_cbam_networks():
    plain, cbam = BY_NAME["resnet18"], BY_NAME["cbam_resnet18"]
    with torch.device("meta"):
        gates = [module for module in cbam.build(7, 1).modules() if type(module).__name__ == "CbamModule"]
    assert len(gates) == 8
    assert 0 < (cbam.params or 0) - (plain.params or 0) < 100_000


# Counting


@pytest.mark.parametrize("name", ["eva_large", "vgg19_bn"])
def test_the_largest_networks_are_counted_by_shapes_alone(name: str):
    member = BY_NAME[name]
    found = facts.count(lambda: member.build(7, 1), member.image_size)
    assert found == (member.params, member.macs, "")


class Needy(nn.Module):
    """Reads a value while it is built, which shapes alone do not have."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, int(torch.ones(3).sum().item()))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))


def test_a_network_that_needs_values_is_counted_on_a_real_build_and_says_why():
    found = facts.count(Needy, 2)
    assert (found.params, found.macs) == (4 * 3 + 3, 4 * 3)
    assert "meta" in found.why_real


def test_shapes_give_the_counts_of_a_real_build():
    for name in ("resnet18", "vit_small", "mobilenetv4_hybrid_medium"):
        member = BY_NAME[name]
        real = facts._count(lambda member=member: member.build(7, 1), member.image_size, 1, "cpu")
        assert (real.params, real.macs) == (member.params, member.macs)


class Attention(nn.Module):
    """Four heads of 4 channels over the pixels of an image, each a token of 16 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(1, 16)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.embedding(images.flatten(1)[:, :, None])
        return self.attention(tokens, tokens, tokens, need_weights=False)[0]


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_attention_is_counted_as_by_hand(device: str):
    tokens, channels = 6 * 6, 16
    projections = 4 * tokens * channels**2  # query, key, value, output
    products = 2 * tokens**2 * channels  # queries by keys, then weights by values, of all heads together
    expected = tokens * channels + projections + products
    assert facts._count(Attention, 6, 1, device).macs == expected


def test_counting_leaves_the_choice_of_attention_kernels_as_it_was():
    before = torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()
    facts.count(Attention, 6)
    assert (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()) == before


@pytest.mark.parametrize(
    "name",
    ["dan", "eva02_tiny", "emonext_tiny", "lhc_net", "multi_scale_attention_small", "patt_lite", "ddamfn"],
)
def test_networks_with_attention_have_the_counts_of_a_real_build(name: str):
    member = registry.get(name)
    real = facts._count(lambda: member.build(7, 1), member.image_size, 1, "cpu")
    assert (real.params, real.macs) == (member.params, member.macs)


def test_a_network_that_cannot_be_built_is_not_counted():
    def broken() -> nn.Module:
        raise ValueError("no such layer")

    with pytest.raises(ValueError, match="no such layer"):
        facts.count(broken, 8)


# Members outside the package

OUTSIDE = '''"""Members of somebody's own."""

from dataclasses import replace

from torch import nn

from zoo.backbones import backbone
from zoo.recipes import DIGITS
from zoo.registry import register


@register(recipe=replace(DIGITS, epochs=2), image_size=8, reference="doi:none")
def tiny(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """One dense layer"""
    return nn.Sequential(nn.Flatten(), nn.Linear(in_chans * image_size**2, num_classes))


backbone("atto", "test_resnet", "timm's smallest", recipe=DIGITS, image_size=16, reference="doi:none")
'''


def members_with(*sources: object) -> dict[str, registry.Member]:
    registry.include([str(source) for source in sources])
    return registry.members()


@pytest.fixture(autouse=True)
def nothing_included():
    yield
    registry.include([])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OUTSIDE)
    return path


def test_a_file_outside_the_package_has_members(own: Path):
    before = dict(registry.members())
    found = members_with(own)
    assert list(found) == [*before, "tiny", "atto"]
    assert (found["tiny"].params, found["tiny"].summary) == (8 * 8 * 7 + 7, "One dense layer")
    assert found["tiny"].build(5, 3)(torch.zeros(2, 3, 8, 8)).shape == (2, 5)
    assert found["atto"].build(5, 3)(torch.zeros(2, 3, 16, 16)).shape == (2, 5)
    assert registry.get("tiny@plain").recipe == PLAIN
    assert members_with() == before


def test_the_code_identifies_a_member_from_outside(tmp_path: Path):
    versions = {
        "same": OUTSIDE.replace("# ", "#  ") + "\n# a comment\n",
        "other": OUTSIDE.replace("nn.Flatten(), nn", "nn.Flatten(), nn.ReLU(), nn"),
        "first": OUTSIDE,
    }
    identities = {}
    for name, text in versions.items():
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        identities[name] = members_with(path)["tiny"].identity()
    assert identities["first"] == identities["same"] != identities["other"]
    assert "code" not in registry.get("linear").identity()


def test_a_package_announces_members_by_an_entry_point(own: Path, monkeypatch: pytest.MonkeyPatch):
    own.rename(own.with_name("somebodys_zoo.py"))
    info = own.parent / "somebodys_zoo-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-zoo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fer_ensembles.members]\nown = somebodys_zoo\n")
    monkeypatch.syspath_prepend(str(own.parent))
    registry.members.cache_clear()
    try:
        assert registry.get("tiny").builder == "somebodys_zoo:tiny"
        assert "\ntiny " in cli("--list").out
    finally:
        monkeypatch.undo()
        registry.members.cache_clear()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_that_name", r"own\.py cannot be imported: ModuleNotFoundError: No module named 'nothing_"),
        ("def (", r"own\.py cannot be imported: SyntaxError"),
        ("x = 1", r"own\.py registers no member: decorate a builder"),
        (
            OUTSIDE.replace("tiny", "linear"),
            r"two members are named 'linear': one in zoo.networks.digits, one in .*own",
        ),
    ],
    ids=["missing import", "syntax", "nothing registered", "name taken"],
)
def test_an_outside_file_that_does_not_serve_is_refused_in_words(own: Path, text: str, message: str):
    own.write_text(text)
    with pytest.raises(ValueError, match=message):
        members_with(own)


def test_a_source_that_is_not_there_is_refused_in_words(tmp_path: Path):
    with pytest.raises(ValueError, match=r"missing\.py: there is no such file"):
        members_with(tmp_path / "missing.py")
    with pytest.raises(ValueError, match=r"no_such_module cannot be imported: .*PYTHONPATH"):
        members_with("no_such_module")


def test_the_command_line_lists_and_trains_members_from_outside(own: Path, no_figures: None):
    results = own.parent / "results"
    options = ("--suite", "digits", "--results", results, "--members", "tiny", "linear", "--device", "cpu")
    assert "\ntiny " in cli("--list", "--zoo", own).out
    done = cli(*options, "--zoo", own, "--train", "missing")
    assert done.code == 0, done.err
    assert len(member_files(results / "digits" / "predictions", "tiny", 0)) == 1
    done = cli(*options)
    assert done.code == 2
    assert "no member matches 'tiny'" in done.err, "what one command includes is not there in the next"
