"""Probes of members' features by one command: which weights, what is written, and that test is not looked at."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.commands.embeddings import FILE
from benchmarks.files import read_csv
from tests.helpers.digits import stored_weights
from tests.helpers.runs import Outcome, cli

pytestmark = pytest.mark.usefixtures("nowhere_else")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, digits_run: tuple[Path, Outcome]) -> Path:
    return Path(shutil.copytree(digits_run[0], tmp_path_factory.mktemp("probes") / "results"))


def embeddings(results: Path, *options: object) -> Outcome:
    return cli("embeddings", "--suite", "digits", "--results", results, "--device", "cpu", *options)


def test_each_member_with_weights_is_probed_once(results: Path):
    done = embeddings(results, "--members", "mlp", "lenet")
    assert done.code == 0, done.err
    rows = read_csv(results / "digits" / FILE)
    assert {row["stem"].partition(".")[0] for row in rows} == {"mlp", "lenet"}
    for row in rows:
        assert row["weights"] == "trained" and int(row["features"]) > 10
        assert min(float(row[key]) for key in ("val_linear", "val_neighbours", "val_own")) > 0.85
    assert "linear probe" in done.out and "own classifier" in done.out
    before = (results / "digits" / FILE).read_bytes()
    stored_weights(results, "mlp").write_bytes(b"not read again")
    assert embeddings(results, "--members", "mlp", "lenet").code == 0
    assert (results / "digits" / FILE).read_bytes() == before


def test_without_weights_it_is_said_how_to_get_them(results: Path, tmp_path: Path):
    done = embeddings(tmp_path / "none", "--members", "mlp")
    assert done.code == 2 and "train members first" in done.err
    done = embeddings(results, "--members", "mlp", "--start")
    assert done.code == 2 and "--members '*_imagenet'" in done.err
