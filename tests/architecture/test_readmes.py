"""The READMEs: short enough to be read, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.runs import ROOT

READMES = [
    ROOT / "README.md",
    *(path for room in ("zoo", "ensembles", "benchmarks") for path in ROOT.glob(f"{room}/*.md")),
]
MOST_LINES = 150


def anchors(path: Path) -> set[str]:
    """What a link into a markdown file may end in: its headings as the hosts of repositories write them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path):
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        if link.startswith(("https://", "#")):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_a_dead_anchor_is_seen():
    assert "how-the-numbers-stay-honest" in anchors(ROOT / "benchmarks" / "README.md")
    assert "nothing-of-the-kind" not in anchors(ROOT / "benchmarks" / "README.md")
