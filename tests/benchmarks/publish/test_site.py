"""The site: boards, stories and the page to try the model; every link within it leads somewhere."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from benchmarks.publish import runtime, site, web
from benchmarks.publish.documents import anchor, document, page_name
from tests.helpers.bundles import write_bundle
from tests.helpers.runs import ROOT

RESULTS = ROOT / "results"


class Page(HTMLParser):
    """What a page can be linked to, and where its own links and pictures lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.targets: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids |= {value for name, value in attrs if name == "id" and value}
        self.targets += [value for name, value in attrs if name in ("href", "src") and value]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the committed results, with a small model to try."""
    home = tmp_path_factory.mktemp("site")
    for name in runtime.NAMED:
        (home / name).write_text("")
    shutil.copytree(RESULTS, home / "results", ignore=shutil.ignore_patterns("predictions", "checkpoints", "local"))
    (home / "results" / site.MODEL).parent.mkdir(exist_ok=True)
    write_bundle(home / "results" / site.MODEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web, "detector", lambda: b"a face detector")
        assert site.main([str(home / "out"), "--results", str(home / "results"), "--runtime", str(home)]) == 0
    return home / "out"


def test_every_link_within_the_site_leads_somewhere(folder: Path):
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    assert len(pages) > 8
    for path, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = there / "index.html" if there.is_dir() else there
            assert there.is_file(), f"{path.relative_to(folder)}: {target}"
            if parts.fragment and there in pages:
                assert unquote(parts.fragment) in pages[there].ids, f"{path.relative_to(folder)}: {target}"


def test_the_front_leads_to_the_boards_the_stories_and_the_page_to_try(folder: Path):
    front = Page((folder / "index.html").read_text()).targets
    assert {"try/index.html", "fer2013/story.html", "fer2013/index.html", "ferplus/index.html", "speed.html"} <= set(
        front
    )
    assert 'href="../index.html"' in (folder / "try" / "index.html").read_text()


def test_boards_are_those_of_the_repository_and_predictions_stay_there(folder: Path):
    for name in ("index.html", "leaderboard.csv", "results.json", "figures/benchmark.png"):
        assert (folder / "fer2013" / name).read_bytes() == (RESULTS / "fer2013" / name).read_bytes()
    assert not list(folder.rglob("predictions")) and not list(folder.rglob("*.safetensors"))


def test_pages_load_nothing_from_elsewhere(folder: Path):
    for path in folder.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "Content-Security-Policy" in text
        assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=\"(https?:)?//", text), path


def test_without_a_model_there_is_nothing_to_try(tmp_path: Path):
    results = tmp_path / "results"
    results.mkdir()
    shutil.copytree(RESULTS / "ferplus", results / "ferplus", ignore=shutil.ignore_patterns("predictions", "figures"))
    front = site.write_site(results, tmp_path / "out")
    assert "try/" not in front.read_text() and not (tmp_path / "out" / "try").exists()


def test_no_results_are_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert site.main([str(tmp_path / "out"), "--results", str(tmp_path)]) == 2
    assert "holds no results of a suite" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_markdown_becomes_pages():
    assert anchor("Published, and what we know of it") == "published-and-what-we-know-of-it"
    assert page_name("README.md#a") == "story.html#a" and page_name("leaderboard.md") == "leaderboard.html"
    assert page_name("https://example.org/README.md") == "https://example.org/README.md"
    text = document("A", "## What it is\n\n[on](../b/README.md)<br>*x* <script>1</script> [x](javascript:alert(1))\n")
    assert '<h2 id="what-it-is">' in text and 'href="../b/story.html"' in text and "<br>" in text
    assert "<script>1" not in text and 'href="javascript' not in text
