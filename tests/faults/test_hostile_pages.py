"""Hostile texts in real readers of what is written: pages in a browser, the table in LaTeX. They stay texts."""

from __future__ import annotations

import re
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.files import json_text
from benchmarks.publish.documents import document
from benchmarks.report import page
from benchmarks.report.latex import bibliography, tex_table
from benchmarks.report.page.index import index
from benchmarks.text import printable
from tests.faults.test_hostile_text import board
from tests.helpers import webdriver
from tests.helpers.hostile_strings import STRINGS
from tests.helpers.webdriver import Browser

in_a_browser = pytest.mark.skipif(
    webdriver.BROWSER is None or webdriver.DRIVER is None, reason="chromium and its driver are not installed"
)

WATCH = """
window.happened = [];
window.alert = window.confirm = window.prompt = text => { happened.push('dialog ' + text); };
addEventListener('securitypolicyviolation', one => happened.push(one.violatedDirective + ' ' + one.blockedURI));
"""
CLICK = """
const all = [...document.querySelectorAll('button, summary, th, tr, [role=button], [tabindex]')];
for (const one of all.slice(arguments[0], arguments[1])) if (one.checkVisibility()) one.click();
return all.length;
"""
SEARCH = """
for (const one of document.querySelectorAll('input[type=search], input[type=text]'))
  for (const text of ['<img src=x onerror=alert(1)>', '']) {
    one.value = text;
    one.dispatchEvent(new Event('input', {bubbles: true}));
  }
"""
HANDLERS = """
return [...document.querySelectorAll('*')].filter(
  one => [...one.attributes].some(its => its.name.startsWith('on'))).map(one => one.outerHTML.slice(0, 200));
"""
AT_ONCE = 50  # clicks a command, so that none takes long


class Proxy(socketserver.ThreadingTCPServer):
    """Takes what a browser would send to the net, remembers the first line, and answers nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Refusal)


class _Refusal(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Proxy)
        self.server.asked.append(self.rfile.readline(500).decode(errors="replace"))


@dataclass
class Watched:
    """A browser in which is seen what a page does, and the proxy through which all of it goes."""

    window: Browser
    proxy: Proxy

    def open(self, path: Path) -> None:
        self.window.open(path.as_uri())

    @property
    def requests(self) -> list[str]:
        """For hosts of the corpus; the browser has errands of its own."""
        return [line for line in self.proxy.asked if "evil.example" in line]

    def text(self) -> str:
        found: str = self.window.run("return document.title + ' ' + document.body.textContent")
        return " ".join(found.split())

    def touch(self) -> None:
        """Click on all that a reader can click on, and search for a text that is none."""
        place, count = 0, 1
        while place < count:
            count = self.window.run(CLICK, place, place + AT_ONCE)
            place += AT_ONCE
        self.window.run(SEARCH)
        self.window.run("return new Promise(done => setTimeout(done, 100))")

    def check(self, path: Path, *, stopped: str = "nothing") -> None:
        """Open a page and touch all of it: nothing runs, nothing is asked for, and nobody is led away.

        What the page's own policy stopped may begin with `stopped`.
        """
        self.open(path)
        self.touch()
        assert self.window.run(HANDLERS) == []
        assert [one for one in self.window.run("return window.happened") if not one.startswith(stopped)] == []
        assert self.window.run("return location.href.split('#')[0]") == path.as_uri()
        schemes = self.window.run("return [...new Set([...document.links].map(one => one.protocol))]")
        assert set(schemes) <= {"https:", "file:"}
        assert self.window.run("return document.querySelectorAll('iframe, object, embed, form, base').length") == 0
        assert self.requests == []


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    proxy = Proxy()
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    address = f"--proxy-server=http://127.0.0.1:{proxy.server_address[1]}"
    with webdriver.browser(address, "--proxy-bypass-list=<-loopback>") as window:
        window.first(WATCH)
        yield Watched(window, proxy)
    proxy.shutdown()
    proxy.server_close()


@in_a_browser
def test_what_would_happen_is_seen(watched: Watched, tmp_path: Path):
    bad = tmp_path / "bad.html"
    bad.write_text("<title>x</title><script>alert(7)</script><img src=http://evil.example/t.gif>", encoding="utf-8")
    watched.open(bad)
    assert watched.window.settled("return window.happened", ["dialog 7"]) == ["dialog 7"]
    assert watched.requests
    watched.proxy.asked.clear()


@in_a_browser
def test_a_board_of_hostile_texts_shows_them_and_does_nothing(watched: Watched, tmp_path: Path):
    path = page.begin(board("<script>alert(0)</script>", STRINGS), tmp_path)()
    watched.check(path)
    shown = watched.text()
    missing = [text for text in STRINGS if " ".join(printable(text).split()) not in shown]
    assert missing == []


@in_a_browser
def test_the_page_of_all_boards_and_stories_does_nothing(watched: Watched, tmp_path: Path):
    for place, text in enumerate(STRINGS):
        (tmp_path / f"suite{place}").mkdir()
        (tmp_path / f"suite{place}" / "results.json").write_text(json_text(board(text)), encoding="utf-8")
    (tmp_path / "index.html").write_text(index(tmp_path), encoding="utf-8")
    watched.check(tmp_path / "index.html")
    story = "\n\n".join(f"# {text}\n\n{text}\n\n- {text}" for text in STRINGS)  # not even escaped: images are images
    (tmp_path / "story.html").write_text(document("story", story), encoding="utf-8")
    watched.check(tmp_path / "story.html", stopped="img-src https://evil.example")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
def test_latex_prints_a_table_of_hostile_texts(tmp_path: Path):
    packages = subprocess.run(["kpsewhich", "booktabs.sty", "url.sty"], capture_output=True, text=True)
    if len(packages.stdout.split()) < 2:
        pytest.skip("LaTeX is installed without the packages booktabs and url (Debian: texlive-latex-recommended)")
    results = board("plain")
    results["members"] = [one for text in STRINGS for one in board(text)["members"]]
    results["published"] = [{**one, "comparable": True} for text in STRINGS for one in board(text)["published"]]
    (tmp_path / "table.tex").write_text(tex_table(results), encoding="utf-8")
    (tmp_path / "references.bib").write_text(bibliography(results), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "table.tex"]
    for program in (command, ["bibtex", "table"], command):
        done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=300)
        log = done.stdout[-2000:]
        assert done.returncode == 0, log
    assert not re.search(r"root:.*:0:0:", done.stdout), "a file was read in"
    assert {path.suffix for path in tmp_path.iterdir()} <= {".tex", ".bib", ".aux", ".bbl", ".blg", ".log", ".pdf"}
