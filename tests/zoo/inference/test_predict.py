"""Views of test-time augmentation, and the features that a network's classifier sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import registry
from zoo.inference.pixels import to_float
from zoo.inference.predict import class_scores, features, predict
from zoo.inference.preprocess import preprocess
from zoo.inference.tta import network_inputs
from zoo.inference.views import VIEWS
from zoo.outputs import Outputs
from zoo.recipes import Recipe
from zoo.registry import Member, UnknownName
from zoo.structure import classifier_of

torch.set_num_threads(1)

UNIT = Recipe(normalise="unit")


class Recorder(nn.Module):
    """Gives each image's pixels as its logits, and keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen.append(inputs.clone())
        return inputs.flatten(1)


class Twofold(nn.Module):
    """A network with a second output, whose classifier is not its last dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU())
        self.head = nn.Linear(5, 3)
        self.second = nn.Linear(5, 3)

    def forward(self, inputs: Tensor) -> Outputs:
        hidden = self.body(inputs)
        return Outputs(self.head(hidden), auxiliary=self.second(hidden))


def member(size: int = 48, **recipe: object) -> Member:
    return replace(registry.get("lenet"), image_size=size, recipe=replace(UNIT, **recipe))  # type: ignore[arg-type]


def noise(count: int, side: int = 48) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 1, side, side), dtype=torch.uint8, generator=generator)


def shown(images: Tensor, to: Member, tta: str) -> list[Tensor]:
    """The views [B,1,size,size] that a network sees, in order."""
    network = Recorder()
    class_scores(network, images, to, tta, batch_size=len(images))
    return network.seen


# Views


@pytest.mark.parametrize(
    ("tta", "count"),
    [("none", 1), ("flip", 2), ("ten_crop", 10), ("shift", 10), ("scale", 6), ("rotate", 6), ("grid", 18)],
)
def test_logits_are_the_mean_over_all_views(tta: str, count: int):
    network, images = Recorder(), noise(3)
    scores = class_scores(network, images, member(), tta, batch_size=len(images))
    assert len(network.seen) == count
    torch.testing.assert_close(scores, torch.stack(network.seen).mean(0).flatten(1))
    distinct = {view.numpy().tobytes() for view in network.seen}
    assert len(distinct) == count
    assert all(view.min() >= 0 and view.max() <= 1 for view in network.seen)


@pytest.mark.parametrize(("batch_size", "passes"), [(3, [3] * 10), (8, [6] * 5), (21, [21, 9]), (256, [30])])
def test_few_images_are_shown_in_several_views_together(batch_size: int, passes: list[int]):
    network, images = Recorder(), noise(3)
    scores = class_scores(network, images, member(), "ten_crop", batch_size)
    assert [len(seen) for seen in network.seen] == passes
    assert torch.equal(scores, class_scores(Recorder(), images, member(), "ten_crop", batch_size=3))


def test_no_augmentation_and_flip_show_the_image_and_its_mirror_image_exactly():
    images = noise(3)
    assert torch.equal(*shown(images, member(), "none"), to_float(images, 48))
    plain, mirrored = shown(images, member(), "flip")
    assert torch.equal(plain, to_float(images, 48))
    assert torch.equal(mirrored, plain.flip(3))


@pytest.mark.parametrize("size", [40, 42])
def test_a_crop_ratio_shows_the_centre(size: int):
    images, start = noise(2), (48 - size) // 2
    (view,) = shown(images, member(size, crop_ratio=size / 48), "none")
    assert torch.equal(view, images[:, :, start:-start, start:-start] / 255)


def test_ten_crop_shows_the_five_windows_and_their_mirror_images():
    code = (torch.arange(48)[:, None] * 5 % 256 // 16 * 16 + torch.arange(48) // 3).to(torch.uint8)[None, None]
    views = shown(code, member(40, crop_ratio=40 / 48), "ten_crop")
    corners = ((0, 0), (0, 8), (8, 0), (8, 8), (4, 4))
    for index, (top, left) in enumerate(corners):
        window = code[:, :, top : top + 40, left : left + 40] / 255
        assert torch.equal(views[2 * index], window)
        assert torch.equal(views[2 * index + 1], window.flip(3))


def test_ten_crop_of_an_uncropped_recipe_enlarges_the_image_by_an_eighth_of_the_side():
    views = shown(noise(1), member(56), "ten_crop")
    assert torch.equal(views[0], to_float(noise(1), 64)[:, :, :56, :56])
    assert torch.equal(views[8], to_float(noise(1), 64)[:, :, 4:-4, 4:-4])


def test_shift_moves_by_a_sixteenth_of_the_side():
    image = noise(1)
    plain = to_float(image, 48)[0, 0]
    centre, left, right, up, down = (view[0, 0] for view in shown(image, member(), "shift")[::2])
    for view, moved in (
        (centre, plain),
        (left[:, 3:], plain[:, :-3]),
        (right[:, :-3], plain[:, 3:]),
        (up[3:], plain[:-3]),
        (down[:-3], plain[3:]),
    ):
        torch.testing.assert_close(view, moved, atol=1e-4, rtol=0)


ZOOMS, ANGLES = (0.9, 1.0, 1.1), (-8, 0, 8)


@pytest.mark.parametrize(
    ("tta", "warps"),
    [("scale", product(ZOOMS, (0,))), ("rotate", product((1.0,), ANGLES)), ("grid", product(ZOOMS, ANGLES))],
)
def test_views_move_a_dot_by_what_they_say(tta: str, warps: Iterable[tuple[float, float]]):
    image = torch.zeros(1, 1, 48, 48, dtype=torch.uint8)
    image[:, :, 22:26, 36:40] = 255  # 14 pixels to the right of the centre
    ticks = torch.arange(48.0) - 23.5
    for view, (zoom, degrees) in zip(shown(image, member(), tta)[::2], warps, strict=True):
        mass = view[0, 0] / view.sum()
        x, y = (mass.sum(0) * ticks).sum(), (mass.sum(1) * ticks).sum()
        radius, angle = torch.hypot(x, y).item(), torch.rad2deg(torch.atan2(y, x)).item()
        assert radius == pytest.approx(14 / zoom, abs=0.1)
        assert angle == pytest.approx(-degrees, abs=0.3)


def test_a_recipe_names_the_kinds_of_views_that_there_are():
    assert get_args(get_type_hints(Recipe)["tta"]) == tuple(VIEWS)


@pytest.mark.parametrize("tta", VIEWS)
def test_every_view_of_a_constant_image_is_that_image(tta: str):
    image = torch.full((1, 3, 48, 48), 90, dtype=torch.uint8)
    for view in shown(image, member(40, crop_ratio=0.8), tta):
        torch.testing.assert_close(view, torch.full((1, 3, 40, 40), 90 / 255))


@pytest.mark.parametrize("tta", [kind for kind in VIEWS if kind != "none"])
def test_a_mirror_image_gets_the_same_logits(tta: str):
    images, network = noise(4, side=32), registry.get("resnet_fer").build(3, 1).eval()
    to = replace(registry.get("resnet_fer"), image_size=32)
    scores = class_scores(network, images, to, tta)
    torch.testing.assert_close(class_scores(network, images.flip(3), to, tta), scores, atol=1e-4, rtol=1e-3)
    assert not torch.allclose(class_scores(network, images.flip(3), to, "none"), scores, atol=1e-4)


def test_flip_changes_nothing_for_a_symmetric_image():
    half, network = noise(4)[..., :24], registry.get("resnet_fer").build(3, 1)
    images, to = torch.cat([half, half.flip(3)], dim=3), registry.get("resnet_fer")
    torch.testing.assert_close(class_scores(network, images, to, "flip"), class_scores(network, images, to, "none"))


@pytest.mark.parametrize("normalised", ["fixed", "image"])
@pytest.mark.parametrize("tta", VIEWS)
def test_views_do_not_depend_on_batch_mates(tta: str, normalised: str):
    images, to = noise(7), member(40, crop_ratio=40 / 48, normalise=normalised)
    together = class_scores(Recorder(), images, to, tta)
    order = torch.tensor([3, 6, 0, 1, 5, 2, 4])
    apart = class_scores(Recorder(), images[order], to, tta, batch_size=3)
    torch.testing.assert_close(apart, together[order], atol=1e-5, rtol=0)


def test_views_are_normalised_each_by_itself():
    for view in network_inputs(noise(3), 40, replace(UNIT, normalise="image", crop_ratio=0.5), "ten_crop"):
        torch.testing.assert_close(view.mean(dim=(1, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
        torch.testing.assert_close(view.std(dim=(1, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)


def test_an_unknown_kind_of_views_gets_near_matches():
    with pytest.raises(UnknownName, match="augmentation matches 'ten_crops': did you mean ten_crop"):
        class_scores(Recorder(), noise(1), member(), "ten_crops")


def test_only_the_logits_of_several_outputs_count():
    network, images = Twofold(), noise(2, side=8)
    expected = network.head(network.body(images / 255))
    torch.testing.assert_close(class_scores(network, images, member(8), "none"), expected)


def test_predictions_see_preprocessed_images():
    plain, images = registry.get("lenet"), noise(4, side=32) // 4
    filtered = replace(plain, recipe=replace(plain.recipe, preprocess="equalise"))
    weights = plain.build(3, 1).state_dict()
    scores = predict(filtered, weights, images.numpy(), 3, "cpu")
    by_hand = predict(plain, weights, preprocess(images, "equalise").numpy(), 3, "cpu")
    np.testing.assert_array_equal(scores, by_hand)
    assert not np.allclose(scores, predict(plain, weights, images.numpy(), 3, "cpu"))


# Features


@pytest.mark.parametrize("name", ["vgg_fer", "resnet_fer", "five_layer_cnn", "resnet10t", "convnext_atto", "linear"])
def test_the_classifier_makes_logits_of_the_features(name: str):
    known = registry.get(name)
    images, network = noise(5, known.image_size), known.build(4, 1)
    found = features(network, images, known, batch_size=3)
    classifier = classifier_of(network)
    assert found.dtype == torch.float32
    assert found.shape == (5, classifier.in_features) and classifier.out_features == 4
    logits = F.linear(found, classifier.weight, classifier.bias)
    torch.testing.assert_close(logits, class_scores(network, images, known, "none"), atol=1e-5, rtol=1e-4)
    assert not classifier._forward_hooks, "the hook is taken off again"


def test_features_of_several_outputs_are_those_of_the_head():
    network, images = Twofold(), noise(3, side=8)
    assert classifier_of(network) is network.head
    torch.testing.assert_close(features(network, images, member(8)), network.body(images / 255))


def test_a_network_without_a_dense_classifier_is_named():
    images = noise(2, side=64)
    with pytest.raises(ValueError, match="Sequential has no dense layer, and so no penultimate features"):
        features(registry.get("mini_xception").build(7, 1), images, registry.get("mini_xception"))
    gated = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.Unflatten(1, (6, 1, 1)), nn.Conv2d(6, 3, 1), nn.Flatten())
    with pytest.raises(ValueError, match="the last dense layer of Sequential does not give its logits"):
        features(gated, noise(2, side=8), member(8))
