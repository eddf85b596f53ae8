"""The released model on pictures, end to end, beside deepface: one face, three faces, crops, the first answer, a video.

    python -m benchmarks.speed.use [--deepface PYTHON] [--pictures 10000]

PYTHON is the interpreter of an environment of its own, since its numpy and TensorFlow are not this project's: `pip
install deepface tf-keras flask "opencv-contrib-python-headless<5"` (deepface 0.0.103 imports werkzeug without asking
for it, and its detector fails with OpenCV 5). Both sides work on the same files in turns, with as many threads as they
take by themselves. The pictures are made of the portrait that matplotlib ships.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np
from PIL import Image

from benchmarks.speed.records import Comparison, add_json_option, compare_times, write_record
from benchmarks.speed.timing import Timing, header, timed, timed_in_turns
from zoo.use import Recognizer
from zoo.use.encoded import open_image

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("onnxruntime", "pillow", "av")
DEEPFACE = "deepface"
CROPS, SHOWN_TO_PEER = 1000, 30  # crops of a folder; a peer that takes them one at a time shows its rate on fewer
FRAMES, FRAME = 200, (640, 450)
GROWTH_AFTER = 0.1  # share of the pictures after which memory is taken to have its size


def main(argv: list[str] | None = None) -> int:
    """Prints every figure; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deepface", metavar="PYTHON", type=Path, help="an interpreter that has deepface")
    parser.add_argument("--model", type=Path, help="a model file (default: the released one)")
    parser.add_argument("--faces", default="auto", help="as in benchmark.py predict")
    parser.add_argument("--pictures", type=int, default=1000, help="for the test of memory (default: 1000)")
    parser.add_argument("--repeats", type=int, default=7)
    add_json_option(parser)
    options = parser.parse_args(argv)
    print(header("Use on pictures", PACKAGES))
    with TemporaryDirectory() as folder:
        pictures = Pictures(Path(folder))
        rows = [*first_answer(options, pictures), *memory(options, pictures)]
        with _deepface(options.deepface) as peer:
            rows = [*on_pictures(options, pictures, peer), *rows]
    for row in rows:
        beside = f", {row.peer} {row.theirs:.3g}: {row.ratio:.1f} times" if row.theirs and row.ratio else ""
        print(f"  {row.what:60s} {row.ours:8.3g} {row.unit}{beside}")
    write_record(options.json, "use", "Use on pictures", rows, PACKAGES)
    return 0


class Pictures:
    """Files made of one portrait: a face, three faces in a larger picture, a folder of crops."""

    def __init__(self, folder: Path) -> None:
        import matplotlib

        portrait = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"  # 512 x 600, one face
        self.one, self.three, self.crops = folder / "one.jpg", folder / "three.jpg", folder / "crops"
        self.one.write_bytes(portrait.read_bytes())
        with open_image(self.one, ["JPEG"], megapixels=1) as picture:
            self.pixels = np.asarray(picture.convert("RGB"))
        face = Image.fromarray(self.pixels)
        wide = Image.new("RGB", (1920, 1350), (120, 130, 140))
        for place in range(3):
            wide.paste(face, (60 + 630 * place, 375))
        wide.save(self.three, quality=92)
        self.crops.mkdir()
        close = face.crop((159, 118, 370, 329)).convert("L").resize((64, 64))
        random = np.random.default_rng(0)
        for number in range(CROPS):
            left, top = (int(shift) for shift in random.integers(0, 16, 2))
            close.crop((left, top, left + 48, top + 48)).save(self.crops / f"{number:04}.png")

    def shown(self, count: int) -> list[Path]:
        """The first so many crops."""
        return sorted(self.crops.iterdir())[:count]


class DeepFace:
    """deepface in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._ask: IO[str] = process.stdin
        self._answers: IO[str] = process.stdout
        self.trained = bool(self._answer()["trained"])

    def analyse(self, pictures: Sequence[Path], detector: str) -> dict[str, Any]:
        """What it says of its time on these pictures."""
        self._ask.write(json.dumps({"pictures": [str(path) for path in pictures], "detector": detector}) + "\n")
        self._ask.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        for line in self._answers:
            if line.startswith("ANSWER "):
                answer: dict[str, Any] = json.loads(line.removeprefix("ANSWER "))
                return answer
        raise SystemExit("deepface ended without an answer: run benchmarks/speed/deepface_side.py by hand")


@contextmanager
def _deepface(python: Path | None) -> Iterator[DeepFace | None]:
    if python is None:
        print("deepface is left out: --deepface PYTHON names an interpreter that has it")
        yield None
        return
    command = [str(python), str(Path(__file__).with_name("deepface_side.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            peer = DeepFace(process)
            print(f"deepface has {'its own' if peer.trained else 'random'} weights")
            yield peer
        finally:
            process.terminate()


def on_pictures(options: argparse.Namespace, pictures: Pictures, peer: DeepFace | None) -> list[Comparison]:
    """One face, three faces, crops and a video."""
    recognise = Recognizer(options.model, faces=options.faces)
    rows = []
    for what, path, target in (
        ("a picture of 512 x 600, one face", pictures.one, 8.0),
        ("a picture of 1920 x 1350, three faces", pictures.three, 10.0),
    ):
        ours = partial(recognise, str(path))
        found = len(ours())
        rows.append(_compared(f"{what} ({found} found)", ours, peer, [path], "opencv", options.repeats, target))
    crops = Recognizer(options.model, faces="cropped")
    own, _ = timed(lambda: sum(1 for _ in crops.many([str(pictures.crops)])), 3)
    rate, what = CROPS / own.best, f"{CROPS:,} crops of 48 x 48 in a folder"
    if peer is None:
        rows.append(Comparison(what, "faces/s", rate, target=300.0))
    else:
        shown = pictures.shown(SHOWN_TO_PEER)
        theirs, _ = timed(partial(peer.analyse, shown, "skip"), 3)
        slowest = CROPS / max(own.seconds)
        their_rate = len(shown) / theirs.best
        rows.append(Comparison(what, "faces/s", rate, DEEPFACE, their_rate, slowest / their_rate, target=20.0))
    return [*rows, *video(recognise, pictures)]


def _compared(
    what: str, ours: partial[Any], peer: DeepFace | None, paths: list[Path], detector: str, repeats: int, target: float
) -> Comparison:
    if peer is None:
        timing, _ = timed(ours, repeats)
        return Comparison(what, "s", timing.best)
    peer.analyse(paths, detector)
    own, other = timed_in_turns(ours, partial(peer.analyse, paths, detector), repeats)
    return compare_times(what, own, DEEPFACE, other, target)


def video(recognise: Recognizer, pictures: Pictures) -> list[Comparison]:
    """Frames a second of a video with one face in every frame; nothing where PyAV is missing."""
    try:
        import av
    except ImportError:
        print('the video is left out: pip install -e ".[video]"')
        return []
    path, (width, height) = pictures.one.with_suffix(".mp4"), FRAME
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", 4_000_000
        for number in range(FRAMES):
            frame = np.full((height, width, 3), 128, dtype=np.uint8)
            left = 10 + number % 100
            frame[:, left : left + 512] = pictures.pixels[60 : 60 + height]
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())
    timing, answers = timed(lambda: list(recognise.many([str(path)])), 3)
    faces = sum(len(answer.faces) for answer in answers)
    what = f"a video of {width} x {height}, every frame ({faces} faces in {len(answers)} frames)"
    return [Comparison(what, "frames/s", len(answers) / timing.best, target=40.0)]


FIRST = """
import sys, time
began = time.perf_counter()
from zoo.use import Recognizer
recognise = Recognizer({model!r}, faces={faces!r})
opened = time.perf_counter()
recognise({picture!r})
print("ANSWER", opened - began, time.perf_counter() - began)
"""


def first_answer(options: argparse.Namespace, pictures: Pictures) -> list[Comparison]:
    """Seconds from the import to an open model, and to the first answer, in a process of its own; deepface's too."""
    model = None if options.model is None else str(options.model)
    script = FIRST.format(model=model, faces=options.faces, picture=str(pictures.one))

    def started() -> list[float]:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("ANSWER"))
        return [float(part) for part in line.split()[1:]]

    opened, answered = (Timing(times) for times in zip(*(started() for _ in range(options.repeats)), strict=True))
    rows = [Comparison("import and open the model", "s", opened.best, target=0.35)]
    if options.deepface is None:
        return [*rows, Comparison("first answer since the import", "s", answered.best, target=0.6)]
    with _deepface(options.deepface) as peer:
        assert peer is not None
        theirs = Timing((float(peer.analyse([pictures.one], "opencv")["since_start"]),))
    return [*rows, compare_times("first answer since the import", answered, DEEPFACE, theirs, 3.0)]


def memory(options: argparse.Namespace, pictures: Pictures) -> list[Comparison]:
    """Resident memory after many pictures in one process, and by how much it grew after the first tenth of them."""
    recognise, early = Recognizer(options.model, faces=options.faces), 0.0
    began = time.perf_counter()
    for number in range(options.pictures):
        recognise(str(pictures.one))
        if number == int(GROWTH_AFTER * options.pictures):
            early = _resident()
    late = _resident()
    each = (time.perf_counter() - began) / options.pictures
    print(f"{options.pictures:,} pictures, {1000 * each:.1f} ms each; memory {early:.3f} GB, then {late:.3f}")
    return [
        Comparison(f"resident memory after {options.pictures:,} pictures", "GB", late, target=0.35),
        Comparison("growth of it after the first tenth", "GB", max(0.0, late - early), target=0.05 * early),
    ]


def _resident() -> float:
    """Gigabytes of this process in memory."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e9


if __name__ == "__main__":
    sys.exit(main())
