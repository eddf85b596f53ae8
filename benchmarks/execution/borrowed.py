"""Train a list on a machine that is at hand for minutes alone, and pack what comes of it for the way back.

    python -m benchmarks.execution.borrowed --data DIR --seconds 540 --out packed      # there; `make gpu` is this
    python -m benchmarks.execution.borrowed --unpack packed --results results          # here

Several processes train at once (`train-queue`, which gives each entry to one of them). Nothing that was finished is
lost: whatever is there when the time is up is packed, the most valuable first, into archives that are small enough to
travel: predictions, histories and logits on the training images, then the weights of the members that are best on val.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.files import read_csv

ROOT = Path(__file__).resolve().parents[2]
QUEUE = ROOT / "benchmarks" / "suites" / "gpu_queue.csv"
MIB = 2**20
GRACE = 60  # seconds for a training that was told to stop, to save its state
APART = 3  # seconds between the starts of two processes: each takes the first entry that is free


def main(argv: list[str] | None = None) -> int:
    """Trains and packs, or unpacks; returns 0, or 1 where nothing came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queue", type=Path, default=QUEUE, help="CSV of suite, member, seed, why")
    parser.add_argument("--data", type=Path, help="where the images are")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--seconds", type=float, default=540.0, help="for training; packing comes after it")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    parser.add_argument("--out", type=Path, default=Path("packed"), help="folder of the archives")
    parser.add_argument("--mib", type=float, default=15.5, help="of an archive, at most")
    parser.add_argument("--archives", type=int, default=7, help="at most")
    parser.add_argument("--unpack", metavar="FOLDER", type=Path, help="put what archives hold into --results")
    options = parser.parse_args(argv)
    if options.unpack is not None:
        return unpack(options.unpack, options.results)
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.time()
    train(options)
    packed = pack(new_files(options.results, began), options.results, Room(int(options.mib * MIB), options.archives))
    packed.write(options.out)
    print(packed)
    return 0 if packed.archives else 1


def train(options: argparse.Namespace) -> None:
    """Runs the processes until the list is done or the time is up; each leaves a log in the folder of the archives."""
    deadline = time.monotonic() + options.seconds
    command = [sys.executable, str(ROOT / "benchmark.py"), "train-queue", "--queue", str(options.queue)]
    command += ["--results", str(options.results), "--device", options.device, "--compile", "never"]
    command += ["--data", str(options.data)] if options.data else []
    running = []
    for number in range(options.processes):
        left = max(1, int(deadline - time.monotonic()))
        with (options.out / f"log-{number}.txt").open("w") as log:
            running.append(
                subprocess.Popen([*command, "--time-budget", str(left)], stdout=log, stderr=subprocess.STDOUT)
            )
        if number + 1 < options.processes:
            time.sleep(APART)
    for process in running:
        try:
            process.wait(max(1.0, deadline + GRACE - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def new_files(results: Path, since: float) -> list[Path]:
    """Files of predictions and weights that were written since then, in the order of their value."""
    found = [path for folder in ("predictions", "checkpoints") for path in results.glob(f"*/{folder}/*")]
    kept = [path for path in found if path.is_file() and path.stat().st_mtime >= since - 1 and _of_value(path)]
    return sorted(kept, key=lambda path: (_is_weights(path), -_val_accuracy(path) if _is_weights(path) else 0, path))


def _of_value(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix in (".safetensors", ".csv", ".npz", ".json")


def _is_weights(path: Path) -> bool:
    return path.parent.name == "checkpoints"


def _val_accuracy(weights: Path) -> float:
    """The best accuracy on val in the history beside the predictions of the same training; 0 without one."""
    stem = weights.name.removesuffix(".weights.safetensors")
    rows = read_csv(weights.parent.parent / "predictions" / f"{stem}.csv")
    return max((float(row["val_accuracy"]) for row in rows), default=0.0)


@dataclass(frozen=True)
class Room:
    """Bytes of an archive, and how many archives, at most."""

    size: int
    archives: int


@dataclass
class Packed:
    """Which files travel in which archive, and which do not fit."""

    results: Path
    archives: list[list[Path]] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write the archives."""
        for number, files in enumerate(self.archives, 1):
            with tarfile.open(folder / f"part-{number}.tar", "w") as archive:
                for path in files:
                    archive.add(path, str(path.relative_to(self.results)))

    def __str__(self) -> str:
        lines = [
            f"part-{number}.tar: {', '.join(path.name for path in files)}"
            for number, files in enumerate(self.archives, 1)
        ]
        return "\n".join([*lines, *(f"left behind, no room: {path.name}" for path in self.left_out)] or ["nothing new"])


def pack(files: Sequence[Path], results: Path, room: Room) -> Packed:
    """Give each file, in their order, a place in the first archive that has room for it."""
    packed, free = Packed(results), list[int]()
    for path in files:
        size = _in_archive(path.stat().st_size)
        place = next((number for number, left in enumerate(free) if left >= size), len(free))
        if place == len(free):
            if len(free) == room.archives or size > room.size - 2 * tarfile.RECORDSIZE:
                packed.left_out.append(path)
                continue
            free.append(room.size - 2 * tarfile.RECORDSIZE)
            packed.archives.append([])
        free[place] -= size
        packed.archives[place].append(path)
    return packed


def _in_archive(size: int) -> int:
    """Bytes that a file of this size takes in a tar: whole blocks, and its header with a long name."""
    return (size // tarfile.BLOCKSIZE + 5) * tarfile.BLOCKSIZE


def unpack(folder: Path, results: Path) -> int:
    """Put what the archives of a folder hold into the results; files that are there are left, and named."""
    count = 0
    for path in sorted(folder.glob("part-*.tar")):
        with tarfile.open(path) as archive:
            for member in _new(archive, results):
                archive.extract(member, results, filter="data")
                count += 1
    print(f"{count} files into {results}")
    return 0 if count else 1


def _new(archive: tarfile.TarFile, results: Path) -> Iterator[tarfile.TarInfo]:
    for member in archive:
        if os.path.lexists(results / member.name):
            print(f"left as it is: {results / member.name}")
        else:
            yield member


if __name__ == "__main__":
    sys.exit(main())
