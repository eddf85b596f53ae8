"""Verbs, their help, and what the command line says of words that it does not know."""

from __future__ import annotations

import argparse
import tomllib
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path

import pytest

import benchmark
from benchmarks import suites
from benchmarks.commands import command_line, options, verbs
from benchmarks.data import DataOptions
from benchmarks.session import DATA_OPTIONS, Options
from tests.helpers.runs import ROOT, cli, python

HEAVY = "{'torch', 'timm', 'sklearn', 'matplotlib', 'xgboost', 'scipy', 'pandas'}"
VERBS = list(verbs.verbs())
LINES, COLUMNS = 44, 100  # of a screen
NO_VERBS = {
    "__init__", "check_others", "command_line", "export_job", "hints", "old_flags", "options", "shared_results",
    "verbs",
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("nowhere_else")


def imported(names: str, *calls: list[str]) -> str:
    """Which of the modules are imported once these calls have been answered."""
    lines = ["import sys, benchmark"]
    for call in calls:
        lines += [f"try: assert not benchmark.main({call})", "except SystemExit as left: assert not left.code"]
    done = python("-c", "\n".join([*lines, f"print('IMPORTED', sorted({names} & set(sys.modules)))"]))
    assert done.stderr == ""
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("call", [["--help"], ["--list"], ["--list", "--json"], ["list"], ["list", "--json"]])
def test_help_and_lists_import_nothing_heavy(call: list[str]):
    assert imported(HEAVY, call) == "IMPORTED []"


def test_the_help_of_verbs_imports_nothing_heavy():
    assert imported(HEAVY, *([verb, "--help"] for verb in VERBS)) == "IMPORTED []"


def test_help_and_version_import_no_numpy():
    light = [["--help"], ["--version"], ["run", "--help"], ["plan", "--help"], ["add", "--help"]]
    assert imported("{'numpy'}", *light) == "IMPORTED []"


def parser_of(verb: str) -> command_line.Parser:
    parser = command_line.Parser(verb)
    verbs.verbs()[verb].load().arguments(parser)
    return parser


def actions(verb: str) -> list[argparse.Action]:
    return [action for action in parser_of(verb)._actions if action.dest != "help"]


@pytest.mark.parametrize("call", [["--help"], ["-h"], *([verb, "--help"] for verb in VERBS), ["--suite", "x", "-h"]])
def test_help_fits_one_screen(call: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = cli(*call)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert lines[0].startswith("usage: benchmark.py")


def test_help_names_every_verb_with_an_example():
    text = cli("--help").out
    for verb in verbs.verbs().values():
        (line,) = (line for line in text.splitlines() if line.startswith(f"  {verb.name} "))
        assert line.split() == f"{verb.name} {verb.example} {verb.summary}".split()


def test_every_option_is_explained():
    text = "".join(cli(verb, "--help").out for verb in VERBS)
    for option in ("--suite", "--members", "--ensemblers", "--seeds", "--data", "--download", "--image-side",
                   "--zoo", "--results", "--device", "--train", "--compile", "--epochs", "--time-budget", "--jobs",
                   "--quiet", "--name", "--reference", "--notes", "--groups", "--split-seed", "--from", "--set",
                   "--replace", "--accept-suspicious", "--side-by-side", "--recipe", "--json",
                   "--no-cache"):  # fmt: skip
        assert option in text
    for verb in VERBS:
        assert all(action.help for action in actions(verb)), verb


@pytest.mark.parametrize("verb", VERBS)
def test_an_example_can_be_typed(verb: str):
    parser_of(verb).parse_args(verbs.verbs()[verb].example.replace("'", "").split())


def test_every_file_is_a_verb_or_known_as_none():
    """A docstring that says how its file is called in other words would make no verb, and nobody would notice."""
    stems = {path.stem for path in (ROOT / "benchmarks" / "commands").glob("*.py")}
    assert stems == {verb.module for verb in verbs.verbs().values()} | NO_VERBS


def test_a_new_file_is_a_new_verb(tmp_path: Path):
    head = '"""Count to\nthree: `python benchmark.py count-up --to 3`.\n\nAnd no further.\n"""\nimport torch\n'
    (tmp_path / "counting.py").write_text(head)
    assert verbs._read(tmp_path / "counting.py") == verbs.Verb("count-up", "Count to three", "--to 3", "counting")
    (tmp_path / "helper.py").write_text('"""Counts, for `python benchmark.py count-up`, as fast as can be."""\n')
    assert verbs._read(tmp_path / "helper.py") is None


def test_no_suite_is_called_as_a_verb():
    assert not set(VERBS) & set(suites.suites())


# Defaults


def defaults() -> dict[str, object]:
    """Of each argument that Options or its DataOptions keep."""
    plain = {one.name: one.default for one in fields(Options) if one.default is not MISSING and one.name != "data"}
    return plain | {argument: getattr(DataOptions(), field) for argument, field in DATA_OPTIONS.items()}


def test_defaults_are_those_of_the_options_alone():
    known = {*defaults(), "results"}
    for group in options.GROUPS.values():
        for flag, option in group.items():
            name = option.get("dest", flag.lstrip("-").replace("-", "_"))
            assert (option["default"] == argparse.SUPPRESS) == (name in known), flag


def test_what_is_not_given_has_the_default_of_the_options():
    assert import_module("benchmarks.session").options_from(parser_of("run").parse_args([])) == Options()


def test_help_tells_the_true_defaults():
    told = {}
    for action in actions("run"):
        text = " ".join((action.help or "").split())
        if "(default: " in text:
            told[action.dest] = text.partition("(default: ")[2].partition(")")[0].partition(";")[0]
        elif " (default" in text:
            told[action.dest] = text.partition(" (default")[0].split()[-1]
    known = defaults()
    assert {"suite", "device", "split_seed", "side_by_side", "train", "recipe", "compiling"} <= set(told)
    for name in ("suite", "device", "split_seed", "side_by_side", "train", "recipe", "compiling"):
        assert told[name] == str(known[name])


# Words that are not known


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("pln", "no verb matches 'pln': did you mean plan?"),
        ("contact_sheet --data x", "no verb matches 'contact_sheet': did you mean contact-sheet?"),
        ("fer2031", "no verb matches 'fer2031': did you mean --suite fer2013"),
        ("xyzzy", f"no verb matches 'xyzzy': known: {', '.join(VERBS)}"),
        ("fer2013 --train never", "fer2013 is a suite, not a verb: benchmark.py run --suite fer2013 --train never"),
        ("plan fer2013", "a suite is named by --suite: --suite fer2013"),
        ("--suite plan", "plan is a verb, and comes first: benchmark.py plan --suite NAME"),
        ("run --suite list", "list is a verb, and comes first: benchmark.py list --suite NAME"),
        ("--suite digits plan", "plan is a verb, and comes first: benchmark.py plan ..."),
        ("run --list", "list is a verb, and comes first: benchmark.py list ..."),
        ("--trian never", "there is no option --trian: did you mean --train?"),
        ("list --suite digits", "there is no option --suite: see benchmark.py list --help"),
        ("list digits", "'digits' is one argument too many; see benchmark.py list --help"),
        ("compare a b c", "'c' is one argument too many; see benchmark.py compare --help"),
    ],
)
def test_a_word_that_is_not_known_gets_a_hint(call: str, message: str):
    done = cli(*call.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"benchmark.py: {message}")
    assert done.err.count("\n") == 1


# As a program


def test_the_version_is_that_of_the_package():
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert cli("--version").out == f"fer-ensembles {written}\n"


def test_the_installed_program_is_the_same_under_its_own_name(monkeypatch: pytest.MonkeyPatch):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {command_line.PACKAGE: "benchmark:main"}
    monkeypatch.setattr("sys.argv", ["/usr/bin/fer-ensembles", "pln"])
    assert benchmark.main() == 2
    assert cli("pln").err.startswith("fer-ensembles: no verb matches 'pln'")
    assert cli("plan", "-h").out.startswith("usage: fer-ensembles plan [options]\n")


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch):
    def interrupt(arguments: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.commands.list_zoo.execute", interrupt)
    done = cli("list")
    assert (done.code, done.out, done.err) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize("call", ["--help", "list --json", "run --help"])
def test_a_reader_that_leaves_at_once_is_no_error(call: str):
    done = python("-c", LEAVES_AT_ONCE, *call.split())
    assert (done.returncode, done.stderr) == (0, "")


LEAVES_AT_ONCE = """
import subprocess, sys
command = [sys.executable, "benchmark.py", *sys.argv[1:]]
with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
    process.stdout.close()
    print(process.stderr.read(), end="", file=sys.stderr)
sys.exit(process.returncode)
"""


def several(verb: str) -> list[str]:
    """The options of a verb that take several values."""
    actions = parser_of(verb)._actions
    return [action.option_strings[-1] for action in actions if action.option_strings and action.nargs in ("+", "*")]


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_of_several_values_may_be_given_several_times(verb: str):
    """Else the first ones would be lost without a word."""
    parser = parser_of(verb)
    by_name = {name: action for action in parser._actions for name in action.option_strings}
    for name in several(verb):
        assert isinstance(by_name[name], argparse._ExtendAction), f"{verb} {name}"


def test_settings_given_apart_are_all_made():
    given = parser_of("run").parse_args(
        ["--set", "recipe.lr=1", "recipe.epochs=2", "--seeds", "1", "--set", "tta=none"]
    )
    assert given.changes == ["recipe.lr=1", "recipe.epochs=2", "tta=none"] and given.seeds == [1]
    assert sum(len(several(verb)) for verb in VERBS) > 10
