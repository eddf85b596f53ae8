"""Reports from stored predictions, without data, and the table in the README."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import ensembles
from benchmarks import session, suites
from benchmarks.data import DataOptions
from benchmarks.suites import digits as digits_suite
from ensembles import registry
from tests.helpers.digits import SIMPLE, digits, leaderboard, names, read, stored
from tests.helpers.runs import Outcome, cli, python

pytestmark = pytest.mark.usefixtures("nowhere_else", "no_figures")


def test_stored_predictions_need_no_data_and_no_torch(stored_results: Path):
    script = "import sys, benchmark; code = benchmark.main(sys.argv[1:]); print('torch' in sys.modules, code)"
    options = ("--members", "vgg_fer", "resnet18", "mini_xception", "--results", stored_results)
    done = python("-c", script, "--suite", "fer2013", *options)
    assert done.stdout.splitlines()[-1] == "False 0", done.stderr
    labels = [member["label"] for member in read(stored_results, "fer2013")["members"]]
    assert labels == ["resnet18", "mini_xception", "vgg_fer (seed 0)", "vgg_fer (seed 1)"]
    assert all(f"| {label} |" in leaderboard(stored_results, "fer2013") for label in labels)


def test_members_without_predictions_are_listed_with_the_command_that_trains_them(stored_results: Path):
    done = cli("--suite", "fer2013", "--results", stored_results, *SIMPLE)
    assert done.code == 0
    found = read(stored_results, "fer2013")
    missing = [item["name"] for item in found["not_run"]]
    assert missing == [
        name for name in suites.get("fer2013").members if name not in ("vgg_fer", "resnet18", "mini_xception")
    ]
    assert {item["reason"] for item in found["not_run"]} == {"no stored predictions; no data to train on"}
    assert found["published"]
    with (stored_results / "fer2013" / "leaderboard.csv").open() as file:
        assert {row["kind"] for row in csv.DictReader(file)} == {"member", "ensemble", "published"}


@pytest.fixture
def other_data(monkeypatch: pytest.MonkeyPatch) -> str:
    """The digits suite finds other data than before; its fingerprint."""
    other = replace(digits_suite.load(DataOptions()), fingerprint="0" * 32)
    suite = replace(digits_suite.SUITES[0], load=lambda options: other, packaged="")
    monkeypatch.setattr(suites, "suites", lambda: {"digits": suite})
    return other.fingerprint


def test_predictions_of_other_data_than_named_are_stale(digits_copy: Path, other_data: str, tmp_path: Path):
    before = read(digits_copy)["data_fingerprint"]
    path = stored(digits_copy, "linear")
    done = digits(digits_copy, "--members", "linear", "--data", tmp_path, "--train", "missing", *SIMPLE)
    assert done.code == 0
    assert f"{path.name} is stale: data was {before}, is {other_data}" in done.out
    assert read(digits_copy)["data_fingerprint"] == other_data
    assert len(list(path.parent.glob("targets.*"))) == 2


def test_other_data_than_that_of_the_predictions_trains_nothing_unasked(digits_copy: Path, other_data: str):
    before = read(digits_copy)["data_fingerprint"]
    stored(digits_copy, "mlp").unlink()
    done = digits(digits_copy, "--train", "auto", *SIMPLE)
    assert done.code == 0
    assert "the images found are not those the stored predictions are of" in done.out
    assert names(digits_copy) == ["linear", "lenet", "resnet_digits"]
    assert read(digits_copy)["data_fingerprint"] == before


@pytest.fixture
def project(digits_run: tuple[Path, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of its own, with results and a README that has a place for them."""
    root = tmp_path / "project"
    shutil.copytree(digits_run[0], root / "results")
    (root / "pyproject.toml").touch()
    (root / "README.md").write_text(
        "# Ours\n\n<!-- headline:digits -->\n<!-- /headline -->\n\n<!-- leaderboard:digits -->\nold\n"
        "<!-- /leaderboard -->\n\nEnd.\n"
    )
    monkeypatch.setattr(session, "ROOT", root)
    monkeypatch.setattr(registry, "_REGISTRY", {name: ensembles.get(name) for name in ("best_single", "uniform")})
    return root


def test_the_default_run_puts_its_table_into_the_readme(project: Path):
    assert cli("--suite", "digits").code == 0
    text = (project / "README.md").read_text()
    assert "resnet_digits" in text and "old" not in text
    assert text.startswith("# Ours\n") and text.endswith("<!-- /leaderboard -->\n\nEnd.\n")
    result = text.partition("<!-- headline:digits -->\n")[2].partition("\n<!-- /headline -->")[0]
    assert result.startswith("Digits") and result.endswith("(results/digits/leaderboard.md).")
    assert len(result.splitlines()) == 1 and "cross-fitted" in result


def test_results_of_an_installed_package_land_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    site, here = tmp_path / "site-packages", tmp_path / "here"
    for folder in (site, here):
        folder.mkdir()
    monkeypatch.setattr(session, "ROOT", site)
    monkeypatch.chdir(here)
    done = cli("--suite", "digits", "--members", "linear", "--device", "cpu", "--train", "missing", *SIMPLE)
    assert done.code == 0, done.err
    assert read(here / "results")["members"][0]["name"] == "linear"
    assert not list(site.iterdir())


def test_any_other_run_leaves_the_readme_alone(project: Path, tmp_path: Path):
    elsewhere = shutil.copytree(project / "results", tmp_path / "elsewhere")
    before = (project / "README.md").read_bytes()
    for options in (["--members", "l[ei]n*"], ["--seeds", "0"], ["--ensemblers", "uniform"], ["--results", elsewhere]):
        assert cli("--suite", "digits", *options).code == 0
        assert (project / "README.md").read_bytes() == before, options
