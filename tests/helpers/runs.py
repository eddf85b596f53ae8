"""Ways to run the command line: in this process, in one of its own, and in a fork, which need not import it again."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import benchmark

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 900  # seconds a subprocess may take, on however busy a machine

UNDRAWN = """
import sys, benchmark
from benchmarks.report.leaderboard import figures
figures.draw = lambda results, folder, jobs, fresh: []
sys.exit(benchmark.main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    code: int
    out: str
    err: str


def cli(*arguments: object) -> Outcome:
    """Runs benchmark.main in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = benchmark.main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = int(left.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


def python(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs Python in a process of its own."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)


def undrawn(*arguments: object) -> list[str]:
    """The command of a process of its own that runs benchmark.main without its figures, most of the time of a run."""
    return [sys.executable, "-c", UNDRAWN, *map(str, arguments)]


@dataclass(frozen=True)
class Fork:
    """A command line that a child of this process runs, with a session of its own, and the file of what it says."""

    pid: int
    said: Path

    def ended(self) -> bool:
        """Whether it has, without waiting for it."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def outcome(self) -> Outcome:
        """Wait for it; its `out` and `err` are one text, and its code is minus the signal that killed it."""
        _, status = os.waitpid(self.pid, 0)
        return Outcome(os.waitstatus_to_exitcode(status), said := self.said.read_text(encoding="utf-8"), said)


def fork(said: Path, *arguments: object) -> Fork:
    """Begin a command line in a child, which must train nothing itself: a fork cannot where there is a GPU."""
    if child := os.fork():
        return Fork(child, said)
    code = 70
    try:
        os.setsid()
        with said.open("w", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
            code = benchmark.main([str(argument) for argument in arguments])
    finally:
        os._exit(code)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative path, but locks and the record of the last run."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", "last_run.json"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
