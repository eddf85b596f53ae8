"""What becomes of members whose workers, scheduler or run are lost: real processes on the loopback interface."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.execution import elsewhere, placement
from benchmarks.execution.connection import address_of
from benchmarks.execution.crew import Crew
from benchmarks.execution.elsewhere import Elsewhere
from benchmarks.execution.engine import Engine
from benchmarks.execution.executor import NOT_STARTED, train_serially
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.roster import EngineLost
from benchmarks.execution.serving import Meeting
from benchmarks.execution.slots import Slot
from benchmarks.execution.stopping import BUDGET_SPENT, INTERRUPT, LEAVE, Interrupted, ToldToLeave
from benchmarks.session import Session
from benchmarks.speed.timing import made_up
from benchmarks.store.container import read_header
from benchmarks.store.file_names import member_files
from ensembles.search import search
from tests.helpers.engines import (
    MANY,
    MEMBERS,
    SLOW,
    Witness,
    address,
    options,
    pid_of,
    predictions,
    scheduler,
    tasks_of,
    train,
    wait_until,
    workers,
)
from tests.helpers.runs import PATIENCE, ROOT, UNDRAWN, begun, cli, python

torch.set_num_threads(1)

pytestmark = [pytest.mark.usefixtures("nowhere_else")]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that makes patient members slow while it is there."""
    return tmp_path_factory.mktemp("slow") / "slow"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A scheduler that soon takes a silent worker for lost."""
    with scheduler(tmp_path_factory.mktemp("scheduler"), "--lost-after", 1) as (file, _):
        yield file


@pytest.fixture(scope="module")
def two(file: Path, slow: Path) -> Iterator[Path]:
    """Two workers of that scheduler, for all tests."""
    with workers(file, "--slots", 2, **{SLOW: str(slow)}):
        yield file


@pytest.fixture
def engine(two: Path) -> Iterator[Engine]:
    """A run's way to them, both there."""
    engine = Engine(address(two))

    def both() -> bool:
        engine.look()
        return len(engine.facts) == 2

    wait_until(both, "two workers")
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def fast_again(slow: Path) -> Iterator[None]:
    yield
    slow.unlink(missing_ok=True)


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    path = tmp_path / "members.py"
    path.write_text(MEMBERS)
    return path


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a serial run makes of the members, one thread."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "members.py").write_text(MEMBERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_CACHE", str(folder / "cache"))
        for members in (("teacher", "patient"), ("student",)):
            session = Session(options(folder / "members.py", folder / "results", *members))
            session.keep_targets()
            _, failed = train_serially(session, tasks_of(session), lambda: None, NullProgress())
            assert not failed
    return folder / "results"


def asked(zoo: Path, results: Path, *members: str) -> list[str]:
    options = ["--suite", "digits", "--device", "cpu", "--ensemblers", "uniform", "--train", "missing"]
    return [*options, "--zoo", str(zoo), "--results", str(results), "--members", *members]


def epochs(results: Path, member: str) -> list[dict[str, str]]:
    (table,) = (results / "digits" / "predictions").glob(f"{member}.s0.*.csv")
    return list(csv.DictReader(table.open()))


@pytest.mark.usefixtures("no_figures")
def test_every_bit_is_that_of_a_serial_run(two: Path, zoo: Path, alone: Path, tmp_path: Path):
    """And a student waits for its teacher, and a broken member costs the others nothing."""
    done = cli(*asked(zoo, tmp_path, "student", "teacher", "broken"), "--engine", two)
    assert done.code == 0
    assert "not run: broken (seed 0): failed with RuntimeError: a wheel is missing" in done.out
    for member in ("teacher", "student"):
        assert predictions(tmp_path, member) == predictions(alone, member)
        (path,) = member_files(tmp_path / "digits" / "predictions", member)
        assert read_header(path)["cpu_cores"] == 1
    ended = [line.split("] ")[1].split(":")[0] for line in done.out.splitlines() if "trained in" in line]
    assert ended == ["teacher", "student"]


def test_what_is_killed_goes_on_elsewhere_from_its_checkpoint(
    engine: Engine, zoo: Path, slow: Path, alone: Path, tmp_path: Path
):
    slow.touch()
    shown = Witness()
    (task,) = tasks_of(Session(options(zoo, tmp_path, "patient")))
    before: list[int] = []

    def kill() -> None:
        before.append(len(shown.seen))
        os.kill(pid_of(engine, task.stem), signal.SIGKILL)
        slow.unlink()

    shown.once(lambda label, progress: progress.epoch >= 3, kill)
    (done, failed), _ = train(options(zoo, tmp_path, "patient"), engine, shown)
    assert not failed and list(done) == [task.stem]
    assert [note for note in shown.notes if "is lost; it goes on" in note]
    assert min(progress.epoch for _, progress in shown.seen[before[0] :]) >= 2
    assert predictions(tmp_path, "patient") == predictions(alone, "patient")


def test_who_is_told_to_leave_saves_the_step_and_another_goes_on(
    engine: Engine, zoo: Path, slow: Path, alone: Path, tmp_path: Path
):
    slow.touch()
    shown = Witness()
    (task,) = tasks_of(Session(options(zoo, tmp_path, "patient")))
    states = []

    def leave() -> None:
        os.kill(pid_of(engine, task.stem), signal.SIGUSR1)
        checkpoint = tmp_path / "digits" / "checkpoints" / f"{task.stem}.pt"
        before = checkpoint.stat().st_mtime_ns
        wait_until(lambda: checkpoint.stat().st_mtime_ns != before, "the state is saved")
        with suppress(Exception):  # the next worker may be at it already
            states.append(torch.load(checkpoint, weights_only=True)["state"])
        slow.unlink()

    shown.once(lambda label, progress: progress.epoch >= 2, leave)
    (done, failed), _ = train(options(zoo, tmp_path, "patient"), engine, shown)
    assert not failed and list(done) == [task.stem]
    assert not [note for note in shown.notes if "is lost" in note], "it counts for nothing"
    assert predictions(tmp_path, "patient") == predictions(alone, "patient")
    kept = [f"{row['seconds']:.6g}" for row in states[0]["history"]]
    assert [row["seconds"] for row in epochs(tmp_path, "patient")][: len(kept)] == kept


def test_what_takes_three_workers_along_is_reported(engine: Engine, zoo: Path, tmp_path: Path):
    shown = Witness()
    (done, failed), _ = train(options(zoo, tmp_path, "lost", "teacher"), engine, shown)
    assert [reason.split(" (")[0] for reason in failed.values()] == ["lost 3 workers"]
    assert [stem.split(".")[0] for stem in done] == ["teacher"]


def test_a_spent_budget_starts_no_further_member_and_an_interrupt_saves_all(
    engine: Engine, zoo: Path, slow: Path, tmp_path: Path
):
    slow.touch()
    shown = Witness()
    members = ("patient", "queued", "spare")
    budget = replace(options(zoo, tmp_path, *members), time_budget=1e9)
    (done, failed), tasks = train(budget, engine, shown, partial(once_seen, shown, BUDGET_SPENT))
    assert not done
    saved = "the time budget is spent; its state is saved, and the command goes on from there"
    assert [failed[task.stem] for task in tasks] == [saved, saved, NOT_STARTED]
    for why, kind, code in ((INTERRUPT, Interrupted, 130), (LEAVE, ToldToLeave, 75)):
        again = Witness()
        engine = Engine(engine.address)  # a run's way to the workers, which were asked to stop for that of before
        with pytest.raises(kind, match=" in patient and queued; every state is saved") as ended:
            train(budget, engine, again, partial(once_seen, again, why))
        engine.close()
        assert ended.value.code == code


def once_seen(shown: Witness, why: str) -> str | None:
    return why if shown.seen else None


def test_other_code_on_the_workers_is_refused_with_a_table(
    engine: Engine, zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(elsewhere, "code", lambda: "0123456789abcdef")
    session = Session(options(zoo, tmp_path, "teacher"))
    with pytest.raises(ValueError, match="workers run other code or libraries") as refused:
        Elsewhere(engine, Witness()).hardware(session)
    assert "0123456789abcdef" in str(refused.value) and "--other-code" in str(refused.value)
    engine.any_code = True
    assert Elsewhere(engine, Witness()).hardware(session).cores == 1


def test_workers_search_with_the_same_result(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(elsewhere, "WORTH_PROCESSES", 0)
    logits, targets = made_up(3, 100, 4)
    kinds = ("uniform", "greedy")
    place = Elsewhere(engine, Witness())
    scatter, sent = engine.client.scatter, []

    def counted(data: Any, **how: Any) -> Any:
        sent.append(data)
        return scatter(data, **how)

    monkeypatch.setattr(engine.client, "scatter", counted)
    with place.searching(Session(replace(options(tmp_path, tmp_path, "mlp"), zoo=())), logits, targets) as jobs:
        assert jobs == 2
        by_workers = search(logits, targets, kinds, n_jobs=jobs)
    large = [data for data in sent if isinstance(data, list) or np.asarray(data).size >= targets.size]
    assert len(large) == 1, "both rounds of cross-fits use what was sent once"
    here = search(logits, targets, kinds)
    assert [found.cross_fit_accuracy for found in by_workers] == [found.cross_fit_accuracy for found in here]
    for theirs, ours in zip(by_workers, here, strict=True):
        np.testing.assert_array_equal(theirs.cross_fit_probabilities, ours.cross_fit_probabilities)


def test_a_run_that_is_killed_is_gone_on_with(two: Path, zoo: Path, slow: Path, alone: Path, tmp_path: Path):
    slow.touch()
    run = begun(*asked(zoo, tmp_path, "patient"), "--engine", two)
    wait_until(lambda: list((tmp_path / "digits" / "checkpoints").glob("*.pt")), "a training begins")
    run.kill()
    run.communicate()
    slow.unlink()
    engine = Engine(address(two))
    shown = Witness()
    (done, failed), _ = train(options(zoo, tmp_path, "patient"), engine, shown)
    engine.close()
    assert done and not failed
    assert not shown.seen, "its worker went on by itself; the second run found what it had stored"
    assert predictions(tmp_path, "patient") == predictions(alone, "patient")


def test_a_worker_that_is_silent_for_long_is_taken_for_lost_and_may_come_back(
    engine: Engine, zoo: Path, slow: Path, alone: Path, tmp_path: Path
):
    slow.touch()
    shown = Witness()
    (task,) = tasks_of(Session(options(zoo, tmp_path, "patient")))
    silent: list[int] = []

    def fall_silent() -> None:
        silent.append(pid_of(engine, task.stem))
        os.kill(silent[0], signal.SIGSTOP)
        slow.unlink()

    shown.once(lambda label, progress: progress.epoch >= 2, fall_silent)
    (done, failed), _ = train(options(zoo, tmp_path, "patient"), engine, shown)
    assert done and not failed
    assert predictions(tmp_path, "patient") == predictions(alone, "patient")
    os.kill(silent[0], signal.SIGCONT)
    wait_until(lambda: is_gone(silent[0]), "it ends, and another takes its place")
    assert predictions(tmp_path, "patient") == predictions(alone, "patient")


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_what_finds_no_memory_on_a_shared_card_has_it_alone_once(
    file: Path, zoo: Path, slow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(SLOW, str(slow))
    slow.touch()
    cores = tuple(sorted(os.sched_getaffinity(0))[:1])
    with scheduler(tmp_path) as (own, _):
        crew = Crew([Slot(cores, 1, "0")] * 2, Meeting(address(own)))
        crew.start()
        watching = threading.Thread(target=crew.watch)
        watching.start()
        engine = Engine(address(own))
        given: list[tuple[str, list[str]]] = []
        submit = engine.submit

        def witnessed(worker: str, order: object) -> None:
            held = [held.configuration.name for held in engine.orders.values()]
            given.append((order.configuration.name, held))  # type: ignore[attr-defined]
            submit(worker, order)  # type: ignore[arg-type]

        monkeypatch.setattr(engine, "submit", witnessed)
        members = ("patient", "greedy", "queued")
        try:
            (done, failed), _ = train(replace(options(zoo, tmp_path, *members), time_budget=1e9), engine, Witness())
        finally:
            crew.leave()
            watching.join()
            engine.close()
    assert not failed and len(done) == 3
    assert given == [("patient", []), ("greedy", ["patient"]), ("greedy", []), ("queued", [])]


def test_a_worker_that_comes_late_gets_work_and_who_comes_after_one_that_leaves_goes_on(
    zoo: Path, slow: Path, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(placement, "LONELY", 0.2)
    slow.touch()
    shown, came = Witness(), []
    with scheduler(tmp_path) as (own, _):
        engine = Engine(address(own))
        run = threading.Thread(target=lambda: came.append(train(options(zoo, tmp_path, "patient"), engine, shown)))
        run.start()
        wait_until(lambda: shown.notes, "the run says that no worker has come")
        with workers(own, **{SLOW: str(slow)}) as first:
            wait_until(lambda: shown.seen, "a training begins")
            first.send_signal(signal.SIGTERM)
            assert first.wait(PATIENCE) == 75
        assert not came
        slow.unlink()
        with workers(own):
            run.join(PATIENCE)
        engine.close()
    ((done, failed), _), *_ = came
    assert done and not failed
    start = f"start one with: python -m benchmarks.execution.worker {engine.address}"
    assert set(shown.notes) == {f"no worker has come to {engine.address}; {start}"}
    assert predictions(tmp_path, "patient") == predictions(alone, "patient")


def test_a_lifetime_that_is_over_is_no_failure():
    with workers("tcp://127.0.0.1:1", "--lifetime", 0.01) as process:
        assert process.wait(PATIENCE) == 0


def test_when_the_scheduler_is_gone_the_run_ends_and_the_worker_stores_what_it_has(
    zoo: Path, slow: Path, alone: Path, tmp_path: Path
):
    slow.touch()
    shown = Witness()
    with scheduler(tmp_path) as (own, process), workers(own, "--patience", 2, **{SLOW: str(slow)}) as worker:
        engine = Engine(address(own))
        shown.once(lambda label, progress: progress.epoch >= 1, process.kill)
        with pytest.raises(EngineLost, match=r"is gone\. Workers store what they have begun") as ended:
            train(options(zoo, tmp_path, "patient"), engine, shown)
        assert ended.value.code == 75
        engine.close()
        slow.unlink()
        assert worker.wait(PATIENCE) == 75
    assert len(epochs(tmp_path, "patient")) == MANY
    assert predictions(tmp_path, "patient") == predictions(alone, "patient")


def test_who_names_no_scheduler_is_told(tmp_path: Path):
    with pytest.raises(ValueError, match="is no address such as tcp://HOST:8786, and there is no such file"):
        address_of(str(tmp_path / "none"))
    (tmp_path / "empty").write_text("{}")
    with pytest.raises(ValueError, match="does not say where a scheduler is"):
        address_of(str(tmp_path / "empty"))
    assert address_of("dask://head:8786") == "tcp://head:8786"


def test_certificates_shut_out_who_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = certificates(tmp_path / "tls")
    with scheduler(tmp_path, BENCHMARK_TLS=str(folder)) as (own, _):
        assert address(own).startswith("tls://127.0.0.1:")
        with workers(own, "--patience", 10, BENCHMARK_TLS=str(folder)):
            monkeypatch.setenv("BENCHMARK_TLS", str(folder))
            engine = Engine(address(own))
            wait_until(lambda: engine.next(0.2) or engine.facts, "a worker with a certificate is let in")
            engine.close()
        monkeypatch.setenv("BENCHMARK_TLS", str(certificates(tmp_path / "others")))
        with pytest.raises(ValueError, match="no scheduler answers at tls://"):
            Engine(address(own))
        monkeypatch.delenv("BENCHMARK_TLS")
        with pytest.raises(ValueError, match="no scheduler answers at tcp://"):
            Engine(address(own).replace("tls", "tcp"))


def certificates(folder: Path) -> Path:
    """An authority, and a certificate of it, made as benchmarks/execution/README.md says."""
    folder.mkdir()
    readme = (ROOT / "benchmarks" / "execution" / "README.md").read_text()
    commands = readme.partition("<!-- certificates -->\n```sh\n")[2].partition("```")[0]
    done = subprocess.run(["sh", "-e"], input=commands, text=True, cwd=folder, capture_output=True, timeout=PATIENCE)
    if done.returncode == 127:
        pytest.skip("openssl is not installed")
    assert done.returncode == 0, done.stderr
    return folder


def test_incomplete_certificates_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BENCHMARK_TLS", str(tmp_path))
    with pytest.raises(ValueError, match=r"ca\.pem is missing; the folder holds ca\.pem, cert\.pem, key\.pem"):
        Engine("tls://127.0.0.1:1")


def test_a_serial_run_imports_neither_engine_nor_timm(zoo: Path, tmp_path: Path):
    """Each takes seconds, which who trains a small network alone need not wait."""
    seen = "; print({'distributed', 'timm'} & set(sys.modules)); sys.exit(code)"
    code = UNDRAWN.replace("sys.exit(benchmark.main(sys.argv[1:]))", "code = benchmark.main(sys.argv[1:])" + seen)
    done = python("-c", code, *asked(zoo, tmp_path, "teacher"))
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["set()"]), done.stderr
