"""A list trained on a machine that is at hand for minutes: what comes back, in which archives, and where it goes."""

from __future__ import annotations

import tarfile
import time
from pathlib import Path

import pytest
from filelock import FileLock

from benchmarks import suites
from benchmarks.execution import borrowed
from benchmarks.execution.borrowed import QUEUE, Room, new_files, pack
from benchmarks.execution.train_list import Entry, awaits, read_list, turn
from benchmarks.session import Options
from zoo import registry

HEAD = "suite,member,seed,why\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Predictions and weights of three members, of which `c` is the best on val."""
    for name, accuracy in (("a", 0.5), ("b", 0.6), ("c", 0.7)):
        for folder, file, size in (
            ("predictions", f"{name}.s0.0.safetensors", 3000),
            ("predictions", f"{name}.s0.0.train.safetensors", 9000),
            ("checkpoints", f"{name}.s0.0.weights.safetensors", 40_000),
            ("checkpoints", f"{name}.s0.0.pt", 90_000),
        ):
            path = tmp_path / "results" / "digits" / folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(size))
        history = tmp_path / "results" / "digits" / "predictions" / f"{name}.s0.0.csv"
        history.write_text(f"epoch,val_accuracy\n1,{accuracy - 0.1}\n2,{accuracy}\n")
    return tmp_path / "results"


def test_predictions_come_first_then_the_weights_that_are_best_on_val(results: Path):
    (results / "digits" / "predictions" / ".lock").touch()
    names = [path.name for path in new_files(results, 0.0)]
    assert [name.partition(".")[0] for name in names[-3:]] == ["c", "b", "a"]
    assert all(name.endswith(".weights.safetensors") for name in names[-3:])
    assert len(names) == 12, "state of unfinished trainings stays behind, and so do locks"


def test_what_was_there_before_stays_there(results: Path):
    assert new_files(results, time.time() + 10) == []


def test_archives_are_no_larger_than_asked_for_and_hold_the_most_valuable(results: Path, tmp_path: Path):
    files = new_files(results, 0.0)
    room = Room(size=125_000, archives=1)
    packed = pack(files, results, room)
    packed.write(tmp_path)
    archives = sorted(tmp_path.glob("part-*.tar"))
    assert len(archives) == 1 and all(path.stat().st_size <= room.size for path in archives)
    travelling = [path for archive in packed.archives for path in archive]
    assert sorted([*travelling, *packed.left_out]) == sorted(files)
    assert [path.name.partition(".")[0] for path in packed.left_out] == ["b", "a"], str(packed)
    assert "left behind, no room: a.s0.0.weights.safetensors" in str(packed)


def test_a_file_that_no_archive_holds_is_left_and_costs_the_others_nothing(results: Path):
    packed = pack(new_files(results, 0.0), results, Room(size=50_000, archives=9))
    assert len(packed.left_out) == 3 and sum(map(len, packed.archives)) == 9


def test_what_was_packed_is_unpacked_and_nothing_is_overwritten(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pack(new_files(results, 0.0), results, Room(10**6, 1)).write(tmp_path)
    here = tmp_path / "here"
    own = here / "digits" / "predictions" / "a.s0.0.csv"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    assert borrowed.main(["--unpack", str(tmp_path), "--results", str(here)]) == 0
    assert own.read_text() == "mine" and f"left as it is: {own}" in capsys.readouterr().out
    assert len([path for path in here.rglob("*") if path.is_file()]) == 12
    assert borrowed.main(["--unpack", str(here), "--results", str(here)]) == 1


def test_an_archive_cannot_write_elsewhere(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with tarfile.open(tmp_path / "part-1.tar", "w") as archive:
        archive.add(tmp_path / "file", "../outside")
    with pytest.raises(tarfile.OutsideDestinationError):
        borrowed.unpack(tmp_path, tmp_path / "results")


def test_the_committed_list_names_members_that_exist_and_teachers_come_first():
    entries = read_list(QUEUE)
    place = {(entry.suite, entry.member): number for number, entry in enumerate(entries)}
    for number, entry in enumerate(entries):
        assert suites.get(entry.suite)
        teacher = registry.get(entry.member).recipe.labels.teacher
        for name in filter(None, teacher.split("+")):
            assert place[entry.suite, name] < number


def test_a_student_waits_for_the_teacher_that_another_process_trains(tmp_path: Path):
    options = Options(results=tmp_path, train="missing", device="cpu", changes=("recipe.labels.teacher=lenet",))
    teacher, student = Entry("digits", "lenet", 0, ""), Entry("digits", "mlp", 0, "")
    waiting = turn(student, options)
    assert not awaits(waiting, [teacher, student]), "nobody trains it: its own training says what is missing"
    claim = turn(teacher, options)._claim
    claim.parent.mkdir(parents=True)
    with FileLock(claim):
        assert awaits(turn(student, options), [teacher, student])
        assert not awaits(turn(student, options), [student]), "it is not in the list"
    assert not awaits(turn(student, options), [teacher, student])


def test_several_processes_train_a_list_and_its_predictions_are_packed(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_text(HEAD + "digits,linear,0,quick\ndigits,linear,1,quick\n")
    out = tmp_path / "packed"
    where = ["--queue", str(path), "--results", str(tmp_path / "results"), "--out", str(out)]
    done = borrowed.main([*where, "--device", "cpu", "--seconds", "120", "--processes", "2"])
    assert done == 0, (out / "log-0.txt").read_text()
    with tarfile.open(out / "part-1.tar") as archive:
        names = archive.getnames()
    assert sum(name.startswith("digits/predictions/linear.s") and name.endswith(".csv") for name in names) == 2
    assert sum(name.endswith(".weights.safetensors") for name in names) == 2
    assert "2 done, 0 left" in (out / "log-0.txt").read_text() + (out / "log-1.txt").read_text()
