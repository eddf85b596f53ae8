"""A suite on one page: its numbers against independent counts, and what it leaves out without votes."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

import benchmark
from benchmarks import suites
from benchmarks.commands.ferplus_votes import keep_votes
from benchmarks.data import DataError
from benchmarks.data.ferplus.votes import ANSWERS, COLUMNS
from benchmarks.evaluation import label_noise
from benchmarks.evaluation.evaluate import evaluate
from benchmarks.evaluation.significance import share_difference_interval, wilson_interval
from benchmarks.formats import interval, percent, points
from benchmarks.pipeline import search_fold
from benchmarks.report import leaderboard
from benchmarks.report.figures import charts
from benchmarks.report.summary import summary_page
from benchmarks.results import VOTES_COMMAND
from benchmarks.session import Options, Session
from benchmarks.store.container import StoreError
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from benchmarks.store.votes import kept_votes, save_votes
from ensembles import softmax
from tests.helpers.generated import FACES, stored_predictions
from tests.helpers.runs import ROOT, cli, files

pytestmark = pytest.mark.usefixtures("nowhere_else")
MEMBERS = (("vgg_fer", 0, 2.0), ("resnet18", 0, 1.5), ("mini_xception", 0, 1.0), ("vgg_fer", 1, 1.9))
COLUMN_OF = np.array([ANSWERS.index(name) for name in FACES])


def ballots(targets: np.ndarray, seed: int, trust: float = 0.5) -> np.ndarray:
    """Ten votes [N,10] an image, the label's more often than the others'."""
    random = np.random.default_rng(seed)
    shares = np.full((len(targets), len(ANSWERS)), (1 - trust) / len(ANSWERS))
    shares[np.arange(len(targets)), COLUMN_OF[targets]] += trust
    return random.multinomial(10, shares)


@pytest.fixture
def seen(faces: Targets) -> Targets:
    """The same, with 20 test images that also stand in train, and the rows of an original file in no order."""
    random = np.random.default_rng(3)
    val_rows, test_rows = (
        first + random.permutation(size).astype(np.int32)
        for first, size in ((5, len(faces.val)), (80, len(faces.test)))
    )
    marks = np.zeros(len(faces.test), dtype=bool)
    marks[random.permutation(len(marks))[:20]] = True
    return replace(faces, test_in_train=marks, val_rows=val_rows, test_rows=test_rows)


def evaluated(folder: Path, targets: Targets, votes: bool = True, members: Any = MEMBERS) -> Any:
    """Results of a few random members and kinds of ensembles of fer2013, as they are read from results.json."""
    store = PredictionStore(folder / "fer2013" / "predictions")
    save_targets(store.folder, targets)
    if votes:
        save_votes(store.folder, targets, {"val": ballots(targets.val, seed=1), "test": ballots(targets.test, seed=2)})
    found = [stored_predictions(store, targets, name, seed=seed, skill=skill) for name, seed, skill in members]
    kinds = ("best_single", "uniform", "top_k", "greedy", "stack_logistic")
    session = Session(Options("fer2013", results=folder, ensemblers=kinds))
    searched = search_fold(session, session.folds[0], found)
    results: Any = evaluate(session.suite, searched, folder, not_run=[], notes=[])
    return dict(json.loads(json.dumps(results)))


def probabilities(folder: Path, targets: Targets) -> list[np.ndarray]:
    """Of every stored member on test, in the order of MEMBERS."""
    store = PredictionStore(folder / "fer2013" / "predictions")
    session = Session(Options("fer2013", results=folder))
    found = {}
    for path in store.prediction_files():
        one = store.read(path, targets)
        found[one.configuration.name, one.configuration.seed] = softmax(one.test)
    assert session.suite.summary_page
    return [found[name, seed] for name, seed, _ in MEMBERS]


def table_row(text: str, start: str) -> list[str]:
    """The cells of the one table row that starts so."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


# --- votes beside the predictions ----------------------------------------------------------------------------------


def write_table(folder: Path, usages: dict[str, int], labelled: Targets | None = None) -> np.ndarray:
    """fer2013new.csv with as many rows of each part, in this order; its votes, most of them for the labels where some
    are given."""
    votes = np.random.default_rng(9).multinomial(10, np.full(10, 0.1), sum(usages.values()))
    for rows, labels in ((labelled.val_rows, labelled.val), (labelled.test_rows, labelled.test)) if labelled else ():
        votes[rows, [ANSWERS.index(FACES[label]) for label in labels]] += 10
    parts = [usage for usage, count in usages.items() for _ in range(count)]
    with (folder / "fer2013new.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([part, "", *row] for part, row in zip(parts, votes.tolist(), strict=True))
    return votes


def test_votes_are_lined_up_with_the_targets_by_the_rows_of_the_original(tmp_path: Path, seen: Targets):
    store = PredictionStore(tmp_path / "results" / "fer2013" / "predictions")
    save_targets(store.folder, seen)
    table = write_table(tmp_path, {"Training": 5, "PublicTest": 75, "PrivateTest": 84}, seen)
    assert seen.val_rows is not None and seen.test_rows is not None
    assert benchmark.main(["ferplus-votes", "--data", str(tmp_path), "--results", str(tmp_path / "results")]) == 0
    votes = kept_votes(store.folder, seen)
    assert votes is not None
    np.testing.assert_array_equal(votes["val"], table[seen.val_rows])
    np.testing.assert_array_equal(votes["test"], table[seen.test_rows])


def test_votes_that_say_nothing_of_the_labels_are_refused(tmp_path: Path, seen: Targets):
    write_table(tmp_path, {"Training": 5, "PublicTest": 75, "PrivateTest": 84}, seen)
    assert seen.test_rows is not None
    moved = replace(seen, test_rows=np.random.default_rng(0).permutation(seen.test_rows))
    with pytest.raises(DataError, match=r"in PrivateTest, votes and labels agree with a kappa of"):
        keep_votes(tmp_path, moved, ("Training", "PublicTest", "PrivateTest"), tmp_path)


def test_votes_of_another_file_are_refused(tmp_path: Path, seen: Targets, capsys: pytest.CaptureFixture[str]):
    write_table(tmp_path, {"Training": 5, "PublicTest": 76, "PrivateTest": 83})
    with pytest.raises(DataError, match="does not line up with FER2013"):
        keep_votes(tmp_path, seen, ("Training", "PublicTest", "PrivateTest"), tmp_path)
    assert benchmark.main(["ferplus-votes", "--data", str(tmp_path), "--results", str(tmp_path / "none")]) == 2
    assert "holds no targets yet" in capsys.readouterr().err


def test_targets_without_the_original_order_take_no_votes(tmp_path: Path, faces: Targets):
    with pytest.raises(ValueError, match="do not know the original order of rows"):
        keep_votes(tmp_path, faces, ("Training", "PublicTest", "PrivateTest"), tmp_path)


def test_votes_of_another_number_of_images_are_named(tmp_path: Path, faces: Targets):
    save_votes(tmp_path, faces, {"val": ballots(faces.val, 1), "test": ballots(faces.test, 2)[1:]})
    with pytest.raises(StoreError, match=r"votes of test of shape \(83, 10\), not \[84, 10\]"):
        kept_votes(tmp_path, faces)
    assert kept_votes(tmp_path, replace(faces, fingerprint="0" * 32)) is None


def test_the_check_of_a_store_takes_votes_for_no_predictions(tmp_path: Path, seen: Targets):
    store = PredictionStore(tmp_path / "fer2013" / "predictions")
    save_targets(store.folder, seen)
    stored_predictions(store, seen, "vgg_fer")
    save_votes(store.folder, seen, {"val": ballots(seen.val, 1), "test": ballots(seen.test, 2)})
    done = cli("--check", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "votes.ffffffffffff.safetensors: ok\n" in done.out  # and no accuracy on val


# --- label noise ---------------------------------------------------------------------------------------------------


def annotators(row: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each annotator of an image: the answer, and the votes of the others."""
    for answer, count in enumerate(row.tolist()):
        others = row.copy()
        others[answer] -= 1
        yield from [(answer, others)] * count


def drawn(votes: np.ndarray, answer: int) -> float:
    """The chance that the commonest answer, ties by lot, is this one."""
    commonest = [place for place, count in enumerate(votes) if count == max(votes)]
    return (answer in commonest) / len(commonest)


def test_annotators_are_judged_as_one_by_one():
    targets = np.random.default_rng(5).integers(0, 7, 60)
    votes, labels = ballots(targets, seed=6, trust=0.2), COLUMN_OF[targets]
    pairs = list(zip(votes, labels, strict=True))
    by_others = [np.mean([drawn(others, answer) for answer, others in annotators(row)]) for row, _ in pairs]
    by_label = [np.mean([answer == label for answer, _ in annotators(row)]) for row, label in pairs]
    np.testing.assert_allclose(label_noise.one_by_others(votes), by_others)
    np.testing.assert_allclose(label_noise.votes_for(votes, labels), by_label)
    np.testing.assert_allclose(label_noise.commonest_is(votes, labels), [drawn(row, label) for row, label in pairs])
    tied = np.array([row.tolist().count(row.max()) > 1 for row in votes])
    assert tied.any() and not tied.all()
    np.testing.assert_array_equal(label_noise.leaders(votes), np.where(tied, -1, votes.argmax(1)))


def test_groups_and_errors_are_those_counted_image_by_image(tmp_path: Path, seen: Targets):
    results = evaluated(tmp_path, seen)
    noise, votes = results["summary"]["label_noise"], ballots(seen.test, seed=2)
    single = COLUMN_OF[probabilities(tmp_path, seen)[0].argmax(1)]  # vgg_fer, seed 0, is best on val
    assert noise["titles"]["single"] == "vgg_fer (seed 0)"
    counts = {"label": [0, 0, 0], "other": [0, 0, 0], "tied": [0, 0, 0]}
    for row, target, said in zip(votes, COLUMN_OF[seen.test], single, strict=True):
        top = np.flatnonzero(row == row.max())
        name = "tied" if len(top) > 1 else "label" if top[0] == target else "other"
        counts[name][0] += 1
        counts[name][1] += said == target
        counts[name][2] += len(top) == 1 and said == top[0]
    for name, (images, right, agreed) in counts.items():
        group = noise["groups"][name]
        assert (group["images"], group["says_label"]["single"]["hits"]) == (images, right)
        assert group["says_leader"]["single"]["hits"] == agreed
    errors = noise["errors"]
    assert sum(errors[part]["hits"] for part in ("undisputed", "shared", "unclear")) == errors["all"]["hits"]
    assert errors["shared"]["hits"] == noise["groups"]["other"]["says_leader"]["headline"]["hits"]
    label = noise["groups"]["label"]
    assert errors["undisputed"]["hits"] == label["images"] - label["says_label"]["headline"]["hits"]
    assert errors["without_undisputed"]["hits"] == len(votes) - errors["shared"]["hits"] - errors["unclear"]["hits"]
    assert noise["all"]["says_label"]["headline"]["value"] == pytest.approx(1 - errors["all"]["value"], abs=1e-6)


def test_degrees_of_agreement_hold_every_image_once_and_none_is_too_small(monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(8)
    votes = ballots(random.integers(0, 7, 900), seed=7)
    monkeypatch.setattr(label_noise, "FEWEST", 40)
    degrees = list(label_noise._degrees(votes))
    assert np.array_equal(sum(found.astype(int) for _, _, found in degrees), np.ones(900))
    assert min(found.sum() for _, _, found in degrees) >= 40
    for least, most, found in degrees:
        assert set(votes.max(1)[found]) <= set(range(least, most + 1))
    assert all(above[0] == below[1] + 1 for below, above in pairwise(degrees))


def test_intervals_of_shares_are_the_known_ones():
    for hits, count in ((0, 20), (20, 20), (7, 31), (288, 3589)):
        expected = binomtest(hits, count).proportion_ci(method="wilson")
        assert wilson_interval(hits, count) == pytest.approx([expected.low, expected.high], abs=1e-6)
    # Newcombe's own example, his table II (a), method 10: 56 of 70 against 48 of 80
    assert share_difference_interval(56, 70, 48, 80) == pytest.approx([0.0524, 0.3339], abs=1e-4)


# --- the page ------------------------------------------------------------------------------------------------------


def test_the_rivals_are_what_the_stored_predictions_give(tmp_path: Path, seen: Targets):
    results = evaluated(tmp_path, seen)
    text, members, target = summary_page(results), probabilities(tmp_path, seen), seen.test
    singles = [float((member.argmax(1) == target).mean()) for member in members]
    averages = [
        float((np.mean([members[index] for index in chosen], axis=0).argmax(1) == target).mean())
        for size in range(1, 5)
        for chosen in combinations(range(4), size)
    ]
    mine = next(row for row in results["ensembles"] if row["name"] == results["headline"])["test_accuracy"]
    expected = {
        "Best single member, vgg_fer (seed 0) | PublicTest": singles[0],
        "Average of all 4 members": averages[-1],
        "Best of 5 methods": max(row["test_accuracy"] for row in results["ensembles"]),
        "Best of the 15 averages of 4 members": max(averages),
    }
    for start, accuracy in expected.items():
        row = table_row(text, start)
        assert row[2] == percent(accuracy), start
        assert float(row[3]) == pytest.approx(100 * (mine - accuracy), abs=0.006), start
    best = table_row(text, f"Best single member, {results['members'][int(np.argmax(singles))]['label']} | **Priv")
    assert (best[1], best[2]) == ("**PrivateTest**", percent(max(singles)))
    low, high = results["members"][int(np.argmax(singles))]["difference_interval"]
    assert f"would claim {points(max(singles) - singles[0], 2)} [{points(low, 2)}, {points(high, 2)}] points" in text
    assert table_row(text, "picked on PublicTest")[-1] == percent(averages[-1])


def test_differences_to_the_best_single_member_are_the_leaderboards(tmp_path: Path, seen: Targets):
    results = evaluated(tmp_path, seen)
    row = next(row for row in results["ensembles"] if row["name"] == results["headline"])
    rival = results["summary"]["rivals"][0]
    assert rival["part"] == "single_on_val"
    assert (rival["difference"], rival["difference_interval"]) == (row["difference"], row["difference_interval"])
    assert rival["p"] == row["p_best_single"]


def test_duplicates_are_scored_apart(tmp_path: Path, seen: Targets):
    results = evaluated(tmp_path, seen)
    text, marks = summary_page(results), seen.test_in_train
    assert marks is not None
    right = probabilities(tmp_path, seen)[0].argmax(1) == seen.test
    whole, unseen, alone = (f"{percent(float(part.mean()))} %" for part in (right, right[~marks], right[marks]))
    section = text[text.index("## What duplicates are worth") : text.index("## Where label noise")]
    assert "20 of PrivateTest's 84 images also stand in Training" in section
    told = section[section.index("The best single member has") :]
    assert re.search(rf"has {whole} \[.*?\] on all, {unseen} \[.*?\] without them and {alone} \[", told)
    worth = points(float(right.mean() - right[~marks].mean()), 2)
    low, high = results["summary"]["overlap"][1]["worth_interval"]
    assert f"they are worth {worth} [{points(low, 2)}, {points(high, 2)}] points" in told
    assert low < right.mean() - right[~marks].mean() < high


def test_label_noise_is_told_with_its_numbers(tmp_path: Path, seen: Targets):
    results = evaluated(tmp_path, seen)
    text, votes = summary_page(results), ballots(seen.test, seed=2)
    leads = label_noise.leaders(votes) == COLUMN_OF[seen.test]
    bounds = interval(*wilson_interval(int(leads.sum()), len(leads)))
    assert f"is FER2013's label on {percent(float(leads.mean()))} % {bounds} of PrivateTest" in text
    assert f"on {percent(1 - float(leads.mean()))} % of the images the label is not what most annotators say" in text
    one = float(label_noise.one_by_others(votes).mean())
    assert f"by the commonest answer of the others, one annotator is right on {percent(one)} %" in text
    assert table_row(text, "is the label")[1] == str(leads.sum())


def test_without_votes_the_page_says_how_to_get_them(tmp_path: Path, seen: Targets):
    results = evaluated(tmp_path, seen, votes=False)
    assert f"the store has no votes of FER+ for this data. `{VOTES_COMMAND}` adds them." in summary_page(results)
    assert charts(results)["agreement"] is None
    assert "figures/agreement.png" not in summary_page(results)


def test_every_comparable_published_result_is_named_with_our_difference(tmp_path: Path, seen: Targets):
    results = evaluated(tmp_path, seen)
    text = summary_page(results)
    mine = next(row for row in results["ensembles"] if row["name"] == results["headline"])
    comparable = [row for row in results["published"] if row["comparable"]]
    assert len(comparable) > 10
    for row in comparable:
        cells = table_row(text, f"{row['method']}, {row['year']}")
        low, high = (points(bound - row["accuracy"], 2) for bound in mine["test_interval"])
        assert cells[1:4] == [
            percent(row["accuracy"]), points(mine["test_accuracy"] - row["accuracy"], 2), f"[{low}, {high}]"
        ]  # fmt: skip
    above = sum(row["accuracy"] > mine["test_accuracy"] for row in comparable)
    assert f"number {above + 1} of {len(comparable) + 1}" in text
    assert f"{len(comparable)} of {len(results['published'])}: those on PrivateTest" in text
    others = [row for row in results["published"] if not row["comparable"]]
    assert f"{sum(row['split'] != 'PrivateTest' for row in others)} are on another split" in text
    for row in others:
        assert f"| {row['method']}, {row['year']} |" not in text


@pytest.mark.parametrize("members", [MEMBERS[:1], MEMBERS[:2]], ids=["one member", "two members"])
def test_few_members_have_a_page_too(tmp_path: Path, faces: Targets, members: Any):
    text = summary_page(evaluated(tmp_path, faces, members=members))
    assert text.startswith("# FER2013 on one page\n\n**")
    assert "nan" not in text and "None" not in text


def test_a_headline_that_is_one_member_is_told_of_once_and_by_name(tmp_path: Path, seen: Targets):
    results = evaluated(tmp_path, seen, members=(("vgg_fer", 0, 4.0), ("resnet18", 0, 0.1), ("mini_xception", 0, 0.1)))
    assert results["headline"] == "best_single"
    assert [model["name"] for model in results["charts"]["shown"]] == ["vgg_fer"]
    text = summary_page(results)
    assert (
        "*Best single member* (vgg_fer), chosen" in text and "The headline, the best single member vgg_fer, w" in text
    )
    assert "The best single member has" not in text and "| Best single member, vgg_fer | PublicTest" not in text
    titles = [chart.title for chart in charts(results).values() if chart is not None]
    assert not any("headline ensemble" in title for title in titles)


def test_no_headline_leaves_what_can_be_told_without_one(tmp_path: Path, seen: Targets):
    results = evaluated(tmp_path, seen)
    results["headline"], results["summary"]["rivals"] = None, []
    noise = results["summary"]["label_noise"]
    noise["errors"] = None
    for part in (noise["titles"], noise["lead"], noise["all"]["says_label"], *_by_part(noise)):
        part.pop("headline")
    del results["summary"]["overlap"][0]
    text = summary_page(results)
    assert "Best single member: **vgg_fer (seed 0)**" in text
    assert "## What an ensemble buys" not in text and "## What duplicates are worth" in text
    assert "The best single member gives theirs" in text


def _by_part(noise: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for group in (*noise["groups"].values(), *noise["agreement"]):
        yield from (group[key] for key in ("says_label", "says_leader") if key in group)


def test_a_run_writes_the_same_page_twice_and_links_it(stored_results: Path, faces: Targets, no_figures: None):
    folder = stored_results / "fer2013"
    save_votes(folder / "predictions", faces, {"val": ballots(faces.val, 1), "test": ballots(faces.test, 2)})
    command = ("--suite", "fer2013", "--results", stored_results, "--ensemblers", "uniform", "top_k", "best_single")
    assert cli(*command, "--train", "never").code == 0
    first = files(folder)
    assert first["README.md"].decode() == summary_page(json.loads(first["results.json"]))
    assert "](README.md)" in first["leaderboard.md"].decode() and 'href="README.md"' in first["index.html"].decode()
    assert cli(*command, "--train", "never").code == 0
    assert files(folder) == first


def test_a_suite_without_a_summary_has_neither_page_nor_link(tmp_path: Path, faces: Targets):
    assert [name for name, suite in suites.suites().items() if suite.summary_page] == ["fer2013"]
    results = evaluated(tmp_path, faces)
    del results["summary"]
    assert summary_page(results) == ""
    assert "README.md" not in leaderboard.markdown(results)


@pytest.mark.skipif(not (ROOT / "results" / "fer2013" / "results.json").exists(), reason="no results are committed")
def test_the_committed_page_is_what_the_committed_results_give_and_stays_one_page():
    folder = ROOT / "results" / "fer2013"
    text = (folder / "README.md").read_text()
    assert text == summary_page(json.loads((folder / "results.json").read_text()))
    assert len(text.splitlines()) <= 95
    named = re.findall(r"\]\(((?!https?:)[^)#]+)", text)
    assert len(named) >= 7 and [name for name in named if not (folder / name).exists()] == []
