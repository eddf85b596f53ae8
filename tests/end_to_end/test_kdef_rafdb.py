"""Whole runs of KDEF's two protocols and of RAF-DB on small layouts: every fold trained, pooled, reported, rebuilt."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.store.file_names import member_files
from tests.helpers.kdef_rafdb_layouts import write_kdef, write_rafdb
from tests.helpers.runs import Outcome, cli, files

MEMBERS = ("linear", "mlp")
ENSEMBLERS = ("best_single", "uniform", "greedy")
IMAGES = 10 * 7 * 2


def run(results: Path, suite: str, *options: object) -> Outcome:
    trained = ("--epochs", 2, "--set", "recipe.batch_size=32", "--device", "cpu")
    return cli(
        "--suite", suite, "--members", *MEMBERS, "--ensemblers", *ENSEMBLERS, "--results", results, *trained, *options
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data` and `results`: kdef, kdef-random and kdef again, so that each knows the other."""
    place = tmp_path_factory.mktemp("ran")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BENCHMARK_DATA", raising=False)
        patch.setenv("BENCHMARK_CACHE", str(place / "cache"))
        patch.setattr("benchmarks.pipeline.figures.begin", lambda results, folder, jobs, fresh: list)
        patch.chdir(place)
        write_kdef(place / "data" / "kdef", 10, "AB", ("S",))
        for suite in ("kdef", "kdef-random", "kdef"):
            done = run(place / "results", suite, "--train", "missing", "--image-side", 8)
            assert done.code == 0, done.err
    return place


@pytest.fixture
def again(ran: Path, tmp_path: Path, nowhere_else: None, no_figures: None) -> Path:
    """A results folder to do harm to, with no images in reach."""
    return Path(shutil.copytree(ran / "results", tmp_path / "results"))


def read(results: Path, suite: str = "kdef") -> dict[str, Any]:
    return json.loads((results / suite / "results.json").read_text())


def test_each_member_is_trained_once_a_fold_and_all_images_are_scored(ran: Path):
    found, store = read(ran / "results"), ran / "results" / "kdef" / "predictions"
    assert {name: len(member_files(store, name, 0)) for name in MEMBERS} == dict.fromkeys(MEMBERS, 5)
    assert len(list(store.glob("targets.*.safetensors"))) == 5
    assert found["splits"]["test"] == {"name": "New people (5 folds)", "size": IMAGES}
    assert found["splits"]["train"]["size"] == IMAGES * 3 // 5
    assert found["protocol"] == {"folds": 5, "unit": "people", "units": 10}
    assert [len(member["folds"]) for member in found["members"]] == [5, 5]
    assert all(sum(map(sum, row["counts"])) == IMAGES for row in found["confusions"])
    assert found["audit"]["overlap"]["test_in_train"] == 0


def test_the_leaderboard_is_rebuilt_without_images_to_the_byte(ran: Path, again: Path):
    before = files(again / "kdef")
    done = run(again, "kdef")
    assert done.code == 0, done.err
    after = files(again / "kdef")
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == []


def test_the_leaderboard_says_how_it_was_measured_and_what_the_other_protocol_says(ran: Path):
    text = (ran / "results" / "kdef" / "leaderboard.md").read_text()
    assert f"Accuracy in per cent on New people (5 folds) ({IMAGES} images)" in text
    assert "bootstrap intervals over people, whose test images stand or fall together" in text
    assert "trained once in each of 5 folds" in text
    assert "whether folds keep people together is not stated" in text
    other = text.partition("## The other protocol: kdef-random")[2].partition("\n## ")[0]
    random = {member["name"]: member for member in read(ran / "results", "kdef-random")["members"]}
    assert "has every person's face in training and in test" in other
    assert "| New people (5 folds) | 95 % interval | Random 20 % (known faces) |" in other
    for name in MEMBERS:
        assert f"{100 * random[name]['test_accuracy']:.2f}" in next(line for line in other.splitlines() if name in line)


def test_reports_stand_beside_the_leaderboard(ran: Path):
    folder = ran / "results" / "kdef"
    assert "| macro average |" in (folder / "classification_report.md").read_text()
    with (folder / "classification_report.csv").open() as file:
        assert {row["name"] for row in csv.DictReader(file) if row["kind"] == "member"} == set(MEMBERS)
    with (folder / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["member"], row["fold"], row["epoch"]) for row in rows[:3]] == [
        ("linear", "1", "1"), ("linear", "1", "2"), ("linear", "2", "1"),
    ]  # fmt: skip
    assert len(rows) == len(MEMBERS) * 5 * 2


def test_a_member_without_one_fold_waits_and_only_that_fold_is_trained(ran: Path, again: Path):
    lost = read(again)["members"][0]["folds"][2]
    (again / "kdef" / "predictions" / f"linear.s0.{lost}.safetensors").unlink()
    done = run(again, "kdef", "--train", "never")
    assert done.code == 0, done.err
    found = read(again)
    assert [member["name"] for member in found["members"]] == ["mlp"]
    assert found["not_run"][0]["reason"].startswith("missing in 1 of 5 folds (3): no stored predictions")
    assert found["not_run"][0]["command"] == "python benchmark.py --suite kdef --members linear --train missing"
    done = run(again, "kdef", "--train", "missing", "--image-side", 8, "--data", ran / "data")
    assert "[1/1] linear, fold 3 of 5: val" in done.out
    assert [member["name"] for member in read(again)["members"]] == list(MEMBERS)


def test_the_plan_names_every_fold(again: Path):
    lines = run(again, "kdef", "--plan").out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:4]] == [f"linear, fold {fold} of 5" for fold in (1, 2, 3)]
    assert "0 members to train, each in 5 folds" in lines[-1]


def test_predictions_made_elsewhere_have_no_place_in_folds(again: Path, tmp_path: Path):
    (tmp_path / "mine.npz").touch()
    done = run(again, "kdef", "--add-predictions", tmp_path / "mine.npz")
    assert done.code == 2
    assert "kdef is scored in 5 folds" in done.err


def test_the_files_of_all_folds_pass_the_check(ran: Path):
    done = cli("--check", ran / "results" / "kdef")
    assert done.code == 0, done.err
    assert len(re.findall(r"^(?!targets|.*\.(weights|train)\.)\S+: ok$", done.out, re.MULTILINE)) == 10, done.out


def test_the_random_split_has_no_folds_and_intervals_over_people(ran: Path):
    found = read(ran / "results", "kdef-random")
    assert found["splits"]["test"] == {"name": "Random 20 % (known faces)", "size": IMAGES // 5}
    assert found["protocol"]["folds"] == 1
    assert found["protocol"]["units"] <= 10
    assert "the same faces on both sides" in cli("--list").out


def test_rafdb_runs_from_end_to_end(tmp_path: Path, nowhere_else: None, no_figures: None):
    write_rafdb(tmp_path / "data" / "rafdb", 20, 6)
    done = run(tmp_path / "results", "rafdb", "--train", "missing", "--image-side", 8)
    assert done.code == 0, done.err
    found = read(tmp_path / "results", "rafdb")
    assert [found["splits"][split]["size"] for split in ("train", "val", "test")] == [126, 14, 42]
    assert "RAF-DB test" in (tmp_path / "results" / "rafdb" / "leaderboard.md").read_text()
    assert "protocol" not in found
