"""Fifty hostile texts through every output: each is shown as text, and nothing becomes of it."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from benchmarks.files import csv_text, json_text
from benchmarks.formats import columns, escape, linked
from benchmarks.publish.documents import document
from benchmarks.report import classification, leaderboard, readme, terminal
from benchmarks.report.latex import KNOWN, bibliography, tex_table
from benchmarks.report.page.index import index
from benchmarks.report.page.suite_page import page
from benchmarks.text import fault, printable, told
from tests.helpers import results as made_up
from tests.helpers.hostile_strings import STRINGS
from tests.helpers.results import blank_results

EVENTS = re.compile(r"on[a-z]+")
COMMANDS = {
    "begin", "end", "documentclass", "usepackage", "centering", "footnotesize", "setlength", "tabcolsep", "caption",
    "label", "toprule", "midrule", "bottomrule", "multicolumn", "emph", "textbf", "cite", "bibliographystyle",
    "bibliography", "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar",
    "textdagger", "ldots", "pm", "ge", "le", "kappa", "url",
}  # fmt: skip
"""Of LaTeX, that our own tables have."""


def board(text: str, others: tuple[str, ...] = ()) -> Any:
    """Results in which a text, or each of several, stands wherever a user, a file or another suite may have put it."""
    members, published = [], []
    for place, name in enumerate((text, *others)):
        said = {"reference": f"{name} arXiv:2001.00001", "extra_data": name, "device": name, "init": name, "tta": name}
        source = {"file": name, "sha256": "0" * 64, "given": "logits"}
        members.append(made_up.member(name, None, 0.6 + place / 1000, kind="external", source=source, **said))
        paper = dict.fromkeys(("method", "split", "selection", "extra_data", "tta", "pretraining", "why_not"), name)
        doubt = {"doubt": name, "doubt_source": name, "source": name, "seen": name}
        facts = {"kind": "single", "year": 2020, "accuracy": 0.7, "n_models": 1, "comparable": False, "chart": True}
        published.append({**paper, **doubt, **facts})
    counts = [[9, 1, 0], [1, 8, 1], [0, 2, 8]]
    return blank_results(
        title=text,
        classes=[text, "happy", "neutral"],
        splits={split: {"name": f"{split} {text}", "size": 1000} for split in ("train", "val", "test")},
        effort={"members": 1, "external": 1, "seconds": 60.0, "devices": [text]},
        headline="uniform",
        members=members,
        ensembles=[
            made_up.ensemble("uniform", text, 0.7, [text], reference=text),
            made_up.ensemble("best_single", "best single", 0.6, [text], reference=text),
        ],
        failed=[{"name": "broken", "title": text, "error": text, "reference": text}],
        confusions=[{"kind": "ensemble", "name": "uniform", "title": text, "counts": counts}],
        not_run=[{"name": text, "seed": 0, "reason": text, "command": "python benchmark.py"}],
        published=published,
        notes=[text],
        audit=made_up.audit([made_up.audit_row("ensemble", text, 0.7)], members=2),
    )


def test_the_corpus_has_fifty_texts_that_pass_no_judgement_twice():
    assert len(set(STRINGS)) == len(STRINGS) >= 50


# Markdown


def tokens_of(markdown: str) -> list[Token]:
    """What a reader of markdown makes of it that lets HTML through."""
    parsed = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
    return [*parsed, *(child for token in parsed for child in token.children or ())]


def check_markdown(markdown: str) -> Counter[str]:
    assert all(letter.isprintable() or letter == "\n" for letter in markdown)
    tokens = tokens_of(markdown)
    html = {token.content.strip() for token in tokens if token.type in ("html_block", "html_inline")}
    assert html <= {"<br>"}
    for token in tokens:
        if token.type == "link_open":
            assert re.match(r"https://|(\.\./)*[\w#][\w./#-]*$", str(token.attrGet("href"))), token.attrGet("href")
        if token.type == "image":
            assert re.match(r"(\.\./)*\w[\w./-]*$", str(token.attrGet("src"))), token.attrGet("src")
    return Counter(token.type for token in tokens if token.type in ("tr_open", "td_open", "heading_open", "fence"))


@pytest.mark.parametrize("text", STRINGS)
def test_markdown_keeps_its_tables_and_has_no_html_and_no_foreign_link(text: str):
    for written in (leaderboard.markdown, classification.markdown, readme.compact):
        assert check_markdown(written(board(text))) == check_markdown(written(board("plain")))


@pytest.mark.parametrize("text", STRINGS)
def test_escaping_markdown_twice_changes_nothing(text: str):
    assert escape(escape(text)) == escape(text)
    check_markdown(f"- {escape(linked(text) or '')}\n")


# HTML


class Shape(HTMLParser):
    """Tags, and what about them could run or lead somewhere."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attributes:
            assert not EVENTS.fullmatch(name), f"{tag} {name}"
            if name in ("href", "src", "action"):
                self.links.append(value or "")


def check_html(html: str) -> Counter[str]:
    shape = Shape(html)
    assert not [link for link in shape.links if re.match(r"\s*(?!https:|data:image/)[a-z]+:", link, re.IGNORECASE)]
    return shape.tags


def without(tags: Counter[str], *names: str) -> Counter[str]:
    return Counter({tag: count for tag, count in tags.items() if tag not in names})


def test_the_page_of_a_suite_has_the_same_tags_whatever_the_texts_are(tmp_path: Path):
    plain = check_html(page(board("plain", tuple(f"plain{place}" for place in range(len(STRINGS)))), tmp_path))
    hostile = check_html(page(board("<b>bold</b>", STRINGS), tmp_path))
    assert without(hostile, "a") == without(plain, "a"), "links may be more or fewer: some texts name sources"


def test_the_page_for_all_suites_shows_titles_as_text(tmp_path: Path):
    for place, text in enumerate(STRINGS):
        (tmp_path / f"suite{place}").mkdir()
        (tmp_path / f"suite{place}" / "results.json").write_text(json_text(board(text)), encoding="utf-8")
    assert check_html(index(tmp_path))["script"] <= 2


@pytest.mark.parametrize("text", STRINGS)
def test_markdown_as_a_page_is_harmless_even_unescaped(text: str):
    check_html(document(text, f"# {text}\n\n{text}\n\n- {text}\n"))


# Terminals


@pytest.mark.parametrize("text", STRINGS)
def test_nothing_steers_the_terminal(text: str):
    results = board(text)
    shown = "\n".join(
        [
            terminal.opening(results),
            terminal.plain_table(results),
            terminal.closing(results, Path(printable("a"))),
            columns([{"a": text, "b": 1}]),
            told(text),
        ]
    )
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert len(told(text * 1000)) < 450


# CSV


@pytest.mark.parametrize("text", STRINGS)
def test_no_cell_begins_a_formula_and_every_cell_comes_back(text: str):
    results = board(text)
    texts = (
        csv_text((text, "number"), [(text, "-1.5"), (text, -2.5)]),
        leaderboard.csv_table(results),
        classification.csv_table(results),
        classification.confusion_csv(results),
    )
    for written in texts:
        rows = list(csv.reader(io.StringIO(written, newline="")))
        assert {len(row) for row in rows} == {len(rows[0])}
        for cell in (cell for row in rows for cell in row):
            assert not cell.startswith(("=", "+", "@", "-", "\t", "\r")) or re.fullmatch(
                r"-|[+-]?[\d.]+(e-?\d+)?", cell
            )
    (_, first, _) = csv.reader(io.StringIO(texts[0], newline=""))
    assert first[0].removeprefix("'") == text.replace("\r", "\n").removeprefix("'") and first[1] == "-1.5"


# LaTeX and BibTeX


@pytest.mark.parametrize("text", STRINGS)
def test_latex_runs_no_command_of_the_text(text: str):
    document = tex_table(board(text)).partition("\\begin{document}")[2]
    assert set(re.findall(r"\\([A-Za-z]+)", document)) <= COMMANDS
    assert all(letter in KNOWN or letter == "\n" for letter in document)
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", document.replace("\\\\", "")):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    lines = document.splitlines()
    assert sum("%" in re.sub(r"\\%", "", line) for line in lines) == sum(
        "%" in re.sub(r"\\%", "", line) for line in PLAIN
    )


PLAIN = tex_table(board("plain")).partition("\\begin{document}")[2].splitlines()


@pytest.mark.parametrize("text", STRINGS)
def test_bibtex_entries_close_where_they_should(text: str):
    for entry in filter(None, re.split(r"^(?=@)", bibliography(board(text)), flags=re.MULTILINE)):
        first, *fields, last = entry.rstrip().splitlines()
        assert re.fullmatch(r"@(misc|article)\{[A-Za-z0-9.-]+,", first) and last == "}"
        for field in fields:
            name, _, value = field.strip().partition(" = ")
            assert re.fullmatch(r"[A-Za-z]+", name) and re.fullmatch(r"\{.*\},", value)
            depth = [value[:place].count("{") - value[:place].count("}") for place in range(1, len(value) - 1)]
            assert min(depth) > 0 and value.count("{") == value.count("}")
            assert name not in ("url", "doi") or not set("%#\\{}") & set(re.sub(r"%[0-9A-F]{2}", "", value[1:-2]))


# JSON, and what is refused before it is stored


@pytest.mark.parametrize("text", STRINGS)
def test_results_come_back_as_they_were(text: str):
    results = board(text)
    assert json.loads(json_text(copy.deepcopy(results))) == results


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("caf\udce9", "is not UTF-8"),
        ("\x1b[31m", r"holds \x1b"),
        ("two\nlines", r"holds \n"),
        ("\u202egnp", r"holds \u202e"),
        ("\x00", r"holds \x00"),
        ("x" * 501, "has 501 characters; at most 500"),
    ],
)
def test_what_could_not_be_shown_is_refused(text: str, reason: str):
    assert reason in str(fault(text, 500))


@pytest.mark.parametrize("text", ["", "arXiv:2401.00001", "AffectNet, café, 中文, 😀", "👩‍👧 and क्‍ष"])
def test_what_people_write_is_taken(text: str):
    assert fault(text, 500) is None
