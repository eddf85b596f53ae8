"""Settings given as text: what they change, and what is refused."""

from __future__ import annotations

import pytest

from tests.helpers.runs import Outcome, cli
from zoo import registry
from zoo.overrides import override, settings
from zoo.recipes import Recipe

MEMBER = registry.get("vgg_fer")


def test_a_setting_changes_one_field_and_leaves_the_member_as_it_was():
    changed = override(MEMBER, ["recipe.learning_rate=0.05"])
    assert changed.recipe.learning_rate == 0.05 != MEMBER.recipe.learning_rate
    assert override(changed, [f"recipe.learning_rate={MEMBER.recipe.learning_rate}"]) == MEMBER


@pytest.mark.parametrize(
    ("assignment", "found"),
    [
        ("recipe.augment.rotation=20", lambda member: member.recipe.augment.rotation == 20.0),
        ("recipe.loss.kind=poly", lambda member: member.recipe.loss.kind == "poly"),
        ("recipe.lookahead=True", lambda member: member.recipe.lookahead is True),
        ("recipe.lr=0.3", lambda member: member.recipe.learning_rate == 0.3),
        ("recipe.wd = 0.2", lambda member: member.recipe.weight_decay == 0.2),
        ("image_size=64", lambda member: member.image_size == 64),
        ("recipe.labels.teacher=vgg_fer+resnet_fer:1", lambda member: "resnet_fer:1" in member.recipe.labels.teacher),
    ],
)
def test_every_kind_of_field_can_be_set(assignment: str, found):
    assert not found(MEMBER)
    assert found(override(MEMBER, [assignment]))


def test_the_last_of_two_settings_of_one_key_holds():
    assert override(MEMBER, ["recipe.epochs=3", "recipe.epochs=5"]).recipe.epochs == 5


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("recipe.epoch=3", r"no setting matches 'recipe.epoch': did you mean .*recipe.epochs"),
        ("recipe.augment=3", r"did you mean recipe.augment\.\w+"),
        ("recipe.epochs.more=3", r"no setting matches 'recipe.epochs.more'"),
        ("name=other", r"no setting matches 'name'"),
        ("recipe.epochs", r"write it as key=value"),
        ("recipe.epochs=many", r"recipe.epochs=many: must be an integer"),
        ("recipe.epochs=2.5", r"must be an integer"),
        ("recipe.lr=nan", r"must be a number"),
        ("recipe.lookahead=1", r"must be true or false"),
        ("recipe.tta=twice", r"must be one of none, flip, ten_crop"),
        ("recipe.epochs=0", r"a recipe needs epochs >= 1"),
        ("recipe.accumulate=3", r"accumulate \(3\) must divide batch_size \(128\)"),
        ("recipe.folds=1", r"folds must be 0 .* or at least 2"),
        ("recipe.labels.clean=0.1", r"labels.clean needs labels.judge"),
    ],
)
def test_what_does_not_fit_is_refused(assignment: str, message: str):
    with pytest.raises(ValueError, match=message):
        override(MEMBER, [assignment])


def test_all_settings_are_listed_and_can_be_set():
    assert len(settings()) == len(set(settings())) > 60
    for name in settings():
        holder = MEMBER
        for key in name.split("."):
            holder = getattr(holder, key)
        assert override(MEMBER, [f"{name}={holder}"]) == MEMBER


def test_a_recipe_is_identified_by_what_it_changes():
    assert Recipe().changes() == {}
    changed = override(MEMBER, ["recipe.loss.gamma=3"]).recipe
    assert changed.changes() == {**MEMBER.recipe.changes(), "loss": {"gamma": 3.0}}
    assert Recipe.from_dict(changed.changes()) == changed


def refused(*arguments: str) -> Outcome:
    done = cli("--suite", "digits", "--plan", *arguments)
    assert done.code == 2
    return done


def test_the_command_line_refuses_unknown_recipes_and_settings():
    assert "no recipe of linear matches 'papre'" in refused("--members", "linear", "--recipe", "papre").err
    assert "no setting matches 'recipe.epoch'" in refused("--set", "recipe.epoch=3").err
