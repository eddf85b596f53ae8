"""What `list` names, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

import ensembles
from benchmarks import suites
from tests.helpers.runs import cli
from zoo import registry
from zoo.recipes import NAMED, Recipe

pytestmark = pytest.mark.usefixtures("nowhere_else")


def test_the_list_as_json_has_all_facts():
    listed = json.loads(cli("--list", "--json").out)
    assert [member["name"] for member in listed["members"]] == list(registry.members())
    for member in listed["members"]:
        facts = {"name", "params", "macs", "init", "weights", "image_size", "batch", "recipe", "reference", "summary"}
        assert facts <= set(member)
        assert all(member.values())
        assert Recipe.from_dict(member["recipe"]) == registry.get(member["name"]).recipe
    assert {recipe["name"]: recipe["recipe"] for recipe in listed["recipes"]} == {
        name: asdict(recipe) for name, recipe in NAMED.items()
    }
    assert all(recipe["summary"] for recipe in listed["recipes"]), "a string below the constant says what it is for"
    assert [suite["name"] for suite in listed["suites"]] == list(suites.suites())
    assert [ensembler["name"] for ensembler in listed["ensemblers"]] == ensembles.names()


def test_the_list_as_text_names_everything():
    text = cli("--list").out
    for name in (*registry.members(), *suites.suites(), *NAMED, *ensembles.names()):
        assert f"\n{name} " in text


def test_every_suite_names_members_that_exist():
    for suite in suites.suites().values():
        assert all(registry.is_known(name) for name in suite.members)
        assert len(set(suite.members)) == len(suite.members)
