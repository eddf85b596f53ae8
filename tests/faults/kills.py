"""Kills runs of small suites, again and again: `python -m tests.faults.kills 500`, which `make kills` calls.

Each trial begins a command in a process that is forked from a warm one, kills it, and gives the same command again
until it gets through. Then nothing that was there is lost, nothing is left that an unbroken run does not leave, and
every number is that of the unbroken run.

A run dies by SIGKILL just before or after one of its changes to the disk, which is drawn among all that the unbroken
run makes, or after a part of its processor time, wherever it then is. Other work of the machine does not move that
moment, as it would move a part of its duration.
"""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load

from benchmarks.files import read_csv
from benchmarks.report import figures
from benchmarks.results import Results
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.digits import digits
from tests.helpers.generated import FACES, stored_predictions
from tests.helpers.runs import Outcome, cli, files
from zoo.sealed import read

CHANGES = ("replace", "rename", "unlink", "fsync", "link")  # calls of `os` that change what another process sees
SEALED = (".safetensors", ".scores", ".predicted", ".ensembler")  # their headers say when they were made
TIMES = ("seconds", "train_seconds", "images_per_second", "ms_per_image")
SIMPLE = ("--ensemblers", "uniform", "best_single", "log_pool_weighted")


@dataclass
class Scene:
    """A command that is killed: what is there before it, and what it does with a folder of results."""

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path], Outcome]
    expected: dict[str, Any] = field(default_factory=dict)
    changes: int = 0  # that the unbroken run makes
    seconds: float = 0.0  # of the processor, that it takes


def faces(folder: Path) -> Targets:
    """Write targets of 70 and 84 images of FER2013's classes that know their rows."""
    generator = np.random.default_rng(0)
    shares = (0.14, 0.02, 0.14, 0.25, 0.17, 0.11, 0.17)
    val, test = (generator.choice(7, count, p=shares) for count in (70, 84))
    rows = np.arange(700, 854, dtype=np.int32)
    targets = Targets(val, test, "f" * 32, FACES, 700, rows[:70], rows[70:])
    save_targets(folder, targets)
    return targets


def stored(results: Path) -> None:
    """Predictions of three members, and the file of a fourth that was trained elsewhere."""
    store = PredictionStore(results / "fer2013" / "predictions")
    targets = faces(store.folder)
    for name, skill in (("vgg_fer", 2.0), ("resnet18", 1.5), ("mini_xception", 1.0)):
        stored_predictions(store, targets, name, skill=skill)
    generator = np.random.default_rng(1)
    logits: dict[str, Any] = {
        split: 1.7 * np.eye(7)[truth] + generator.normal(size=(len(truth), 7))
        for split, truth in (("val", targets.val), ("test", targets.test))
    }
    np.savez(results / "mine.npz", allow_pickle=False, **logits)


def search(results: Path) -> Outcome:
    """Search ensembles among stored predictions, and report."""
    return cli("--suite", "fer2013", "--results", results, "--train", "never", "--jobs", 1, *SIMPLE)


def searched(results: Path) -> None:
    """All of a run but its reports: what is left to do is to write them."""
    stored(results)
    search(results)
    for path in [*results.glob("*.*"), *(results / "fer2013").glob("*.*"), *results.glob("*/local/*.json")]:
        if path.is_file() and path.suffix != ".npz":
            path.unlink()


def add(results: Path) -> Outcome:
    """Add the predictions of a model trained elsewhere, and run."""
    return cli("add", results / "mine.npz", "--results", results, "--train", "never", "--jobs", 1, *SIMPLE)


def train(results: Path) -> Outcome:
    """Train two members of the digits suite, with a checkpoint after every epoch, search and report."""
    changed = ("--set", "recipe.epochs=3", "--checkpoint-every", 0)
    return digits(results, "--members", "linear", "lenet", *changed, "--train", "missing", "--jobs", 1, *SIMPLE)


SCENES = {
    scene.name: scene
    for scene in (
        Scene("training", lambda results: None, train),
        Scene("search", stored, search),
        Scene("reports", searched, search),
        Scene("adding", stored, add),
    )
}


class Kills:
    """Scenes in a folder, made ready to be killed: an unbroken run of each has been made, in this process."""

    def __init__(self, folder: Path, names: tuple[str, ...] = tuple(SCENES)) -> None:
        self.folder, self.scenes = folder, [SCENES[name] for name in names]
        for scene in self.scenes:
            start, whole = folder / f"{scene.name}.start", folder / f"{scene.name}.whole"
            start.mkdir(parents=True)
            scene.prepare(start)
            shutil.copytree(start, whole)
            self._at(whole, scene.run)  # once here, so that nothing is left to be imported
            shutil.rmtree(folder / "results")
            shutil.copytree(start, folder / "results")
            scene.seconds, code = self._forked(scene, functools.partial(self._counted, scene))
            assert code == 0, f"{scene.name}: the unbroken run ends with {code}"
            scene.changes = int((folder / "changes").read_text())
            scene.expected = comparable(folder / "results")
            shutil.rmtree(folder / "results")

    def trial(self, number: int) -> str:
        """Kill a scene as the number says, once or several times; return how. AssertionError where anything is lost."""
        chance = random.Random(number)
        scene = self.scenes[number % len(self.scenes)]
        results = self.folder / "results"
        shutil.rmtree(results, ignore_errors=True)
        shutil.copytree(self.folder / f"{scene.name}.start", results)
        told = []
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            if chance.random() < 0.6:
                at, before = chance.randrange(scene.changes), chance.random() < 0.5
                deadly = functools.partial(_dies_at_change, at, before)
                told.append(f"{'before' if before else 'after'} change {at} of {scene.changes}")
            else:
                seconds = chance.uniform(0.01, 1) * scene.seconds
                deadly = functools.partial(_dies_after, seconds)
                told.append(f"after {seconds:.2f} of {scene.seconds:.2f} s")
            self._forked(scene, deadly)
        how = f"trial {number}, {scene.name}: killed {', '.join(told)}"
        left = kept(results)
        _, code = self._forked(scene, lambda: None)
        assert code == 0, f"{how}: the same command again ends with {code}: {(self.folder / 'said').read_text()}"
        lost = [name for name, content in left.items() if not _is_there(results / name, content)]
        assert not lost, f"{how}: lost or changed: {lost}"
        found = comparable(results)
        strays, missing = sorted(found.keys() - scene.expected.keys()), sorted(scene.expected.keys() - found.keys())
        assert not strays and not missing, f"{how}: strays {strays}, missing {missing}"
        other = sorted(name for name in found if found[name] != scene.expected[name])
        assert not other, f"{how}: other than after an unbroken run: {other}"
        return how

    def _at(self, place: Path, run: Callable[[Path], Outcome]) -> Outcome:
        """Run in the one folder of results whose name stands in what is written."""
        results = self.folder / "results"
        shutil.rmtree(results, ignore_errors=True)
        place.rename(results)
        return run(results)

    def _forked(self, scene: Scene, first: Callable[[], None]) -> tuple[float, int]:
        """Run a scene in a child, which calls `first` before; return its processor time and how it ended."""
        sys.stdout.flush()
        if not (child := os.fork()):
            code = 70
            try:
                first()
                done = scene.run(self.folder / "results")
                code = done.code
                (self.folder / "said").write_text(done.out + done.err)
                (self.folder / "changes").write_text(str(len(_changes)))
            except BaseException as error:
                (self.folder / "said").write_text(repr(error))
            finally:
                os._exit(code)
        _, status, used = os.wait4(child, 0)
        return used.ru_utime + used.ru_stime, os.waitstatus_to_exitcode(status)

    def _counted(self, scene: Scene) -> None:
        _on_changes(lambda: None, lambda: None)


_changes: list[int] = []  # of a child, which begins with none


def _on_changes(before: Callable[[], None], after: Callable[[], None]) -> None:
    """Have `before` and `after` called around each change to the disk."""

    def around(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def changed(*arguments: Any, **options: Any) -> Any:
            before()
            done = call(*arguments, **options)
            after()
            _changes.append(1)
            return done

        return changed

    for name in CHANGES:
        setattr(os, name, around(getattr(os, name)))


def _dies_at_change(number: int, before: bool) -> None:
    def die(here: bool) -> None:
        if here and len(_changes) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    _on_changes(lambda: die(before), lambda: die(not before))


def _dies_after(seconds: float) -> None:
    """End this process after so much processor time, as SIGKILL does: nothing of it hears of the signal."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def kept(results: Path) -> dict[str, bytes]:
    """What must not be lost: predictions, targets, trained weights."""
    return {name: content for name, content in files(results).items() if name.endswith(".safetensors")}


def _is_there(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def comparable(results: Path) -> dict[str, Any]:
    """What a run left, by path: arrays of sealed files, tables and results without times, other texts as they are, and
    of those that tell how long a training took, that they are there."""
    timed = any(results.glob("*/checkpoints"))
    found: dict[str, Any] = {}
    for name, content in files(results).items():
        path = results / name
        if path.suffix in SEALED:
            found[name] = {key: array.tobytes() for key, array in load(read(path).content).items()}
        elif timed and path.suffix == ".csv":
            found[name] = [_timeless(row) for row in read_csv(path)]
        elif timed and path.name == "results.json":
            found[name] = _timeless(json.loads(content))
        else:
            found[name] = None if timed and path.suffix in (".md", ".html", ".tex") else content
    return found


def _timeless(value: Any) -> Any:
    """A value without what no two trainings have the same."""
    if isinstance(value, dict):
        return {key: _timeless(part) for key, part in value.items() if key not in TIMES}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


def _draw_nothing(results: Results, folder: Path, jobs: int = 1, *, fresh: bool = False) -> Callable[[], list[Path]]:
    """Stands for the figures, which are most of the time of a small run."""
    return list


def main(count: int, first: int = 0) -> int:
    """Kill so many runs, numbered from `first`; return 1 where one of them costs anything."""
    told, began = Counter[str](), time.monotonic()
    figures.begin = _draw_nothing
    with tempfile.TemporaryDirectory(prefix="kills-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as place:
        os.environ.update(BENCHMARK_CACHE=f"{place}/cache", BENCHMARK_DATA=f"{place}/none")
        kills = Kills(Path(place))
        for number in range(first, first + count):
            try:
                scene = kills.trial(number).split(": ")[0].split(", ")[1]
                told[scene] += 1
            except AssertionError as error:
                told["WRONG"] += 1
                print(error, flush=True)
            if sys.stdout.isatty() or not (number + 1) % 25:
                print(f"{number + 1 - first} of {count} runs killed, {time.monotonic() - began:.0f} s", flush=True)
    print(", ".join(f"{name}: {number}" for name, number in sorted(told.items())))
    return 1 if told["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:] or ["500"])))
