"""Where numbers come from: code, libraries, hardware."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("torch", "timm", "numpy")


@cache
def code_version() -> str:
    """Return the commit the code runs from, with `+changes` where files differ from it; else the package's version."""
    root = Path(__file__).resolve().parents[1]
    git = ("git", "-C", str(root))
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        paths = ("zoo", "benchmarks/data")  # what a member's predictions depend on
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--", *paths], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return _installed("fer-ensembles") or "unknown"
    return commit.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide the numbers."""
    installed = {name: _installed(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **{name: number for name, number in installed.items() if number}}


def cpu_cores() -> int:
    """Count the cores this process may use: those it was given, or fewer where OMP_NUM_THREADS keeps torch to fewer."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(given, int(threads)) if threads.isdigit() and int(threads) else given


def resolve_device(wanted: str) -> str:
    """Return `cuda` or `cpu` for `auto` or either of them; raise ValueError for a GPU that is not there."""
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch sees no GPU here; use --device cpu or auto")
    return wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def device_name(device: str) -> str:
    """Name the hardware: `NVIDIA H100 80GB HBM3`, `AMD EPYC, 2 cores`."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    cores = cpu_cores()
    return f"{_processor()}, {cores} core{'s' if cores != 1 else ''}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
