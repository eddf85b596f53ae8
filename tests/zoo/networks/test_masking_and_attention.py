"""Networks rebuilt from their papers: published parameter counts, input sizes, and what each one's parts promise."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.networks import emonext
from zoo.networks.emonext import EmoNeXt, SpatialTransformer
from zoo.networks.ferplus_vgg13 import ferplus_vgg13
from zoo.networks.resemotenet import resemotenet
from zoo.networks.residual_masking import ResidualMask, residual_masking
from zoo.networks.vggnet import vggnet
from zoo.outputs import Outputs, logits_of

torch.set_num_threads(1)

Builder = Callable[[int, int, int], nn.Module]

COUNTS = [  # network, classes, channels, image size, parameters: as published, then as the house builds it
    (resemotenet, 7, 3, 64, 80_238_599),
    (resemotenet, 7, 1, 48, 80_237_447),
    (residual_masking, 7, 3, 224, 137_796_423),
    (residual_masking, 7, 1, 64, 137_790_151),
    (vggnet, 7, 1, 40, 29_890_759),
    (ferplus_vgg13, 8, 1, 64, 8_757_704),
    (ferplus_vgg13, 7, 1, 48, 6_921_671),
]
EMONEXT = [  # network, channels of the last stage, published millions of parameters
    (emonext.emonext_tiny, 768, 30.56),
    (emonext.emonext_small, 768, 52.20),
    (emonext.emonext_base, 1024, 91.77),
    (emonext.emonext_large, 1536, 204.58),
    (emonext.emonext_xlarge, 2048, 362.31),
]
HOUSE_AND_PAPER = [
    *((resemotenet, side) for side in (48, 64)),
    *((residual_masking, side) for side in (64, 224)),
    (vggnet, 40),
    *((ferplus_vgg13, side) for side in (48, 64)),
    *((build, side) for build, *_ in EMONEXT for side in (64, 224)),
]
LIGHT = [(resemotenet, 48), (vggnet, 40), (ferplus_vgg13, 48)]
UNFIT = [(resemotenet, 4), (residual_masking, 48), (residual_masking, 112), (vggnet, 15), (ferplus_vgg13, 15),
         (emonext.emonext_tiny, 48)]  # fmt: skip


def without_storage(build: Builder, classes: int, in_chans: int, image_size: int) -> nn.Module:
    """The network with the shapes of its parameters and nothing in them."""
    with torch.device("meta"):
        return build(classes, in_chans, image_size)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def without_gradient(network: nn.Module) -> set[str]:
    """Names of the parameters that a backward pass has not reached, or reached with more than numbers can hold."""
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return {name for name, gradient in gradients.items() if gradient is None or not torch.isfinite(gradient).all()}


def pixels(count: int, side: int, channels: int = 1) -> Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def narrow_emonext(side: int = 96) -> EmoNeXt:
    torch.manual_seed(0)
    return EmoNeXt(width=8, depth=3, num_classes=7, in_chans=1, image_size=side)


def attended(network: EmoNeXt, images: Tensor) -> Outputs:
    """What training sees, with the running statistics of the spatial transformer and without dropped paths."""
    network.eval().training = True
    outputs = network(images)
    assert isinstance(outputs, Outputs)
    return outputs


@pytest.mark.parametrize(("build", "classes", "channels", "side", "expected"), COUNTS)
def test_a_network_has_the_published_number_of_parameters(
    build: Builder, classes: int, channels: int, side: int, expected: int
):
    assert parameters(without_storage(build, classes, channels, side)) == expected


@pytest.mark.parametrize(("build", "channels", "millions"), EMONEXT)
def test_emonext_lacks_of_the_published_parameters_only_the_value_projection(
    build: Builder, channels: int, millions: float
):
    value_projection = channels**2 + channels
    assert round((parameters(without_storage(build, 7, 3, 224)) + value_projection) / 1e6, 2) == millions


@pytest.mark.parametrize(("build", "side"), HOUSE_AND_PAPER)
def test_a_network_runs_at_its_papers_size_and_at_its_own(build: Builder, side: int):
    network = without_storage(build, 8, 1, side)
    for training in (True, False):
        logits = logits_of(network.train(training)(torch.zeros(2, 1, side, side, device="meta")))
        assert logits.shape == (2, 8)


@pytest.mark.parametrize(("build", "side"), UNFIT)
def test_a_size_that_a_network_cannot_take_is_named(build: Builder, side: int):
    with pytest.raises(ValueError, match=rf"image_size={side}\b"):
        without_storage(build, 7, 1, side)


def test_residual_masking_names_the_nearest_sizes_that_work():
    with pytest.raises(ValueError, match="use 96 or 128"):
        without_storage(residual_masking, 7, 1, 112)
    with pytest.raises(ValueError, match="use 32 or 64"):
        without_storage(residual_masking, 7, 1, 16)


@pytest.mark.parametrize(("build", "side"), LIGHT)
def test_a_step_in_bfloat16_reaches_every_parameter(build: Builder, side: int):
    torch.manual_seed(0)
    network = build(7, 1, side).to(memory_format=torch.channels_last).train()
    images = pixels(4, side).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    F.cross_entropy(logits.float(), torch.arange(4)).backward()
    assert without_gradient(network) == set()


# EmoNeXt


@pytest.mark.parametrize("autocast", [False, True])
def test_a_fresh_spatial_transformer_returns_its_input(autocast: bool):
    torch.manual_seed(0)
    images = pixels(3, 64, channels=3)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        moved = SpatialTransformer(3, 64)(images)
    torch.testing.assert_close(moved, images, atol=1e-4, rtol=0)


def test_a_spatial_transformer_applies_the_map_it_predicts():
    images = pixels(2, 32)
    transformer = SpatialTransformer(1, 32)
    with torch.no_grad():
        transformer.correction.bias[0] = -2.0  # the identity's 1 becomes -1: left and right change places
    torch.testing.assert_close(transformer(images), images.flip(3), atol=1e-4, rtol=0)


def test_the_attention_of_emonext_learns_from_the_regulariser_alone():
    network = narrow_emonext().train()
    targets = torch.eye(7)[:3]
    outputs = network(pixels(3, 96))
    assert isinstance(outputs, Outputs)
    F.cross_entropy(outputs.logits, targets).backward(retain_graph=True)
    own = {f"attention.{name}" for name, _ in network.attention.named_parameters()}
    assert without_gradient(network) == own != set()
    network.regulariser(outputs, targets).backward()
    assert without_gradient(network) == set()
    assert network.attention.query.weight.grad.abs().max() > 0
    assert network.trunk.stem[0].weight.grad.abs().max() > 0


def test_the_regulariser_of_a_batch_is_the_mean_of_those_of_its_images():
    network, images, targets = narrow_emonext(), pixels(5, 96), torch.eye(7)[:5]
    together = network.regulariser(attended(network, images), targets)
    alone = [network.regulariser(attended(network, image[None]), targets) for image in images]
    torch.testing.assert_close(together, torch.stack(alone).mean())
    assert together > 1e-6


def test_the_regulariser_is_zero_where_attention_is_even_and_largest_where_it_is_on_one_position():
    network, targets = narrow_emonext(), torch.eye(7)[:2]
    even, single = torch.full((2, 9, 9), 1 / 9), torch.eye(9).expand(2, 9, 9)
    assert network.regulariser(Outputs(targets, parts=(even,)), targets) == pytest.approx(0, abs=1e-12)
    assert network.regulariser(Outputs(targets, parts=(single,)), targets) == pytest.approx((1 - 1 / 9) / 9)


def test_emonext_attends_from_position_to_position_of_one_image():
    network, images = narrow_emonext(), pixels(4, 96)
    (attention,) = attended(network, images).parts
    assert attention.shape == (4, 9, 9)
    torch.testing.assert_close(attention.sum(dim=2), torch.ones(4, 9))
    (reversed_batch,) = attended(network, images.flip(0)).parts
    torch.testing.assert_close(reversed_batch.flip(0), attention)


def test_logits_of_emonext_do_not_depend_on_batch_mates():
    network, images = narrow_emonext().eval(), pixels(6, 96)
    together = network(images)
    assert isinstance(together, Tensor)
    torch.testing.assert_close(torch.cat([network(image[None]) for image in images]), together, atol=1e-5, rtol=1e-4)
    assert together.std(dim=0).max() > 1e-3, "the test needs logits that differ between images"


def test_emonext_trains_in_bfloat16():
    network = narrow_emonext().train()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(pixels(3, 96))
    (attention,) = outputs.parts
    assert attention.dtype == torch.float32  # a variance of bfloat16 weights would be rounding
    loss = F.cross_entropy(outputs.logits.float(), torch.arange(3))
    (loss + network.regulariser(outputs, torch.eye(7)[:3])).backward()
    assert without_gradient(network) == set()


# Residual Masking Network


@pytest.mark.parametrize(("depth", "side"), [(1, 2), (2, 4), (3, 8), (4, 16)])
def test_a_mask_shares_one_among_the_channels_of_each_position(depth: int, side: int):
    torch.manual_seed(0)
    masked, x = ResidualMask(8, depth).eval(), torch.randn(2, 8, side, side)
    mask = masked.mask(x)
    assert mask.shape == x.shape and mask.min() >= 0
    torch.testing.assert_close(mask.sum(dim=1), torch.ones(2, side, side))
    torch.testing.assert_close(masked(x), x * (1 + mask))


def test_a_mask_of_depth_four_sees_the_whole_map():
    torch.manual_seed(0)
    masked, x = ResidualMask(4, depth=4).eval(), torch.randn(1, 4, 8, 8)
    changed = x.clone()
    changed[:, :, 0, 0] += 5.0
    difference = (masked.mask(changed) - masked.mask(x)).abs().amax(dim=1)[0]
    assert difference[-1, -1] > 0


def test_every_stage_of_the_residual_masking_network_ends_in_its_mask():
    network = without_storage(residual_masking, 7, 1, 64)
    masks = [network.get_submodule(f"layer{stage}")[-1] for stage in (1, 2, 3, 4)]
    assert [len(mask.down) for mask in masks] == [4, 3, 2, 1]
    assert [mask.last.conv2.out_channels for mask in masks] == [64, 128, 256, 512]
