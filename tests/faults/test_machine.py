"""Faults of the machine: full disks, killed processes, several users and writers at once. None of them costs a file."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

import ensembles.sealed
import zoo.sealed
from benchmarks.files import SUCCESSOR, CannotWrite, draft_of, remove_drafts, replace_atomically, write_atomic
from benchmarks.store import locks
from benchmarks.store.container import write_file
from benchmarks.store.locks import Occupied, locked
from benchmarks.store.weights import remove_finished, write_weights
from ensembles.sealed import publish
from tests.helpers.runs import ROOT
from tests.helpers.small_disk import small_disk


def test_both_packages_have_the_same_sealed_files():
    """Neither may import the other: `zoo/sealed.py` and `ensembles/sealed.py` are one text."""
    assert (ROOT / "zoo" / "sealed.py").read_text() == (ROOT / "ensembles" / "sealed.py").read_text()


def test_all_writers_name_their_drafts_alike(tmp_path: Path):
    """Or the sweeping of one would not know those of the others for what a dead process left."""
    path = tmp_path / "a.safetensors"
    assert zoo.sealed.draft_of(path) == ensembles.sealed.draft_of(path) == draft_of(path)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_atomic(path, "x" * 5000),
        lambda path: write_file(path, {"val": np.ones((50, 50))}, {}),
        lambda path: publish(path, b"x" * 5000),
        lambda path: write_weights(path, {}, {"code": "x" * 5000}, []),
    ],
)
def test_a_full_disk_leaves_what_was_there_and_no_draft(write: Callable[[Path], None], tmp_path: Path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"old")
    with small_disk(1000), pytest.raises(OSError):
        write(path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_an_error_of_writing_passes_from_process_to_process(tmp_path: Path):
    error = CannotWrite(tmp_path / "a.png", OSError(28, "No space left on device"))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_files_can_be_read_by_whom_the_umask_lets(tmp_path: Path):
    def narrow(draft: Path) -> None:
        draft.unlink()
        draft.touch(mode=0o600)  # as some libraries do

    before = os.umask(0o027)
    try:
        replace_atomically(tmp_path / "a", narrow)
        publish(tmp_path / "b", b"b")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"] == [0o640, 0o640]


def test_drafts_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    mine = draft_of(tmp_path / "a.safetensors")
    gone = mine.with_name(mine.name.replace(f".{os.getpid()}.", f".{dead.stdout.strip()}."))
    other, old = (tmp_path / f".{name}.elsewhere.1.draft" for name in ("b", "c"))
    for path in (mine, gone, other, old):
        path.write_text("half")
    os.utime(old, (time.time() - 7200,) * 2)
    remove_drafts(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, other])


def test_a_successor_goes_with_the_draft_of_its_dead_writer(tmp_path: Path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    mine, theirs = (draft_of(tmp_path / f"{name}.claim.0123") for name in "ab")
    gone = theirs.with_name(theirs.name.replace(f".{os.getpid()}.", f".{dead.stdout.strip()}."))
    successors = [tmp_path / f".{name}.claim.0123456789abcdef{SUCCESSOR}" for name in "ab"]
    for draft, successor in zip((mine, gone), successors, strict=True):
        draft.write_text("next")
        os.link(draft, successor)
    remove_drafts(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, successors[0]])


def test_the_state_of_a_training_whose_weights_are_there_is_removed(tmp_path: Path):
    for name in ("a.s0.1.weights.safetensors", "a.s0.1.pt", "a.s0.1.part0.pt", "a.s0.12.pt", "b.s0.2.pt"):
        (tmp_path / name).touch()
    remove_finished(tmp_path, tmp_path / "predictions")
    assert {path.name for path in tmp_path.iterdir()} == {"a.s0.1.weights.safetensors", "a.s0.12.pt", "b.s0.2.pt"}


def test_the_state_of_trees_whose_predictions_were_written_later_is_removed(tmp_path: Path):
    states, predictions = tmp_path / "checkpoints", tmp_path / "predictions"
    trees, network, own = "efficientnet_lite0_imagenet_xgboost", "vgg_fer@muon", "member_of_a_user"
    for folder in (states, predictions):
        folder.mkdir()
    for name in (trees, network, own):
        for seed, saved in ((0, 1e9), (1, 3e9)):
            (predictions / f"{name}.s{seed}.1.safetensors").touch()
            os.utime(predictions / f"{name}.s{seed}.1.safetensors", (2e9, 2e9))
            (states / f"{name}.s{seed}.1.pt").touch()
            os.utime(states / f"{name}.s{seed}.1.pt", (saved, saved))
    (states / f"{trees}.s2.1.pt").touch()
    before = {path.name for path in states.iterdir()}
    remove_finished(states, predictions)
    gone = before - {path.name for path in states.iterdir()}
    assert gone == {f"{trees}.s0.1.pt"}, "a network's is of a training anew, whose earlier predictions were fetched"


def test_a_folder_that_another_process_holds_is_told_of_with_whom_and_since_when(tmp_path: Path):
    with FileLock(tmp_path / locks.NAME):
        (tmp_path / locks.HOLDER).write_text("alice on abacus (process 7) since 2026-01-01 10:00:00\x1b[2J")
        with pytest.raises(Occupied) as found, locked(tmp_path, patience=0.05):
            pass
    assert "written by alice on abacus (process 7) since 2026-01-01 10:00:00[2J, and" in str(found.value)
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / locks.HOLDER).read_text()
    assert not (tmp_path / locks.HOLDER).exists()


def test_what_a_killed_process_left_to_say_that_it_holds_a_folder_is_removed(tmp_path: Path):
    holder = tmp_path / locks.HOLDER
    holder.write_text("bob on abacus (process 8)")
    with FileLock(tmp_path / locks.NAME):
        locks.remove_left_holder(tmp_path)
        assert holder.exists(), "it is held"
    locks.remove_left_holder(tmp_path)
    assert not holder.exists()
    locks.remove_left_holder(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_the_search_goes_on_without_a_process_that_was_killed(monkeypatch: pytest.MonkeyPatch):
    parent, module = os.getpid(), sys.modules["ensembles.search"]
    alone = module._attempt

    def killed(*job: object) -> object:
        if os.getpid() != parent:
            os.kill(os.getpid(), 9)
        return alone(*job)

    random = np.random.default_rng(0)
    logits, goal = random.normal(size=(3, 60, 4)), np.arange(60) % 4
    expected = ensembles.search(logits, goal, ["uniform", "weighted"])
    monkeypatch.setattr(module, "_attempt", killed)
    with pytest.warns(RuntimeWarning, match="a process of the search was killed, .*: 12 of 12 fits are left"):
        found = ensembles.search(logits, goal, ["uniform", "weighted"], n_jobs=2)
    assert [(one.name, one.cross_fit_accuracy) for one in found] == [
        (one.name, one.cross_fit_accuracy) for one in expected
    ]
