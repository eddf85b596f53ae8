"""Command lines that cannot be meant: each ends at once with one message and exit code 2, and nothing is written."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from tests.helpers.patience import patience
from tests.helpers.runs import cli, files

pytestmark = [pytest.mark.usefixtures("nowhere_else", "no_figures")]

HUGE, LONG = "1" + "0" * 15, "x" * 5000
MUONS = "vgg_fer" + "@muon" * 3000
SUITE = ("--suite", "digits")
BAD_NUMBERS = ("-1", "1.5", "nan", "inf", "1e3", HUGE, "9" * 5000, "0x10", " ", "\u00b2")
RUN_NUMBERS = ("--epochs", "--seeds", "--jobs", "--side-by-side", "--time-budget", "--image-side", "--split-seed")
MODEL = (("--name", "mine"), ("--reference", "arXiv:1"), ("--notes", "x"), ("--replace",), ("--accept-suspicious",))
SETTINGS = (
    "", "=", "recipe", "recipe=", "recipe.=1", ".epochs=1", "recipe.epochs", "recipe.epochs=", "recipe.epochs=0",
    f"recipe.epochs={HUGE}", "recipe.epochs=nan", "recipe.batch_size=-2", f"recipe.batch_size={HUGE}",
    "recipe.folds=-2",
    "recipe.folds=1", "recipe.folds=1000000", "image_size=0", "image_size=-48", f"image_size={HUGE}",
    "image_size=nan",
    "recipe.lr=nan", "recipe.lr=1e999", "recipe.__class__=x", "recipe.epochs.real=1", "builder=os:system",
    "name=../x",
    "recipe.optimizer=\x1b[31m", "recipe.optimizer=nonsense",
    "recipe.labels.teacher=" + MUONS, LONG, f"{LONG}=1", "recipe.labels.votes=perhaps",
)  # fmt: skip

LINES: list[tuple[object, ...]] = [
    # no verb, or two
    ("runn",), (LONG,), ("\x1b[31mrun",), ("fer2013",), ("run", "plan"), ("--",), ("-",), ("run", "--", "x"),
    ("",), ("run", ""),
    ("--nonsense",), (f"--{LONG}",), ("--suite=",), ("run", "--suite"), ("run", "-x"), ("list", "list"),
    # names
    ("--suite", "nowhere"), ("--suite", LONG), ("--suite", "../digits"), ("--suite", "\x1b[31m"),
    ("--suite", "digits\x00"),
    (*SUITE, "--members", "zz*"), (*SUITE, "--members", MUONS), (*SUITE, "--members", "mlp" + "@muon" * 19),
    (*SUITE, "--members", "[" * 3000), (*SUITE, "--members", "*a" * 40 + "b"), (*SUITE, "--members", "mlp@"),
    (*SUITE, "--members", "@"),
    (*SUITE, "--members", "mlp@from_"), (*SUITE, "--ensemblers", "zz"), (*SUITE, "--ensemblers", LONG),
    (*SUITE, "--recipe", "zz"), (*SUITE, "--recipe", LONG), (*SUITE, "--init-from", ":"),
    (*SUITE, "--init-from", "fer2013:" + MUONS),
    (*SUITE, "--train", "sometimes"), (*SUITE, "--device", "abacus"), (*SUITE, "--compile", "x"),
    # numbers
    *((*SUITE, flag, number) for flag in RUN_NUMBERS for number in BAD_NUMBERS),
    # settings
    *((*SUITE, "--members", "mlp", "--set", setting) for setting in SETTINGS),
    # places
    (*SUITE, "--data", ""), (*SUITE, "--data="), (*SUITE, "--results", ""), (*SUITE, "--data", "nowhere/at/all"),
    (*SUITE, "--results", "file"), ("--suite", "fer2013", "--data", "pipe"),
    ("--suite", "fer2013", "--data", "circle"),
    ("--suite", "fer2013", "--data", LONG), ("--suite", "folder", "--data", "~nobody-of-this-name/faces"),
    ("--suite", "folder"),
    ("--suite", "folder", "--data", "file"), ("--suite", "folder", "--data", "empty"),
    ("--suite", "kdef", "--data", "pipe"),
    ("--suite", "folder", "--data", "empty", "--groups", "(("),
    ("--suite", "folder", "--data", "empty", "--groups", "pipe"),
    # options without effect
    *((*SUITE, *option) for option in MODEL), ("--json",), (*SUITE, "--plan", "--name", "x"),
    (*SUITE, "--list", "--replace"),
    (*SUITE, "--from", "digits"), (*SUITE, "--train", "never", "--time-budget", "9"),
    (*SUITE, "--train", "never", "--compile", "never"),
    (*SUITE, "--train", "never", "--side-by-side", "2"), (*SUITE, "--split-seed", "3"), (*SUITE, "--groups", "(x)"),
    (*SUITE, "--no-cache"),
    (*SUITE, "--image-side", "9"), (*SUITE, "--download"), (*SUITE, "--from", "fer2013", "--train", "missing"),
    ("train-queue", "--status", "--time-budget", "5"), ("export", "x.onnx", "--format", "web", "--weights", "int8"),
    ("predict", "file", "--resume"), ("export", "--card", "--format", "onnx"), ("export", "--runtime", "file"),
    # code
    ("--zoo", "nowhere.py"), ("--zoo", "exits.py"), ("--zoo", "fails.py"), ("--zoo", "empty.py"),
    ("--zoo", "binary.py"),
    ("--zoo", "no.such.module"), ("--zoo", ".relative"), ("--zoo", LONG), ("list", "--zoo", "exits.py"),
    # files
    ("check", "nowhere.npz"), ("check", "pipe"), ("check", "empty"), ("check", "file"), ("check", "file.npz"),
    ("check", LONG),
    ("check", "nowhere.npz", *(["x.npz"] * 50)), ("add", "nowhere.npz"), ("add", "pipe"),
    ("add", "file.npz", "--name", LONG),
    ("add", "file.npz", "--name", "../../x"), ("compare", "A"), ("compare", "A", "B", "C"),
    ("compare", "empty", "pipe"),
    ("compare", "file", "file"), ("contact-sheet", "--images", HUGE), ("contact-sheet", *SUITE),
    ("embeddings", *SUITE),
    ("label-issues", *SUITE, "--judges", MUONS), ("label-issues", *SUITE, "--judges", "linear", "--seed", HUGE),
    ("tta", *SUITE), ("pairs", *SUITE), ("pairs", "--top", "0"), ("rules", *SUITE), ("rules", "--repeats", "1"),
    ("trials", "--members", "mlp", "--seconds", "1e999"), ("trials", "--members", MUONS),
    ("ferplus-votes", "--data", "pipe"),
    ("train-queue", "--queue", "nowhere.csv"), ("train-queue", "--queue", "pipe"), ("train-queue", "--queue", "file"),
    ("export", MUONS, *SUITE), ("export", "\x1b[31m", *SUITE), ("export", "--format", "exe"),
    ("export", "--out", "file"),
    ("predict", "nowhere.jpg"), ("predict", "file", "--model", "pipe"), ("predict", "file", "--model", "file"),
    ("predict", "file", "--max-pixels", "-1"), ("predict", "file", "--sure", "2"),
    ("predict", "file", "--fps", "nan"),
    ("predict", "file", "--every", "0"), ("predict", "file", "--out", "rows.exe"),
    ("predict", "file", "--threads", HUGE),
    ("predict", "camera:x"), ("predict", "file", "--faces", "pipe"),
    ("serve", "--port", "99999"), ("serve", "--host", "0.0.0.0", "--port", "0"), ("serve", "--model", "file"),
    ("serve", "--workers", "0"), ("serve", "--max-mib", HUGE),
]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with files that are none, in which commands are typed."""
    place = tmp_path / "home"
    place.mkdir()
    (place / "file").write_bytes(b"\x89nothing \xff\x00 that is read")
    (place / "file.npz").write_bytes(b"PK\x03\x04 no archive")
    (place / "empty").mkdir()
    os.mkfifo(place / "pipe")
    (place / "circle").symlink_to("circle")
    (place / "exits.py").write_text("import sys\nsys.exit(0)\n")
    (place / "fails.py").write_text("raise RuntimeError('\\x1b[31mred')\n")
    (place / "empty.py").write_text("")
    (place / "binary.py").write_bytes(bytes(range(256)))
    return place


def shown(line: tuple[object, ...]) -> str:
    return " ".join(repr(str(word))[1:-1][:24] for word in line)[:70]


def contents(home: Path) -> dict[str, bytes]:
    return {name: content for name, content in files(home).items() if "__pycache__" not in name}


@pytest.mark.parametrize("line", LINES, ids=map(shown, LINES))
def test_a_line_that_cannot_be_meant(line: tuple[object, ...], home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(home)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    before = contents(home)
    elsewhere = line[0] in ("predict", "serve", "list", "--", "-") or "--results" in line
    with patience(20):
        done = cli(*line, *(() if elsewhere else ("--results", "results")))
    assert (done.code, done.out) == (2, ""), done
    assert "Traceback" not in done.err and done.err.strip()
    assert all(letter.isprintable() or letter == "\n" for letter in done.err)
    assert len(done.err) < 6000, "known names may be listed, and what was typed is not repeated"
    assert contents(home) == before


def test_there_are_enough_of_them():
    assert len(LINES) >= 133
