"""One network for expression, valence and arousal: its second head, how it learns and how it predicts."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.data import Dataset, Split
from benchmarks.data.fingerprint import assemble
from benchmarks.evaluation.affect_metrics import concordance, rmse
from tests.helpers.portraits import portraits
from tests.helpers.trained import trained
from zoo import registry
from zoo.inference.predict import class_scores, predict, predict_tasks, scores
from zoo.multitask import MultiTask
from zoo.outputs import Outputs
from zoo.pretrained.initialise import initialise
from zoo.recipes import PLAIN, Loss, Recipe, Transfer
from zoo.registry import Member
from zoo.structure import classifier_names, classifier_of, layers
from zoo.training.job import PeerPredictions
from zoo.training.losses import rated_concordance
from zoo.training.mixup import mix_rated
from zoo.training.optimizers import build_optimizer
from zoo.training.soft_labels import training_targets

torch.set_num_threads(1)

KINDS = ("vgg_fer", "resnet18", "efficientnet_b0", "vit_small", "dan", "ddamfn", "emonext_tiny", "lhc_net")


def rated_member(name: str = "lenet", **recipe: object) -> Member:
    member = registry.get(name)
    return replace(member, recipe=replace(member.recipe, affect=True, **recipe))  # type: ignore[arg-type]


def faces(each: int, classes: tuple[str, ...]) -> Dataset:
    """Portraits 48 by 48 in three splits, of each class half in train; every tenth has no rating."""
    found = portraits(each, classes)
    affect = found.affect.copy()
    affect[::10] = -2.0
    targets = np.array([classes.index(name) for name in found.names])
    quarters = np.arange(len(targets)) // len(classes) % 4
    splits = {}
    for name, wanted in (("train", (0, 1)), ("val", (2,)), ("test", (3,))):
        rows = np.flatnonzero(np.isin(quarters, wanted))
        splits[name] = Split(found.images[rows][:, None], targets[rows], rows.astype(str), affect=affect[rows])
    return assemble(splits, classes, "portraits")


@pytest.mark.parametrize("name", KINDS)
def test_any_network_with_a_dense_classifier_takes_the_second_head(name: str):
    member = rated_member(name)
    network = member.build(8, 1)
    assert isinstance(network, MultiTask)
    images = torch.randn(2, 1, member.image_size, member.image_size)
    found = network.train()(images)
    assert found.logits.shape == (2, 8) and found.affect.shape == (2, 2) and found.affect.abs().max() <= 1
    with torch.no_grad():
        alone, both = network.network.eval()(images), network.eval()(images)
    torch.testing.assert_close(both.logits, alone)
    assert classifier_of(network).out_features == 8, "the features of a multi-task network are those of its logits"


def test_a_network_without_a_dense_classifier_is_refused():
    said = (
        "^mini_xception cannot have recipe.affect: valence and arousal .* dense classifier, and this network has none"
    )
    with pytest.raises(ValueError, match=said):
        rated_member("mini_xception").build(7, 1)
    inner_only = MultiTask(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Unflatten(1, (3, 1)), nn.AvgPool1d(1)))
    with pytest.raises(ValueError, match="enter a dense classifier: the last dense layer of Sequential"):
        inner_only(torch.zeros(1, 1, 2, 2))


def test_the_option_is_off_and_then_changes_no_identity():
    assert "affect" not in Recipe().changes() and Recipe(affect=True).changes() == {"affect": True}
    assert not isinstance(registry.get("lenet").build(7, 1), MultiTask)
    with pytest.raises(ValueError, match=r"oversample \(smote\) makes images without valence and arousal"):
        Recipe(affect=True, oversample="smote")


def test_a_copy_uses_its_own_head():
    """As the moving average of the weights does: a hook that stays would feed it the original's features."""
    network = rated_member().build(3, 1).eval()
    copy = deepcopy(network)
    images = torch.randn(2, 1, 16, 16)
    before = copy(images).affect
    for parameter in network.parameters():
        parameter.data.zero_()
    network(images)
    assert torch.equal(copy(images).affect, before) and before.abs().max() > 0


def test_both_heads_learn_first_and_layers_stay_those_of_the_network():
    network = rated_member("resnet18").build(8, 1)
    heads = {"network.fc.weight", "network.fc.bias", "affect.weight", "affect.bias"}
    assert classifier_names(network) == heads
    assert isinstance(network, MultiTask)
    inner, outer = layers(network.network), layers(network)
    assert {name.removeprefix("network."): layer for name, layer in outer.items() if "network." in name} == inner
    assert outer["affect.weight"] == max(inner.values())
    recipe = Recipe(transfer=Transfer(backbone=0.1, layer_decay=0.5))
    scale = {id(p): group["scale"] for group in build_optimizer(recipe, network).param_groups for p in group["params"]}
    assert {name for name, parameter in network.named_parameters() if scale[id(parameter)] == 1} == heads


def test_trained_weights_go_into_the_backbone(monkeypatch: pytest.MonkeyPatch):
    member = replace(rated_member("resnet18"), init="imagenet", weights="somewhere")
    donors: list[nn.Module] = []

    def build(self: Member, num_classes: int, in_chans: int, **options: object) -> nn.Module:
        donors.append(real(self, num_classes, in_chans))
        return donors[-1]

    real = Member.build
    monkeypatch.setattr(Member, "build", build)
    monkeypatch.setattr("zoo.pretrained.initialise._source", lambda weights: {})
    network = real(member, 8, 1)
    head = network.state_dict()["affect.weight"].clone()
    initialise(network, member, 8, 1)
    given, found = donors[0].state_dict(), network.state_dict()
    assert torch.equal(found["network.conv1.weight"], given["network.conv1.weight"])
    assert torch.equal(found["affect.weight"], head) and found["network.fc.weight"].shape[0] == 8


def test_ratings_are_averaged_over_views_and_networks():
    member = rated_member(tta="flip")
    torch.manual_seed(0)
    network = member.build(3, 1).eval()
    images = torch.randint(0, 256, (5, 1, 16, 16), dtype=torch.uint8)
    one, other = (scores(network, some, member, "none") for some in (images, images.flip(3)))
    both = scores(network, images, member, "flip", batch_size=2)
    assert one.affect is not None and other.affect is not None and both.affect is not None
    torch.testing.assert_close(both.affect, (one.affect + other.affect) / 2)
    torch.testing.assert_close(class_scores(network, images, member, "flip"), both.logits)
    weights = network.state_dict()
    mute = {name: value if name.startswith("network.") else torch.zeros_like(value) for name, value in weights.items()}
    joined = {f"part.{i}.{name}": value for i, part in enumerate((weights, mute)) for name, value in part.items()}
    logits, affect = predict_tasks(member, joined, images.numpy(), 3, "cpu")
    assert affect is not None
    np.testing.assert_allclose(affect, both.affect.numpy() / 2, atol=1e-6)
    np.testing.assert_array_equal(logits, predict(member, joined, images.numpy(), 3, "cpu"))
    assert predict_tasks(registry.get("lenet"), {k[8:]: v for k, v in weights.items() if "network." in k},
                         images.numpy(), 3, "cpu")[1] is None  # fmt: skip


def test_ratings_are_mixed_as_their_images_are():
    images, targets = torch.rand(6, 1, 2, 2), torch.eye(6)
    affect = torch.linspace(-1, 1, 12).reshape(6, 2)
    affect[2] = -2.0
    recipe = Recipe(mixup=0.5)
    mixed, soft, ratings = mix_rated(images, targets, affect, recipe, torch.Generator().manual_seed(0))
    plain = mix_rated(images, targets, None, recipe, torch.Generator().manual_seed(0))
    assert torch.equal(mixed, plain[0]) and torch.equal(soft, plain[1]) and plain[2] is None
    assert ratings is not None and ratings.isnan().all(1).tolist() == [False, False, True, True, False, False]
    torch.testing.assert_close(ratings[[0, 1, 4, 5]], (soft @ affect)[[0, 1, 4, 5]])


@pytest.mark.parametrize("recipe", [Recipe(mixup=0.5, mix_probability=0.0), Recipe(cutmix=1.0, mix_probability=0.0)])
def test_an_unmixed_image_keeps_its_ratings_beside_an_unrated_one(recipe: Recipe):
    affect = torch.linspace(-1, 1, 12).reshape(6, 2)
    affect[2] = -2.0
    _, _, ratings = mix_rated(torch.rand(6, 1, 4, 4), torch.eye(6), affect, recipe, torch.Generator().manual_seed(0))
    assert ratings is not None and ratings[2].isnan().all()
    rated = [0, 1, 3, 4, 5]
    assert torch.equal(ratings[rated], affect[rated])


def test_an_image_wholly_replaced_has_its_neighbours_ratings(monkeypatch: pytest.MonkeyPatch):
    affect = torch.tensor([[0.5, -0.5], [-2.0, -2.0], [0.25, 0.75]])
    monkeypatch.setattr("zoo.training.mixup._kept_share", lambda images, recipe, generator: torch.zeros(3, 1, 4, 4))
    recipe = Recipe(cutmix=1.0)
    _, _, ratings = mix_rated(torch.rand(3, 1, 4, 4), torch.eye(3), affect, recipe, torch.Generator().manual_seed(0))
    assert ratings is not None and ratings[2].isnan().all()
    assert torch.equal(ratings[:2], affect[[2, 0]])


def test_concordance_on_val_leaves_unrated_images_out():
    predicted, wanted = torch.rand(6, 2), torch.rand(6, 2)
    wanted[:2] = torch.tensor([[-2.0, -2.0], [float("nan"), 0.1]])
    for column, found in enumerate(rated_concordance(predicted, wanted)):
        expected = concordance(predicted[2:, column].numpy(), wanted[2:, column].numpy())
        assert found.item() == pytest.approx(expected, abs=1e-5)


def test_ratings_are_needed_where_the_recipe_learns_them(dataset: Dataset):
    with pytest.raises(ValueError, match=r"recipe\.affect needs valence and arousal of the training images"):
        training_targets(dataset.train, 3, Recipe(affect=True), PeerPredictions(), 0)


class Shallow(nn.Module):
    """Two convolutions: enough for the ratings of a few faces."""

    def __init__(self, num_classes: int, in_chans: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_chans, 16, 5, 2), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(288, num_classes)

    def forward(self, images: Tensor) -> Tensor | Outputs:
        return self.head(self.body(images))


def shallow(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    return Shallow(num_classes, in_chans)


def test_valence_is_learnt_beside_expression_better_than_its_mean(tmp_path: Path):
    data = faces(500, ("happiness", "sadness"))
    loss = Loss(affect="mse", valence=1.0)
    recipe = replace(PLAIN, affect=True, epochs=10, batch_size=32, learning_rate=0.05, loss=loss)
    member = Member("shallow", f"{__name__}:shallow", recipe, 48, "scratch", "", "")
    result = trained(member, data, tmp_path / "a.pt")
    logits, affect = predict_tasks(member, result.weights, data.test.images, 2, "cpu")
    assert affect is not None and data.test.affect is not None and data.train.affect is not None
    rated, seen = data.test.affect[:, 0] > -2, data.train.affect[:, 0] > -2
    truth, mean = data.test.affect[rated, 0], data.train.affect[seen, 0].mean()
    assert rmse(affect[rated, 0], truth) < 0.97 * rmse(np.full_like(truth, mean), truth)
    assert concordance(affect[rated, 0], truth) > 0.1, "of the mean it is 0"
    assert (logits.argmax(1) == data.test.targets).mean() > 0.58
    assert {"val_ccc_valence", "val_ccc_arousal"} < result.history[-1].keys()
