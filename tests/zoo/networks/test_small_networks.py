"""PAtt-Lite, LHC-Net, both Xceptions and the five-layer CNN: what their papers fix, against written-out references."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import registry
from zoo.networks.lhc_net import LocalHeadChannelAttention, lhc_net
from zoo.networks.mini_xception import XceptionModule
from zoo.networks.patt_lite import GRID, PatchAttention, PattLite, cut_mobilenet
from zoo.training.param_groups import learning_rate_scales

torch.set_num_threads(1)

NAMES = ("patt_lite", "lhc_net", "mini_xception", "big_xception", "five_layer_cnn")


def build(name: str, image_size: int, in_chans: int = 1, num_classes: int = 7) -> nn.Module:
    return replace(registry.get(name), image_size=image_size).build(num_classes, in_chans)


def images(count: int, side: int, channels: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(seed))


# Sizes


@pytest.mark.parametrize(
    ("name", "image_size", "in_chans", "classes", "expected"),
    [
        ("patt_lite", 224, 3, 7, 1_093_000),
        ("patt_lite", 96, 1, 7, 1_093_000 - 2 * 9 * 32),
        ("patt_lite", 96, 3, 8, 1_093_000 + 33),
        ("lhc_net", 224, 3, 7, 32_396_299),
        ("lhc_net", 48, 1, 7, 31_112_951),
        ("lhc_net", 64, 1, 7, 31_118_233),
        ("mini_xception", 64, 1, 7, 56_951),
        ("big_xception", 64, 1, 7, 206_375),
        ("big_xception", 64, 3, 7, 206_375 + 2 * 9 * 32),
        ("five_layer_cnn", 48, 1, 7, 2_436_007 + 2 * (32 + 32 + 64 + 1024)),
    ],
)
def test_a_network_has_the_parameters_that_its_paper_counts(
    name: str, image_size: int, in_chans: int, classes: int, expected: int
):
    with torch.device("meta"):
        network = build(name, image_size, in_chans, classes)
    assert sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad) == expected


def test_the_statistics_of_batch_norm_make_up_the_published_size_of_patt_lite():
    with torch.device("meta"):
        network = build("patt_lite", 224, in_chans=3)
    assert sum(
        value.numel() for value in network.state_dict().values() if value.dim() or value.is_floating_point()
    ) == (1_102_664)


@pytest.mark.parametrize(
    ("name", "side", "channels"),
    [(name, side, channels) for name, sides in (("patt_lite", (48, 96, 120, 224)), ("lhc_net", (48, 64, 224)),
     ("big_xception", (48, 64)), ("mini_xception", (64,)), ("five_layer_cnn", (48,)))
     for side, channels in zip(sides, (1, 3, 1, 3), strict=False)],
)  # fmt: skip
def test_a_network_runs_at_the_sizes_of_house_and_paper(name: str, side: int, channels: int):
    with torch.no_grad():
        logits = build(name, side, channels, num_classes=5).eval()(images(2, side, channels))
    assert logits.shape == (2, 5)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(("name", "least"), [("patt_lite", 32), ("lhc_net", 33), ("mini_xception", 5),
                                             ("big_xception", 7)])  # fmt: skip
def test_an_image_too_small_is_refused_where_the_network_is_built(name: str, least: int):
    assert build(name, least).eval()(images(2, least)).shape == (2, 7)
    with pytest.raises(ValueError, match=rf"{name} needs images of at least {least} pixels a side, not {least - 1}"):
        build(name, least - 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bf16", [False, True])
def test_a_step_in_channels_last_moves_every_parameter(name: str, bf16: bool):
    torch.manual_seed(0)
    side = registry.get(name).image_size
    network = build(name, side).train().to(memory_format=torch.channels_last)
    batch = images(6, side).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = network(batch)
    F.cross_entropy(logits.float(), torch.arange(6)).backward()
    still = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.abs().max() > 0]
    assert still == []


@pytest.mark.parametrize("name", NAMES)
def test_the_paper_recipe_stands_beside_a_house_recipe_of_its_own(name: str):
    house, paper = registry.get(name), registry.get(f"{name}@paper")
    assert paper.builder == house.builder
    assert paper.recipe != house.recipe
    assert paper.recipe.loss.label_smoothing == 0
    assert paper.image_size == {"patt_lite": 224, "lhc_net": 224}.get(name, house.image_size)


# Padding as TensorFlow has it


def naive_depthwise(x: Tensor, kernel: Tensor, stride: int, before: int, after: int) -> Tensor:
    """One output pixel at a time, on an image with `before` zeros at top and left, `after` at bottom and right."""
    size, side = kernel.shape[-1], x.shape[-1] + before + after
    padded = torch.zeros(*x.shape[:2], side, side)
    padded[:, :, before : before + x.shape[-1], before : before + x.shape[-1]] = x
    corners = range(0, side - size + 1, stride)
    pixels = [
        (padded[:, :, top : top + size, left : left + size] * kernel[:, 0]).sum(dim=(2, 3))
        for top in corners
        for left in corners
    ]
    return torch.stack(pixels, dim=2).unflatten(2, (len(corners), len(corners)))


def test_mobilenet_pads_strided_depthwise_convolutions_at_the_bottom_and_the_right_alone():
    layers = list(cut_mobilenet(1))
    strided = [index for index, layer in enumerate(layers) if isinstance(layer, nn.ZeroPad2d)]
    assert len(strided) == 4
    for index in strided[1:]:
        convolution = layers[index + 1]
        assert isinstance(convolution, nn.Conv2d) and convolution.groups == convolution.in_channels
        x = images(2, 8, convolution.in_channels)
        found = convolution(layers[index](x))
        assert found.shape[-1] == 4
        torch.testing.assert_close(found, naive_depthwise(x, convolution.weight, 2, 0, 1), atol=1e-5, rtol=1e-5)


def test_the_first_patches_reach_one_pixel_over_the_edge_as_keras_pads_14_pixels_to_16():
    convolution = PattLite(7, 1).patches[0]
    x = images(2, GRID, 512)
    expected = naive_depthwise(x, convolution.weight, 4, before=1, after=1)
    torch.testing.assert_close(convolution(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", [8, 15])
def test_the_pooling_of_an_xception_module_pads_even_sides_at_the_far_edge(side: int):
    module = XceptionModule(2, 3).eval()
    x = images(1, side, 2)
    before = side % 2
    padded = torch.full((1, 3, side + 1 + before, side + 1 + before), float("-inf"))
    padded[:, :, before : before + side, before : before + side] = module.branch(x)
    steps = [slice(start, start + 3) for start in range(0, side, 2)]
    pooled = torch.stack([padded[:, :, rows, columns].amax(dim=(2, 3)) for rows in steps for columns in steps], dim=2)
    expected = pooled.unflatten(2, (len(steps), len(steps))) + module.shortcut(x)
    torch.testing.assert_close(module(x), expected)


# PAtt-Lite


@pytest.fixture(scope="module")
def patt_lite() -> PattLite:
    """With statistics of its own batch norm, without which all images look alike."""
    torch.manual_seed(0)
    network = PattLite(7, 1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(images(12, 64, seed=9))
    return network.eval()


@torch.no_grad()
def test_logits_of_patt_lite_do_not_see_the_batch(patt_lite: PattLite):
    batch = images(6, 64, seed=1) * torch.linspace(0.5, 2, 6)[:, None, None, None]
    together = patt_lite(batch)
    alone = torch.cat([patt_lite(image[None]) for image in batch])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-4)
    strangers = torch.cat([batch[:1], 5 * images(5, 64, seed=2)])
    torch.testing.assert_close(patt_lite(strangers)[:1], together[:1], atol=1e-5, rtol=1e-4)
    assert together.std(dim=0).min() > 1e-4


@torch.no_grad()
def test_attention_of_patt_lite_is_over_the_patches_of_an_image_and_its_own(patt_lite: PattLite):
    tokens = patt_lite.tokens(images(3, 64, seed=1))
    weights = patt_lite.attention.weights(tokens)
    assert tokens.shape == (3, 4, 256)
    assert weights.shape == (3, 4, 4)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 4))
    assert (weights[0] - weights[1]).abs().max() > 1e-4
    assert (weights[1] - weights[2]).abs().max() > 1e-4


def test_patch_attention_is_the_written_out_sum():
    attention = PatchAttention(5)
    tokens = images(1, 20)[0, 0, :6, :10].reshape(3, 4, 5)
    expected = torch.zeros(3, 4, 5)
    for image in range(3):
        for query in range(4):
            scores = torch.stack([5**-0.5 * tokens[image, query] @ tokens[image, key] for key in range(4)])
            shares = scores.exp() / scores.exp().sum()
            expected[image, query] = sum(share * token for share, token in zip(shares, tokens[image], strict=True))
    torch.testing.assert_close(attention(tokens), expected)


def test_all_but_the_backbone_of_patt_lite_learns_at_the_full_rate(patt_lite: PattLite):
    transfer = registry.get("patt_lite@paper").recipe.transfer
    scales = learning_rate_scales(patt_lite, transfer)
    assert {name.partition(".")[0]: scale for name, scale in scales.items()} == {
        "backbone": 0.01, "patches": 1.0, "attention": 1.0, "head": 1.0,
    }  # fmt: skip


def test_patches_stand_where_their_pixels_are(patt_lite: PattLite):
    blank = torch.zeros(1, 1, 224, 224)
    corner = blank.clone()
    corner[:, :, :32, 192:] = 3.0  # top right
    with torch.no_grad():
        moved = (patt_lite.tokens(corner) - patt_lite.tokens(blank)).abs().sum(dim=2)[0]
    assert moved.argmax() == 1


# LHC-Net


def blocks(side: int) -> list[LocalHeadChannelAttention]:
    with torch.device("meta"):
        network = lhc_net(7, 1, side)
    return [module for module in network.modules() if isinstance(module, LocalHeadChannelAttention)]


@pytest.mark.parametrize(
    ("side", "heads", "embeddings"),
    [
        (224, [8, 8, 7, 7, 1], [196, 196, 56, 14, 25]),
        (64, [8, 8, 4, 4, 1], [16, 16, 8, 2, 2]),
        (48, [6, 6, 6, 3, 1], [12, 12, 3, 2, 2]),
    ],
)
def test_heads_share_the_rows_of_each_map(side: int, heads: list[int], embeddings: list[int]):
    assert [block.heads for block in blocks(side)] == heads
    assert [block.embedding for block in blocks(side)] == embeddings


@torch.no_grad()
def naive_attention(block: LocalHeadChannelAttention, x: Tensor) -> Tensor:
    """One image, one strip of rows, one channel at a time."""
    rows, edge = x.shape[-1] // block.heads, F.pad(torch.ones(1, 1, *x.shape[2:]), (1, 1, 1, 1))
    neighbours = F.avg_pool2d(edge, 3, 1) * 9

    def mean(maps: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(maps, (1, 1, 1, 1)), 3, 1) * 9 / neighbours

    averaged, values = mean(x), mean(block.value(x))
    highest = F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=float("-inf")), 3, 1)
    kernels, biases = block.project.weight[:, :, 0].chunk(block.heads), block.project.bias.chunk(block.heads)  # type: ignore[union-attr]
    out = x.clone()
    for image in range(len(x)):
        for head in range(block.heads):
            strip = slice(head * rows, (head + 1) * rows)
            query = averaged[image, :, strip].flatten(1) @ kernels[head].T + biases[head]
            key = highest[image, :, strip].flatten(1) @ kernels[head].T + biases[head]
            scores = query @ key.T
            power = 1 + block.power(scores.mean(dim=1))
            for channel in range(x.shape[1]):
                shares = (scores[channel] / block.embedding ** power[channel]).softmax(dim=0)
                out[image, channel, strip] += torch.einsum("c,chw->hw", shares, values[image, :, strip])
    return out


@pytest.mark.parametrize(("side", "heads"), [(6, 3), (6, 1), (8, 8), (7, 7)])
def test_channel_attention_of_a_strip_is_the_written_out_sum(side: int, heads: int):
    torch.manual_seed(0)
    block = LocalHeadChannelAttention(5, side, heads)
    x = images(2, side, 5)
    torch.testing.assert_close(block(x), naive_attention(block, x), atol=1e-5, rtol=1e-4)
    assert (block(x) - x).abs().max() > 1e-3


@torch.no_grad()
def test_a_head_sees_its_own_rows_and_the_one_beside_them():
    torch.manual_seed(0)
    block = LocalHeadChannelAttention(4, 12, 3)  # four rows a head
    x = images(1, 12, 4)
    changed = x.clone()
    changed[:, :, 9:] += images(1, 12, 4, seed=3)[:, :, 9:]  # and with them row 8 of the pooled maps
    moved = (block.weights(changed) - block.weights(x)).abs().amax(dim=(0, 2, 3))
    assert moved[:2].tolist() == [0, 0]
    assert moved[2] > 1e-4


# Xceptions


def test_weights_of_mini_xception_have_the_names_that_were_stored():
    statistics = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    stem = [f"{norm - 1}.weight" for norm in (1, 4)] + [f"{norm}.{key}" for norm in (1, 4) for key in statistics]
    body = [
        f"{module}.{name}"
        for module in (6, 7, 8, 9)
        for name in [*(f"branch.{index}.weight" for index in (0, 1, 4, 5)), "shortcut.0.1.weight"]
        + [f"{norm}.{key}" for norm in ("branch.2", "branch.6", "shortcut.1") for key in statistics]
    ]
    assert set(build("mini_xception", 64).state_dict()) == {*stem, *body, "10.weight", "10.bias"}


def test_the_house_recipes_of_stored_members_have_not_moved():
    recorded = {
        "mini_xception": {
            "epochs": 6, "optimizer": "adamw", "learning_rate": 3e-3, "weight_decay": 0.01, "start_size": 2 / 3,
            "loss": {"label_smoothing": 0.0},
        },
        "five_layer_cnn": {"epochs": 16, "learning_rate": 0.05},
    }  # fmt: skip
    assert {name: registry.get(name).recipe.changes() for name in recorded} == recorded
    assert asdict(registry.get("big_xception").recipe) == asdict(registry.get("mini_xception").recipe)


def test_the_second_module_of_big_xception_shortcuts_the_sum_before_its_activation():
    module = XceptionModule(3, 4, activate_first=True).eval()
    x = images(2, 8, 3)
    before = x.clone()
    negative = module(-x.abs())
    assert torch.equal(module.branch(-x.abs()), module.branch(torch.zeros_like(x)))
    assert not torch.equal(negative, module(torch.zeros_like(x)))
    module(x)
    assert torch.equal(x, before)
