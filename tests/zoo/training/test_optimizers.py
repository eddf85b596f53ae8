"""Optimizers: what they are given, what their wrappers do, and that each goes on from a checkpoint to the bit."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo import registry
from zoo.recipes import Recipe, Transfer
from zoo.structure import classifier_modules, classifier_names, hidden_matrices, layers
from zoo.training.optimizers import UNSUITED, build_optimizer
from zoo.training.param_groups import parameter_groups
from zoo.training.sam import SharpnessAware, statistics_kept

torch.set_num_threads(1)

PLAIN = Recipe(learning_rate=0.05)
RECIPES = {
    "sgd": PLAIN,
    "adamw": replace(PLAIN, optimizer="adamw", learning_rate=1e-2),
    "adabelief": replace(PLAIN, optimizer="AdaBelief", learning_rate=1e-2),
    "lion": replace(PLAIN, optimizer="lion", learning_rate=1e-2),
    "ranger": replace(PLAIN, optimizer="ranger", learning_rate=0.1),
    "muon": replace(PLAIN, optimizer="muon", learning_rate=1e-2),
    "lookahead, sgd": replace(PLAIN, lookahead=True, learning_rate=0.1),
    "sam, sgd": replace(PLAIN, sam=0.05, learning_rate=0.1),
    "sam, lookahead, adam": replace(PLAIN, optimizer="adam", lookahead=True, sam=0.05, learning_rate=1e-2),
    "layer decay, muon": replace(
        PLAIN, optimizer="muon", learning_rate=1e-2, transfer=Transfer(backbone=0.5, layer_decay=0.9)
    ),
}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()]  # fmt: skip
    head = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 4)]
    return nn.Sequential(*convolutions, *head).to(memory_format=torch.channels_last)


@cache
def problem() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images, pattern = torch.randn(64, 1, 12, 12, generator=generator), torch.randn(4, 144, generator=generator)
    return images.contiguous(memory_format=torch.channels_last), (images.flatten(1) @ pattern.T).argmax(1)


Built = torch.optim.Optimizer | SharpnessAware


def backward(net: nn.Module, optimizer: Built) -> float:
    images, targets = problem()
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(net(images), targets)
    loss.backward()
    return loss.item()


def step(net: nn.Module, optimizer: Built, number: int) -> float:
    """As a training does it: the learning rate set by group, one or two passes."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial"] * (1 - number / 100)
    loss = backward(net, optimizer)
    if isinstance(optimizer, SharpnessAware):
        optimizer.first_step()
        with statistics_kept(net):
            backward(net, optimizer)
        optimizer.second_step()
    else:
        optimizer.step()
    return loss


def built(recipe: Recipe) -> tuple[nn.Module, Built]:
    net = network()
    optimizer = build_optimizer(recipe, net)
    for group in optimizer.param_groups:
        group["initial"] = recipe.learning_rate * group["scale"]
    return net, optimizer


@pytest.mark.parametrize("name", RECIPES)
def test_every_optimizer_lowers_the_loss(name: str):
    net, optimizer = built(RECIPES[name])
    losses = [step(net, optimizer, number) for number in range(30)]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("name", RECIPES)
def test_an_optimizer_goes_on_from_its_checkpoint_to_the_bit(name: str):
    net, optimizer = built(RECIPES[name])
    for number in range(7):  # lookahead is between two of its own steps
        step(net, optimizer, number)
    file = io.BytesIO()
    torch.save({"network": net.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    parts = torch.load(file, weights_only=True)
    again, resumed = built(RECIPES[name])
    again.load_state_dict(parts["network"])
    resumed.load_state_dict(parts["optimizer"])
    for number in range(7, 14):
        assert step(net, optimizer, number) == step(again, resumed, number)
    for (key, value), other in zip(net.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(value, other), key


# Names


@pytest.mark.parametrize("name", ["sgd", "adamw", "lion", "AdaBelief"])
def test_weight_decay_reaches_kernels_and_matrices_alone(name: str):
    net = network()
    optimizer = build_optimizer(replace(PLAIN, optimizer=name, weight_decay=0.125), net)
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] == 0.125 for p in group["params"]}
    assert decayed == {id(p) for p in net.parameters() if p.dim() > 1}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(net.parameters()))


@pytest.mark.parametrize("name", ["SGD", "Adam", "adamW", "radam", "NAdam", "rmsprop", "adagrad", "adamax"])
def test_a_name_of_torch_is_torchs_optimizer_in_any_case(name: str):
    optimizer = build_optimizer(replace(PLAIN, optimizer=name), network())
    assert type(optimizer).__module__.startswith("torch.optim") and type(optimizer).__name__.lower() == name.lower()


def test_sgd_has_the_momentum_of_the_recipe():
    for momentum in (0.0, 0.7):
        optimizer = build_optimizer(replace(PLAIN, momentum=momentum), network())
        assert all(group["momentum"] == momentum for group in optimizer.param_groups)
        assert all(group["nesterov"] == (momentum > 0) for group in optimizer.param_groups)


def test_the_default_is_the_step_of_plain_torch():
    net, optimizer = built(PLAIN)
    reference = network()
    kernels = [p for p in reference.parameters() if p.dim() > 1]
    others = [p for p in reference.parameters() if p.dim() <= 1]
    groups = [{"params": kernels, "weight_decay": PLAIN.weight_decay}, {"params": others, "weight_decay": 0.0}]
    theirs = torch.optim.SGD(groups, lr=PLAIN.learning_rate, momentum=0.9, nesterov=True)
    for number in range(5):
        for group in theirs.param_groups:
            group["initial"] = PLAIN.learning_rate
        step(net, optimizer, number)
        step(reference, theirs, number)
    assert all(torch.equal(mine, other) for mine, other in zip(net.parameters(), reference.parameters(), strict=True))


def test_an_unknown_optimizer_gets_near_matches():
    with pytest.raises(registry.UnknownName, match=r"'lionn'.*lion"):
        build_optimizer(replace(PLAIN, optimizer="lionn"), network())


@pytest.mark.parametrize("name", sorted(UNSUITED))
def test_an_optimizer_that_training_cannot_drive_is_refused_with_the_reason(name: str):
    with pytest.raises(ValueError, match=f"optimizer '{name}' cannot be used here: .{{10}}"):
        build_optimizer(replace(PLAIN, optimizer=name), network())


def test_every_refused_optimizer_exists():
    from pytorch_optimizer import get_supported_optimizers

    assert UNSUITED.keys() <= {*get_supported_optimizers(), "sparseadam"}


def test_weight_decay_is_refused_where_the_optimizer_has_none():
    with pytest.raises(ValueError, match="'fromage' has no weight decay: set the recipe's weight_decay to 0"):
        build_optimizer(replace(PLAIN, optimizer="fromage"), network())
    assert build_optimizer(replace(PLAIN, optimizer="fromage", weight_decay=0.0), network())


# Groups


def test_parameters_without_gradient_are_left_out():
    net = network()
    net[0].requires_grad_(False)
    trained = {id(p) for group in parameter_groups(net, PLAIN) for p in group["params"]}
    assert trained == {id(p) for p in net.parameters() if p.requires_grad}


def rates(net: nn.Module, transfer: Transfer) -> dict[str, float]:
    """The scale of each parameter by name, and that the first learning rate agrees with it."""
    optimizer = build_optimizer(replace(PLAIN, transfer=transfer), net)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    assert all(group["lr"] == PLAIN.learning_rate * group["scale"] for group in optimizer.param_groups)
    return {names[id(p)]: group["scale"] for group in optimizer.param_groups for p in group["params"]}


def test_the_backbone_has_its_share_of_the_learning_rate():
    found = rates(network(), Transfer(backbone=0.1))
    assert {name for name, scale in found.items() if scale == 1} == {"9.weight", "9.bias"}
    assert {scale for name, scale in found.items() if not name.startswith("9")} == {0.1}


def test_layer_decay_lowers_the_rate_from_layer_to_layer():
    found = rates(network(), Transfer(backbone=0.5, layer_decay=0.8))
    wanted = {"0": 0.5 * 0.64, "1": 0.5 * 0.64, "4": 0.5 * 0.8, "5": 0.5 * 0.8, "9": 1.0}
    assert found == {name: pytest.approx(wanted[name.partition(".")[0]]) for name in found}
    assert all(scale == 1 for scale in rates(network(), Transfer()).values())


@pytest.mark.parametrize("model", ["resnet18", "convnext_atto", "vit_tiny_patch16_224", "mobilenetv4_conv_small"])
def test_layers_of_a_timm_network_are_its_blocks(model: str):
    with torch.device("meta"):
        net = timm.create_model(model, num_classes=7)
    found = rates(net, Transfer(layer_decay=0.75))
    layer = layers(net)
    assert found.keys() == layer.keys() == {name for name, _ in net.named_parameters()}
    classifier = classifier_names(net)
    assert len(classifier) == 2 and all(found[name] == 1 for name in classifier)
    order = sorted(layer, key=lambda name: layer[name])
    assert [found[name] for name in order] == sorted(found.values())
    assert found[order[0]] == pytest.approx(0.75 ** max(layer.values())) and max(layer.values()) > 5


class TwoHeads(nn.Module):
    """Its classifier is not its last module, and it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.classifier, self.affect = nn.Linear(8, 8), nn.Linear(8, 3), nn.Linear(8, 2)

    def get_classifier(self) -> nn.Module | tuple[nn.Module, ...]:
        return self.classifier


def test_a_network_may_name_its_classifier(monkeypatch: pytest.MonkeyPatch):
    net = TwoHeads()
    assert classifier_names(net) == {"classifier.weight", "classifier.bias"}
    monkeypatch.setattr(TwoHeads, "get_classifier", lambda self: (self.classifier, self.affect))
    assert classifier_modules(net) == (net.classifier, net.affect)
    assert classifier_names(net) == {"classifier.weight", "classifier.bias", "affect.weight", "affect.bias"}
    monkeypatch.setattr(TwoHeads, "get_classifier", lambda self: nn.Identity())
    with pytest.raises(ValueError, match="TwoHeads gives no module with parameters"):
        classifier_names(net)


# Muon


def test_muon_takes_hidden_weights_and_leaves_the_rest_to_adamw():
    net = network()
    assert hidden_matrices(net) == {"4.weight"}
    optimizer = build_optimizer(RECIPES["muon"], net)
    assert isinstance(optimizer, torch.optim.Optimizer)
    by_muon = [p for group in optimizer.param_groups if group["use_muon"] for p in group["params"]]
    assert [id(p) for p in by_muon] == [id(net.get_parameter("4.weight"))]


def test_muon_iterates_in_float32_where_the_cpu_emulates_bfloat16(monkeypatch: pytest.MonkeyPatch):
    updates = {}
    for native in (True, False):
        monkeypatch.setattr("zoo.training.optimizers.supports_bf16", lambda native=native: native)
        net, optimizer = built(replace(RECIPES["muon"], weight_decay=0.0))
        before = net.get_parameter("4.weight").detach().clone()
        step(net, optimizer, 0)
        updates[native] = before - net.get_parameter("4.weight").detach()
    rounding = (updates[True] - updates[False]).abs().max() / updates[False].abs().max()
    assert 0 < rounding < 0.03


def test_muon_flattens_kernels_and_makes_their_update_orthogonal():
    net, optimizer = built(replace(RECIPES["muon"], weight_decay=0.0))
    kernel = net.get_parameter("4.weight")
    before = kernel.detach().clone()
    step(net, optimizer, 0)
    update = (before - kernel.detach()).flatten(1) / RECIPES["muon"].learning_rate
    singular = torch.linalg.svdvals(update)
    assert update.shape == (16, 72)
    assert singular.min() > 0.5 * singular.max()
    assert update.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.25)  # as large as an update of AdamW


# Wrappers


def test_lookahead_pulls_back_every_fifth_step():
    fast, optimizer = built(RECIPES["lookahead, sgd"])
    plain, reference = built(replace(RECIPES["lookahead, sgd"], lookahead=False))
    start = [p.detach().clone() for p in fast.parameters()]
    for number in range(5):
        same = all(torch.equal(mine, other) for mine, other in zip(fast.parameters(), plain.parameters(), strict=True))
        assert same
        step(fast, optimizer, number)
        step(plain, reference, number)
    halfway = [first + (last - first) / 2 for first, last in zip(start, plain.parameters(), strict=True)]
    torch.testing.assert_close(list(fast.parameters()), halfway)


def test_sam_takes_its_second_gradient_at_the_weights_that_the_first_one_leads_to():
    net, optimizer = built(replace(RECIPES["sam, sgd"], momentum=0.0, weight_decay=0.0))
    assert isinstance(optimizer, SharpnessAware)
    before = [p.detach().clone() for p in net.parameters()]
    backward(net, optimizer)
    gradients = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    optimizer.first_step()
    moved = [start + 0.05 * gradient / norm for start, gradient in zip(before, gradients, strict=True)]
    torch.testing.assert_close(list(net.parameters()), moved)
    distance = torch.cat([(p - start).flatten() for p, start in zip(net.parameters(), before, strict=True)]).norm()
    assert distance.item() == pytest.approx(0.05, rel=1e-3)
    assert all(p.grad is None for p in net.parameters())
    backward(net, optimizer)
    second = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    optimizer.second_step()
    after = [start - 0.1 * gradient for start, gradient in zip(before, second, strict=True)]
    torch.testing.assert_close(list(net.parameters()), after)
    assert any((mine - other).abs().max() > 1e-4 for mine, other in zip(gradients, second, strict=True))


def test_sam_returns_to_the_very_weights():
    net, optimizer = built(replace(RECIPES["sam, sgd"], weight_decay=0.0))
    assert isinstance(optimizer, SharpnessAware)
    before = [p.detach().clone() for p in net.parameters()]
    backward(net, optimizer)
    optimizer.first_step()
    optimizer.second_step()  # without a second gradient there is no step
    assert all(torch.equal(mine, other) for mine, other in zip(before, net.parameters(), strict=True))


def test_the_second_pass_leaves_batch_norm_statistics_alone():
    net = network().train()
    images, _ = problem()

    def buffers() -> list[Tensor]:
        return [value.clone() for value in net.buffers()]

    before, wanted = buffers(), net(images)
    after = buffers()
    assert not all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    with statistics_kept(net):
        assert torch.equal(net(images), wanted)
    assert all(torch.equal(one, other) for one, other in zip(buffers(), after, strict=True))
    net(images)
    assert not all(torch.equal(one, other) for one, other in zip(buffers(), after, strict=True))


# One kernel


@pytest.mark.parametrize(("name", "fused"), [("sgd", True), ("adamw", True), ("adam", True), ("nadam", None)])
def test_a_gpu_steps_in_one_kernel_where_torch_has_one(name: str, fused: bool | None, monkeypatch: pytest.MonkeyPatch):
    recipe = replace(Recipe(), optimizer=name, learning_rate=1e-3)
    assert build_optimizer(recipe, nn.Linear(2, 2)).param_groups[0].get("fused") is None, "bits of a CPU's results"
    monkeypatch.setattr(nn.Parameter, "is_cuda", True)
    assert build_optimizer(recipe, nn.Linear(2, 2)).param_groups[0].get("fused") is fused
