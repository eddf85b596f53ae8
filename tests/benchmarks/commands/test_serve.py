"""The verb `serve`: what it refuses before it serves, and a server of its own process from its first line to Ctrl-C."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.bundles import write_bundle
from tests.helpers.runs import ROOT, cli
from tests.helpers.serving import Client

for package in ("fastapi", "uvicorn", "python_multipart"):
    pytest.importorskip(package)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("model") / "model.onnx")


def refused(*arguments: object) -> str:
    done = cli("serve", *arguments)
    assert (done.code, done.out) == (2, "") and done.err.count("\n") == 1
    return done.err


def test_a_host_that_others_reach_needs_a_token(tmp_path: Path):
    assert "--host 0.0.0.0 can be reached by others: a token is needed, --token-file FILE" in refused(
        "--host", "0.0.0.0"
    )
    assert "none: cannot be read" in refused("--host", "0.0.0.0", "--token-file", tmp_path / "none")
    (tmp_path / "token").write_text("secret\n")
    assert "needs a token of 16 letters or more: python -c" in refused("--token-file", tmp_path / "token")


def test_what_is_missing_is_said_at_once(tmp_path: Path, bundle: Path):
    assert "none.onnx: there is no model to be read" in refused("--model", tmp_path / "none.onnx")
    assert "no detector is called 'haar'" in refused("--model", bundle, "--faces", "haar")
    assert "is no page; `benchmark.py export --format web` writes one" in refused("--page", tmp_path)
    assert "must lie between 0 and 65535, not 70000" in refused("--port", "70000")
    assert "must be a whole number" in refused("--port", "http")


def test_a_port_that_is_taken(bundle: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused("--model", bundle, "--faces", "cropped", "--port", port)
    assert f"--host 127.0.0.1 --port {port}: " in message


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    from benchmarks.commands import serve

    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "uvicorn" else object())
    assert refused() == 'benchmark.py: serve needs uvicorn: pip install -e ".[serve]"\n'


@pytest.mark.parametrize("workers", [1, 2])
def test_it_serves_until_it_is_interrupted(bundle: Path, workers: int):
    options = ("--model", bundle, "--faces", "cropped", "--port", 0, "--workers", workers, "--threads", 1)
    command = [sys.executable, "benchmark.py", "serve", *map(str, options)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            line = process.stdout.readline()
            found = re.match(
                r"http://127\.0\.0\.1:(\d+) answers POST /predict with brightness\. The model guesses", line
            )
            assert found, line
            assert Client(int(found[1])).get("/healthz", patience=20.0).status == 200
            process.send_signal(signal.SIGINT)
            process.wait(20)
        finally:
            process.kill()
        log = process.stderr.read()
    assert "GET /healthz 200 id=" in log and "Traceback" not in log
    assert process.returncode in (0, 130)
