"""Results in a bucket: whole runs that share one, from folders that do not know of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import benchmark
from benchmarks.execution import executor, trainer
from benchmarks.execution.progress import NullProgress
from benchmarks.execution.tasks import schedule
from benchmarks.session import Options, Session
from benchmarks.store import mirror
from benchmarks.store.mirror import mirrored
from benchmarks.store.objects import Folder
from tests.helpers.buckets import BUCKET, credentials, s3_server
from tests.helpers.warm_runs import WarmRun, begin, begin_function

MEMBERS = ("linear", "mlp")
RUN = (
    "--suite", "digits", "--train", "missing", "--device", "cpu", "--threads", "1", "--epochs", "3",
    "--ensemblers", "uniform", "--members", *MEMBERS,
)  # fmt: skip


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    pytest.importorskip("obstore")
    pytest.importorskip("moto.server")
    with s3_server() as endpoint:
        yield endpoint


def asked(results: Path) -> Options:
    return Options("digits", MEMBERS, results=results, device="cpu", train="missing", epochs=3, threads=1)


def begun(machine: Path, *arguments: str, **environment: str) -> WarmRun:
    """A run on a machine of its own, which draws nothing."""
    machine.mkdir(exist_ok=True)
    return begin(machine / "said.txt", (*RUN, *arguments), {"BENCHMARK_CACHE": str(machine), **environment})


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


def test_two_runs_share_a_bucket_and_each_member_has_one_owner(tmp_path: Path, endpoint: str):
    results = tmp_path / "results"
    runs = [begun(tmp_path / machine, "--results", BUCKET, **credentials(endpoint)) for machine in ("one", "two")]
    begun(tmp_path / "serial", "--results", str(results)).ended()
    expected = predictions(results / "digits" / "predictions")
    said = [run.ended() for run in runs]
    third = begun(tmp_path / "three", "--results", BUCKET, **credentials(endpoint)).ended()
    assert "epoch" not in third, "a third finds all trained"
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
    assert benchmark.main([*RUN, "--results", "s3://nobody/results"]) == 2
    assert "s3://nobody/results: " in capsys.readouterr().err


def test_a_worker_brings_and_puts_what_it_trains(tmp_path: Path):
    begin_function(tmp_path / "said.txt", worker_brings_and_puts, tmp_path).ended()


def worker_brings_and_puts(tmp_path: Path) -> None:
    """On a machine that shares nothing with that of the run but the bucket, here a folder."""
    monkeypatch = pytest.MonkeyPatch()  # of a process that ends with this function
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
