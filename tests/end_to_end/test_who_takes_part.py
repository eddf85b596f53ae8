"""Which members, ensemblers and seeds take part."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.store.file_names import member_files
from tests.helpers.digits import DIGITS, EPOCHS, SIMPLE, digits, leaderboard, names, read, stored
from zoo import registry

torch.set_num_threads(1)

pytestmark = pytest.mark.usefixtures("nowhere_else", "no_figures")


def test_globs_choose_members_and_ensemblers(digits_copy: Path):
    done = digits(digits_copy, "--members", "l[ei]n*", "mlp", "--ensemblers", "unif*", "best_s[i]*")
    assert done.code == 0
    assert names(digits_copy) == [name for name in registry.members() if name in ("linear", "mlp", "lenet")]
    assert [row["name"] for row in read(digits_copy)["ensembles"]] == ["best_single", "uniform"]


def test_a_member_of_no_suite_takes_part_when_asked_for(tmp_path: Path):
    done = digits(tmp_path, "--members", "mini_xception", "--train", "never")
    assert "mini_xception: no stored predictions" in done.err
    assert "linear" not in done.err


def test_seeds_are_trained_apart_and_then_taken_along(digits_copy: Path):
    options = ("--members", "linear", "mlp", *SIMPLE)
    assert digits(digits_copy, *options, "--seeds", "3", "0", "3", "--train", "missing").code == 0
    expected = [("linear", 3), ("linear", 0), ("mlp", 3), ("mlp", 0)]
    assert [(row["name"], row["seed"]) for row in read(digits_copy)["members"]] == expected
    assert "linear (seed 3)" in leaderboard(digits_copy)
    assert digits(digits_copy, *options).code == 0
    assert [(row["name"], row["seed"]) for row in read(digits_copy)["members"]] == sorted(expected)


def test_fewer_epochs_are_stored_apart(digits_copy: Path):
    before = stored(digits_copy, "mlp")
    content = before.read_bytes()
    done = digits(digits_copy, "--members", "mlp", "--epochs", "2", "--train", "missing", *SIMPLE)
    assert done.code == 0
    assert f"not used: {before.name} is stale: recipe.epochs was {EPOCHS}, is 2" in done.out
    assert read(digits_copy)["members"][0]["epochs"] == 2
    assert before.read_bytes() == content
    assert len(member_files(before.parent, "mlp", 0)) == 2
    assert digits(digits_copy, *SIMPLE).code == 0
    assert [row["epochs"] for row in read(digits_copy)["members"]] == [
        registry.get(name).recipe.epochs for name in DIGITS
    ]
