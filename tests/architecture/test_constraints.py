"""The constraints files name a version of all that pyproject.toml asks for, and nothing of where it came from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
FREE = {"speed", "test-store"}  # extras that are installed without constraints


def requirements() -> dict[str, Requirement]:
    """What the package and its constrained extras ask for, by canonical name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    texts = project["dependencies"] + [text for name in sorted(extras.keys() - FREE) for text in extras[name]]
    asked = (Requirement(text) for text in texts)
    return {canonicalize_name(one.name): one for one in asked if one.name != project["name"]}


def pins(file: str) -> dict[str, Version]:
    """The pinned versions of a constraints file, by canonical name.

    Raises:
        AssertionError: a line is neither a comment nor one exact version of a package of the index.
    """
    found: dict[str, Version] = {}
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        assert re.fullmatch(r"[\w.-]+==[\w.!]+( ; .+)?", line), f"{file}: {line}"
        pin = Requirement(line)
        found[canonicalize_name(pin.name)] = Version(next(iter(pin.specifier)).version)
    return found


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-lowest.txt"])
def test_every_requirement_is_pinned_to_a_version_it_allows(file: str) -> None:
    pinned = pins(file)
    asked = requirements()
    assert asked.keys() <= pinned.keys(), "run `make constraints` after a change of pyproject.toml"
    wrong = {name: str(pinned[name]) for name in asked if pinned[name] not in asked[name].specifier}
    assert not wrong, f"run `make constraints` after a change of pyproject.toml: {wrong}"


def test_the_lowest_versions_are_the_promised_ones() -> None:
    pinned = pins("constraints-lowest.txt")
    for name, asked in requirements().items():
        (bound,) = asked.specifier
        # A release that was withdrawn is left out for the next one: scipy 1.11.0, pytest-xdist 3.6.0.
        assert pinned[name].release[:2] == (*Version(bound.version).release, 0)[:2], f"{asked}: {pinned[name]}"
