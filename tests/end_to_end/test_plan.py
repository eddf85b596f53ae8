"""What `plan` says of members that are stored, stale, or too long to train."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.digits import DIGITS, EPOCHS, digits, stored
from tests.helpers.runs import files

pytestmark = pytest.mark.usefixtures("nowhere_else")


def test_a_plan_writes_nothing(tmp_path: Path):
    done = digits(tmp_path / "results", "--plan", "--train", "missing")
    assert (done.code, done.err) == (0, "")
    assert [line.split()[:2] for line in done.out.splitlines()[1:5]] == [[name, "train"] for name in DIGITS]
    assert "4 members to train, about " in done.out
    assert not (tmp_path / "results").exists()


def test_a_plan_tells_what_is_stored_from_what_is_stale(digits_copy: Path):
    before = files(digits_copy)
    assert "0 members to train" in digits(digits_copy, "--plan").out
    plan = digits(digits_copy, "--plan", "--epochs", "2", "--members", "mlp").out
    assert "mlp     train" in plan
    assert f"not used: {stored(digits_copy, 'mlp').name} is stale: recipe.epochs was {EPOCHS}, is 2" in plan
    assert files(digits_copy) == before


def test_a_plan_leaves_out_what_does_not_fit_the_time(tmp_path: Path):
    options = ("--plan", "--epochs", "100000", "--members", "linear", "resnet_digits")
    assert "training it does not fit the time budget" in digits(tmp_path, *options, "--time-budget", "1").out
    assert "resnet_digits  leave out" in digits(tmp_path, *options).out
    assert "resnet_digits  train" in digits(tmp_path, *options, "--train", "missing").out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("recipe.optimizer=nonsense", "no optimizer matches 'nonsense': did you mean "),
        ("recipe.optimizer=qqqq", "no optimizer matches 'qqqq': known: "),
        ("recipe.optimizer=adamv", "no optimizer matches 'adamv': did you mean "),
        ("recipe.optimizer=lbfgs", "optimizer 'lbfgs' cannot be used here: it evaluates the loss itself"),
        ("recipe.labels.teacher=resnet_digit", "no member matches 'resnet_digit': did you mean resnet_digits"),
        ("recipe.labels.judge=nobody", "no member matches 'nobody'"),
    ],
)
@pytest.mark.parametrize("how", ["--plan", "--quiet"])
def test_a_name_that_no_training_could_use_is_refused_at_the_start(tmp_path: Path, change: str, said: str, how: str):
    done = digits(tmp_path / "results", how, "--train", "missing", "--members", "mlp", "--set", change)
    assert (done.code, done.out) == (2, "") and said in done.err
    assert not (tmp_path / "results").exists()


def test_a_known_optimizer_is_planned(tmp_path: Path):
    done = digits(tmp_path / "results", "--plan", "--members", "mlp", "--set", "recipe.optimizer=lion")
    assert (done.code, done.err) == (0, "") and "mlp" in done.out
