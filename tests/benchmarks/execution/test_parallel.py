"""Members trained at once: with what comes out as if each had been alone, and nothing lost where it ends early."""

from __future__ import annotations

import csv
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import Pipe, active_children
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from benchmarks.execution import slots as slots_of
from benchmarks.execution.plan import Step
from benchmarks.execution.progress import LogProgress
from benchmarks.execution.queue import TaskQueue
from benchmarks.execution.slots import MEMORY, Slot, inherited, memory, shares, slots, workers
from benchmarks.execution.stopping import INTERRUPT, LEAVE, interrupted, stop_signal
from benchmarks.execution.tasks import Task
from benchmarks.speed import side_by_side as speed
from benchmarks.speed import training
from benchmarks.speed.records import Record
from benchmarks.store.container import read_header
from benchmarks.store.file_names import member_files
from benchmarks.store.identity import Configuration
from tests.helpers.engines import MANY, MEMBERS, SLOW, predictions, wait_until
from tests.helpers.runs import PATIENCE, begun, cli
from zoo import registry
from zoo.recipes import Labels
from zoo.training.job import Progress

torch.set_num_threads(1)

pytestmark = pytest.mark.usefixtures("nowhere_else")


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    path = tmp_path / "members.py"
    path.write_text(MEMBERS)
    return path


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """On every machine one thread a worker, as the tests' own process has."""
    core = min(os.sched_getaffinity(0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {core})


def asked(zoo: Path, results: Path, *members: str) -> list[str]:
    options = ["--suite", "digits", "--device", "cpu", "--ensemblers", "uniform", "--train", "missing"]
    return [*options, "--zoo", str(zoo), "--results", str(results), "--members", *members]


@pytest.mark.usefixtures("no_figures", "one_core")
def test_side_by_side_every_bit_is_that_of_one_after_the_other(zoo: Path, tmp_path: Path):
    """And a teacher comes before its student, and a broken member costs the others nothing."""
    beside, alone = tmp_path / "beside", tmp_path / "alone"
    done = cli(*asked(zoo, beside, "student", "teacher", "broken"), "--side-by-side", "2")
    assert done.code == 0
    assert "not run: broken (seed 0): failed with RuntimeError: a wheel is missing" in done.out
    for member in ("teacher", "student"):
        assert cli(*asked(zoo, alone, member)).code == 0
        assert predictions(beside, member) == predictions(alone, member)
        (path,) = member_files(beside / "digits" / "predictions", member)
        assert read_header(path)["cpu_cores"] == 1, "the speed is that of its share of the cores"
    ended = [line.split("] ")[1].split(":")[0] for line in done.out.splitlines() if "trained in" in line]
    assert ended == ["teacher", "student"]
    assert not left_over()


def left_over() -> list[BaseProcess]:
    """Workers that still run; those of other tests' searches wait for more work."""
    return [child for child in active_children() if isinstance(child, SpawnProcess)]


def gone(group: int) -> bool:
    """Whether no process of the group is left, after a moment for the one that Python keeps for its own cleaning."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.usefixtures("no_figures")
def test_ctrl_c_stops_all_with_their_states_saved(zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(SLOW, str(zoo))
    results = tmp_path / "results"
    run = begun(*asked(zoo, results, "patient", "queued"), "--side-by-side", 2)
    checkpoints = results / "digits" / "checkpoints"
    wait_until(lambda: len(list(checkpoints.glob("*.pt"))) == 2 or run.poll() is not None, "two trainings begin")
    os.killpg(run.pid, signal.SIGINT)  # a terminal sends it to all processes as well
    _, message = run.communicate(timeout=PATIENCE)
    assert run.returncode == 130
    assert message == (
        "Interrupted in patient and queued; every state is saved, the same command goes on from there.\n"
    )
    assert gone(run.pid)
    saved = {path.name.split(".")[0]: torch.load(path, weights_only=True)["state"] for path in checkpoints.glob("*.pt")}
    assert set(saved) == {"patient", "queued"}
    monkeypatch.delenv(SLOW)
    assert cli(*asked(zoo, results, "patient", "queued")).code == 0
    for member, state in saved.items():
        (table,) = (results / "digits" / "predictions").glob(f"{member}.s0.*.csv")
        rows = list(csv.DictReader(table.open()))
        assert len(rows) == MANY
        kept = [f"{row['seconds']:.6g}" for row in state["history"]]
        assert [row["seconds"] for row in rows][: state["epoch"]] == kept


def test_workers_that_nobody_listens_to_save_their_state_and_end(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(SLOW, str(zoo))
    run = begun(*asked(zoo, tmp_path / "results", "patient", "teacher"), "--side-by-side", 2)
    checkpoints = tmp_path / "results" / "digits" / "checkpoints"
    wait_until(lambda: list(checkpoints.glob("patient*.pt")) or run.poll() is not None, "the training begins")
    (checkpoint,) = checkpoints.glob("patient*.pt")
    written = checkpoint.stat().st_mtime_ns
    run.kill()
    run.communicate()
    assert gone(run.pid)
    assert checkpoint.stat().st_mtime_ns > written


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_the_first_signal_asks_and_the_second_insists(number: signal.Signals):
    before = signal.getsignal(number)
    with stop_signal(None) as stop:
        assert stop() is None
        signal.raise_signal(number)
        assert stop() == (INTERRUPT if number == signal.SIGINT else LEAVE)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


# Whose turn it is


def task(name: str, seconds: float = 1.0, *, fold: int = 0, **changes: Any) -> Task:
    mlp = registry.get("mlp")
    member = replace(mlp, name=name, recipe=replace(mlp.recipe, labels=changes.pop("labels", Labels())), **changes)
    step = Step(Configuration(member, 0, "f" * 32, 10), None, True, seconds, "")
    return Task(SimpleNamespace(index=fold, count=2), step, name)  # type: ignore[arg-type]


def handed_out(tasks: Sequence[Task], longest_first: bool = True) -> list[str]:
    """The order in which one process gets them."""
    turns, order = TaskQueue(tasks, longest_first), []
    while chosen := turns.next([]):
        order.append(chosen.label)
    return order


def test_the_longest_comes_first_unless_time_is_short():
    tasks = [task("short", 1), task("long", 9), task("middle", 5)]
    assert handed_out(tasks) == ["long", "middle", "short"]
    assert handed_out(tasks, longest_first=False) == ["short", "long", "middle"]


def test_a_chain_counts_as_a_whole():
    pupil = task("pupil", 8, labels=Labels(teacher="mlp", judge="lenet:1", clean=0.1))
    assert handed_out([pupil, task("long", 9), task("mlp", 2)]) == ["mlp", "long", "pupil"]
    assert handed_out([pupil, task("mlp", 2)], longest_first=False) == ["mlp", "pupil"]


def test_a_member_waits_while_what_it_needs_is_trained():
    teacher, pupil, trees = task("mlp", 5), task("pupil", labels=Labels(teacher="mlp")), task("x", features_of="mlp")
    turns = TaskQueue([teacher, pupil, trees, task("mlp", fold=1)], longest_first=True)
    first = turns.next([])
    assert first is teacher
    elsewhere = turns.next([teacher])
    assert elsewhere is not None and elsewhere.fold.index == 1, "another fold has its own teacher"
    assert turns.next([teacher, elsewhere]) is None
    assert {turns.next([elsewhere]), turns.next([elsewhere])} == {pupil, trees}
    assert turns.next([]) is None


def test_other_views_wait_for_the_weights_they_look_with():
    plain = task("mlp")
    seen = replace(plain.step.configuration, member=registry.get("mlp@scale_tta"))
    views = replace(plain, step=replace(plain.step, configuration=seen))
    turns = TaskQueue([views, plain], longest_first=False)
    assert turns.next([]) is plain
    assert turns.next([plain]) is None
    assert turns.next([]) is views


def test_members_that_need_each_other_do_not_wait_for_ever():
    circle = [task("mlp", labels=Labels(teacher="lenet")), task("lenet", labels=Labels(teacher="mlp"))]
    assert sorted(handed_out(circle)) == ["lenet", "mlp"]
    assert handed_out([task("pupil", labels=Labels(teacher="nobody"))]) == ["pupil"], "its training says what is wrong"


def test_a_task_that_is_handed_out_again_comes_first():
    first, second = task("mlp", 5), task("lenet", 3)
    turns = TaskQueue([first, second], longest_first=True)
    assert turns.next([]) is first
    turns.again(first)
    assert turns.next([], lambda task: task is second) is second
    assert turns.next([second], lambda task: task is second) is None
    assert turns.next([second]) is first


def test_cores_are_divided():
    assert shares(range(7), 3) == [[0, 1], [2, 3], [4, 5]]
    assert shares([4, 5], 3) == [[4], [5], [4]]


def test_every_card_is_used():
    assert [slot.card for slot in slots(8, ["0", "1"])] == ["0"] * 4 + ["1"] * 4
    assert [slot.card for slot in slots(3, ["4", "6"])] == ["4", "4", "6"]
    assert workers("auto", "cuda", 99, cards=8) == 32
    assert slots(2, threads=3, cores=[5])[1] == Slot((5,), 3)


def test_a_process_inherits_its_card_and_its_threads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with inherited(Slot((0,), 2, "7")):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "2"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "6,7" and "MKL_NUM_THREADS" not in os.environ
    with inherited(Slot((0,), 2)):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "", "who trains on a CPU sees no card"


def test_there_are_no_more_processes_than_members():
    assert [workers(4, "cuda", count) for count in (0, 1, 3, 9)] == [1, 1, 3, 4]
    assert workers("auto", "cuda", 9) > 1


def test_every_core_trains_as_far_as_the_memory_goes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slots_of, "available", lambda: list(range(8)))
    for gibibytes, expected in ((64, 8), (13, 3), (2, 1)):
        monkeypatch.setattr(slots_of, "memory", lambda gibibytes=gibibytes: gibibytes * 2**30)
        assert workers("auto", "cpu", 99) == expected
    monkeypatch.setattr(slots_of, "memory", lambda: 2**40)
    assert workers("auto", "cpu", 3) == 3 and workers("auto", "cpu", 0) == 1


def test_a_machine_says_how_much_memory_it_has(monkeypatch: pytest.MonkeyPatch):
    assert 2**28 < memory() < 2**50
    monkeypatch.delattr(os, "sysconf")
    assert memory() == MEMORY


def test_who_interrupts_learns_what_is_saved():
    assert str(interrupted([])) == "Interrupted; every state is saved, the same command goes on from there."
    assert str(interrupted(["a"], LEAVE)) == (
        "Told to leave in a; its state is saved, the same command goes on from there."
    )


# What is shown


def test_lines_tell_members_apart(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(LogProgress, "PAUSE", -1.0)
    shown = LogProgress()
    shown.members(2)
    shown.start("a")
    shown.start("b")
    shown.progress(Progress(1, 9, 1, 9, 10.0, 1.0, None), "a")
    shown.progress(Progress(2, 9, 2, 9, 10.0, 1.0, None))
    shown.done("b", "over")
    shown.done("a", "over too")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["[1/2] a", "[2/2] b", "[2/2] b", "[1/2] a"]


# How much faster


def test_stacked_networks_learn_as_each_does_alone():
    member = registry.get("resnet_digits")
    torch.manual_seed(0)
    networks = [member.build(3, 1).train() for _ in range(2)]
    stack = speed.Stack(networks, member.recipe, bf16=False)
    batches = torch.randn(3, 2, 8, 1, 16, 16), torch.randint(0, 3, (3, 2, 8))
    found = torch.stack([stack.step(*batch) for batch in zip(*batches, strict=True)])
    recipe = member.recipe
    for number, network in enumerate(networks):
        optimizer = torch.optim.SGD(
            network.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
        )
        for step, (inputs, targets) in enumerate(zip(*(part[:, number] for part in batches), strict=True)):
            loss = F.cross_entropy(network(inputs), targets, label_smoothing=recipe.loss.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            torch.testing.assert_close(found[step, number], loss.detach(), rtol=1e-4, atol=1e-5)
        together = {**stack.parameters, **stack.buffers}
        for name, value in network.state_dict().items():
            torch.testing.assert_close(together[name][number].detach(), value, rtol=1e-3, atol=1e-4)


def tiny_work(*names: str) -> speed.Work:
    members = tuple(training.prepared(registry.get(name), 16) for name in names)
    return speed.Work(members, images=64, device="cpu", seconds=0.05, cores=tuple(sorted(os.sched_getaffinity(0))[:1]))


def test_throughput_is_compared_with_the_same_images_in_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(speed, "sides", lambda work: {"threads": speed.threads, "stacked": speed.stacked})
    path = tmp_path / "record.json"
    options = "--members resnet_digits --count 2 --images 64 --batch-size 16 --seconds 0.05 --rounds 1 --cores 1"
    speed.main([*options.split(), "--json", str(path)])
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"  stacked against {speed.ALONE}: ")
    rows = Record.read(path).comparisons
    assert [row.what for row in rows] == [f"2 x resnet_digits, 1 core(s): {side}" for side in ("threads", "stacked")]
    assert all(row.peer == speed.ALONE and row.ours > 0 for row in rows)
    assert speed.in_turn([30.0, 30.0], [40.0, 40.0]) == 40.0
    assert speed.in_turn([10.0, 90.0], [10.0, 90.0]) == 50.0, "each as fast as alone: twice the work in the same time"


def test_what_a_process_is_for_is_timed_on_its_cores():
    """In a thread, which has cores of its own as well, and starts sooner."""
    ours, theirs = Pipe(duplex=False)
    work, kept = tiny_work("resnet_digits"), []

    def one() -> None:
        speed.one_process(work, 0, Slot(work.cores, 1), threading.Barrier(1), theirs)
        kept.extend(os.sched_getaffinity(0))

    thread = threading.Thread(target=one)
    thread.start()
    thread.join(PATIENCE)
    assert ours.recv() > 0 and tuple(kept) == work.cores


def test_a_training_that_fails_leaves_no_other_waiting():
    broken = replace(registry.get("mlp"), builder=f"{__name__}:no_builder")
    work = tiny_work("mlp", "mlp")
    with pytest.raises((AttributeError, threading.BrokenBarrierError)):
        speed.threads(replace(work, members=(*work.members[:1], broken)))


def test_what_only_a_card_can_do_is_measured_there_alone():
    assert list(speed.sides(tiny_work("mlp", "mlp"))) == ["2 processes"]
    card = replace(tiny_work("mlp", "mlp"), device="cuda")
    assert list(speed.sides(card)) == ["2 processes", "2 threads with streams", "2 networks stacked"]
    mixed = replace(tiny_work("mlp", "lenet"), device="cuda")
    assert list(speed.sides(mixed)) == ["2 processes", "2 threads with streams"]
