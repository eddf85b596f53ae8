"""CITATION.cff says of the project what pyproject.toml says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_citation_is_of_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    fields = dict(re.findall(r'^([\w-]+): *"?(.*?)"?$', text, re.MULTILINE))
    assert {"cff-version", "message", "title", "authors", "version"} <= fields.keys()
    assert (fields["version"], fields["license"]) == (project["version"], project["license"])
    assert fields["title"].startswith(project["name"])
