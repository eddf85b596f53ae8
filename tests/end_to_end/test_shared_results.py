"""Results in a bucket: whole runs that share one, from folders that do not know of each other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

import benchmark
from benchmarks import pipeline
from benchmarks.execution import executor, trainer
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.tasks import schedule
from benchmarks.session import Options, Session
from benchmarks.store import mirror
from benchmarks.store.mirror import mirrored
from benchmarks.store.objects import Folder
from tests.helpers.buckets import BUCKET, credentials, s3_server
from tests.helpers.runs import PATIENCE, ROOT

torch.set_num_threads(1)

MEMBERS = ("linear", "mlp")
RUN = ("--suite", "digits", "--train", "missing", "--device", "cpu", "--threads", "1", "--epochs", "3")
ARGUMENTS = (*RUN, "--ensemblers", "uniform", "--members", *MEMBERS, "--results", BUCKET)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    pytest.importorskip("obstore")
    pytest.importorskip("moto.server")
    with s3_server() as endpoint:
        yield endpoint


def asked(results: Path) -> Options:
    return Options("digits", MEMBERS, results=results, device="cpu", train="missing", epochs=3, threads=1)


def begun(machine: Path, endpoint: str) -> subprocess.Popen[str]:
    """A run on a machine of its own, which draws nothing."""
    environment = os.environ | credentials(endpoint) | {"BENCHMARK_CACHE": str(machine), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.helpers.short_reports", *ARGUMENTS]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def ended(run: subprocess.Popen[str]) -> str:
    said, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, said
    return said


def predictions(folder: Path) -> dict[str, dict[str, bytes]]:
    found = [path for path in sorted(folder.glob("*.s0.*.safetensors")) if ".train." not in path.name]
    return {path.name: {name: array.tobytes() for name, array in load_file(path).items()} for path in found}


def alone(results: Path) -> dict[str, dict[str, bytes]]:
    """What a serial run in a folder makes of the members."""
    session = Session(asked(results))
    session.keep_targets()
    tasks = [task for row in schedule(session)[0] for task in row]
    _, failed = executor.train_serially(session, tasks, lambda: None, NullProgress())
    assert not failed
    return predictions(results / "digits" / "predictions")


def test_two_runs_share_a_bucket_and_each_member_has_one_owner(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    runs = [begun(tmp_path / machine, endpoint) for machine in ("one", "two")]
    expected = alone(tmp_path / "results")
    said = [ended(run) for run in runs]
    for name, value in (credentials(endpoint) | {"BENCHMARK_CACHE": str(tmp_path / "three")}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(pipeline, "report", lambda *about: None)
    assert benchmark.main([*ARGUMENTS]) == 0
    assert "epoch" not in capsys.readouterr().out, "a third finds all trained"
    for machine in ("one", "two", "three"):
        (folder,) = (tmp_path / machine / "buckets").glob("*/digits")
        assert predictions(folder / "predictions") == expected
    assert len(expected) == len(MEMBERS)
    for member in MEMBERS:
        assert sum(f"{member}: epoch" in text for text in said) == 1, said


def test_a_bucket_that_cannot_be_reached_is_told_of_in_one_line(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name, value in (credentials(endpoint) | {"BENCHMARK_CACHE": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    assert benchmark.main([*ARGUMENTS[:-1], "s3://nobody/results"]) == 2
    assert "s3://nobody/results: " in capsys.readouterr().err


def test_a_worker_brings_and_puts_what_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On a machine that shares nothing with that of the run but the bucket, here a folder."""
    monkeypatch.setattr(mirror, "Bucket", lambda address: Folder(tmp_path / "bucket"))
    trainer.session_of.cache_clear()
    machines = {}
    for machine in ("driver", "worker"):
        monkeypatch.setenv("BENCHMARK_CACHE", str(tmp_path / machine))
        machines[machine] = mirrored(f"s3://{tmp_path.name}/results")
    session = Session(asked(machines["driver"]))
    sent = trainer.options_for_workers(session.options, "cpu")
    there = trainer.session_of(sent, ())
    assert there.mirror and there.mirror.folder == machines["worker"]
    there.keep_targets()
    configuration = session.configurations(session.folds[0])[0]
    context = executor.train_context(there, lambda: None, NullProgress())
    stopped = replace(context, stop=iter([None] * 9 + ["enough"] * 9).__next__)
    with pytest.raises(Exception, match="enough"):
        executor.execute(there, there.folds[0], configuration, stopped)
    state = f"digits/checkpoints/{configuration.stem}.pt"
    assert there.mirror.store.read(state) is not None, "another machine can go on"
    assert session.mirror
    executor.execute(session, session.folds[0], configuration, executor.train_context(session, *_silent()))
    assert there.mirror.store.read(state) is None
    there.mirror.fetch_member("digits", configuration.stem)
    expected = alone(tmp_path / "results")
    name = f"{configuration.stem}.safetensors"
    assert predictions(machines["worker"] / "digits" / "predictions")[name] == expected[name]


def _silent() -> tuple:
    return lambda: None, NullProgress()
