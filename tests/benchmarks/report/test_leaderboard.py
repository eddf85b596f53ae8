"""The report: published results, leaderboard, README block and figure, as pure functions of one results dict."""

from __future__ import annotations

import copy
import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import suites
from benchmarks.formats import cited, linked
from benchmarks.report import leaderboard, readme, terminal
from benchmarks.report.latex import bibliography, columns, escape_tex, tex_table
from benchmarks.report.sections import headline
from benchmarks.results import BEST_SINGLE, UNIFORM, leaderboard_rows, leading_ensembles, leading_published
from benchmarks.suites.published_results import COLUMNS, FOLDER, read_published
from benchmarks.suites.suite import Suite
from tests.helpers.results import audit, audit_row, blank_results, ensemble, member

MEMBERS = [  # name, seed, val, test, parameters, initialisation
    ("convnext_base", 0, 0.7312, 0.7390, 87_600_000, "imagenet-22k"),
    ("convnext_tiny", 0, 0.7205, 0.7291, 27_800_000, "imagenet-22k"),
    ("emonext_tiny", 0, 0.7183, 0.7244, 28_900_000, "imagenet-22k"),
    ("efficientnetv2_s", 0, 0.7141, 0.7208, 20_200_000, "imagenet"),
    ("residual_masking", 0, 0.7128, 0.7236, 142_900_000, "imagenet"),
    ("resnet50", 0, 0.7106, 0.7180, 23_500_000, "imagenet"),
    ("densenet121", 0, 0.7094, 0.7155, 7_000_000, "imagenet"),
    ("swin_tiny", 0, 0.7071, 0.7113, 27_500_000, "imagenet"),
    ("vgg13", 0, 0.7060, 0.7169, 8_900_000, "scratch"),
    ("vgg13", 1, 0.7052, 0.7147, 8_900_000, "scratch"),
    ("resnet18", 0, 0.7019, 0.7088, 11_200_000, "scratch"),
    ("resemotenet", 0, 0.6620, 0.6701, 80_200_000, "scratch"),
    ("mini_xception", 0, 0.6388, 0.6459, 58_000, "scratch"),
]
ENSEMBLES = [  # name, title, fit, cross-fit, test, members used
    ("best_single", "Best single member", 0.7312, 0.7312, 0.7390, 1),
    (UNIFORM, "Uniform over all", 0.7398, 0.7398, 0.7467, 13),
    ("uniform_top_k", "Uniform over the top 5", 0.7431, 0.7409, 0.7489, 5),
    ("greedy", "Greedy selection, 20 bags", 0.7503, 0.7441, 0.7514, 9),
    ("log_pool", "Log-opinion pool", 0.7428, 0.7415, 0.7494, 13),
    ("class_weights", "Weights by class", 0.7571, 0.7392, 0.7450, 13),
    ("stacking_logistic", "Stacking, logistic regression", 0.7525, 0.7404, 0.7478, 13),
    ("stacking_xgboost", "Stacking, XGBoost", 0.8236, 0.7298, 0.7361, 13),
]


def _member(name: str, seed: int, val: float, test: float, params: int, init: str) -> dict[str, Any]:
    return member(
        name, seed, test, label=f"{name}-{seed}", val_accuracy=val, rank="2-5", params=params, flops=40 * params,
        train_seconds=4210.0, images_per_second=5321.5, device="NVIDIA H100", init=init, epochs=60, best_epoch=51,
        image_size=64, hash="0a1b2c3d",
    )  # fmt: skip


def _ensemble(name: str, title: str, fit: float, cross_fit: float, test: float, used: int) -> dict[str, Any]:
    labels = [f"{member[0]}-{member[1]}" for member in MEMBERS[:used]]
    return ensemble(
        name, title, test, labels, fit_accuracy=fit, cross_fit_accuracy=cross_fit, rank="1-4", params=120_000_000,
        train_seconds=9000.0, reference=None,
    )  # fmt: skip


@pytest.fixture
def results() -> Any:
    """A whole results dict, made up but of a realistic size and spread."""
    return blank_results(
        suite="fer2013",
        title="FER2013",
        classes=["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"],
        splits={
            "train": {"name": "Training", "size": 28709},
            "val": {"name": "PublicTest", "size": 3589},
            "test": {"name": "PrivateTest", "size": 3589},
        },
        headline="greedy",
        leak_above=0.77,
        effort={"members": 13, "external": 0, "seconds": 13 * 4210.0, "devices": ["NVIDIA H100"]},
        members=[_member(*member) for member in MEMBERS],
        ensembles=[_ensemble(*ensemble) for ensemble in ENSEMBLES],
        audit=audit([audit_row("member", name, test) for name, _, _, test, _, _ in MEMBERS], members=13),
        published=read_published("fer2013"),
        not_run=[{"name": "patt_lite", "seed": 0, "reason": "no checkpoint", "command": "python benchmark.py"}],
        notes=["288 test images also stand in train."],
    )


def _sparse(results: Any) -> Any:
    """The same results with everything missing that may be missing, and no ensembler that could be fitted."""
    optional = (
        "epochs", "image_size", "recipe", "images_per_second", "device", "tta", "best_epoch", "code", "params",
        "flops", "ms_per_image", "train_seconds", "pareto", "reference", "p_uniform", "p_uniform_holm",
    )  # fmt: skip
    for model in results["members"]:
        model |= dict.fromkeys(optional)
        model["test_metrics"] = dict.fromkeys(model["test_metrics"])
    error = "ValueError: fewer than two members"
    failed = [{"name": row["name"], "title": row["title"], "error": error} for row in results["ensembles"]]
    effort: dict[str, Any] = {"members": len(MEMBERS), "external": 0, "seconds": None, "devices": []}
    return results | {"ensembles": [], "failed": failed, "headline": None, "effort": effort}


def _empty(results: Any) -> Any:
    return results | {"members": [], "ensembles": [], "published": [], "not_run": [], "notes": [], "headline": None}


def _section(text: str, title: str) -> str:
    """What stands under a heading of the second level, up to the next."""
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def _cells(text: str) -> list[list[str]]:
    """The cells of a markdown table, without its head and rule; escaped bars stay inside their cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


# --- published results ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", sorted(path.stem for path in FOLDER.glob("*.csv")))
def test_published_results_are_well_formed(suite: str) -> None:
    rows = read_published(suite)  # raises on a range, a reason or a kind that is off
    assert len({row["method"] for row in rows}) == len(rows)
    for row in rows:
        assert list(row) == list(COLUMNS)
        texts = {key: value for key, value in row.items() if isinstance(value, str)}
        optional = ("why_not", "doubt", "doubt_source")
        assert all(value == value.strip() and (value or key in optional) for key, value in texts.items())
        assert not row["comparable"] or row["extra_data"] == "none"
        first = row["why_not"].partition(";")[0]
        assert not row["chart"] or len(first) <= 48, f"{first!r} runs into the marks of the figure"


def test_comparable_fer2013_results_are_on_the_private_test() -> None:
    comparable = [row for row in read_published("fer2013") if row["comparable"]]
    assert {row["split"] for row in comparable} == {"PrivateTest"}
    assert max(row["accuracy"] for row in comparable) == pytest.approx(0.7612)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("comparable", "maybe"),
        ("why_not", ""),
        ("accuracy", "0"),
        ("accuracy", "175"),
        ("year", ""),
        ("kind", "net"),
        ("seen", "maybe"),
        ("doubt_source", ""),
    ],
)
def test_a_bad_published_row_is_named(tmp_path: Path, column: str, value: str) -> None:
    with (FOLDER / "fer2013.csv").open(newline="") as file:
        row = next(line for line in csv.DictReader(file) if line["comparable"] == "no")
    with (tmp_path / "broken.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerow(row | {column: value})
    with pytest.raises(ValueError, match=r"broken\.csv:2"):
        read_published("broken", tmp_path)


def test_published_columns_are_checked(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("method,accuracy\nTang,71.2\n")
    with pytest.raises(ValueError, match="columns"):
        read_published("other", tmp_path)


# --- leaderboard ---------------------------------------------------------------------------------------------------


def test_headline_names_the_chosen_ensemble_and_its_rival(results: Any) -> None:
    text = headline.headline(results)
    for part in ("75.14 % [73.7, 76.6]", "PrivateTest", "Greedy selection, 20 bags", "with 9 members", "74.41 %"):
        assert part in text
    for part in ("one-standard-error", "convnext_base", "73.90 %", "+1.24 points", "McNemar p < 0.001"):
        assert part in text


def _seen(results: Any, test_in_train: int, test_in_val: int) -> Any:
    results["audit"] = audit([audit_row("ensemble", "greedy", 0.9861) | {"unseen_accuracy": 0.5714}])
    results["audit"]["overlap"] = {"val_in_train": 0, "test_in_train": test_in_train, "test_in_val": test_in_val}
    return results


@pytest.mark.parametrize(
    ("in_train", "in_val", "expected"),
    [
        (3550, 0, "3,550 of the 3,589 images of PrivateTest also stand in Training. On the other 39 it has 57.14 %."),
        (10, 1795, "1,795 of the 3,589 images of PrivateTest also stand in PublicTest."),
        (1794, 1794, ""),
        (288, 44, ""),
    ],
)
def test_where_most_test_images_were_seen_the_headline_says_so_first(
    results: Any, in_train: int, in_val: int, expected: str
) -> None:
    text = headline.headline(_seen(results, in_train, in_val))
    assert text.startswith(f"**No result on unseen images: {expected}** **75.14 %" if expected else "**75.14 %")
    quoting = (readme.compact(results), terminal.opening(results), tex_table(results), leaderboard.markdown(results))
    assert all(("No result on unseen images" in place) == bool(expected) for place in quoting)


def test_without_an_ensemble_the_warning_stays(results: Any) -> None:
    results["headline"] = None
    text = headline.headline(_seen(results, 3589, 0))
    assert text.startswith("**No result on unseen images: 3,589 of the 3,589 images") and "On the other" not in text


def test_a_headline_off_its_own_front_names_the_cheapest_row_that_is_as_accurate(results: Any) -> None:
    chosen = next(row for row in results["ensembles"] if row["name"] == "greedy")
    others = [row for row in [*results["members"], *results["ensembles"]] if row is not chosen]
    for row in others:
        row.update(pareto=False)
    chosen.update(pareto=True, flops=1000)
    assert "front" not in headline.headline(results)
    chosen.update(pareto=False)
    as_good, cheap, weak = results["ensembles"][0], results["ensembles"][1], results["members"][-1]
    as_good.update(pareto=True, test_accuracy=0.76, flops=900)
    cheap.update(pareto=True, test_accuracy=chosen["test_accuracy"], flops=500)
    weak.update(pareto=True, flops=1)
    text = headline.headline(results)
    assert text.endswith(
        "The headline is not on the front of accuracy and FLOPs: Uniform over all reaches 75.14 % with 0.50 times its "
        "FLOPs."
    )


def test_report_is_a_pure_function_of_the_results(results: Any) -> None:
    before, again = copy.deepcopy(results), copy.deepcopy(results)
    assert leaderboard.markdown(results) == leaderboard.markdown(again)
    assert leaderboard.csv_table(results) == leaderboard.csv_table(again)
    assert results == before


def test_ranking_is_sorted_and_holds_only_comparable_rows(results: Any) -> None:
    ranking = _section(leaderboard.markdown(results), "Ranking")
    scores = [float(cells[3]) for cells in _cells(ranking)]
    assert scores == sorted(scores, reverse=True)
    drawn = sum(row["comparable"] and row["chart"] for row in results["published"])
    assert len(scores) == len(MEMBERS) + len(ENSEMBLES) + drawn
    assert "ResEmoteNet |" not in ranking and "EmoNeXt-XL, 2023" in ranking


def test_no_table_is_wider_than_a_screen_can_show(results: Any) -> None:
    text = leaderboard.markdown(results)
    heads = [block.splitlines()[0] for block in text.split("\n\n") if block.startswith("|")]
    assert heads and max(head.count("|") - 1 for head in heads) <= 15


def test_every_row_with_predictions_has_all_metrics(results: Any) -> None:
    rows = _cells(_section(leaderboard.markdown(results), "All metrics"))
    assert len(rows) == len(MEMBERS) + len(ENSEMBLES)
    best = next(cells for cells in rows if cells[0] == "convnext_base")
    assert best[1:] == [
        "73.90",
        "71.90",
        "70.90",
        "0.639",
        "0.930",
        "0.750",
        "0.761",
        "0.400",
        "0.040",
        "0.0123",
        "0.1024",
    ]


def test_every_published_result_is_listed_with_reason_and_doubt(results: Any) -> None:
    section = _section(leaderboard.markdown(results), "Published, and what we know of it")
    comparable, aside = section.split("### Not comparable")
    for row in results["published"]:
        listed, other = (comparable, aside) if row["comparable"] else (aside, comparable)
        line = next(line for line in listed.splitlines() if line.startswith(f"| {row['method']}, {row['year']} |"))
        assert row["why_not"] in line and row["doubt"] in line and f"| {row['selection']} |" in line
        assert f"| {row['method']}, {row['year']} |" not in other
        assert not row["doubt"] or f"({linked(row['doubt_source'])})" in line


def test_what_did_not_run_comes_with_its_command_and_the_way_to_the_rest(results: Any) -> None:
    section = _section(leaderboard.markdown(results), "Not run")
    assert "| patt_lite | 0 | no checkpoint | `python benchmark.py` |" in section
    assert "--list" in section and "--suite fer2013" in section
    assert "--list" in _section(leaderboard.markdown(results | {"not_run": []}), "Not run")


def test_the_release_that_fitted_an_ensemble_is_named(results: Any) -> None:
    assert "was fitted by" not in _section(leaderboard.markdown(results), "Provenance")
    results["ensembles"][1] |= {"title": "Trees | of three", "library": "xgboost 3.2.0"}
    last = _section(leaderboard.markdown(results), "Provenance").strip().splitlines()[-1]
    assert last == r"*Trees \| of three* was fitted by xgboost 3.2.0; another release gives other numbers."


def test_sources_become_links() -> None:
    assert linked("arXiv:2501.08199; github a-b/C.d") == (
        "[arXiv:2501.08199](https://arxiv.org/abs/2501.08199); [C.d](https://github.com/a-b/C.d)"
    )
    assert linked("github a/b issue 6") == "[b issue 6](https://github.com/a/b/issues/6)"
    assert linked("DOI:10.3390/math11030776") == "[DOI:10.3390/math11030776](https://doi.org/10.3390/math11030776)"
    assert linked("IEEE 9411919") == "[IEEE 9411919](https://ieeexplore.ieee.org/document/9411919)"
    assert linked("CVPRW 2016") == "CVPRW 2016" and linked(None) is None


def test_an_ensemble_below_uniform_is_shown_losing(results: Any) -> None:
    lines = leaderboard.markdown(results).splitlines()
    assert any("Stacking, XGBoost (below uniform)" in line for line in lines)
    assert not any("Log-opinion pool (below uniform)" in line for line in lines)


def test_above_the_limit_of_the_suite_is_flagged_and_without_one_nothing_is(results: Any) -> None:
    results["published"] = []
    warning = "treat as a leak until shown otherwise"
    assert warning not in leaderboard.markdown(results)
    results["members"][0]["test_accuracy"] = 0.7701
    assert f"> **Warning.** Above 77 %: {warning}: convnext_base" in leaderboard.markdown(results)
    assert warning in readme.compact(results)
    assert warning not in leaderboard.markdown(results | {"leak_above": None})


def test_val_and_test_too_far_apart_are_flagged_and_the_headline_that_uses_them_says_so(results: Any) -> None:
    assert "standard errors apart" not in leaderboard.markdown(results)
    odd = results["members"][0]
    results["ensembles"][1]["members_used"] = [odd["label"]]
    results["headline"] = results["ensembles"][1]["name"]
    for val in (odd["test_accuracy"] - 0.06, odd["test_accuracy"] + 0.06):
        odd["val_accuracy"] = val
        text = leaderboard.markdown(results)
        assert "PublicTest and PrivateTest are more than 4 standard errors apart" in text
        assert f"tuned on? {odd['name']}. The headline is made of {odd['name']}." in text
        assert f"{odd['name']} (**val and test too far apart**)" in text
    odd["val_accuracy"] = odd["test_accuracy"] - 0.03
    assert "standard errors apart" not in leaderboard.markdown(results)


@pytest.mark.parametrize("suite", [suite for suite in suites.suites().values() if suite.leak_above and suite.published])
def test_no_clean_published_result_is_above_the_limit_of_its_suite(suite: Suite) -> None:
    assert suite.leak_above is not None
    known = [row for row in read_published(suite.published) if row["comparable"] and not row["doubt"]]
    assert all(row["accuracy"] < suite.leak_above for row in known), suite.name


def test_pipes_and_line_breaks_do_not_break_tables(results: Any) -> None:
    results["failed"] = [{"name": "bad", "title": "a|b\nc", "error": "ValueError: x | y\nz"}]
    results["not_run"][0]["reason"] = "no | checkpoint"
    text = leaderboard.markdown(results)
    assert r"a\|b c: failed, ValueError: x \| y z" in text and r"no \| checkpoint" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        assert len({len(cells) for cells in _cells(table)}) == 1


def test_csv_has_a_line_for_every_row(results: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(leaderboard.csv_table(results))))
    assert len(rows) == len(MEMBERS) + len(ENSEMBLES) + len(results["published"])
    assert {row["kind"] for row in rows} == {"member", "ensemble", "published"}
    greedy = next(row for row in rows if row["name"] == "greedy")
    assert (greedy["accuracy"], greedy["ci_low"], greedy["cross_fit_accuracy"]) == ("0.751400", "0.737100", "0.744100")
    assert all(row["comparable"] == "yes" or row["why_not"] for row in rows)


@pytest.mark.parametrize("change", [_sparse, _empty])
def test_missing_values_and_empty_lists_are_reported(results: Any, change: Any, tmp_path: Path) -> None:
    paths = leaderboard.write(change(results), tmp_path)
    written = ["leaderboard.md", "leaderboard.csv", "leaderboard.tex", "references.bib"]
    assert [path.name for path in paths][:4] == written
    assert all(path.stat().st_size > 0 for path in paths if path.suffix != ".bib")
    assert "None" not in tex_table(results) and "None" not in terminal.plain_table(results)
    assert "None" not in leaderboard.markdown(results) and "nan" not in leaderboard.csv_table(results)


def test_without_members_there_is_no_result_yet(results: Any) -> None:
    assert headline.headline(_empty(results)) == "No result yet."
    assert "No ensemble was chosen" in headline.headline(results | {"headline": None})


def test_leading_ensembles_keep_the_headline_and_the_floors(results: Any) -> None:
    results["headline"] = "stacking_xgboost"  # the worst by cross-fitted accuracy
    assert {row.name for row in leading_ensembles(results, 2)} == {"stacking_xgboost", UNIFORM}
    assert {row.name for row in leading_ensembles(results, 3)} == {"stacking_xgboost", UNIFORM, BEST_SINGLE}


def test_one_source_is_among_the_leading_published_results_once(results: Any) -> None:
    names = [row.name for row in leading_published(results)]
    assert names[:2] == ["EmoNeXt-XL", "Residual masking net"] and "EmoNeXt-L" not in names
    assert [row.name for row in leading_published(results, 1)] == names[:1]


def test_rows_without_accuracy_come_last(results: Any) -> None:
    results["failed"] = [{"name": "bad", "title": "Bad luck", "error": "ValueError: no"}]
    assert leaderboard_rows(results)[-1].name == "bad"


# --- README --------------------------------------------------------------------------------------------------------


def test_embed_replaces_between_its_own_markers_only(results: Any, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    other = "<!-- leaderboard:ferplus -->\nold FER+\n<!-- /leaderboard -->\n"
    path.write_text(f"Before\n{other}<!-- leaderboard:fer2013 -->\nold \\1\n<!-- /leaderboard -->\nAfter\n")
    assert readme.embed(path, results)
    text = path.read_text()
    assert text.startswith(f"Before\n{other}<!-- leaderboard:fer2013 -->\n**75.14 %")
    assert text.endswith("<!-- /leaderboard -->\nAfter\n") and "old \\1" not in text
    assert "results/fer2013/figures/benchmark.png" in text
    assert not readme.embed(path, results)  # nothing left to change
    assert path.read_text() == text


def test_embed_leaves_a_readme_without_markers_alone(results: Any, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("# A title\n")
    assert not readme.embed(path, results)
    assert path.read_text() == "# A title\n"


def test_the_readme_table_is_short_and_has_headline_floors_members_and_published(results: Any) -> None:
    rows = _cells(readme.compact(results))
    assert len(rows) <= 16
    names = [cells[2] for cells in rows]
    for name in (
        "**Greedy selection, 20 bags**",
        "Uniform over all",
        "Best single member (below uniform)",
        "*EmoNeXt-XL, 2023*",
    ):
        assert name in names
    assert sum(cells[1] == "member" for cells in rows) == 8


# --- LaTeX and BibTeX ----------------------------------------------------------------------------------------------


def test_latex_is_balanced_and_every_line_of_the_table_has_all_its_columns(results: Any) -> None:
    results["ensembles"][3]["title"] = "100 % of_a & {b} #1 $x^2 \\ ~|"
    text = tex_table(results)
    assert re.findall(r"\\begin{(\w+)}", text) == ["document", "table", "tabular"]
    assert re.findall(r"\\end{(\w+)}", text) == ["tabular", "table", "document"]
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    lines = [line for line in body.splitlines() if line and line != r"\midrule"]
    assert len(lines) == 1 + 3 + 6 + 8 + len(leading_published(results, 6))
    for line in lines:
        assert line.endswith(r" \\")
        cells = 1 + len(re.findall(r"(?<!\\)&", line))
        assert cells == (1 if r"\multicolumn{8}" in line else len(columns(results))), line
    bare = re.sub(r"\\[\\{}&%$#_]", "", text)
    assert bare.count("{") == bare.count("}")
    comments = [line for line in bare.splitlines() if "%" in line]
    assert all(line.startswith("%") for line in comments), "an unescaped % swallows the rest of its line"


def test_latex_escapes_what_it_would_read_as_commands() -> None:
    assert escape_tex("a_b & 5 % #1 {x}\n~") == r"a\_b \& 5 \% \#1 \{x\} \textasciitilde{}"
    assert escape_tex("\\^$") == r"\textbackslash{}\textasciicircum{}\$"


def test_every_citation_of_the_table_is_in_the_bibliography(results: Any) -> None:
    for row in results["ensembles"]:
        row["reference"] = "doi:10.1145/1015330.1015432"
    text, entries = tex_table(results), re.findall(r"^@\w+{([^,]+),$", bibliography(results), re.MULTILINE)
    keys = {key for group in re.findall(r"\\cite{([^}]*)}", text) for key in group.split(",")}
    assert {"arXiv-1409.1556", "doi-10.1145-1015330.1015432", "github-yelboudouri-EmoNeXt"} <= keys <= set(entries)
    assert entries == sorted(set(entries))


def test_bibtex_states_what_is_known_and_nothing_else(results: Any) -> None:
    results["published"], results["ensembles"] = [], []
    for row in results["members"]:
        row["reference"] = "doi:10.5555/unheard_of"
    results["members"][0]["reference"] = "arXiv:2101.05397"
    assert bibliography(results) == (
        "@misc{arXiv-2101.05397,\n"
        "  title = {{Should Ensemble Members Be Calibrated?}},\n"
        "  author = {X. Wu and M. J. F. Gales},\n"
        "  year = {2021},\n"
        "  howpublished = {arXiv:2101.05397},\n"
        "  eprint = {2101.05397},\n"
        "  archivePrefix = {arXiv},\n"
        "  url = {https://arxiv.org/abs/2101.05397},\n}\n\n"
        "@misc{doi-10.5555-unheard-of,\n"
        "  key = {10.5555/unheard\\_of},\n"
        "  howpublished = {doi:10.5555/unheard\\_of},\n"
        "  doi = {10.5555/unheard_of},\n"
        "  url = {https://doi.org/10.5555/unheard_of},\n}\n"
    )


def test_a_reference_names_its_sources_in_order() -> None:
    text = "quoted in arXiv:2004.11823; DOI:10.3390/a_1; IEEE 11017006; github a/b issue 6; github a/b; CVPRW 2016"
    found = [(source.kind, source.id) for source in cited(text)]
    assert found == [("arXiv", "2004.11823"), ("doi", "10.3390/a_1"), ("ieee", "11017006"), ("github", "a/b")]
    assert cited(None) == cited("unknown") == []


# --- terminal ------------------------------------------------------------------------------------------------------


def test_a_pipe_gets_headline_and_aligned_plain_rows(results: Any, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show(results, Path("results/fer2013/leaderboard.md"))
    out = capsys.readouterr().out
    assert out.startswith("75.14 % [73.7, 76.6] on PrivateTest: Greedy selection, 20 bags with 9 members")
    assert out.endswith("not run: patt_lite (seed 0): no checkpoint\nreport: results/fer2013/leaderboard.md\n")
    assert "\x1b" not in out and "*" not in out
    lines = out.split("\n\n")[1].splitlines()
    end = lines[0].index("test") + len("test")
    assert all(re.fullmatch(r" \d\d\.\d\d", line[end - 6 : end]) for line in lines[1:]), "below each other"
    assert any("Greedy selection, 20 bags (chosen)" in line for line in lines)


def test_a_terminal_gets_as_many_columns_as_fit(results: Any) -> None:
    lines = [terminal.COLUMNS, ["1-2", "ensemble", "n" * 60, "75.14", "[73.7, 76.6]", "9", "120.0M", "2 h 30 min"]]
    assert terminal.fitting(lines, 200) == (8, 60)
    assert terminal.fitting(lines, 100) == (8, 30)
    assert terminal.fitting(lines, 80) == (6, 34)
    assert terminal.fitting(lines, 10) == (4, 24)  # never less than rank, kind, name and accuracy
