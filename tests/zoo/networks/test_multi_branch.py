"""DAN, DDAMFN and the multi-scale attention network: their sizes, outputs, own loss terms and invariants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.networks.dan import dan
from zoo.networks.ddamfn import CoordinateGate, ddamfn
from zoo.networks.multi_scale_attention import (
    MultiScaleAttention,
    MultiScalePool,
    Relation,
    multi_scale_attention_base,
    multi_scale_attention_small,
)
from zoo.networks.regularisers import affinity, head_similarity, partition
from zoo.outputs import Outputs, logits_of

torch.set_num_threads(1)

Build = Callable[[int, int, int], nn.Module]
HOUSE: list[tuple[Build, int]] = [(dan, 48), (ddamfn, 48), (multi_scale_attention_small, 48)]
PAPER: list[tuple[Build, int]] = [(dan, 224), (ddamfn, 64), (ddamfn, 112)]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, side: int, channels: int = 1, seed: int = 0) -> Tensor:
    """Noise of a different contrast an image, so that the images' features differ."""
    contrast = torch.linspace(0.2, 2, count)[:, None, None, None]
    return torch.randn(count, channels, side, side, generator=seeded(seed)) * contrast


def network_of(build: Build, side: int, classes: int = 7, channels: int = 1) -> Any:
    torch.manual_seed(0)
    return build(classes, channels, side)


# Sizes


class Size(NamedTuple):
    name: Build
    image_size: int
    in_chans: int
    classes: int
    expected: int


@pytest.mark.parametrize(
    "size",
    [
        Size(dan, 224, 3, 7, 19_716_558 + 7 * 512),  # 19.72 M published: 7,175 biases more, the class centres apart
        Size(dan, 48, 1, 7, 19_713_870),
        Size(dan, 224, 3, 8, 19_720_142 + 512 + 2 + 512),
        Size(ddamfn, 112, 3, 7, 4_187_421 - 29_184 - 52_224 - 376 - 14),  # published, less what it never uses
        Size(ddamfn, 48, 1, 7, 4_075_799),
        Size(multi_scale_attention_base, 224, 3, 7, 103_312_527 + 4_724_197),  # 103.3 M without the triple attention
        Size(multi_scale_attention_base, 96, 1, 7, 108_036_724 - 2 * 128 * 16),
        Size(multi_scale_attention_small, 48, 1, 7, 6_166_420),
    ],
    ids=lambda size: f"{size.name.__name__}-{size.image_size}-{size.in_chans}-{size.classes}",
)
def test_a_network_has_the_number_of_parameters_its_docstring_states(size: Size):
    with torch.device("meta"):
        network = size.name(size.classes, size.in_chans, size.image_size)
    assert sum(parameter.numel() for parameter in network.parameters()) == size.expected


@pytest.mark.parametrize(("build", "side", "channels"), [(*one, 1) for one in HOUSE] + [(*one, 3) for one in PAPER])
def test_a_network_runs_at_the_sizes_of_paper_and_house(build: Build, side: int, channels: int):
    network = network_of(build, side, classes=5, channels=channels)
    assert logits_of(network.train()(images(2, side, channels))).shape == (2, 5)
    assert network.eval()(images(1, side, channels)).shape == (1, 5)


@pytest.mark.parametrize("side", [96, 224])
def test_the_large_network_gives_logits_of_the_right_shape(side: int):
    with torch.device("meta"):
        network = multi_scale_attention_base(7, 3, side)
        trained = network.train()(torch.zeros(2, 3, side, side))
        assert trained.logits.shape == trained.auxiliary.shape == (2, 7)
        assert network.eval()(torch.zeros(1, 3, side, side)).shape == (1, 7)


@pytest.mark.parametrize(
    ("build", "side", "message"),
    [
        (dan, 31, "dan needs images of 32 pixels or more a side, not 31"),
        (ddamfn, 16, "ddamfn needs images of 32 pixels"),
        (multi_scale_attention_base, 28, "multi_scale_attention_base needs images of 32 pixels"),
        (multi_scale_attention_small, 4, "multi_scale_attention_small needs images of 8 pixels"),
    ],
)
def test_images_that_are_too_small_are_refused(build: Build, side: int, message: str):
    with pytest.raises(ValueError, match=message):
        build(7, 1, side)


@pytest.mark.parametrize(("build", "side"), [(dan, 32), (ddamfn, 32), (multi_scale_attention_small, 8), (ddamfn, 33)])
def test_the_smallest_images_that_are_taken_do_run(build: Build, side: int):
    assert torch.isfinite(network_of(build, side).eval()(images(2, side))).all()


@pytest.mark.parametrize(("side", "map_side"), [(48, 3), (96, 6), (112, 4), (224, 7)])
def test_dan_has_a_map_of_several_positions_to_attend_to(side: int, map_side: int):
    with torch.device("meta"):
        network = network_of(dan, side)
        assert network.trunk(torch.zeros(1, 1, side, side)).shape == (1, 512, map_side, map_side)


# Outputs


@pytest.mark.parametrize(("build", "side"), HOUSE)
def test_training_alone_returns_more_than_logits(build: Build, side: int):
    network = network_of(build, side)
    trained = network.train()(images(4, side))
    assert isinstance(trained, Outputs)
    assert (trained.auxiliary is not None) == isinstance(network, MultiScaleAttention)
    assert bool(trained.parts) == hasattr(network, "regulariser")
    assert trained.affect is None
    assert isinstance(network.eval()(images(4, side)), Tensor)


def whole_loss(network: Any, outputs: Outputs, targets: Tensor) -> Tensor:
    """Cross-entropy, auxiliary cross-entropy and regulariser, as training adds them."""
    loss = F.cross_entropy(outputs.logits.float(), targets)
    if outputs.auxiliary is not None:
        loss = loss + 0.3 * F.cross_entropy(outputs.auxiliary.float(), targets)
    return loss + network.regulariser(outputs, targets) if outputs.parts else loss


@pytest.mark.parametrize(("build", "side"), HOUSE)
def test_every_parameter_gets_a_gradient(build: Build, side: int):
    network = network_of(build, side).train()
    for parameter in network.parameters():
        if not parameter.any():  # behind a branch that starts with weight 0 no gradient passes
            nn.init.constant_(parameter, 0.5)
    targets = torch.eye(7)
    whole_loss(network, network(images(7, side)), targets).backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize(("build", "side"), HOUSE)
def test_the_regulariser_takes_soft_targets_and_is_a_positive_number(build: Build, side: int):
    network = network_of(build, side).train()
    outputs = network(images(4, side))
    if outputs.parts:
        soft = torch.full((4, 7), 1 / 7)
        assert network.regulariser(outputs, soft).shape == ()
        assert network.regulariser(outputs, soft) > 0


@pytest.mark.parametrize(("build", "side"), HOUSE)
def test_logits_of_an_image_do_not_depend_on_its_batch_mates(build: Build, side: int):
    network = network_of(build, side)
    feed_statistics(network, images(12, side))
    with torch.no_grad():
        together = network.eval()(images(12, side))
        alone = torch.cat([network(image[None]) for image in images(12, side)])
    torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-4)
    assert together.std(dim=0).max() > 1e-3, "the test needs logits that differ between images"


def feed_statistics(network: nn.Module, batch: Tensor) -> None:
    """Puts the batch's own statistics, and nothing else, in place of those that batch norm starts with."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(batch)


@pytest.mark.parametrize(("build", "side"), HOUSE)
def test_channels_last_gives_the_same_logits(build: Build, side: int):
    network = network_of(build, side)
    feed_statistics(network, images(8, side))
    with torch.no_grad():
        usual = network.eval()(images(8, side))
        last = network.to(memory_format=torch.channels_last)(images(8, side).to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, usual, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("build", "side"), HOUSE)
def test_a_network_trains_in_bf16_and_channels_last(build: Build, side: int):
    network = network_of(build, side).to(memory_format=torch.channels_last).train()
    batch = images(7, side).to(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        exact = logits_of(network(batch))
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(batch)
    whole_loss(network, outputs, torch.eye(7)).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())
    assert torch.corrcoef(torch.stack([exact.flatten(), outputs.logits.detach().float().flatten()]))[0, 1] > 0.9


# Loss terms


def test_affinity_equals_a_loop_over_images_and_classes():
    features, centres = torch.randn(5, 6, generator=seeded(0)), torch.randn(3, 6, generator=seeded(1))
    targets = torch.rand(5, 3, generator=seeded(2))
    spread = sum(centres[:, d].var().item() for d in range(6))
    distances = [
        targets[b, k].item() * sum((features[b, d] - centres[k, d]).item() ** 2 for d in range(6))
        for b in range(5)
        for k in range(3)
    ]
    assert affinity(features, centres, targets).item() == pytest.approx(sum(distances) / 5 / spread, rel=1e-5)


def test_affinity_falls_to_nothing_as_features_move_to_their_centres():
    features, centres = torch.randn(8, 16, generator=seeded(0)), torch.randn(4, 16, generator=seeded(1))
    targets = F.one_hot(torch.arange(8) % 4, 4).float()
    home = targets @ centres
    losses = [affinity(features.lerp(home, way), centres, targets).item() for way in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 0.5 and losses[-1] == pytest.approx(0, abs=1e-9)
    other = torch.roll(home, 1, dims=0)
    assert affinity(other, centres, targets) > 0.5


def test_affinity_does_not_fall_when_everything_shrinks():
    features, centres = torch.randn(8, 16, generator=seeded(0)), torch.randn(4, 16, generator=seeded(1))
    targets = F.one_hot(torch.arange(8) % 4, 4).float()
    small = affinity(features / 100, centres / 100, targets)
    torch.testing.assert_close(small, affinity(features, centres, targets))


def test_partition_equals_a_loop_over_images_and_channels():
    heads = torch.randn(5, 4, 6, generator=seeded(0))
    variances = []
    for b in range(5):
        for d in range(6):
            values = [heads[b, h, d].item() for h in range(4)]
            mean = sum(values) / 4
            variances.append(sum((value - mean) ** 2 for value in values) / 3)
    expected = math.log(1 + 4 / (sum(variances) / len(variances)))
    assert partition(heads).item() == pytest.approx(expected, rel=1e-4)


def test_partition_falls_as_heads_differ_more():
    apart = torch.randn(5, 4, 6, generator=seeded(0))
    losses = [partition(scale * apart).item() for scale in (0.0, 0.1, 1.0, 10.0)]
    assert losses == sorted(losses, reverse=True)
    assert math.isfinite(losses[0]) and losses[-1] < 0.1


@pytest.mark.parametrize("count", [2, 3])
def test_head_similarity_equals_a_loop_over_pairs(count: int):
    heads = [torch.rand(2, 3, 4, 4, generator=seeded(seed)) for seed in range(count)]
    differences = [
        sum((a - b) ** 2 for a, b in zip(heads[i].flatten().tolist(), heads[j].flatten().tolist(), strict=True)) / 96
        for i in range(count)
        for j in range(i)
    ]
    assert head_similarity(heads).item() == pytest.approx(len(differences) / sum(differences), rel=1e-4)


def test_head_similarity_falls_as_heads_differ_more_and_stays_finite_where_they_do_not():
    one, step = torch.rand(2, 3, 4, 4, generator=seeded(0)), torch.rand(2, 3, 4, 4, generator=seeded(1))
    losses = [head_similarity([one, one + scale * step]).item() for scale in (0.0, 0.1, 0.5, 1.0)]
    assert losses == sorted(losses, reverse=True)
    assert math.isfinite(losses[0])


def test_dan_adds_affinity_and_partition_and_carries_its_centres():
    network = network_of(dan, 48)
    features, heads = torch.randn(3, 512, generator=seeded(0)), torch.randn(3, 4, 512, generator=seeded(1))
    targets = F.one_hot(torch.tensor([0, 3, 6]), 7).float()
    expected = affinity(features, network.centres, targets) + partition(heads)
    torch.testing.assert_close(network.regulariser(Outputs(targets, parts=(features, heads)), targets), expected)
    assert network.state_dict()["centres"].shape == (7, 512)


def test_dans_heads_share_out_the_attention_of_each_channel():
    network = network_of(dan, 48).train()
    heads = network(images(4, 48)).parts[1]
    torch.testing.assert_close(heads.exp().sum(dim=1), torch.ones(4, 512))


# Attention


def test_a_coordinate_gate_is_one_factor_a_row_times_one_a_column():
    network = network_of(ddamfn, 112).train()
    (gate, _) = network(images(2, 112)).parts
    assert gate.shape == (2, 512, 7, 7)
    assert gate.min() > 0 and gate.max() < 1
    torch.testing.assert_close(gate[:, :, 1:, 1:] * gate[:, :, :1, :1], gate[:, :, 1:, :1] * gate[:, :, :1, 1:])


def test_a_coordinate_gate_turns_with_the_image():
    torch.manual_seed(0)
    gate = CoordinateGate(16, nn.AdaptiveAvgPool2d((None, 1)), nn.AdaptiveAvgPool2d((1, None))).eval()
    x = torch.randn(2, 16, 5, 7, generator=seeded(0))
    turned = gate(x.transpose(2, 3)).transpose(2, 3)
    gate.row_gate, gate.column_gate = gate.column_gate, gate.row_gate
    torch.testing.assert_close(gate(x), turned)


def test_relation_starts_as_the_identity_and_then_mixes_positions_as_a_loop_does():
    torch.manual_seed(0)
    relation, x = Relation(16), torch.randn(2, 16, 3, 2, generator=seeded(0))
    assert torch.equal(relation(x), x)
    nn.init.constant_(relation.gamma, 0.5)
    query, key, value = (layer(x).flatten(2) for layer in (relation.query, relation.key, relation.value))
    expected = x.flatten(2).clone()
    for b in range(2):
        for i in range(6):
            weights = torch.stack([query[b, :, i] @ key[b, :, j] for j in range(6)]).softmax(dim=0)
            expected[b, :, i] += 0.5 * sum(weights[j] * value[b, :, j] for j in range(6))
    torch.testing.assert_close(relation(x), expected.view_as(x), atol=1e-5, rtol=1e-4)


def test_the_pools_see_each_region_and_the_attended_mean():
    torch.manual_seed(0)
    pool, x = MultiScalePool(2), torch.arange(72.0).view(1, 2, 6, 6)
    pooled = pool(x)
    assert pooled.shape == (1, 15 * 2)
    assert pooled[0, :2].tolist() == x.mean(dim=(0, 2, 3)).tolist()
    assert pooled[0, 2].item() == x[0, 0, :3, :3].mean().item()
    assert pooled[0, 10].item() == x[0, 0, :2, :2].mean().item()
    nn.init.zeros_(pool.score.weight)
    torch.testing.assert_close(pool(x)[0, -2:], x.mean(dim=(0, 2, 3)))


def test_the_temperature_is_positive_and_divides_the_main_logits_alone():
    network = network_of(multi_scale_attention_small, 48).train()
    network.embed[-1].p = 0.0
    before = network(images(4, 48))
    assert network.temperature.item() == 1
    for log_temperature in (-3.0, 0.7):
        nn.init.constant_(network.log_temperature, log_temperature)
        assert network.temperature > 0
        after = network(images(4, 48))
        torch.testing.assert_close(after.logits * network.temperature, before.logits)
        torch.testing.assert_close(after.auxiliary, before.auxiliary)
