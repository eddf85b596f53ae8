"""Recipes as values: what they survive, refuse, and how they differ."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from zoo.recipes import ADAMW, DEPTHWISE, DIGITS, PLAIN, Augment, Recipe, differences, named_members

OFF = Augment(flip=False, shift=0.0, rotation=0.0, scale=0.0, contrast=0.0, brightness=0.0, erase=0.0)


@pytest.mark.parametrize("recipe", [PLAIN, ADAMW, DEPTHWISE, DIGITS, Recipe()])
def test_a_recipe_survives_json(recipe: Recipe):
    again = Recipe.from_dict(json.loads(json.dumps(asdict(recipe))))
    assert again == recipe
    assert hash(again) == hash(recipe)


def test_recipes_differ_by_value():
    assert Recipe() == Recipe()
    assert len({Recipe(), Recipe(), Recipe(epochs=3), Recipe(augment=OFF)}) == 3


def test_a_recipe_refuses_what_it_does_not_know():
    with pytest.raises(TypeError, match="epochz"):
        Recipe.from_dict({**asdict(PLAIN), "epochz": 3})


@pytest.mark.parametrize("values", [{"epochs": 0}, {"batch_size": 1}])
def test_a_recipe_refuses_what_cannot_be_trained(values: dict[str, Any]):
    with pytest.raises(ValueError, match="epochs >= 1 and batch_size >= 2"):
        Recipe(**values)


def test_differences_name_each_changed_value():
    new = replace(PLAIN, epochs=3, augment=replace(PLAIN.augment, shift=0.5))
    assert differences(asdict(PLAIN), asdict(new)) == ["augment.shift was 0.1, is 0.5", "epochs was 24, is 3"]
    assert differences(asdict(PLAIN), asdict(PLAIN)) == []
    assert differences({"old": 1}, {"new": 2}, "x.") == ["x.new was None, is 2", "x.old was 1, is None"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vgg_fer", [("vgg_fer", 0)]),
        ("vgg_fer+vgg_fer:1 + resnet_fer@muon:12", [("vgg_fer", 0), ("vgg_fer", 1), ("resnet_fer@muon", 12)]),
    ],
)
def test_teachers_are_names_with_seeds(text: str, expected: list[tuple[str, int]]):
    assert named_members(text) == expected


@pytest.mark.parametrize("text", ["vgg_fer:one", "vgg_fer+resnet_fer:-1"])
def test_a_seed_that_is_no_number_is_refused_in_words(text: str):
    with pytest.raises(ValueError, match=r"write a member as name or name:seed, several joined by \+"):
        named_members(text)
