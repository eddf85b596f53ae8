"""The registry and its catalogue: what is listed, refused, found by name, and when files are imported."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.helpers.runs import ROOT, python
from tests.helpers.thorough import looked_at
from zoo import registry
from zoo.overrides import override
from zoo.recipes import PLAIN
from zoo.sources import sources

torch.set_num_threads(1)

MEMBERS = list(registry.members())

NEWCOMER = '''"""A network of one layer."""

from dataclasses import replace

from torch import nn

from zoo.recipes import PLAIN
from zoo.sources import sources
from zoo.registry import register


@register(recipe=replace(PLAIN, epochs=7), image_size=12, reference="doi:none")
def newcomer(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
    """One dense layer

    And more about it."""
    return nn.Sequential(nn.Flatten(), nn.Linear(in_chans * image_size**2, num_classes))
'''


@cache
def in_files() -> dict[str, registry.Member]:
    """The members as their files have them, not counted yet."""
    return {member.name: member for module in sources() for member in registry.imported(module)}


def as_recorded(member: registry.Member) -> dict[str, Any]:
    return json.loads(json.dumps({**asdict(member), "recipe": member.recipe.changes()}))


def test_the_committed_catalogue_covers_the_files_as_they_are():
    recorded = json.loads(registry.CATALOG.read_text())
    advice = "python -m zoo.catalog records it anew"
    assert recorded["sources"] == sources(), advice
    assert [entry["name"] for entry in recorded["members"]] == list(in_files()), advice


@pytest.mark.parametrize("name", MEMBERS)
def test_the_catalogue_says_of_a_member_what_its_file_says(name: str):
    """Large networks, which take seconds to count, are counted by `make thorough` alone."""
    known, found = registry.get(name), in_files()[name]
    if looked_at(known):
        found = registry.counted(found, note=pytest.fail)
    else:
        found = replace(found, params=known.params, macs=known.macs)
    assert as_recorded(known) == as_recorded(found)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_has_all_its_facts(name: str):
    member = registry.get(name)
    builder = member.builder.partition(":")[2]
    faces = re.fullmatch(r"face \((\w+)\)", member.init)
    start = "" if member.init == "scratch" else f"_{faces[1].lower() if faces else member.init.replace('-', '_')}"
    trees = "_xgboost" if member.features_of else ""
    assert member.name == name in {builder + start + trees, f"{builder}{start}@paper"}
    assert member.features_of == (name.removesuffix("_xgboost") if trees else "")
    assert member.params and member.macs
    assert member.summary and member.summary == member.summary.strip()
    assert member.reference.partition(":")[0] in {"arXiv", "doi"}
    assert (member.init == "scratch") == (member.weights == ""), "what starts from trained weights says from which"


def test_listing_imports_no_torch():
    script = (
        "import sys; from zoo import registry; registry.members(); print(sorted({'torch', 'timm'} & set(sys.modules)))"
    )
    done = python("-c", script)
    assert done.stdout.strip() == "[]", done.stderr


def test_two_members_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_registered", {})

    def build(num_classes: int, in_chans: int, image_size: int) -> nn.Module:
        return nn.Identity()

    register = registry.register(recipe=PLAIN, image_size=8, reference="doi:none")
    assert register(build) is build
    with pytest.raises(ValueError, match="two members are named 'build'"):
        register(build)


def test_an_unknown_member_gets_near_matches():
    with pytest.raises(registry.UnknownName, match=r"no member matches 'resnet81'.*resnet18"):
        registry.get("resnet81")
    with pytest.raises(registry.UnknownName, match=r"known: .*vgg_fer"):
        registry.get("zzz")


def test_select_keeps_registry_order_and_takes_wildcards():
    assert registry.select("member", ["linear", "resnet1?", "resnet10?"], MEMBERS) == [
        "resnet10t",
        "resnet18",
        "linear",
    ]
    assert registry.select("member", ["*"], MEMBERS) == MEMBERS
    with pytest.raises(registry.UnknownName, match="'nothing\\*'"):
        registry.select("member", ["*", "nothing*"], MEMBERS)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the code, to add files to."""
    for package in ("zoo", "benchmarks", "ensembles"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "benchmark.py", tmp_path)
    return tmp_path


def listed(folder: Path) -> dict[str, dict[str, Any]]:
    done = python("benchmark.py", "--list", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return {member["name"]: member for member in json.loads(done.stdout)["members"]}


def test_one_new_file_is_a_new_member(copy: Path):
    before = listed(copy)
    (copy / "zoo" / "networks" / "newcomer.py").write_text(NEWCOMER)
    after = listed(copy)
    assert set(after) - set(before) == {"newcomer"}
    assert {name: after[name] for name in before} == before
    assert (after["newcomer"]["params"], after["newcomer"]["image_size"]) == (12 * 12 * 7 + 7, 12)
    assert after["newcomer"]["summary"] == "One dense layer"
    build = "import torch; from zoo.registry import get; network = get('newcomer').build(5, 3)"
    done = python("-c", f"{build}; print(network(torch.zeros(2, 3, 12, 12)).shape)", cwd=copy)
    assert done.stdout.strip() == "torch.Size([2, 5])", done.stderr


def test_an_edited_file_speaks_for_itself(copy: Path):
    path = copy / "zoo" / "networks" / "digits.py"
    path.write_text(
        path.read_text().replace('image_size=16, reference="doi:10.1109', 'image_size=24, reference="doi:10.1109')
    )
    members = listed(copy)
    assert members["lenet"]["image_size"] == 24
    assert members["lenet"]["params"] == 16 * 6 * 6 * 84 + 84 + 84 * 7 + 7 + 8 * 9 + 8 + 8 * 9 * 16 + 16


def test_a_member_shares_the_weights_of_the_one_that_it_is_with_other_views():
    shared = {
        "vgg_fer@scale_tta": "vgg_fer",
        "vgg_fer@muon@scale_tta@long": "vgg_fer@muon@long",
        "vgg_fer@muon@long": "vgg_fer@muon@long",
        "vgg_fer@ten_crop": "vgg_fer@ten_crop",  # crops in training, too
    }
    assert {name: registry.trained_as(registry.get(name)).name for name in shared} == shared
    changes = ["recipe.epochs=2", "recipe.labels.votes=true"]
    changed = registry.trained_as(override(registry.get("vgg_fer@scale_tta"), changes))
    assert changed.identity() == override(registry.get("vgg_fer"), changes).identity()
    turned = registry.trained_as(override(registry.get("vgg_fer@scale_tta"), ["recipe.tta=rotate"]))
    assert turned.identity() == override(registry.get("vgg_fer"), ["recipe.tta=rotate"]).identity()


def test_what_another_image_size_costs_is_not_known_before_it_is_counted():
    large = registry.get("vgg_fer@large")
    assert large.macs is None
    counted = registry.counted(large).macs
    assert counted is not None and counted > 1.7 * (registry.get("vgg_fer").macs or 0)
