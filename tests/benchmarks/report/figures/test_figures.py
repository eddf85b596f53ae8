"""The figures: what is drawn of which results, that nothing overlaps or is cut off, and that bytes repeat."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.evaluation import metrics
from benchmarks.evaluation.figure_data import greedy_path
from benchmarks.report import figures
from benchmarks.report.figures import diversity, kept, style
from benchmarks.report.figures.curves import History, histories
from benchmarks.report.figures.style import (
    LEAST,
    TITLE,
    WIDTH,
    Chart,
    fitted,
    joined,
    plural,
    shorten,
    styled,
    text_width,
    wrapped,
)
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets
from benchmarks.store.votes import save_votes
from tests.helpers.evaluated import evaluated
from tests.helpers.generated import FACES, stored_predictions
from tests.helpers.results import blank_results
from tests.helpers.runs import files

pytestmark = pytest.mark.usefixtures("nowhere_else")

EVERY = {
    "benchmark", "differences", "size", "cost", "validation", "training", "class_scores", "confusion", "reliability",
    "disagreement", "kappa_error", "agreement", "scores", "risk_coverage", "sets", "equal_time",
}  # fmt: skip
MANY = (
    "vgg_fer", "resnet18", "mini_xception", "resnet10t", "vgg_fer@muon@taught@equalised", "convnext_atto",
    "resnet_fer@muon@taught@geometric",
)  # fmt: skip


def learnt(results: Any, epochs: int = 5) -> dict[str, History]:
    """A made-up training history for every member."""
    rise = [0.3 + 0.4 * (1 - 0.6**epoch) for epoch in range(epochs)]
    fall = [2.0 - value for value in rise]
    columns = {"val_accuracy": rise, "train_accuracy": rise, "val_loss": fall, "train_loss": fall}
    columns["seconds"] = [600.0 * (epoch + 1) for epoch in range(epochs)]
    return {member["label"]: columns for member in results["members"]}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Results of eight members on 400 test images of seven classes."""
    random = np.random.default_rng(0)
    targets = Targets(random.integers(0, 7, 300), random.integers(0, 7, 400), "f" * 32, FACES, train_size=500)
    members = [(name, 0, 1.0 + 0.3 * place) for place, name in enumerate(MANY)]
    folder = tmp_path_factory.mktemp("many")
    votes = {"val": random.multinomial(10, [0.1] * 10, 300), "test": random.multinomial(10, [0.1] * 10, 400)}
    save_votes(folder / "fer2013" / "predictions", targets, votes)
    return evaluated(folder, targets, *members, ("vgg_fer", 1, 1.2), device="a CPU, 2 cores")


def texts(chart: Chart) -> tuple[Any, list[tuple[str, Any, bool]], list[Any]]:
    """The box of the drawn sheet, every drawn text with its box in pixels and whether it is slanted, and the boxes of
    bars."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text

    with styled():
        figure = chart.draw()
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        found, hidden = [], _out_of_view(figure)
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            if text.get_visible() and text.get_text().strip() and id(text) not in hidden:
                # The box of an annotation's text alone, without its line
                box = Text.get_window_extent(text, canvas.get_renderer())
                found.append((text.get_text(), box, text.get_rotation() % 90 != 0))
        bars = [bar for axes in figure.axes for group in axes.containers for bar in group if isinstance(bar, Rectangle)]
        return figure.bbox, found, [bar.get_window_extent(canvas.get_renderer()) for bar in bars]


def _out_of_view(figure: Any) -> set[int]:
    """The ids of tick labels that axes keep beyond their limits and do not draw."""
    hidden = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        room = 1e-9 * (high - low)
        for tick in (*axis.majorTicks, *axis.minorTicks):
            if not low - room <= tick.get_loc() <= high + room:
                hidden |= {id(tick.label1), id(tick.label2)}
    return hidden


def flaws(chart: Chart) -> Iterator[str]:
    """Texts that leave the sheet, that begin beside a bar and end in it, and pairs that overlap by more than a hair."""
    sheet, found, bars = texts(chart)
    for text, box, _ in found:
        if box.x0 < -0.5 or box.y0 < -0.5 or box.x1 > sheet.x1 + 0.5 or box.y1 > sheet.y1 + 0.5:
            yield f"{text!r} is cut off"
        if any(
            box.x0 < bar.x0 - 0.5 and box.x1 > bar.x0 + 1.5 and bar.y0 < (box.y0 + box.y1) / 2 < bar.y1 for bar in bars
        ):
            yield f"{text!r} runs into a bar"
    for (one, a, slanted), (other, b, slanted_too) in combinations(found, 2):
        wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        beside = slanted and slanted_too  # boxes around slanted texts overlap where the texts do not
        if wide > 1.5 and high > 3.0 and not beside:
            yield f"{one!r} overlaps {other!r}"


# --- heat map of pairs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [3, 24, 25, 36, 48])
def test_names_of_columns_stand_apart_or_are_those_of_the_rows(count: int):
    first, second = np.triu_indices(count, 1)
    shares = np.random.default_rng(0).uniform(0.1, 0.3, len(first))
    pairs = {"first": first.tolist(), "second": second.tolist(), "disagreement": shares.tolist()}
    members = [f"vgg_fer@muon@long (seed {seed})" for seed in range(count)]
    results: Any = {"diversity": {"members": members, "val": {"pairs": pairs}}, "splits": {"val": {"name": "val"}}}
    chart = diversity.disagreement(results)
    assert chart is not None and list(flaws(chart)) == []
    _, found, _ = texts(chart)
    slanted = sorted(box.x1 for _, box, turned in found if turned)
    apart = np.diff(slanted) * np.sin(np.radians(diversity.SLANT)) * 72 / 100  # points; a sheet has 100 pixels an inch
    assert len(slanted) in (0, count) and (apart >= 5.5).all()
    said = "in the order of the rows" in " ".join(text for text, *_ in found)
    assert (said, not slanted) == (count > 36, count > 36)


# --- which figures there are ---------------------------------------------------------------------------------------


def test_whole_results_give_every_figure(many: Any):
    found = figures.charts(many, learnt(many))
    assert set(found) == EVERY
    assert [name for name, chart in found.items() if chart is None] == []
    assert len({chart.title for chart in found.values() if chart}) == len(EVERY)


@pytest.mark.parametrize("name", sorted(EVERY))
def test_no_text_overlaps_or_is_cut_off(many: Any, name: str):
    chart = figures.charts(many, learnt(many))[name]
    assert chart is not None
    assert list(flaws(chart)) == []


@pytest.mark.parametrize("title", ["Greedy selection from the best few", "XWM" * 9])
@pytest.mark.parametrize("name", ["benchmark", "differences", "scores", "sets"])
def test_the_headline_stands_in_bold_beside_what_is_drawn(many: Any, name: str, title: str):
    """Bold letters are wider than those of the other rows, whose size fits them."""
    own = next(ensemble["title"] for ensemble in many["ensembles"] if ensemble["name"] == many["headline"])
    chart = figures.charts(json.loads(json.dumps(many).replace(json.dumps(own), json.dumps(title))))[name]
    assert chart is not None and title[:6] in " ".join(text for text, *_ in texts(chart)[1])
    assert list(flaws(chart)) == []


def test_the_title_of_risk_and_coverage_speaks_of_a_share_that_tells_models_apart(many: Any):
    strong = copy.deepcopy(many)
    for row in strong["probabilities"]["rows"]:
        for one in row["selective"]:
            one["answered"] = 1.0 if one["asked"] < 0.9 else 0.9
    chart = figures.charts(strong)["risk_coverage"]
    assert chart is not None and "90 % of the images where 90 % are to be right" in chart.title
    assert "102" not in [text for text, *_ in texts(chart)[1]]
    for row in strong["probabilities"]["rows"]:
        for one in row["selective"]:
            one["answered"] = 0.8
    chart = figures.charts(strong)["risk_coverage"]
    assert chart is not None and "80 % of the images where 85 % are to be right" in chart.title


def test_two_members_with_little_known_are_drawn_where_it_makes_sense(tmp_path: Path, faces: Targets):
    unknown = {"macs": None, "inference_seconds": None, "params": None, "train_seconds": None, "best_epoch": None}
    results = evaluated(tmp_path, faces, ("vgg_fer", 0, 2.0), ("resnet18", 0, 1.5), **unknown)
    found = {name: chart for name, chart in figures.charts(results).items() if chart is not None}
    assert set(found) == EVERY - {"cost", "training", "equal_time", "disagreement", "kappa_error", "agreement"}
    assert [flaw for chart in found.values() for flaw in flaws(chart)] == []


def test_one_member_alone_is_drawn(tmp_path: Path, faces: Targets):
    results = evaluated(tmp_path, faces, ("vgg_fer", 0, 2.0))
    found = {name: chart for name, chart in figures.charts(results, learnt(results)).items() if chart is not None}
    assert {"benchmark", "validation", "training", "class_scores", "confusion", "reliability"} <= set(found)
    assert not {"size", "disagreement", "kappa_error"} & set(found)
    for chart in found.values():
        assert list(flaws(chart)) == []


@pytest.mark.parametrize("names", [("calm", "upset"), tuple("0123456789")], ids=["two classes", "ten classes"])
def test_any_number_of_classes_is_drawn(tmp_path: Path, names: tuple[str, ...]):
    random = np.random.default_rng(1)
    val, test = random.integers(0, len(names), (2, 90))
    targets = Targets(val, test, "e" * 32, names, train_size=100)
    results = evaluated(tmp_path, targets, *((name, 0, 1.5) for name in MANY[:3]))
    for chart in figures.charts(results).values():
        assert chart is None or list(flaws(chart)) == []


def test_a_class_without_images_has_no_rate_and_no_score(tmp_path: Path):
    random = np.random.default_rng(2)
    targets = Targets(random.integers(0, 6, 80), random.integers(0, 6, 80), "d" * 32, FACES, train_size=100)
    results = evaluated(tmp_path, targets, ("vgg_fer", 0, 9.0), ("resnet18", 0, 9.0))
    assert results["members"][0]["test_class_f1"][6] is None
    for chart in (figures.charts(results)[name] for name in ("confusion", "class_scores")):
        assert chart is not None and list(flaws(chart)) == []


def test_results_with_little_in_them_give_the_figures_they_have(many: Any):
    results = copy.deepcopy(blank_results(**{key: many[key] for key in ("members", "ensembles", "splits", "classes")}))
    for row in results["members"]:
        row["val_metrics"] = {}
    found = figures.charts(results)
    assert {name for name, chart in found.items() if chart} == {
        "benchmark", "differences", "cost", "validation", "class_scores",
    }  # fmt: skip
    assert all(chart is None for chart in figures.charts(blank_results()).values())


def test_failed_ensemblers_and_external_models_are_no_hindrance(many: Any):
    results = copy.deepcopy(many)
    del results["ensembles"][1]
    results["failed"] = [{"name": "uniform", "title": "Uniform average", "error": "ValueError: no"}]
    results["members"][2] |= {"kind": "external", "seed": None, "init": "external", "flops": None, "pareto": None}
    for chart in figures.charts(results, learnt(many)).values():
        assert chart is not None
        with styled():
            chart.draw()


def test_of_members_that_cost_the_same_the_best_is_named(many: Any):
    results = copy.deepcopy(many)
    for place, member in enumerate(results["members"]):
        member |= {"flops": 10**8 * (1 + place // 2), "pareto": False, "test_accuracy": 0.9 + 0.001 * place}
    chart = figures.charts(results)["cost"]
    assert chart is not None
    members = sorted(results["members"], key=lambda member: member["test_accuracy"])
    best = {member["flops"]: shorten(member["label"], 30) for member in members}
    every = {shorten(member["label"], 30) for member in members}
    named = {text for text, _, _ in texts(chart)[1]} & every
    assert named and named <= set(best.values())  # one that has no room beside its dot goes without
    assert len(best) == len(every) / 2


def test_the_note_on_cost_names_the_classes_that_are_not_asked_for_the_front(many: Any):
    def note(**apart: object) -> str:
        results = copy.deepcopy(many)
        results["members"][0].update(apart, test_accuracy=0.95)
        chart = figures.charts(results)["cost"]
        assert chart is not None
        return " ".join(text for text, _, _ in texts(chart)[1])

    assert "Not asked for the front" not in note()
    said = note(row_classes=["tools"], pareto=None)
    assert "Not asked for the front: rows that stand apart (tools ‡)." in said
    assert "Not asked" not in note(extra_labels="votes")  # they are asked


def test_few_rows_far_below_the_others_are_left_out_of_the_costs(many: Any):
    def drawn(low: float, front: bool = False) -> tuple[float, str]:
        """The lowest accuracy on the axis, and all that is written."""
        results = copy.deepcopy(many)
        for place, row in enumerate([*results["members"], *results["ensembles"]]):
            row |= {"flops": 10**8 * (1 + place), "pareto": False, "test_accuracy": 0.9}
        results["members"][0].update(test_accuracy=low, pareto=front)
        chart = figures.charts(results)["cost"]
        assert chart is not None
        with styled():
            (axes,) = chart.draw().axes
        return axes.get_ylim()[0], " ".join(text for text, _, _ in texts(chart)[1])

    lowest, said = drawn(0.8)
    assert lowest < 80 and "not shown" not in said
    lowest, said = drawn(0.2)
    assert lowest > 70 and "1 row below 75 % not shown." in said
    assert drawn(0.2, front=True)[0] < 20


def test_many_members_are_cut_to_the_best(many: Any):
    results = copy.deepcopy(many)
    results["members"] = [
        {**copy.deepcopy(member), "seed": seed, "label": f"{member['name']} (seed {seed})"}
        for seed in range(7)
        for member in results["members"][:-1]
    ]
    known = learnt(results)
    for name in ("validation", "training", "class_scores", "differences", "benchmark"):
        chart = figures.charts(results, known)[name]
        assert chart is not None
        with styled():
            assert chart.draw().get_size_inches()[1] < 11, name


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(many: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the figures of `many`, where there was one of a kind that its results do not have."""
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "figures").mkdir()
    (folder / "figures" / "training.png").write_bytes(b"of a member that is gone")
    figures.draw(many, folder)
    return folder


def test_figures_are_byte_identical_when_processes_draw_them_again(many: Any, drawn: Path, tmp_path: Path):
    paths = figures.draw(copy.deepcopy(many), tmp_path, jobs=2)
    assert files(tmp_path) == files(drawn)  # nor is a stale file left
    assert {path.stem for path in paths} == EVERY - {"training", "equal_time"}
    assert {path.suffix for path in paths} == {".png", ".svg"}
    assert max(path.stat().st_size for path in paths) < 500_000
    assert not any(b"dc:date" in path.read_bytes() for path in paths)


def test_an_svg_needs_no_font_and_has_what_it_refers_to(drawn: Path):
    for path in (drawn / "figures").glob("*.svg"):
        elements = list(ElementTree.parse(path).getroot().iter())
        assert not [one for one in elements if one.tag.endswith("}text")]
        names = [one.attrib["id"] for one in elements if "id" in one.attrib]
        assert len(names) == len(set(names))
        used = {value for one in elements for key, value in one.attrib.items() if key.endswith(("href", "clip-path"))}
        assert used and {value.strip("url()#") for value in used} <= set(names), path.name


def test_only_figures_that_show_something_else_are_drawn_again(
    many: Any, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    saved: list[str] = []

    def save(chart: Chart, stem: Path) -> list[Path]:
        saved.append(stem.name)
        return style.save(chart, stem)

    monkeypatch.setattr(figures, "save", save)
    assert {path.stem for path in figures.draw(many, tmp_path)} == EVERY - {"training", "equal_time"}
    assert saved == []
    (tmp_path / "figures" / "sets.svg").unlink()
    (tmp_path / "figures" / "cost.png").write_bytes(b"another")
    figures.draw(many, tmp_path)
    assert sorted(saved) == ["cost", "sets"] and files(tmp_path) == files(drawn)
    saved.clear()
    other = copy.deepcopy(many)
    other["diversity"]["val"]["pairs"]["disagreement"][0] /= 2
    figures.draw(other, tmp_path)
    assert saved == ["disagreement"]
    saved.clear()
    figures.draw(other, tmp_path, fresh=True)
    assert len(saved) == len(EVERY) - 2
    assert saved[:3] == ["benchmark", "disagreement", "validation"], "the dearest first, and those that there are"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"sets": 1}', '{"sets": {"files": []}}', "[" * 100_000])
def test_a_damaged_record_of_figures_is_no_obstacle(content: str, many: Any, tmp_path: Path):
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "figures.json").write_text(content)
    assert kept.still_there(tmp_path, {"sets": "1"}) == {}


def test_what_decides_a_figure_is_all_that_it_shows(many: Any, monkeypatch: pytest.MonkeyPatch):
    shown = {name: chart for name, chart in figures.charts(many).items() if chart is not None}
    before = kept.decisive(shown)
    assert len(set(before.values())) == len(before) and kept.decisive(shown) == before
    again = kept.decisive({name: chart for name, chart in figures.charts(copy.deepcopy(many)).items() if chart})
    assert again == before
    monkeypatch.setattr(kept, "libraries", lambda: "another matplotlib")
    assert not set(kept.decisive(shown).values()) & set(before.values())


def test_the_index_names_files_that_are_drawn(many: Any, drawn: Path):
    entries = figures.index(many)
    assert {entry.file for entry in entries} <= set(files(drawn))
    assert entries[0].file == "figures/benchmark.png"
    assert all(entry.title and entry.alt for entry in entries)
    assert "figures/size.png" not in {
        entry.file for entry in figures.index(many | {"charts": blank_results()["charts"]})
    }


def test_histories_are_read_beside_the_predictions(many: Any, tmp_path: Path):
    member = many["members"][0]
    path = tmp_path / f"{member['name']}.s{member['seed']}.{member['hash']}.csv"
    path.write_text("epoch,val_loss,val_accuracy\n1,1.5,0.4\n2,1.25,0.5\n")
    known = histories(many, tmp_path)
    assert known == {member["label"]: {"epoch": [1.0, 2.0], "val_loss": [1.5, 1.25], "val_accuracy": [0.4, 0.5]}}
    twin = {**many["members"][1], "weights_of": f"{member['name']}.s{member['seed']}", "hash": member["hash"]}
    again = many | {"members": [member, {**twin, "name": member["name"]}]}
    assert list(histories(again, tmp_path)) == list(known), "the other one is of the same training"
    chart = figures.charts(many, known)["training"]
    assert chart is not None and "1 member " in chart.title


# --- what they say -------------------------------------------------------------------------------------------------


def test_differences_are_those_of_accuracy_with_intervals_around_them(many: Any):
    best = max(many["members"], key=lambda member: member["val_accuracy"])
    assert best["difference"] == 0 and best["difference_interval"] == [0, 0]
    for row in (*many["members"], *many["ensembles"]):
        low, high = row["difference_interval"]
        assert row["difference"] == pytest.approx(row["test_accuracy"] - best["test_accuracy"], abs=2e-6)
        assert low <= row["difference"] <= high
    chart = figures.charts(many)["differences"]
    assert chart is not None
    above = sum(row["difference_interval"][0] > 0 for row in many["ensembles"] if row["name"] != "best_single")
    assert chart.title.startswith(f"{above} of 4 ensembles beat")


def test_confusions_and_reliability_are_those_of_the_shown_models(many: Any):
    single, headline = many["charts"]["shown"]
    assert headline["name"] == many["headline"]
    best = max(many["members"], key=lambda member: member["val_accuracy"])
    for shown, row in ((single, best), (headline, next(e for e in many["ensembles"] if e["name"] == many["headline"]))):
        counts = np.array(shown["confusion"])
        assert counts.sum() == 400 and np.trace(counts) / 400 == pytest.approx(row["test_accuracy"], abs=1e-6)
        bins = shown["reliability"]
        weights = np.array(bins["count"]) / 400
        gap = weights @ np.abs(np.array(bins["accuracy"]) - bins["confidence"])
        assert gap == pytest.approx(row["test_metrics"]["ece"], abs=1e-5)
    chart = figures.charts(many)["reliability"]
    assert chart is not None and "headline ensemble" in chart.title


def test_the_greedy_path_takes_the_best_member_first_and_never_one_twice(tmp_path: Path, faces: Targets):
    store = PredictionStore(tmp_path)
    skills = (("vgg_fer", 1.0), ("resnet18", 4.0), ("mini_xception", 1.5))
    found = [stored_predictions(store, faces, name, skill=skill) for name, skill in skills]
    path = greedy_path(found, faces)
    assert path["members"][0] == "resnet18" and sorted(path["members"]) == sorted(name for name, _ in skills)
    assert path["val"][0] == pytest.approx((found[1].val.argmax(1) == faces.val).mean())
    assert len(path["val"]) == len(path["test"]) == 3


def test_the_size_chart_names_how_many_members_are_enough(many: Any):
    results = copy.deepcopy(many)
    results["charts"]["greedy_path"] |= {"val": [0.5, 0.6, 0.7, 0.65, 0.65, 0.65, 0.65, 0.6], "test": [0.61] * 8}
    chart = figures.charts(results)["size"]
    assert chart is not None and chart.title.startswith("3 members picked on PublicTest reach 61.0 %")


def test_class_f1_averages_to_macro_f1():
    probabilities = np.eye(4)[[0, 0, 1, 2]]
    targets = np.array([0, 1, 1, 2])
    assert metrics.class_f1(probabilities, targets) == [pytest.approx(2 / 3), pytest.approx(2 / 3), 1.0, None]
    assert metrics.macro_f1(probabilities, targets) == pytest.approx(7 / 9)


# --- words ---------------------------------------------------------------------------------------------------------


def test_a_name_is_made_smaller_before_it_is_cut():
    name, room = "vgg_fer@muon@taught@equalised", 120.0
    assert fitted("vgg_fer", room, 8.8) == ("vgg_fer", 8.8)
    text, size = fitted(name, room, 8.8)
    assert text == name and LEAST <= size < 8.8 and text_width(text, size, "normal") <= room
    text, size = fitted(f"{name} (seed 1)", room / 2, 8.8)
    assert text.endswith("… s1") and text_width(text, size, "normal") <= room / 2


def test_a_name_longer_than_a_line_of_the_title_is_cut():
    names = ["vgg_fer" + 30 * "@muon" + end for end in ("", "@scale_tta")]
    lines = wrapped(f"{names[0]} and {names[1]} err most alike", TITLE, "bold", even=True)
    assert all(text_width(line, TITLE, "bold") <= 72 * WIDTH for line in lines)
    assert names[0] not in " ".join(lines) and sum("…@scale_tta" in line for line in lines) == 1


def test_names_that_differ_from_some_early_and_from_others_late_show_both():
    names = [f"mobilenetv1_mid_vggface2{kind}@twenty" for kind in ("@sixth", "@aligned@sixth", "@aligned", "@strong")]
    for length in range(28, 46):
        short = [shorten(name, length, names) for name in names]
        assert len(set(short)) == 4 and max(map(len, short)) <= length, short


def test_names_that_would_be_cut_to_the_same_show_where_they_differ():
    start = "mobilenetv1_mid_vggface2@five"
    names = [
        f"{start}@from_fer2013--mobilenetv1_mid_vggface2--twenty@scale_tta",
        f"{start}@fifth@from_fer2013--mobilenetv1_mid_vggface2--fourth@scale_tta",
        f"{start}@fifth@from_fer2013--mobilenetv1_mid_vggface2--fourth",
        "vgg_fer@muon",
    ]
    for length in range(24, 60):
        short = [shorten(name, length, names) for name in names]
        assert len(set(short)) == 4 and max(map(len, short)) <= length, short
    assert [shorten(name, 38, names) for name in names[:2]] == [
        "mobilenetv1…@from_fer2013…@scale_tta",
        "mobilenetv1…@fifth@from_fer…@scale_tta",
    ]
    seeds = [f"{names[0]} (seed {seed})" for seed in (0, 1)]
    assert shorten(seeds[0], 30, seeds) == shorten(seeds[0], 30)  # the seed tells them apart
    assert shorten(names[3], 30, names) == names[3]
    text, size = fitted(names[0], 150.0, 8.8, among=names)
    assert "@from" in text and size <= LEAST + 0.3 and text_width(text, size, "normal") <= 150.0


def test_a_shortened_name_keeps_its_seed():
    assert shorten("vgg_fer (seed 1)", 20) == "vgg_fer (seed 1)"
    assert shorten("mobilenetv4_conv_small (seed 12)", 20) == "mobilenetv4_con… s12"
    assert len(shorten("mobilenetv4_conv_small_and_more", 20)) <= 20
    long = "vgg_fer_wide@muon@tuned@from_fer2013--vgg_fer_wide--muon--long"
    assert shorten(long, 30) == "vgg_fer_wide@muon@tuned@from…"
    assert shorten(f"{long}@scale_tta", 30) == "vgg_fer_wide@muon@t…@scale_tta"
    assert shorten(f"{long}@scale_tta (seed 1)", 30) == "vgg_fer_wide@muo…@scale_tta s1"
    assert shorten("vgg_fer@muon@long@scale_tta (seed 0)", 30) == "vgg_fer@muon@long@scale_tta s0"


def test_lines_hold_every_word_and_fit_the_sheet():
    text = "what is seen " * 30
    lines = wrapped(text, 10.5, "bold", even=True)
    assert " ".join(lines) == text.strip() and max(map(len, lines)) < 90
    assert (joined(["a", "b", "c"]), plural(1, "image"), plural(2000, "image")) == (
        "a, b and c",
        "1 image",
        "2,000 images",
    )
