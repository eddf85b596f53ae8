"""Variants: each changes what it says, and has a title for people."""

from __future__ import annotations

import doctest
from dataclasses import asdict, replace

import pytest

from zoo import registry, variants
from zoo.errors import ChangesNothing
from zoo.overrides import override
from zoo.recipes import NAMED, differences
from zoo.variants import TITLES, VARIANTS, display_title


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "matched"])
def test_a_variant_differs_from_its_network_by_what_it_says(variant: str):
    network, changed = registry.get("vgg_fer"), registry.get(f"vgg_fer@{variant}")
    assert changed == replace(override(network, VARIANTS[variant]), name=f"vgg_fer@{variant}")
    said = {change.partition("=")[0] for change in VARIANTS[variant]}
    found = {line.partition(" ")[0] for line in differences(asdict(network), asdict(changed))}
    assert found - {"name", "macs"} == said, "a setting that a variant repeats changes nothing"


def test_matched_is_a_variant_of_those_that_have_teachers():
    with pytest.raises(ChangesNothing, match=r"there is no labels\.teacher"):
        registry.get("vgg_fer@matched")
    taught, matched = registry.get("vgg_fer@taught"), registry.get("vgg_fer@taught@matched")
    assert {line.partition(" ")[0] for line in differences(asdict(taught), asdict(matched))} == {
        "name",
        "recipe.labels.matched",
    }


def test_every_variant_and_recipe_has_a_title_of_its_own():
    assert set(TITLES) == {*VARIANTS, *NAMED, "paper"}
    assert len(set(TITLES.values())) == len(TITLES)


def test_titles_stand_in_the_order_of_the_name():
    assert display_title("vgg_fer@muon@reborn@long@scale_tta") == (
        "vgg_fer (Muon, born-again, 40 epochs, multi-scale TTA)"
    )
    assert display_title("resnet_fer@unheard_of", seed=2) == "resnet_fer (unheard_of, seed 2)"
    assert display_title("resnet18", seed=0) == "resnet18 (seed 0)"


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(variants)
    assert result.attempted == 7 and not result.failed
