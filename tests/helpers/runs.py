"""Ways to run the command line: in this process, and in one of its own."""

from __future__ import annotations

import io
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
from benchmarks.report import figures
figures.begin = lambda results, folder, jobs, fresh: list
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


def begun(*arguments: object) -> subprocess.Popen[str]:
    """A command line in a process and a session of its own, whose stderr can be read.

    No fork of the tests' process: threads and pools of tests before it would be missing there.
    """
    return subprocess.Popen(
        undrawn(*arguments), cwd=ROOT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative path, but locks and the record of the last run."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", "last_run.json"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
