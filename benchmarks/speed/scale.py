"""Selection and weights at sizes that peers do not reach, with the peak memory of the process that does it.

    python -m benchmarks.speed.scale [--large-members 10]

Two cases: 1,000 members of FER2013's shape, and 50,000 samples of 1,000 classes. Members lie in files like the store's
(safetensors, float16) and are memory-mapped; each case runs in a process of its own, so that its peak is its own, and
pages of the files that are mapped in count as memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from benchmarks.speed.records import Comparison, add_json_option, write_record
from benchmarks.speed.timing import header
from ensembles.selection import Greedy
from ensembles.streaming import StackedMembers
from ensembles.weighting import Weighted

LIMIT_GB = 4.0


def main(argv: list[str] | None = None) -> None:
    """Makes the files, runs each case in a process of its own, and prints seconds and peak memory."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--members", type=int, default=1000, help="of the case with many members")
    arguments.add_argument("--large-members", type=int, default=10, help="of the case with many classes")
    arguments.add_argument("--large-samples", type=int, default=50_000)
    arguments.add_argument("--large-classes", type=int, default=1000)
    arguments.add_argument("--select", type=Path, help=argparse.SUPPRESS)
    add_json_option(arguments)
    options = arguments.parse_args(argv)
    if options.select:
        print(json.dumps(select(options.select)))
        return
    title, rows = "Selection from memory-mapped predictions", []
    print(header(title))
    large = (options.large_members, options.large_samples, options.large_classes)
    for members, samples, classes in ((options.members, 3589, 7), large):
        with TemporaryDirectory() as folder:
            gigabytes = write_members(Path(folder), members, samples, classes)
            command = [sys.executable, "-m", "benchmarks.speed.scale", "--select", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        case = f"{members} members, {samples:,} samples, {classes} classes"
        print(f"\n{case}: {gigabytes:.1f} GB of files")
        found = json.loads(done.stdout)
        for name, seconds in found["seconds"].items():
            print(f"  {name:18s} {seconds:7.2f} s, accuracy {found['accuracy'][name]:.4f}")
            rows.append(Comparison(f"{case}: {name}", "s", seconds))
        verdict = "under" if found["peak_gb"] < LIMIT_GB else "OVER"
        print(f"  peak memory {found['peak_gb']:.2f} GB, {verdict} {LIMIT_GB:.0f} GB")
        rows.append(Comparison(f"{case}: peak memory", "GB", found["peak_gb"], target=LIMIT_GB))
    write_record(options.json, "scale", title, rows)


def write_members(folder: Path, members: int, samples: int, classes: int, seed: int = 0) -> float:
    """Files of made-up members, one at a time; returns their size in gigabytes."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, samples)
    save_file({"val": targets}, folder / "targets.safetensors")
    shared = rng.standard_normal((samples, classes), dtype=np.float32)
    shared[np.arange(samples), targets] += 1.6 if classes < 100 else 4.0
    skills = np.linspace(0.8, 1.2, members, dtype=np.float32)
    for member, skill in enumerate(skills):
        own = rng.standard_normal((samples, classes), dtype=np.float32)
        own += skill * shared
        save_file({"val": own.astype(np.float16)}, folder / f"member{member:04d}.safetensors")
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e9


def memory_map(path: Path, tensor: str) -> NDArray[np.float16]:
    """A float16 tensor of a safetensors file, mapped and not read: the file is a length, a JSON header, raw data."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        about = json.loads(file.read(length))[tensor]
    offset = 8 + length + about["data_offsets"][0]
    return np.memmap(path, dtype=np.float16, mode="r", offset=offset, shape=tuple(about["shape"]))


def select(folder: Path) -> dict[str, object]:
    """Seconds and fit accuracy of each method on the files of a folder, and the peak memory of this process."""
    targets = load_file(folder / "targets.safetensors")["val"]
    logits = StackedMembers([memory_map(path, "val") for path in sorted(folder.glob("member*.safetensors"))])
    seconds, accuracy = {}, {}
    for name, ensembler in (
        ("greedy", Greedy()),
        ("greedy, log-loss", Greedy(metric="log_loss")),
        ("weights", Weighted()),
    ):
        start = time.perf_counter()
        ensembler.fit(logits, targets)
        seconds[name] = time.perf_counter() - start
        accuracy[name] = float((ensembler.predict_proba(logits).argmax(axis=1) == targets).mean())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": seconds, "accuracy": accuracy, "peak_gb": peak / 1e9}


if __name__ == "__main__":
    main()
