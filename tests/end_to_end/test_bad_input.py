"""What users are told when it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.helpers.digits import DIGITS, digits
from tests.helpers.runs import cli, files

pytestmark = pytest.mark.usefixtures("nowhere_else")


UNKNOWN = [
    (["--suite", "fer2031"], "no suite matches 'fer2031': did you mean fer2013"),
    (
        ["--suite", "digits", "--members", "resnet_digit"],
        "no member matches 'resnet_digit': did you mean resnet_digits",
    ),
    (["--suite", "digits", "--members", "linear", "zz*"], "no member matches 'zz*': known: "),
    (["--suite", "digits", "--ensemblers", "unifrom"], "no ensembler matches 'unifrom': did you mean uniform?"),
]


@pytest.mark.parametrize(("options", "message"), UNKNOWN)
def test_an_unknown_name_ends_at_once_with_the_nearest(tmp_path: Path, options: list[str], message: str):
    done = cli(*options, "--results", tmp_path / "results")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"benchmark.py: {message}")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--epochs", "0"],
        ["--epochs", "many"],
        ["--seeds", "-1"],
        ["--time-budget", "0"],
        ["--jobs", "0"],
        ["--side-by-side", "0"],
        ["--side-by-side", "few"],
        ["--threads", "0"],
        ["--checkpoint-every", "-1"],
        ["--engine", "nowhere"],
        ["--train", "sometimes"],
        ["--device", "abacus"],
        ["--nonsense"],
    ],
)
def test_a_value_out_of_range_ends_at_once(tmp_path: Path, options: list[str]):
    done = cli("--suite", "digits", "--results", tmp_path / "results", *options)
    assert (done.code, done.out) == (2, "")
    assert options[0] in done.err.splitlines()[-1]
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("train", ["missing", "always", "never"])
def test_without_data_and_predictions_the_user_learns_how_to_get_them(tmp_path: Path, train: str):
    done = cli("--suite", "fer2013", "--results", tmp_path / "results", "--train", train)
    assert (done.code, done.out) == (2, "")
    for form in ("fer2013.csv", "icml_face_data.csv", "class folders", "parquet"):
        assert form in done.err
    assert "python benchmark.py --suite fer2013 --download" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("train", ["missing", "always"])
def test_training_what_is_missing_needs_the_data(stored_results: Path, train: str):
    before = files(stored_results)
    done = cli("--suite", "fer2013", "--results", stored_results, "--train", train)
    assert (done.code, done.out) == (2, "")
    assert "FER2013 was not found" in done.err
    assert files(stored_results) == before


def test_a_data_folder_that_is_not_there_is_named(tmp_path: Path, stored_results: Path):
    done = cli("--suite", "fer2013", "--results", stored_results, "--data", tmp_path / "nowhere")
    assert done.code == 2
    assert f"{tmp_path / 'nowhere'} (does not exist)" in done.err


def test_never_training_with_nothing_stored_says_what_to_do(tmp_path: Path):
    done = digits(tmp_path / "results", "--train", "never")
    assert (done.code, done.out) == (2, "")
    assert "No member of digits has predictions to score" in done.err
    assert all(f"{name}: no stored predictions; training is switched off" in done.err for name in DIGITS)
    assert done.err.endswith("Try --train missing.\n")
    assert not (tmp_path / "results").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path):
    done = cli("--suite", "digits", "--results", tmp_path / "results", "--device", "cuda", "--train", "missing")
    assert done.code == 2
    assert "torch sees no GPU" in done.err


def test_a_suite_with_nothing_to_download_says_so(tmp_path: Path):
    done = digits(tmp_path / "results", "--download")
    assert done.code == 2
    assert "nothing to download" in done.err
