"""The list of members to train: how it is read, what is said of it, and that what it trains is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from filelock import FileLock

from benchmarks import suites
from benchmarks.commands.train_queue import LIST
from benchmarks.execution.train_list import read_list, turn
from benchmarks.session import Options
from tests.helpers.runs import Outcome, cli, files
from zoo import registry

HEAD = "suite,member,seed,why\n"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_text(HEAD + "digits,lenet,0,small\ndigits,lenet@long,1,longer\n")
    return path


def queue(path: Path, results: Path, *more: str) -> Outcome:
    return cli("train-queue", "--queue", path, "--results", results, "--device", "cpu", *more)


def test_the_committed_list_names_suites_and_members_that_exist():
    entries = read_list(LIST)
    assert entries
    for entry in entries:
        assert suites.get(entry.suite) and registry.get(entry.member) and entry.why


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is nothing"),
        ("suite,member,seed\ndigits,lenet,0\n", "there is suite, member, seed"),
        (HEAD + "digits,lenet,zero,why\n", "line 2: the seed must be a whole number, not 'zero'"),
        (HEAD + "digits,lenet,-1,why\n", "line 2: the seed must be a whole number, not '-1'"),
        (HEAD + "digits,lenet,0\n", "line 2: 4 values are needed"),
        (HEAD + "digits,lenet,0,why, and why\n", "line 2: 4 values are needed"),
        (HEAD + "digits,lenet,0,a\ndigits,lenet,0,b\n", "line 3: lenet, seed 0, of digits stands above already"),
        (HEAD + "digits,lenett,0,a\n", "no member matches 'lenett': did you mean lenet"),
        (HEAD + "digitz,lenet,0,a\n", "no suite matches 'digitz'"),
    ],
)
def test_a_bad_list_is_refused_before_anything_is_trained(tmp_path: Path, text: str, said: str):
    path = tmp_path / "list.csv"
    path.write_text(text)
    outcome = queue(path, tmp_path / "results")
    assert outcome.code == 2 and said in outcome.err
    assert not (tmp_path / "results").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(listed: Path, tmp_path: Path):
    outcome = cli("train-queue", "--queue", listed, "--results", tmp_path / "results", "--device", "cuda")
    assert outcome.code == 2 and "torch sees no GPU" in outcome.err


def test_a_list_that_is_not_there_is_named(tmp_path: Path):
    outcome = queue(tmp_path / "none.csv", tmp_path / "results")
    assert outcome.code == 2 and "none.csv" in outcome.err


def test_what_is_listed_is_trained_once_and_kept(listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    results = tmp_path / "results"
    monkeypatch.setitem(registry.VARIANTS, "long", ("recipe.epochs=2",))
    listed.write_text(HEAD + "digits,lenet@long,0,short\ndigits,lenet@long,1,another seed\n")
    first = queue(listed, results)
    assert first.code == 0, first.err
    assert "2 done, 0 left" in first.out
    kept = files(results / "digits" / "predictions")
    of_members = [name.split(".") for name in kept if name.startswith("lenet")]
    assert {(member, seed, ".".join(end)) for member, seed, _, *end in of_members} == {
        ("lenet@long", seed, end) for seed in ("s0", "s1") for end in ("csv", "safetensors", "train.safetensors")
    }
    assert not (results / "digits" / "leaderboard.md").exists()
    assert queue(listed, results).code == 0
    assert files(results / "digits" / "predictions") == kept


def test_status_says_what_is_done_waiting_and_in_training_elsewhere(listed: Path, tmp_path: Path):
    results = tmp_path / "results"
    assert queue(listed, results, "--status").out.count("waiting") == 2
    assert not results.exists()
    stem = turn(read_list(listed)[0], Options(suite="digits", results=results)).tasks[0].stem
    claim = results / "digits" / "checkpoints" / f"{stem}.lock"
    claim.parent.mkdir(parents=True)
    with FileLock(claim):
        said = queue(listed, results, "--status").out
        assert said.count("in training") == 1 and "0 done, 2 left" in said
    (claim.parent / f"{stem}.pt").touch()
    said = queue(listed, results, "--status").out
    assert said.count("begun") == 1 and said.count("waiting") == 1
