"""`benchmark.py predict`: from what is typed to rows, files and exit codes."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.bundles import CLASSES, FACTS, write_bundle
from tests.helpers.clips import write_clip
from tests.helpers.marked_faces import picture
from tests.helpers.runs import ROOT, Outcome, cli, python
from zoo.use.rows import columns


@pytest.fixture
def party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: photos/a.png with two faces, photos/b.png without any, photos/c.png that is broken."""
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(picture([(100, 100, 60), (300, 100, 170)])).save(photos / "a.png")
    Image.fromarray(picture([])).save(photos / "b.png")
    (photos / "c.png").write_bytes(b"broken")
    return tmp_path


@pytest.fixture
def predict(model: Path, marked: str) -> Any:
    """Calls the verb with the small model and the detector of made-up faces."""

    def call(*arguments: object) -> Outcome:
        return cli("predict", *arguments, "--model", model, "--faces", marked, "--threads", "1")

    return call


def lines(done: Outcome) -> list[dict[str, Any]]:
    return [json.loads(text) for text in done.out.splitlines()]


# What comes out


def test_a_line_for_each_face(predict: Any, party: Path):
    done = predict("photos")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == ["photos/a.png"] * 2 + [
        "photos/b.png",
        "photos/c.png",
    ]
    assert "no_face" in done.out and "unreadable: is no picture" in done.out
    assert done.err == "pictures: faces by marked\n"


def test_json_is_nothing_but_rows(predict: Any, party: Path):
    found = lines(predict("photos", "--json", "--quiet"))
    assert [list(row) for row in found] == [columns(CLASSES)] * 4
    assert [(row["source"], row["face"], row["error"]) for row in found[:3]] == [
        ("photos/a.png", 1, None), ("photos/a.png", 2, None), ("photos/b.png", None, "no_face"),
    ]  # fmt: skip


def test_a_file_gets_the_rows_and_the_terminal_none(predict: Any, party: Path):
    done = predict("photos", "--out", "faces.csv")
    assert (done.code, done.out) == (0, "")
    with Path("faces.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["source"] for row in found] == ["photos/a.png", "photos/a.png", "photos/b.png", "photos/c.png"]
    predict("photos/b.png", "--out", "faces.csv")
    assert Path("faces.csv").read_text().count("\n") == 2, "without --resume the file is written anew"


def test_pictures_with_boxes_and_explanations(predict: Any, party: Path):
    assert predict("photos", "--draw", "drawn", "--explain", "why", "--quiet").out == ""
    assert sorted(path.name for path in Path("drawn").iterdir()) == ["a.png", "b.png"]
    assert sorted(path.name for path in Path("why").iterdir()) == ["a-face1.png", "a-face2.png"]


def test_standard_input(predict: Any, party: Path, monkeypatch: pytest.MonkeyPatch):
    content = Path("photos/a.png").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert [row["source"] for row in lines(predict("-", "--json"))] == ["stdin", "stdin"]


def test_frames_of_a_video(predict: Any, party: Path):
    write_clip(party / "clip.mkv", [picture([(100 + number, 100, 99)]) for number in range(10)])
    found = lines(predict("clip.mkv", "--json", "--every", "4", "--smooth", "0.5"))
    assert [(row["frame"], row["track"]) for row in found] == [(0, 1), (4, 1), (8, 1)]
    assert [row["seconds"] for row in found] == pytest.approx([0, 0.4, 0.8], abs=2e-3)
    assert [row["frame"] for row in lines(predict("clip.mkv", "--json", "--fps", "2"))] == [0, 5]


def test_an_animation_is_said_to_be_one(predict: Any, party: Path):
    frames = [Image.fromarray(picture([(100, 100, level)])) for level in (50, 90)]
    frames[0].save("moving.gif", save_all=True, append_images=frames[1:])
    assert "moving.gif is animated: the first of 2 frames is shown" in predict("moving.gif").err
    assert "animated" not in predict("moving.gif", "--quiet").err


def test_being_sure(predict: Any, party: Path):
    found = lines(predict("photos/a.png", "--json", "--sure", "0.8"))
    assert [(row["expression"], row["abstained"], row["doubts"]) for row in found] == [(None, True, ["flat"])] * 2


def test_faces_in_parts_of_the_picture(predict: Any, party: Path):
    assert len(lines(predict("photos/a.png", "--json", "--small-faces"))) == 2


def test_going_on(predict: Any, party: Path):
    predict("photos", "--out", "whole.jsonl")
    whole = Path("whole.jsonl").read_bytes()
    Path("cut.jsonl").write_bytes(whole[: len(whole) // 2])
    assert predict("photos", "--out", "cut.jsonl", "--resume").code == 0
    assert Path("cut.jsonl").read_bytes() == whole
    assert predict("photos", "--out", "cut.jsonl", "--resume").code == 0
    assert Path("cut.jsonl").read_bytes() == whole


# What goes wrong


def refused(done: Outcome) -> str:
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    return done.err


def test_one_source_that_is_not_there_is_a_row(predict: Any, party: Path):
    found = lines(predict("nothing.jpg", "photos/b.png", "no*.tif", "--json"))
    reasons = ["missing: there is no such file or folder", "no_face", "missing: no file matches"]
    assert [row["error"] for row in found] == reasons


def test_no_source_at_all_is_an_error_and_writes_nothing(predict: Any, party: Path):
    before = sorted(party.rglob("*"))
    message = refused(predict("nothing.jpg", "no*.tif", "--out", "faces.csv", "--draw", "drawn"))
    assert message == "benchmark.py: nothing.jpg: there is no such file or folder\nno*.tif: no file matches\n"
    assert sorted(party.rglob("*")) == before


def test_sources_that_all_fail_are_an_error(predict: Any, party: Path):
    done = predict("photos/c.png", "--out", "faces.jsonl", "--quiet")
    assert done.code == 2
    assert done.err == "photos/c.png is no picture that Pillow knows: it begins with b'broken'\n"
    assert json.loads(Path("faces.jsonl").read_text())["error"].startswith("unreadable")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "faces.txt"), "faces.txt: --out ends in one of .jsonl, .csv, .parquet"),
        (("--out", "faces.parquet", "--resume"), "faces.parquet: --resume goes on with .jsonl and .csv"),
        (("--resume",), "--resume goes on with a file of rows: name it by --out"),
        (("--draw", "photos"), "photos: holds the sources"),
        (("--explain", "photos"), "photos: holds the sources"),
        (("--draw", "photos/a.png"), "argument --draw: photos/a.png is no folder"),
        (("--draw", "photos/a.png/below"), "photos/a.png/below: is no folder"),
        (("--sure", "0.4"), "argument --sure: must lie between 0.5 and 1, not 0.4"),
        (("--sure", "0.99"), "brightness is never known to be 0.99 sure"),
        (("--every", "0"), "argument --every: must be at least 1"),
        (("--fps", "-1"), "argument --fps: must be above 0"),
        (("--fps", "2", "--every", "2"), "argument --every: not allowed with argument --fps"),
        (("--smooth", "-1"), "argument --smooth: must not be negative"),
        (("--max-pixels", "nan"), "argument --max-pixels: must be a number"),
        (("--faces", "blaze"), "no detector is called 'blaze'"),
        (("--faces", "none.onnx"), "none.onnx: there is no face detector to be read"),
        (("--model", "none.onnx"), "none.onnx: there is no model to be read"),
        (("--model", "photos/c.png"), "c.png is no model of this project"),
    ],
)
def test_arguments_that_are_wrong(party: Path, model: Path, marked: str, arguments: tuple[str, ...], message: str):
    before = sorted(party.rglob("*"))
    done = cli("predict", "photos", "--model", model, "--faces", marked, *arguments)
    assert message in refused(done)
    assert done.err.count("\n") == 1
    assert sorted(party.rglob("*")) == before, "nothing is written, whole or in part"


def test_a_model_without_thresholds_is_never_sure(party: Path, marked: str):
    write_bundle(Path("bare.onnx"), replace(FACTS, thresholds={}))
    done = cli("predict", "photos", "--model", "bare.onnx", "--faces", marked, "--sure", "0.8")
    assert "brightness does not say how sure it is where: its file has no thresholds" in refused(done)


def test_the_file_of_rows_may_not_be_a_source(predict: Any, party: Path):
    Path("list.csv").write_text("mine")
    assert "list.csv: is named as a source, too" in refused(predict("photos", "list.csv", "--out", "list.csv"))
    assert Path("list.csv").read_text() == "mine"


def test_pictures_may_be_allowed_to_be_larger_or_smaller(predict: Any, party: Path):
    assert "400 x 200 pixels, more than 0.05 megapixels; --max-pixels" in predict("photos", "--max-pixels", "0.05").err
    assert lines(predict("photos/b.png", "--max-pixels", "0.08", "--json"))[0]["error"] == "no_face"


def test_an_interrupt_ends_with_130_and_whole_lines(predict: Any, party: Path, monkeypatch: pytest.MonkeyPatch):
    from zoo.use import predict as module

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.Tally, "add", interrupt)
    assert predict("photos", "--out", "faces.jsonl").code == 130
    assert len(Path("faces.jsonl").read_text().splitlines()) == 2


# The floor, and what a new process costs

BLOCK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ImportError(f"{{name}} is not installed")
sys.meta_path.insert(0, Absent())
"""
ABSENT = {"torch", "timm", "torchvision", "pandas", "sklearn", "matplotlib", "scipy", "safetensors", "rich", "pyarrow",
          "seaborn", "xgboost", "joblib", "jinja2", "filelock", "threadpoolctl", "onnx", "cv2", "av"}  # fmt: skip


def test_numpy_pillow_and_onnxruntime_are_enough(party: Path, model: Path):
    code = BLOCK.format(names=ABSENT) + (
        "import benchmark, numpy\n"
        "from zoo.use import Recognizer\n"
        f"assert len(Recognizer({str(model)!r})(numpy.zeros((48, 48), 'uint8'))) == 1\n"
        "sys.exit(benchmark.main(sys.argv[1:]))\n"
    )
    outputs = ("--out", party / "faces.csv", "--draw", party / "drawn")
    done = python("-c", code, "predict", party / "photos", "--model", model, "--faces", "cropped", *outputs)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == "pictures: taken as crops of one face each\n"
    assert len((party / "faces.csv").read_text().splitlines()) == 4


def test_help_imports_neither_torch_nor_numpy():
    code = (
        "import sys, benchmark\n"
        "try: benchmark.main(['predict', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'onnxruntime'} & set(sys.modules)))"
    )
    done = python("-c", code)
    assert done.stdout.splitlines()[-1] == "[]"
    for words in ("does not know what a person feels", "European Union prohibits it", "ask them first"):
        assert words in " ".join(done.stdout.split())


def test_the_import_brings_numpy_and_pillow_alone():
    code = "import sys\nfrom zoo.use import Recognizer\nprint(sorted({name.partition('.')[0] for name in sys.modules}))"
    found = python("-c", code).stdout
    assert not ABSENT & set(eval(found))
    assert "onnxruntime" not in found, "it is imported when a model is opened"


# Long runs


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder of 200 small pictures."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(200):
        Image.fromarray(np.full((48, 48), number, np.uint8)).save(folder / f"{number:03}.png")
    return folder


def test_a_killed_run_is_gone_on_with(many: Path, model: Path):
    out = many.parent / "faces.jsonl"
    command = ["predict", many, "--model", model, "--faces", "cropped", "--out", out, "--quiet", "--threads", 1]
    slowly = "import sys, time, benchmark\nfrom zoo.use import sources\nold = sources.decode\n" \
        "def decode(*given):\n    time.sleep(0.01)\n    return old(*given)\n" \
        "sources.decode = decode\nsys.exit(benchmark.main(sys.argv[1:]))"  # fmt: skip
    running = subprocess.Popen([sys.executable, "-c", slowly, *map(str, command)], cwd=ROOT)
    until = time.monotonic() + 60
    while not (out.exists() and out.stat().st_size) and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    left = out.read_bytes()
    whole = left[: left.rfind(b"\n") + 1]  # the system may have been stopped within the last line
    assert len([json.loads(line) for line in whole.splitlines()]) < 200
    assert cli(*command, "--resume").code == 0
    found = [json.loads(line)["source"] for line in out.read_text().splitlines()]
    assert found == [str(path) for path in sorted(many.iterdir())]


def test_memory_does_not_grow_along_a_video(model: Path, marked: str, tmp_path: Path):
    """2,000 frames of 41 kB: had they been kept, they would be 82 MB."""
    resource = pytest.importorskip("resource")
    clip = write_clip(
        tmp_path / "long.mkv", (picture([(60 + number % 20, 60, 99)], 120, 114) for number in range(2000))
    )
    from zoo.use.recognizer import Recognizer

    recognise = Recognizer(model, faces=marked, threads=1)
    used = []
    for number, _ in enumerate(recognise.many(clip, smooth=0.5)):
        if number in (200, 1999):
            used.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    assert number == 1999
    assert used[1] - used[0] < 20, "MiB"
