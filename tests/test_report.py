"""The report: published results, leaderboard, README block and figure, as pure functions of one results dict."""

from __future__ import annotations

import copy
import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import leaderboard
from benchmarks.published import COLUMNS, FOLDER, read_published
from benchmarks.standings import UNIFORM, leading_ensembles, standings
from benchmarks.tables import linked

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


def _interval(accuracy: float) -> list[float]:
    return [round(accuracy - 0.0143, 4), round(accuracy + 0.0143, 4)]


def _member(name: str, seed: int, val: float, test: float, params: int, init: str) -> dict[str, Any]:
    return {
        "name": name, "seed": seed, "val_accuracy": val, "test_accuracy": test, "test_interval": _interval(test),
        "test_macro_f1": test - 0.02, "test_log_loss": 1.5 - test, "test_ece": 0.04, "rank": "2-5", "params": params,
        "flops": 40 * params, "train_seconds": 4210.0, "images_per_second": 5321.5, "device": "NVIDIA H100",
        "init": init, "tta": "flip", "epochs": 60, "best_epoch": 51, "image_size": 64, "reference": "arXiv:1409.1556",
        "hash": "0a1b2c3d",
    }  # fmt: skip


def _ensemble(name: str, title: str, fit: float, cross_fit: float, test: float, used: int) -> dict[str, Any]:
    labels = [f"{member[0]}-{member[1]}" for member in MEMBERS[:used]]
    return {
        "name": name, "title": title, "fit_accuracy": fit, "cross_fit_accuracy": cross_fit, "test_accuracy": test,
        "test_interval": _interval(test), "test_macro_f1": test - 0.02, "test_log_loss": 1.45 - test, "test_ece": 0.03,
        "rank": "1-4", "p_best_single": 0.0004, "p_uniform": 0.21, "members_used": labels,
        "weights": dict.fromkeys(labels, 1 / used), "params": 120_000_000, "train_seconds": 9000.0,
        "seconds": 0.4, "error": None,
    }  # fmt: skip


@pytest.fixture
def results() -> dict[str, Any]:
    """A whole results dict, made up but of a realistic size and spread."""
    return {
        "suite": "fer2013",
        "title": "FER2013",
        "classes": ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"],
        "splits": {
            "train": {"name": "Training", "size": 28709},
            "val": {"name": "PublicTest", "size": 3589},
            "test": {"name": "PrivateTest", "size": 3589},
        },
        "data_fingerprint": "5f3c",
        "headline": "greedy",
        "members": [_member(*member) for member in MEMBERS],
        "ensembles": [_ensemble(*ensemble) for ensemble in ENSEMBLES],
        "published": read_published("fer2013"),
        "not_run": [{"name": "patt_lite", "seed": 0, "reason": "no checkpoint", "command": "python benchmark.py"}],
        "notes": ["288 test images also stand in train."],
    }


def _sparse(results: dict[str, Any]) -> dict[str, Any]:
    """The same results with everything missing that may be missing."""
    for member in results["members"]:
        for key in set(member) - {"name", "seed"}:
            member[key] = None
    for ensemble in results["ensembles"]:
        for key in set(ensemble) - {"name", "title"}:
            ensemble[key] = None
        ensemble["error"] = "ValueError: fewer than two members"
    return results


def _empty(results: dict[str, Any]) -> dict[str, Any]:
    return results | {"members": [], "ensembles": [], "published": [], "not_run": [], "notes": [], "headline": None}


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
        assert all(value == value.strip() and (value or key == "why_not") for key, value in texts.items())
        assert not row["comparable"] or row["extra_data"] == "none"


def test_comparable_fer2013_results_are_on_the_private_test() -> None:
    comparable = [row for row in read_published("fer2013") if row["comparable"]]
    assert {row["split"] for row in comparable} == {"PrivateTest"}
    assert max(row["accuracy"] for row in comparable) == pytest.approx(0.7612)


@pytest.mark.parametrize(
    ("column", "value"),
    [("comparable", "maybe"), ("why_not", ""), ("accuracy", "0"), ("accuracy", "175"), ("year", ""), ("kind", "net")],
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


def test_headline_names_the_chosen_ensemble_and_its_rival(results: dict[str, Any]) -> None:
    text = leaderboard.headline(results)
    for part in ("75.14 % [73.7, 76.6]", "PrivateTest", "Greedy selection, 20 bags", "with 9 members", "74.41 %"):
        assert part in text
    for part in ("one-standard-error", "convnext_base", "73.90 %", "+1.24 points", "McNemar p < 0.001"):
        assert part in text


def test_report_is_a_pure_function_of_the_results(results: dict[str, Any]) -> None:
    before, again = copy.deepcopy(results), copy.deepcopy(results)
    assert leaderboard.markdown(results) == leaderboard.markdown(again)
    assert leaderboard.csv_table(results) == leaderboard.csv_table(again)
    assert results == before


def test_ranking_is_sorted_and_holds_only_comparable_rows(results: dict[str, Any]) -> None:
    ranking = leaderboard.markdown(results).split("## Ranking")[1].split("## Published")[0]
    scores = [float(cells[4]) for cells in _cells(ranking)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == len(MEMBERS) + len(ENSEMBLES) + sum(row["comparable"] for row in results["published"])
    assert "ResEmoteNet |" not in ranking and "EmoNeXt-XL, 2023" in ranking


def test_rows_that_are_not_comparable_give_their_reason(results: dict[str, Any]) -> None:
    aside = leaderboard.markdown(results).split("why not comparable")[1].split("## Not run")[0]
    for row in results["published"]:
        assert (row["why_not"] in aside) if not row["comparable"] else (row["method"] + ", " not in aside)


def test_sources_become_links() -> None:
    assert linked("arXiv:2501.08199; github a-b/C.d") == (
        "[arXiv:2501.08199](https://arxiv.org/abs/2501.08199); [github a-b/C.d](https://github.com/a-b/C.d)"
    )
    assert linked("github a/b issue 6") == "[github a/b issue 6](https://github.com/a/b/issues/6)"
    assert linked("DOI:10.3390/math11030776") == "[DOI:10.3390/math11030776](https://doi.org/10.3390/math11030776)"
    assert linked("IEEE 9411919") == "IEEE 9411919" and linked(None) is None


def test_an_ensemble_below_uniform_is_shown_losing(results: dict[str, Any]) -> None:
    lines = leaderboard.markdown(results).splitlines()
    assert any("Stacking, XGBoost (below uniform)" in line for line in lines)
    assert not any("Log-opinion pool (below uniform)" in line for line in lines)


def test_fer2013_above_77_is_flagged_and_other_suites_are_not(results: dict[str, Any]) -> None:
    results["published"] = []
    warning = "treat as a leak until shown otherwise"
    assert warning not in leaderboard.markdown(results)
    results["members"][0]["test_accuracy"] = 0.7701
    assert f"> **Warning.** Above 77 %: {warning}: convnext_base" in leaderboard.markdown(results)
    assert warning in leaderboard.compact(results)
    assert warning not in leaderboard.markdown(results | {"suite": "ferplus"})


def test_pipes_and_line_breaks_do_not_break_tables(results: dict[str, Any]) -> None:
    results["ensembles"][0]["title"] = "a|b\nc"
    results["ensembles"][0] |= {"test_accuracy": None, "error": "ValueError: x | y\nz"}
    results["not_run"][0]["reason"] = "no | checkpoint"
    text = leaderboard.markdown(results)
    assert r"a\|b c: failed, ValueError: x \| y z" in text and r"no \| checkpoint" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        assert len({len(cells) for cells in _cells(table)}) == 1


def test_csv_has_a_line_for_every_row(results: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(leaderboard.csv_table(results))))
    assert len(rows) == len(MEMBERS) + len(ENSEMBLES) + len(results["published"])
    assert {row["kind"] for row in rows} == {"member", "ensemble", "published"}
    greedy = next(row for row in rows if row["name"] == "greedy")
    assert (greedy["accuracy"], greedy["ci_low"], greedy["cross_fit_accuracy"]) == ("0.751400", "0.737100", "0.744100")
    assert all(row["comparable"] == "yes" or row["why_not"] for row in rows)


@pytest.mark.parametrize("change", [_sparse, _empty])
def test_missing_values_and_empty_lists_are_reported(results: dict[str, Any], change: Any, tmp_path: Path) -> None:
    paths = leaderboard.write(change(results), tmp_path)
    assert [path.name for path in paths[:2]] == ["leaderboard.md", "leaderboard.csv"]
    assert all(path.parent == tmp_path / "figures" for path in paths[2:])
    assert all(path.stat().st_size > 0 for path in paths)
    assert "None" not in leaderboard.markdown(results) and "nan" not in leaderboard.csv_table(results)


def test_without_members_there_is_no_result_yet(results: dict[str, Any]) -> None:
    assert leaderboard.headline(_empty(results)) == "No result yet."
    assert "No ensemble was chosen" in leaderboard.headline(results | {"headline": None})


def test_leading_ensembles_keep_the_headline_and_the_floor(results: dict[str, Any]) -> None:
    results["headline"] = "stacking_xgboost"  # the worst by cross-fitted accuracy
    assert {row.name for row in leading_ensembles(results, 2)} == {"stacking_xgboost", UNIFORM}


def test_rows_without_accuracy_come_last(results: dict[str, Any]) -> None:
    results["members"][0]["test_accuracy"] = None
    assert standings(results)[-1].name == "convnext_base"


# --- README --------------------------------------------------------------------------------------------------------


def test_embed_replaces_between_its_own_markers_only(results: dict[str, Any], tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    other = "<!-- leaderboard:ferplus -->\nold FER+\n<!-- /leaderboard -->\n"
    readme.write_text(f"Before\n{other}<!-- leaderboard:fer2013 -->\nold \\1\n<!-- /leaderboard -->\nAfter\n")
    assert leaderboard.embed(readme, results)
    text = readme.read_text()
    assert text.startswith(f"Before\n{other}<!-- leaderboard:fer2013 -->\n**75.14 %")
    assert text.endswith("<!-- /leaderboard -->\nAfter\n") and "old \\1" not in text
    assert "results/fer2013/figures/benchmark.png" in text
    assert not leaderboard.embed(readme, results)  # nothing left to change
    assert readme.read_text() == text


def test_embed_leaves_a_readme_without_markers_alone(results: dict[str, Any], tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# A title\n")
    assert not leaderboard.embed(readme, results)
    assert readme.read_text() == "# A title\n"
