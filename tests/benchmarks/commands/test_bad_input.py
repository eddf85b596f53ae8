"""What every verb says of bad input: one message that names what is wrong, exit code 2, and nothing is written."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch

from benchmarks.commands import command_line, verbs
from benchmarks.commands.options import folder
from tests.helpers.runs import Outcome, cli, files

NEEDED = {
    "add": ("mine.npz",),
    "check": ("mine.npz",),
    "checkpoint": ("linear", "mine.npz"),
    "compare": ("A", "B"),
    "label-issues": ("--judges", "linear"),
    "predict": ("party.jpg",),
    "trials": ("--members", "linear"),
}
"""Arguments without which a verb does nothing."""

pytestmark = pytest.mark.usefixtures("nowhere_else")


def options_of(verb: str) -> list[argparse.Action]:
    parser = command_line.Parser(verb)
    verbs.verbs()[verb].load().arguments(parser)
    return [action for action in parser._actions if action.option_strings and action.dest != "help"]


def with_option(flag: str) -> list[str]:
    return [verb for verb in verbs.verbs() if any(flag in option.option_strings for option in options_of(verb))]


def refused(home: Path, verb: str, *arguments: object) -> str:
    """What a verb says of arguments that it refuses, where results would lie in `home`."""
    (home / "mine.npz").touch()
    results = ("--results", home / "results") if verb in with_option("--results") else ()
    before = files(home)
    done = cli(verb, *NEEDED.get(verb, ()), *results, *arguments)
    said(done)
    assert files(home) == before, "nothing is written, whole or in part"
    assert not (home / "results").exists()
    return done.err


def said(done: Outcome) -> None:
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("benchmark.py: ") and done.err.endswith("\n")
    assert "Traceback" not in done.err and "Error:" not in done.err


TAKES_VALUES = [
    (verb, option.option_strings[0]) for verb in verbs.verbs() for option in options_of(verb) if option.nargs != 0
]
TYPED = [
    (verb, option.option_strings[0])
    for verb in verbs.verbs()
    for option in options_of(verb)
    if option.choices or option.type not in (None, Path, folder)
]


@pytest.mark.parametrize("verb", verbs.verbs())
def test_an_unknown_option(verb: str, tmp_path: Path):
    assert "there is no option --nonsense" in refused(tmp_path, verb, "--nonsense")


@pytest.mark.parametrize(("verb", "flag"), TAKES_VALUES)
def test_an_option_without_its_value(verb: str, flag: str, tmp_path: Path):
    message = refused(tmp_path, verb, flag)
    assert f"argument {flag}: expected " in message and message.count("\n") == 1
    assert message.endswith(f"; see benchmark.py {verb} --help\n")


@pytest.mark.parametrize(("verb", "flag"), TYPED)
def test_a_value_of_another_kind(verb: str, flag: str, tmp_path: Path):
    message = refused(tmp_path, verb, flag, "zzz")
    assert f"argument {flag}: " in message and "'zzz'" in message and message.count("\n") == 1


@pytest.mark.parametrize("verb", NEEDED)
def test_a_missing_argument(verb: str):
    done = cli(verb)
    said(done)
    assert "the following arguments are required: " in done.err
    assert done.err.endswith(f"; see benchmark.py {verb} --help\n")


@pytest.mark.parametrize("verb", with_option("--suite"))
def test_an_unknown_suite(verb: str, tmp_path: Path):
    message = refused(tmp_path, verb, "--suite", "fer2031")
    assert message.startswith("benchmark.py: no suite matches 'fer2031': did you mean fer2013")


@pytest.mark.parametrize("verb", with_option("--members"))
def test_an_unknown_member(verb: str, tmp_path: Path):
    message = refused(tmp_path, verb, "--suite", "digits", "--members", "resnet_digit")
    assert message.startswith("benchmark.py: no member matches 'resnet_digit': did you mean resnet_digits")


@pytest.mark.parametrize("verb", with_option("--ensemblers"))
def test_an_unknown_ensembler(verb: str, tmp_path: Path):
    message = refused(tmp_path, verb, "--suite", "digits", "--ensemblers", "unifrom")
    assert message.startswith("benchmark.py: no ensembler matches 'unifrom': did you mean uniform?")


def test_an_unknown_judge(tmp_path: Path):
    message = refused(tmp_path, "label-issues", "--suite", "digits", "--judges", "linaer")
    assert message.startswith("benchmark.py: no member matches 'linaer': did you mean linear")


@pytest.mark.parametrize("verb", with_option("--zoo"))
def test_a_file_of_members_that_is_not_there(verb: str, tmp_path: Path):
    assert "mine.py: there is no such file" in refused(tmp_path, verb, "--zoo", "mine.py")


@pytest.mark.parametrize("verb", with_option("--data"))
def test_a_data_folder_that_is_not_there(verb: str, tmp_path: Path):
    message = refused(tmp_path, verb, "--data", tmp_path / "nowhere")
    missing = {"compare": "A: holds no run", "ferplus-votes": "holds no targets"}
    assert missing.get(verb, str(tmp_path / "nowhere")) in message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("verb", [verb for verb in with_option("--device") if verb in with_option("--suite")])
def test_a_gpu_that_is_not_there(verb: str, tmp_path: Path):
    training = ("--train", "missing") if verb in with_option("--train") else ()
    assert "torch sees no GPU" in refused(tmp_path, verb, "--suite", "digits", "--device", "cuda", *training)


@pytest.mark.parametrize("verb", with_option("--results"))
def test_results_that_are_no_folder(verb: str, tmp_path: Path):
    (tmp_path / "file").write_text("")
    message = refused(tmp_path, verb, "--suite", "digits", "--results", tmp_path / "file")
    assert f"argument --results: {tmp_path / 'file'} is no folder" in message


@pytest.mark.parametrize("verb", ["add", "check"])
def test_predictions_that_are_not_there(verb: str):
    done = cli(verb, "mine.npz", "--data", "nowhere")
    said(done)
    assert done.err.startswith("benchmark.py: mine.npz: there is no such file"), "before data is looked for"


def test_runs_that_are_not_there(tmp_path: Path):
    assert "A: holds no run of digits" in refused(tmp_path, "compare", "--suite", "digits")


@pytest.mark.parametrize(
    ("verb", "advice"),
    [("contact-sheet", "run"), ("embeddings", "--train missing"), ("tta", "--train missing"), ("ferplus-votes", "run")],
)
def test_a_suite_without_results(verb: str, advice: str, tmp_path: Path):
    assert advice in refused(tmp_path, verb, "--suite", "digits")


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_a_trial_needs_time(value: str, tmp_path: Path):
    assert f"argument --seconds: must be a number above 0, not '{value}'" in refused(
        tmp_path, "trials", "--seconds", value
    )
