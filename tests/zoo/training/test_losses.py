"""Losses against naive formulas, value by value, and the limits in which one becomes another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo.recipes import Loss
from zoo.registry import UnknownName
from zoo.training.losses import AFFECT, KINDS, affect_loss, build_loss, class_weights, concordance

COUNTS = torch.tensor([10, 5, 85])
PLAIN = Loss(label_smoothing=0.0)


def logits(rows: int = 16, classes: int = 3, seed: int = 0) -> Tensor:
    return 2 * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


def hard(rows: int = 16, classes: int = 3, seed: int = 1) -> Tensor:
    return torch.randint(0, classes, (rows,), generator=torch.Generator().manual_seed(seed))


def soft(rows: int = 16, classes: int = 3) -> Tensor:
    return logits(rows, classes, seed=2).softmax(1)


def value(options: Loss, scores: Tensor, targets: Tensor) -> float:
    return build_loss(options, COUNTS)(scores, targets).item()


# Naive formulas, one probability and one target at a time


def _poly(p: float, options: Loss) -> float:
    return -math.log(p) + options.epsilon * (1 - p)


def _focal(p: float, options: Loss) -> float:
    return -((1 - p) ** options.gamma) * math.log(p)


def _generalised(p: float, options: Loss) -> float:
    return (1 - p**options.q) / options.q


FORMULAS: dict[str, Callable[[float, Loss], float]] = {
    "cross_entropy": lambda p, options: -math.log(p),
    "poly": _poly,
    "focal": _focal,
    "generalised": _generalised,
}


@pytest.mark.parametrize("kind", FORMULAS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighting", ["none", "balanced", "complement"])
def test_a_loss_is_its_formula_summed_over_the_targets(kind: Any, smoothing: float, weighting: Any):
    options = Loss(kind, smoothing, weighting, epsilon=1.5, gamma=1.7, q=0.6)
    weights = class_weights(weighting, COUNTS).tolist()
    for targets in (F.one_hot(hard(), 3).float(), soft()):
        total = norm = 0.0
        for row, target in zip(logits().softmax(1).tolist(), targets.tolist(), strict=True):
            for p, t, weight in zip(row, target, weights, strict=True):
                total += weight * (t * (1 - smoothing) + smoothing / 3) * FORMULAS[kind](p, options)
                norm += weight * t
        assert value(options, logits(), targets) == pytest.approx(total / norm, rel=1e-5)


def test_by_default_it_is_what_torch_computes_for_labels():
    scores, labels = logits(128, 7), hard(128, 7)
    mine = build_loss(Loss(), torch.ones(7))(scores, F.one_hot(labels, 7).float())
    torch.testing.assert_close(mine, F.cross_entropy(scores, labels, label_smoothing=0.1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("weighting", ["balanced", "complement"])
def test_class_weights_are_normalised_as_torch_does(weighting: Any):
    weights = class_weights(weighting, COUNTS)
    wanted = F.cross_entropy(logits(), hard(), weights, label_smoothing=0.1)
    mine = value(Loss(class_weights=weighting), logits(), F.one_hot(hard(), 3).float())
    assert mine == pytest.approx(wanted.item(), rel=1e-6)


def test_class_weights_are_those_of_the_formulas_and_0_for_a_class_without_images():
    counts = torch.tensor([10, 30, 0, 60])
    assert class_weights("none", counts).tolist() == [1, 1, 1, 1]
    assert class_weights("balanced", counts).tolist() == pytest.approx([2.5, 100 / 120, 0, 100 / 240])
    assert class_weights("complement", counts).tolist() == pytest.approx([0.9, 0.7, 0, 0.4])


def test_class_weights_need_two_classes():
    with pytest.raises(ValueError, match=r"images of two classes; the counts are \[0, 9\]"):
        class_weights("complement", torch.tensor([0, 9]))


def test_a_batch_of_classes_without_weight_costs_nothing():
    loss = build_loss(Loss(class_weights="balanced", label_smoothing=0.0), torch.tensor([0, 5, 5]))
    assert loss(logits(2), F.one_hot(torch.tensor([0, 0]), 3).float()).item() == 0


def test_special_cases_are_cross_entropy():
    wanted = value(PLAIN, logits(), soft())
    for options in (
        replace(PLAIN, kind="poly", epsilon=0.0),
        replace(PLAIN, kind="focal", gamma=0.0),
        replace(PLAIN, kind="generalised", q=0.0),
        replace(PLAIN, kind="symmetric", alpha=1.0, beta=0.0),
    ):
        assert value(options, logits(), soft()) == pytest.approx(wanted, rel=1e-5), options.kind
    assert value(replace(PLAIN, kind="generalised", q=1e-3), logits(), soft()) == pytest.approx(wanted, rel=1e-2)


def test_generalised_with_q_1_is_the_mean_absolute_error_halved():
    targets = F.one_hot(hard(), 3).float()
    error = (logits().softmax(1) - targets).abs().sum(1).mean().item() / 2
    assert value(replace(PLAIN, kind="generalised", q=1.0), logits(), targets) == pytest.approx(error, rel=1e-5)


def test_symmetric_adds_the_reversed_term():
    p = logits().softmax(1)
    targets = F.one_hot(hard(), 3).float()
    usual = value(PLAIN, logits(), targets)
    reversed_term = 4 * (1 - p[torch.arange(16), hard()]).mean().item()
    options = replace(PLAIN, kind="symmetric", alpha=0.3, beta=0.7)
    assert value(options, logits(), targets) == pytest.approx(0.3 * usual + 0.7 * reversed_term, rel=1e-5)
    crossed = -(p * soft().log().clamp_min(-4)).sum(1).mean().item()
    usual = value(PLAIN, logits(), soft())
    assert value(options, logits(), soft()) == pytest.approx(0.3 * usual + 0.7 * crossed, rel=1e-5)


def test_multi_target_asks_for_the_best_of_the_labels_with_votes():
    p = torch.tensor([[0.2, 0.5, 0.3], [0.2, 0.5, 0.3], [0.7, 0.2, 0.1], [0.6, 0.3, 0.1]])
    targets = torch.tensor([[0.5, 0.2, 0.3], [0.0, 1.0, 0.0], [0.2, 0.4, 0.4], [0.29, 0.42, 0.29]])
    wanted = -sum(math.log(x) for x in (0.3, 0.5, 0.2, 0.3)) / 4
    assert value(Loss("multi_target"), p.log(), targets) == pytest.approx(wanted, rel=1e-5)


def test_multi_target_takes_the_label_with_most_votes_where_none_has_30_percent():
    p = torch.tensor([[0.1, 0.4, 0.3, 0.2]])
    targets = torch.tensor([[0.28, 0.24, 0.24, 0.24]])
    assert build_loss(Loss("multi_target"), torch.ones(4))(p.log(), targets).item() == pytest.approx(-math.log(0.1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exponents", [(2.0, 0.7), (0.5, 1e-3)])
def test_extreme_logits_give_finite_losses_and_gradients(kind: Any, exponents: tuple[float, float]):
    options = replace(PLAIN, kind=kind, gamma=exponents[0], q=exponents[1])
    scores = torch.tensor([[200.0, 0.0, -200.0], [200.0, 0.0, -200.0], [0.0, 0.0, 0.0]], requires_grad=True)
    loss = build_loss(options, COUNTS)(scores, F.one_hot(torch.tensor([0, 2, 1]), 3).float())
    loss.backward()
    assert torch.isfinite(loss) and scores.grad is not None and torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_down_the_gradient_lowers_the_loss(kind: Any):
    scores = logits().requires_grad_()
    loss = build_loss(Loss(kind), COUNTS)
    before = loss(scores, soft())
    before.backward()
    assert scores.grad is not None
    assert loss(scores - 0.1 * scores.grad, soft()) < before


@pytest.mark.parametrize("options", [{"kind": "cross"}, {"class_weights": "balance"}])
def test_an_unknown_option_gets_near_matches(options: dict[str, Any]):
    with pytest.raises(UnknownName, match=r"did you mean (cross_entropy|balanced)"):
        build_loss(Loss(**options), COUNTS)


# Valence and arousal


def test_concordance_is_the_formula_with_population_variances():
    x, y = np.random.default_rng(0).normal(size=(2, 50))
    y = 0.5 * x + 0.3 * y + 0.2
    wanted = 2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert concordance(torch.tensor(x), torch.tensor(y)).item() == pytest.approx(wanted, rel=1e-6)


def test_concordance_is_1_for_equals_minus_1_for_opposites_and_less_for_shifted():
    x = torch.tensor([-1.0, 0.0, 1.0])
    assert concordance(x, x).item() == pytest.approx(1)
    assert concordance(x, -x).item() == pytest.approx(-1)
    assert concordance(x, x + 1).item() == pytest.approx((4 / 3) / (4 / 3 + 1))
    assert concordance(torch.ones(3), torch.ones(3)).item() == 0


def test_affect_weighs_valence_and_arousal():
    predicted = torch.tensor([[0.5, -0.5], [0.0, 1.0], [-1.0, 0.2]])
    wanted = torch.tensor([[0.4, 0.5], [0.2, 0.9], [-0.6, -0.4]])
    parts = [concordance(predicted[:, i], wanted[:, i]).item() for i in range(2)]
    options = Loss(valence=0.7, arousal=0.2)
    ccc = affect_loss(predicted, wanted, options).item()
    assert ccc == pytest.approx(0.7 * (1 - parts[0]) + 0.2 * (1 - parts[1]), rel=1e-5)
    mse = affect_loss(predicted, wanted, replace(options, affect="mse")).item()
    assert mse == pytest.approx(0.7 * (0.01 + 0.04 + 0.16) / 3 + 0.2 * (1 + 0.01 + 0.36) / 3, rel=1e-5)


@pytest.mark.parametrize("kind", AFFECT)
def test_rows_without_affect_labels_do_not_count(kind: Any):
    predicted = torch.rand(6, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    wanted = torch.tensor([[0.1, 0.2], [-2, -2], [0.9, 0.1], [math.nan, math.nan], [0.5, math.nan], [-1, 1]])
    loss = affect_loss(predicted, wanted, Loss(affect=kind))
    torch.testing.assert_close(loss, affect_loss(predicted[[0, 2, 5]], wanted[[0, 2, 5]], Loss(affect=kind)))
    loss.backward()
    assert predicted.grad is not None
    assert predicted.grad.abs().sum(1).bool().tolist() == [True, False, True, False, False, True]


@pytest.mark.parametrize("kind", AFFECT)
def test_a_batch_without_affect_labels_costs_nothing(kind: Any):
    predicted = torch.rand(4, 2, requires_grad=True)
    loss = affect_loss(predicted, torch.full((4, 2), math.nan), Loss(affect=kind))
    loss.backward()
    assert loss.item() == 0 and predicted.grad is not None and not predicted.grad.any()


def test_an_unknown_affect_loss_gets_near_matches():
    with pytest.raises(UnknownName, match="ccc"):
        affect_loss(torch.zeros(2, 2), torch.zeros(2, 2), Loss(affect="cc"))
