"""zoo/README.md: its examples run, and its tables say what the code says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

import zoo
from benchmarks.data import Split
from tests.helpers.hub_cache import in_the_hubs_cache
from tests.helpers.runs import ROOT
from zoo import registry
from zoo.overrides import settings
from zoo.recipes import GROUPS, Recipe
from zoo.training.job import Splits, TrainContext, TrainJob
from zoo.training.loop import train
from zoo.variants import TITLES, VARIANTS

README = (ROOT / "zoo" / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
NEW_FILE = next(example for example in EXAMPLES if example.startswith("# zoo/networks/tiny.py"))


def section(name: str) -> str:
    return re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README, re.DOTALL).group(1)  # type: ignore[union-attr]


def test_the_examples_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    in_the_hubs_cache(tmp_path, zoo.get("resnet18_imagenet").weights, timm.create_model("resnet18"))
    save_file(zoo.create_model("vgg_fer", num_classes=7).state_dict(), tmp_path / "vgg_fer.weights.safetensors")
    names: dict[str, Any] = {}
    for example in EXAMPLES:
        if example != NEW_FILE and "zoo.use" not in example:  # those have a test of their own in tests/zoo/use
            exec(example, names)
    assert names["logits"].shape == (2, 7)
    assert names["member"].name == "vgg_fer@muon"


def test_the_new_file_is_a_member_that_trains(tmp_path: Path):
    (tmp_path / "tiny.py").write_text(NEW_FILE)
    registry.include([str(tmp_path / "tiny.py")])
    try:
        member = registry.get("tiny")
    finally:
        registry.include([])
    assert member.summary == "Two strided convolutions and global average pooling"
    member = replace(member, recipe=replace(member.recipe, epochs=1, batch_size=8))
    random = np.random.default_rng(0)
    data = Split(random.integers(0, 256, (16, 1, 48, 48), dtype=np.uint8), np.arange(16) % 7, np.arange(16))
    trained = train(TrainJob(member, Splits(data, data), num_classes=7), TrainContext(tmp_path))
    assert len(trained.history) == 1
    assert all(torch.isfinite(value).all() for value in trained.weights.values())


def test_the_table_of_settings_has_every_one_and_no_other():
    named = set(re.findall(r"`([a-z_0-9.]+)`", section("settings")))
    keys = {key.removeprefix("recipe.") for key in settings()}
    values = {str(value) for kind in (Recipe, *GROUPS.values()) for value in choices(kind)}
    assert keys <= named
    assert named - keys - values == {"recipe", "muon", "sgd", "adamw"}, "the rest are optimizers"
    assert values <= named


def choices(kind: type) -> list[str]:
    """The values of all fields that allow only certain ones."""
    types = get_type_hints(kind).values()
    return [value for one in types if get_origin(one) is Literal for value in get_args(one)]


def test_the_table_of_variants_is_that_of_the_code():
    rows = []
    for name, changes in VARIANTS.items():
        settings_changed = ", ".join(f"`{change.removeprefix('recipe.')}`" for change in changes)
        rows.append(f"| `{name}` | {TITLES[name]} | {settings_changed} |")
    assert section("variants").splitlines()[2:] == rows


def test_every_file_has_its_place_in_the_table_of_rooms():
    named = set(re.findall(r"`([a-z_]+\.py)`", section("layout")))
    files = {path.name for path in (ROOT / "zoo").rglob("*.py") if path.parent.name != "networks"} - {"__init__.py"}
    assert named == files
