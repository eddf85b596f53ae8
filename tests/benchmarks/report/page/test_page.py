"""The pages: self-contained, escaped, the same bytes for the same results, usable in a browser by mouse and keys."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import page
from benchmarks.report.epochs import read_history
from benchmarks.report.page.details import flat
from benchmarks.report.page.embed import embed
from benchmarks.report.page.plots import Axis, history_panels
from benchmarks.report.page.render import links
from benchmarks.results import LeaderboardRow, leaderboard_rows
from tests.helpers import results as made_up
from tests.helpers import webdriver
from tests.helpers.results import blank_results
from tests.helpers.webdriver import Browser

LIMIT = 3_000_000  # bytes
VOID = {"meta", "link", "img", "input", "br", "hr"}
EVIL = "<script>alert('x')</script> \"&' </template></style><img src=x onerror=alert(1)>"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><path d="M0 0h4v4z" fill="#123456"/></svg>\n'
TAB, ENTER, ESCAPE, RIGHT = "\ue004", "\ue007", "\ue00c", "\ue014"


def member(name: str, seed: int, accuracy: float, params: int, label: str) -> dict[str, Any]:
    recipe = {"epochs": 3, "loss": {"label_smoothing": 0.0}}
    return made_up.member(name, seed, accuracy, label=label, params=params, recipe=recipe)


def ensemble(name: str, title: str, accuracy: float, used: list[str], weights: Any, **more: Any) -> dict[str, Any]:
    return made_up.ensemble(name, title, accuracy, used, weights=weights, **more)


def published(method: str, accuracy: float, why_not: str = "") -> dict[str, Any]:
    return {
        "method": method, "kind": "single", "year": 2020, "accuracy": accuracy, "split": "test", "n_models": 1,
        "selection": "val", "extra_data": "none", "tta": "none", "pretraining": "imagenet",
        "source": "arXiv:2001.00001", "seen": "source", "comparable": not why_not, "why_not": why_not, "doubt": "",
        "doubt_source": "", "chart": True,
    }  # fmt: skip


@pytest.fixture
def results() -> Any:
    left = {"member": "vgg (seed 1)", "reason": "weaker <than> every member used", "nearest": "vgg (seed 0)",
            "val_log_loss_change": 0.01, "val_accuracy_change": -0.002}  # fmt: skip
    everyone = ["vgg (seed 0)", "vgg (seed 1)", "tiny"]
    classwise = {label: [0.5, 0.25, 0.25] for label in everyone}
    return blank_results(
        headline="greedy",
        effort={"members": 3, "external": 0, "seconds": 1800.0, "devices": ["abacus"]},
        members=[
            member("vgg", 0, 0.70, 2_000_000, "vgg (seed 0)"),
            member("vgg", 1, 0.69, 2_000_000, "vgg (seed 1)"),
            member("tiny", 0, 0.61, 50_000, "tiny"),
        ],
        ensembles=[
            ensemble("greedy", "Greedy selection", 0.73, ["vgg (seed 0)", "tiny"], {**dict.fromkeys(everyone, 0.0),
                     "vgg (seed 0)": 0.75, "tiny": 0.25}) | {"left_out": [{**left, "agreement": 0.9}]},
            ensemble("uniform", "Uniform average", 0.72, everyone, dict.fromkeys(everyone, 1 / 3)),
            ensemble("classwise", "Weights by class", 0.71, everyone, classwise),
        ],
        failed=[{"name": "broken", "title": "Broken one", "error": "ValueError: no luck"}],
        audit=made_up.audit(
            [made_up.audit_row("ensemble", "greedy", 0.73), made_up.audit_row("member", "tiny", 0.61)], members=2
        ),
        published=[published("Clean net", 0.74), published("Doubtful net", 0.96, "selected on the test set")],
        not_run=[{"name": "swin", "seed": 0, "reason": "no GPU", "command": "python benchmark.py --members swin"}],
        notes=["old.safetensors is stale"],
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, results: Any) -> Path:
    """A suite's folder with one figure and one history."""
    suite = tmp_path / "results" / "faces"
    (suite / "figures").mkdir(parents=True)
    (suite / "predictions").mkdir()
    (suite / "figures" / "benchmark.svg").write_text(SVG)
    (suite / "predictions" / "vgg.s0.0a1b2c3d4e5f.csv").write_text(
        "epoch,train_loss,train_accuracy,val_loss,val_accuracy\n1,1.8,0.3,1.7,0.35\n2,1.2,0.5,1.1,0.6\n3,1.0,0.6,1.2,0.55\n"
    )
    (suite / "results.json").write_text(json.dumps(results))
    return suite


class Reader(HTMLParser):
    """Fails where tags do not nest; keeps every start tag, and the text of every script apart."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> at {self.getpos()} after {self.open[-3:]}"

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def text_of(results: Any, folder: Path) -> str:
    return page.begin(results, folder)().read_text(encoding="utf-8")


def index_of(folder: Path) -> str:
    return page.write_index(folder.parent).read_text(encoding="utf-8")


def test_both_pages_nest_and_load_nothing(results: Any, folder: Path):
    for text in (text_of(results, folder), index_of(folder)):
        read = Reader(text)
        loading = [
            attributes[key] for _, attributes in read.tags for key in ("src", "srcset", "data") if key in attributes
        ]
        assert all(target and target.startswith("data:") for target in loading)
        assert all((attributes["href"] or "").startswith("data:") for attributes in read.named("link"))
        assert not re.search(r"@import|url\(", "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL)))
        assert not {"iframe", "object", "embed", "form", "base"} & {tag for tag, _ in read.tags}
        (policy,) = (meta["content"] for meta in read.named("meta") if meta.get("http-equiv"))
        assert policy is not None and "default-src 'none'" in policy and "script-src 'sha256-" in policy


def test_the_same_results_give_the_same_bytes(results: Any, folder: Path):
    first = text_of(results, folder), index_of(folder)
    assert (text_of(copy.deepcopy(results), folder), index_of(folder)) == first


def test_every_row_is_there_with_all_its_columns_and_something_to_open(results: Any, folder: Path):
    text = text_of(results, folder)
    read = Reader(text)
    ids = [row["id"] for row in read.named("tr") if "data-group" in row]
    assert len(ids) == len(set(ids)) == len(leaderboard_rows(results)) == 9
    assert {template["id"] for template in read.named("template")} == {f"of-{row}" for row in ids}
    heads = sum("data-key" in head for head in read.named("th"))
    ranking = text[text.index('<table class="ranking"') : text.index("</table>")]
    for row in re.findall(r"<tr id=.*?</tr>", ranking, re.DOTALL):
        assert len(re.findall(r"<t[hd][ >]", row)) == heads


def test_what_comes_from_data_is_escaped(results: Any, folder: Path):
    clean = Reader(text_of(results, folder))
    evil = copy.deepcopy(results)
    evil["title"] = evil["classes"][0] = evil["notes"][0] = EVIL
    evil["members"][2] |= {"name": EVIL, "device": EVIL, "reference": EVIL, "recipe": {"optimizer": EVIL}}
    evil["ensembles"][0] |= {"title": EVIL, "reference": f"[{EVIL}](javascript:alert(1))"}
    evil["ensembles"][0]["left_out"][0]["reason"] = evil["failed"][0]["error"] = EVIL
    evil["published"][1] |= {"method": EVIL, "why_not": EVIL, "source": f"{EVIL} arXiv:2001.00001"}
    evil["not_run"][0] |= {"reason": EVIL, "command": EVIL}
    text = text_of(evil, folder)
    read = Reader(text)
    assert len(read.named("script")) == len(clean.named("script"))
    assert len(read.named("img")) == len(clean.named("img"))
    assert all(not (link["href"] or "").startswith("javascript:") for link in read.named("a"))
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    (folder / "results.json").write_text(json.dumps(evil))
    assert len(Reader(index_of(folder)).named("script")) == 1


def test_a_row_opens_to_its_provenance(results: Any, folder: Path):
    results["ensembles"][0]["library"] = "xgboost 3.2.0"
    text = text_of(results, folder)
    details = {row: text.partition(f'<template id="of-{row}">')[2].partition("</template>")[0] for row in (
        "member-vgg-seed-0", "member-vgg-seed-1", "ensemble-greedy-selection", "ensemble-broken-one",
        "ensemble-weights-by-class", "published-doubtful-net-2020",
    )}  # fmt: skip
    vgg, other, greedy, broken, classwise, doubtful = details.values()
    assert all(part in vgg for part in ("0a1b2c3d4e5f", "abacus", "label_smoothing", "2 of 3", "3 of 3 ensembles"))
    assert vgg.count("<polyline") == 4 and "<polyline" not in other
    assert all(
        part in greedy for part in ("2 members", "0.750", "weaker &lt;than&gt; every member used", "90.00&nbsp;% alike")
    )
    assert "not a result" in greedy
    assert "xgboost 3.2.0" in greedy and "xgboost" not in classwise
    assert "no luck" in broken
    assert classwise.count('style="--w:50.0"') == 3
    assert "selected on the test set" in doubtful and "https://arxiv.org/abs/2001.00001" in doubtful


def test_a_page_that_is_begun_before_its_figures_are_drawn_holds_them(results: Any, folder: Path):
    text = text_of(results, folder)
    drawn = {path: path.read_bytes() for path in (folder / "figures").iterdir()}
    assert drawn and '<a href="#figures">' in text
    for path in drawn:
        path.unlink()
    written = page.begin(results, folder)
    for path, content in drawn.items():
        path.write_bytes(content)
    assert written().read_text(encoding="utf-8") == text
    for path in drawn:
        path.unlink()
    assert "#figures" not in text_of(results, folder)


def test_results_with_little_in_them_have_a_page(results: Any, folder: Path):
    bare = blank_results()
    text = text_of(bare, folder)
    Reader(text)
    assert "No result yet." in text and 'id="audit"' not in text and 'id="not-run"' not in text
    (folder / "results.json").write_text(json.dumps(bare))
    assert "No result yet." in index_of(folder)


def test_both_pages_say_where_most_test_images_were_seen(results: Any, folder: Path):
    assert "No result on unseen images" not in text_of(results, folder) + index_of(folder)
    results["audit"]["overlap"]["test_in_train"] = 980
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    for text in (text_of(results, folder), index_of(folder)):
        assert "No result on unseen images: 980 of the 1,000 images of test split also stand in train split." in text


def test_the_page_shows_all_overlaps_and_names_what_is_cheaper_than_the_headline(results: Any, folder: Path):
    text = text_of(results, folder)
    assert (
        "1 also stand in val split" in text
        and "Of val split's 1,000 images, 3 also stand in train split" in text.replace("&#39;", "'")
    )
    assert "not on the front" not in text
    results["ensembles"][0]["pareto"] = False
    results["ensembles"][1].update(test_accuracy=0.73, flops=1_000_000)
    assert "Uniform average reaches 73.00 % with 0.50 times its FLOPs." in text_of(results, folder)


def test_a_damaged_neighbour_is_named_on_the_page_for_all_suites(folder: Path):
    (folder.parent / "ruin").mkdir()
    (folder.parent / "ruin" / "results.json").write_text("{")
    text = index_of(folder)
    assert "results.json cannot be read" in text and 'href="faces/index.html"' in text


def test_a_hundred_members_and_sixty_ensembles_fit(results: Any, folder: Path):
    labels = [f"efficientnetv2_small_{number}" for number in range(100)]
    results["members"] = [member(label, 0, 0.6 + 0.001 * n, 20_000_000, label) for n, label in enumerate(labels)]
    reason = (
        "weaker than every member used; would have helped where it was fitted: log-loss -0.0250, accuracy +0.45 points"
    )
    left = [{"member": label, "reason": reason, "nearest": labels[0], "agreement": 0.85} for label in labels[50:]]
    weights = dict.fromkeys(labels, 0.02)
    results["ensembles"] = [
        ensemble(f"ensemble_{n}", f"Ensemble {n}", 0.72, labels[:50], weights) | {"left_out": left} for n in range(60)
    ]
    for name in "abcdefgh":
        (folder / "figures" / f"{name}.svg").write_text(SVG.replace("M0 0", "M0 0 " * 50_000))
    path = page.begin(results, folder)()
    assert path.stat().st_size < LIMIT
    assert 1 < path.read_text().count('src="data:image/svg+xml') < 9, "the figures that fit, and no more"


def test_figures_beyond_the_room_are_named_and_the_smaller_form_is_taken(tmp_path: Path):
    (tmp_path / "benchmark.svg").write_text(SVG)
    (tmp_path / "benchmark.png").write_bytes(b"\x89PNG" * 500)
    (tmp_path / "a_cost.png").write_bytes(b"\x89PNG" * 500)
    (tmp_path / "a_cost.svg").write_text(SVG.replace("M0 0", "M0 0 " * 300))  # which is not committed
    first, second = embed(tmp_path, 1000)
    assert first.name == "benchmark" and first.uri is not None and first.uri.startswith("data:image/svg+xml,<svg")
    assert '"' not in first.uri and "#" not in first.uri
    assert (second.caption, second.uri, second.file) == ("A cost", None, f"{tmp_path.name}/a_cost.png")


def test_the_axis_holds_what_is_comparable_and_marks_what_lies_beyond():
    rows = [LeaderboardRow(kind="member", name="", title="", accuracy=value) for value in (0.42, 0.70, 0.731)]
    far = LeaderboardRow(kind="published", name="", title="", accuracy=0.96, comparable=False)
    axis = Axis.of([*rows, far])
    assert (axis.low, axis.high) == (54, 74)
    assert axis.place(0.64) == 50.0 and axis.place(0.42) == 0.0 and axis.place(0.96) == 100.0
    assert [axis.beyond(value) for value in (0.42, 0.64, 0.96)] == ["below", "", "above"]
    assert [tick for tick, _ in axis.ticks] == [55, 60, 65, 70]
    assert Axis.of([]) == Axis(80, 100)


def test_a_history_of_one_epoch_or_of_no_numbers_draws_nothing_wrong(tmp_path: Path):
    assert history_panels({"epoch": [1.0], "val_accuracy": [0.5]}, 1) == []
    assert history_panels({"epoch": [1.0, 2.0], "val_loss": [float("nan"), 1.0]}, 1) == []
    assert read_history(tmp_path / "none.csv") == {}
    (tmp_path / "bad.csv").write_text("epoch,val_loss\n1,much\n")
    with pytest.raises(ValueError, match=r"bad\.csv: is no training history"):
        read_history(tmp_path / "bad.csv")


def test_links_keep_brackets_of_a_doi_and_recipes_are_flat():
    assert 'href="https://doi.org/10.1016/0893-6080(92)90001-5"' in links("doi:10.1016/0893-6080(92)90001-5")
    assert links("a <b>") == "a &lt;b&gt;"
    assert flat({"a": 1, "loss": {"kind": "focal", "q": 1 / 3}}) == {"a": "1", "loss.kind": "focal", "loss.q": "0.3333"}


needs_browser = pytest.mark.skipif(
    webdriver.BROWSER is None or webdriver.DRIVER is None, reason="needs chromium and chromedriver"
)


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with webdriver.browser() as opened:
        yield opened


@pytest.fixture
def shown(window: Browser, results: Any, folder: Path) -> Iterator[Browser]:
    """The suite's page in a wide window, as at a first visit; it may not complain."""
    window.prefer("light")
    window.open(page.begin(results, folder)().as_uri())
    window.run("localStorage.clear()")
    window.open("about:blank")
    window.open((folder / "index.html").as_uri())
    yield window
    assert window.complaints() == []


def visible(window: Browser) -> list[str]:
    """Titles of the rows that are shown, from top to bottom."""
    return window.run(
        "return [...document.querySelectorAll('#table tbody tr:not([hidden]) .open')].map(b => b.textContent)"
    )


def head(key: str) -> str:
    return f'thead th[data-key="{key}"] button'


@needs_browser
def test_a_heading_sorts_and_says_so(shown: Browser):
    shown.click(head("params"))
    assert visible(shown)[0] == "tiny"
    assert shown.run("return document.querySelector('th[data-key=params]').ariaSort") == "ascending"
    shown.click(head("params"))
    assert visible(shown)[0] != "tiny"
    assert visible(shown)[-1] in ("Broken one", "Clean net, 2020"), "rows without a value stay last"
    assert shown.run("return document.querySelectorAll('[aria-sort]').length") == 1


@needs_browser
def test_chips_search_and_ranges_filter(shown: Browser):
    assert "Doubtful net, 2020" not in visible(shown) and len(visible(shown)) == 8
    shown.click('.chip[data-group="doubtful"]')
    assert visible(shown)[0] == "Doubtful net, 2020"
    shown.click("#search")
    shown.press(*"VGG")
    assert visible(shown) == ["vgg (seed 0)", "vgg (seed 1)"]
    assert shown.run("return document.querySelector('#status').textContent") == "2 of 9 rows"
    shown.run("const s = document.querySelector('#search'); s.value = ''; s.dispatchEvent(new Event('input'))")
    shown.click(".menu summary")
    shown.click('[data-range="params"] [data-bound="high"]')
    shown.press("1")
    assert visible(shown) == ["tiny"]


@needs_browser
def test_chosen_columns_and_the_theme_are_remembered(shown: Browser, folder: Path):
    displayed = "return getComputedStyle(document.querySelector('thead th[data-key=\"{}\"]')).display"
    background = "return getComputedStyle(document.body).backgroundColor"
    assert shown.run(displayed.format("device")) == "none"
    light = shown.run(background)
    shown.click(".menu + .menu summary")
    shown.click('#columns input[value="device"]')
    shown.click("#theme")
    assert shown.run(background) != light
    for _ in range(50):  # a browser hands what is stored from one process of a page to the next when it has time
        shown.open("about:blank")
        shown.open((folder / "index.html").as_uri())
        if shown.run(displayed.format("device")) == "table-cell" and shown.run(background) != light:
            break
        time.sleep(0.1)
    assert shown.run(displayed.format("device")) == "table-cell"
    assert shown.run(background) != light
    shown.prefer("dark")
    shown.run("localStorage.removeItem('theme'); delete document.documentElement.dataset.theme")
    assert shown.run(background) != light, "without a choice the system's colours count"


@needs_browser
def test_a_row_opens_steps_and_closes_by_keys(shown: Browser):
    shown.run("document.querySelector('#ensemble-greedy-selection .open').focus()")
    shown.press(ENTER)
    title = "return document.querySelector('dialog[open] #detail-title').textContent"
    assert shown.run(title) == "Greedy selection"
    shown.press(RIGHT)
    assert shown.run(title) == "Uniform average"
    assert shown.run("return location.hash") == "#ensemble-uniform-average"
    shown.press(ESCAPE)
    assert shown.run("return document.querySelectorAll('dialog[open]').length") == 0
    row = "Uniform average"
    assert shown.settled("return document.activeElement.textContent", row) == row


@needs_browser
def test_the_first_tab_skips_to_the_results_and_figures_enlarge(shown: Browser):
    shown.press(TAB)
    assert shown.run("return document.activeElement.className") == "skip"
    assert shown.run("return document.activeElement.getBoundingClientRect().top") >= 0
    shown.click(".enlarge")
    assert shown.run("return document.querySelector('.lightbox[open] img').naturalWidth") > 0


@needs_browser
@pytest.mark.parametrize("width", [380, 1440])
def test_nothing_is_wider_than_the_screen(shown: Browser, folder: Path, width: int):
    for path in (folder / "index.html", page.write_index(folder.parent)):
        shown.open(path.as_uri(), width)
        assert shown.run("return document.documentElement.scrollWidth - innerWidth") <= 0
