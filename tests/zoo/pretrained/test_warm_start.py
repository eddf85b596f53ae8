"""Weights that were trained for other classes: every layer as it was, the classifier's rows by their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import nn

import zoo
from zoo import registry
from zoo.pretrained.initialise import initialise
from zoo.pretrained.packages import WeightsUnavailable
from zoo.pretrained.warm_start import WarmStart, start_from
from zoo.state_dicts import join
from zoo.variants import display_title, start_part, started_from

NETWORKS = ("lenet", "mini_xception", "resnet10t")  # the classifier: a layer, a convolution with a row a class, timm's


def built(name: str, classes: int, seed: int, channels: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return registry.get(name).build(classes, channels).eval()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("classes", [(2, 0, 1), (2, 0), (None, 1, 2, 0), (0, 1, 2), (1, None, 0)], ids=str)
def test_classes_keep_their_logits_whatever_their_order_and_number(name: str, classes: Sequence[int | None]):
    trained, network = built(name, 3, 0), built(name, len(classes), 1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    size = registry.get(name).image_size
    images = torch.rand(2, 1, size, size)
    start_from(network, WarmStart(trained.state_dict(), classes, 3))
    logits, theirs = network(images), trained(images)
    for place, index in enumerate(classes):
        if index is not None:
            torch.testing.assert_close(logits[:, place], theirs[:, index])
    changed = [name for name, value in network.state_dict().items() if not torch.equal(value, before[name])]
    assert changed


def test_an_unknown_class_keeps_its_random_row():
    network = built("lenet", 2, 1)
    row = dict(network.named_parameters())
    before = {name: value.detach().clone() for name, value in row.items()}
    start_from(network, WarmStart(built("lenet", 3, 0).state_dict(), (None, 1), 3))
    last = list(before)[-1]
    assert torch.equal(row[last][0], before[last][0]) and not torch.equal(row[last][1], before[last][1])


def test_of_several_networks_the_first_is_taken_and_a_second_head_is_no_hindrance():
    first, second = built("lenet", 3, 0), built("lenet", 3, 5)
    network = built("lenet", 3, 1)
    start_from(network, WarmStart(join([first.state_dict(), second.state_dict()]), (0, 1, 2), 3))
    member = registry.get("lenet")
    images = torch.rand(2, 1, member.image_size, member.image_size)
    torch.testing.assert_close(network(images), first(images))
    rated = replace(member, recipe=replace(member.recipe, affect=True))
    both = rated.build(3, 1)
    start_from(network, WarmStart(both.state_dict(), (0, 1, 2), 3))
    torch.testing.assert_close(network(images), both.eval()(images).logits)


def test_another_network_is_refused_by_the_name_of_what_does_not_fit():
    with pytest.raises(ValueError, match=r"has no .*: the two are of different architectures"):
        start_from(built("lenet", 3, 0), WarmStart(built("resnet10t", 3, 0).state_dict(), (0, 1, 2), 3))
    with pytest.raises(ValueError, match=r"of the trained network is \[.*, 3, .*\], here \[.*, 1, "):
        start_from(built("lenet", 3, 0), WarmStart(built("lenet", 3, 0, channels=3).state_dict(), (0, 1, 2), 3))


def test_a_layer_as_wide_as_there_are_classes_is_no_classifier():
    class Narrow(nn.Sequential):
        def __init__(self, classes: int) -> None:
            super().__init__(nn.Flatten(), nn.Linear(4, 3), nn.Linear(3, classes))

    trained = Narrow(3)
    for classes in ((2, 0, 1), (1, 0)):
        network = Narrow(len(classes))
        start_from(network, WarmStart(trained.state_dict(), classes, 3))
        images = torch.rand(2, 1, 2, 2)
        torch.testing.assert_close(network(images), trained(images)[:, list(classes)])


def test_a_member_says_in_its_name_what_it_starts_from():
    member = registry.get("vgg_fer@muon@from_fer2013@long")
    assert (member.init, member.weights) == ("fer2013", "fer2013:vgg_fer@muon")
    assert member.trained_elsewhere == ("fer2013", "vgg_fer@muon")
    assert member.recipe == registry.get("vgg_fer@muon@long").recipe
    assert registry.get("vgg_fer").trained_elsewhere is None
    assert registry.get("efficientnet_lite0_imagenet").trained_elsewhere is None
    assert registry.trained_as(registry.get("vgg_fer@from_kdef@scale_tta")).name == "vgg_fer@from_kdef"
    assert display_title("vgg_fer@muon@from_fer2013") == "vgg_fer (Muon, from fer2013)"
    other = registry.get("vgg_fer@from_fer2013--vgg_fer--muon--s1@long")
    assert (other.init, other.weights) == ("fer2013", "fer2013:vgg_fer@muon:1")
    assert display_title(other.name) == "vgg_fer (from vgg_fer@muon:1 of fer2013, 40 epochs)"


@pytest.mark.parametrize(
    "part",
    ["from_", "from_--vgg_fer", "from_kdef--", "from_kdef--vgg_fer", "from_kdef--nobody", "from_kdef--resnet_fer--s"],
)
def test_a_start_has_one_name(part: str):
    assert not registry.is_known(f"vgg_fer@{part}")


@pytest.mark.parametrize(
    "member", ["", "vgg_fer", "vgg_fer:12", "vgg_fer@muon@long", "vgg_fer@muon@long:3", "s1", "s1:2"]
)
def test_what_a_name_says_of_a_start_can_be_read_again(member: str):
    assert started_from(start_part("fer2013-dedup", member)) == ("fer2013-dedup", member)


def test_a_start_from_what_started_elsewhere_is_refused():
    with pytest.raises(ValueError, match="started elsewhere itself"):
        start_part("kdef", "vgg_fer@from_fer2013--resnet_fer")


def test_without_those_weights_there_is_no_such_network():
    with pytest.raises(WeightsUnavailable, match=r"starts from weights of fer2013:vgg_fer"):
        zoo.create_model("vgg_fer@from_fer2013", num_classes=7, pretrained=True)
    member = registry.get("lenet@from_fer2013")
    network = member.build(7, 1)
    with pytest.raises(WeightsUnavailable):
        initialise(network, member, 7, 1)
