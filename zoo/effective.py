"""Which settings of a recipe have no effect, because others switch off what they are about: they identify nothing.

Members that differ in such settings alone have the same numbers. Told apart, they would be trained twice, and a mean
over members would count them twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from zoo.member import Member
from zoo.recipes import Recipe
from zoo.training.schedule import size_at

DEFAULT = Recipe()


@dataclass(frozen=True)
class Rule:
    """Settings that matter only where `matters` says so of a member and the channels of the images, if known."""

    settings: tuple[str, ...]
    matters: Callable[[Member, int | None], bool]
    why: str  # they do not, where that is so


def _of_recipe(*settings: str, where: Callable[[Recipe], Any], why: str) -> Rule:
    return Rule(settings, lambda member, channels: bool(where(member.recipe)), why)


def _grows(member: Member) -> bool:
    sizes = {size_at(member.recipe, member.image_size, epoch) for epoch in range(member.recipe.epochs)}
    return sizes != {member.image_size}


RULES = (
    _of_recipe("momentum", where=lambda r: r.optimizer.lower() == "sgd", why="the optimizer is not sgd"),
    _of_recipe(
        "decay",
        where=lambda r: r.schedule in ("step", "plateau", "exponential"),
        why="the schedule is not step, plateau or exponential",
    ),
    _of_recipe("step_epochs", where=lambda r: r.schedule == "step", why="the schedule is not step"),
    _of_recipe("patience", where=lambda r: r.schedule == "plateau", why="the schedule is not plateau"),
    _of_recipe("cycles", where=lambda r: r.schedule == "warm_restarts", why="the schedule is not warm_restarts"),
    _of_recipe("stop_after", where=lambda r: r.stop_after < r.epochs - 1, why="training ends before"),
    _of_recipe("ema_decay", where=lambda r: r.average == "ema", why="the average is not ema"),
    _of_recipe("swa_start", where=lambda r: r.average == "swa", why="the average is not swa"),
    _of_recipe("ingredients", where=lambda r: r.soup != "none", why="there is no soup"),
    _of_recipe("mixup", "cutmix", where=lambda r: r.mix_probability, why="mix_probability is 0"),
    _of_recipe("mix_probability", where=lambda r: r.mixup or r.cutmix, why="there is neither mixup nor cutmix"),
    _of_recipe("labels.teacher", where=lambda r: r.labels.teacher_weight, why="labels.teacher_weight is 0"),
    _of_recipe(
        "labels.teacher_weight",
        "labels.temperature",
        "labels.matched",
        where=lambda r: r.labels.teacher,
        why="there is no labels.teacher",
    ),
    _of_recipe("labels.judge", "labels.pseudo", where=lambda r: r.labels.clean, why="labels.clean is 0"),
    _of_recipe("labels.sure", where=lambda r: r.labels.annotator, why="there is no labels.annotator"),
    _of_recipe(
        "labels.draw",
        where=lambda r: r.labels.votes or r.labels.teacher or r.mixup or r.cutmix,
        why="every target is one class",
    ),
    _of_recipe("loss.epsilon", where=lambda r: r.loss.kind == "poly", why="the loss is not poly"),
    _of_recipe("loss.gamma", where=lambda r: r.loss.kind == "focal", why="the loss is not focal"),
    _of_recipe("loss.alpha", "loss.beta", where=lambda r: r.loss.kind == "symmetric", why="the loss is not symmetric"),
    _of_recipe("loss.q", where=lambda r: r.loss.kind == "generalised", why="the loss is not generalised"),
    _of_recipe(
        "loss.label_smoothing", where=lambda r: r.loss.kind != "multi_target", why="the loss multi_target has none"
    ),
    Rule(("start_size",), lambda member, channels: _grows(member), "the images have their full size from the start"),
    Rule(
        ("trees.rounds", "trees.learning_rate", "trees.depth", "trees.smote"),
        lambda member, channels: bool(member.features_of),
        "the classifier is not XGBoost",
    ),
    Rule(("tta",), lambda member, channels: not member.features_of, "XGBoost sees one view of an image"),
    Rule(
        ("augment.saturation", "augment.grayscale"),
        lambda member, channels: channels != 1,
        "the images are grey already",
    ),
)
"""Settings of a term that only some networks have (loss.auxiliary, loss.regulariser, loss.valence, loss.arousal,
loss.affect) are not here: a recipe does not say whether its network has it."""


def without_effect(member: Member, channels: int | None = None) -> dict[str, str]:
    """Return the settings that differ from the defaults and change nothing, `recipe.momentum`, each with the reason.

    `channels` are those of the images, None where they are not known.
    """
    return _examined(member, channels)[1]


def effective(member: Member, channels: int | None = None) -> Member:
    """Return the member with the defaults of all settings that have no effect on it."""
    return _examined(member, channels)[0]


def _examined(member: Member, channels: int | None) -> tuple[Member, dict[str, str]]:
    """Go through the rules in order: what one of them resets may be what the next one asks for."""
    found = {}
    for rule in RULES:
        for name in _idle(rule, member, channels):
            found[f"recipe.{name}"] = rule.why
            member = replace(member, recipe=_reset(member.recipe, DEFAULT, name.split(".")))
    return member, found


def _idle(rule: Rule, member: Member, channels: int | None) -> Iterator[str]:
    if not rule.matters(member, channels):
        for name in rule.settings:
            if _value(member.recipe, name) != _value(DEFAULT, name):
                yield name


def _value(holder: Any, name: str) -> Any:
    for key in name.split("."):
        holder = getattr(holder, key)
    return holder


def _reset(holder: Any, default: Any, keys: list[str]) -> Any:
    key, rest = keys[0], keys[1:]
    value = getattr(default, key)
    return replace(holder, **{key: _reset(getattr(holder, key), value, rest) if rest else value})
