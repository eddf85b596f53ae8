"""Variants: each changes what it says."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from zoo import registry
from zoo.overrides import override
from zoo.recipes import differences
from zoo.variants import VARIANTS


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_differs_from_its_network_by_what_it_says(variant: str):
    network, changed = registry.get("vgg_fer"), registry.get(f"vgg_fer@{variant}")
    assert changed == replace(override(network, VARIANTS[variant]), name=f"vgg_fer@{variant}")
    said = {change.partition("=")[0] for change in VARIANTS[variant]}
    found = {line.partition(" ")[0] for line in differences(asdict(network), asdict(changed))}
    assert found - {"name", "macs"} == said, "a setting that a variant repeats changes nothing"
