"""Calls from before there were verbs mean what they meant; every documented call can be typed."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator

import pytest

from benchmarks.commands import command_line
from benchmarks.session import options_from
from tests.helpers.runs import ROOT, cli

OLD_AND_NEW = [
    ("", "run"),
    ("--suite digits", "run --suite digits"),
    ("--suite fer2013 --train missing --data DIR --time-budget 3600", "run --suite fer2013 --train missing --data DIR "
     "--time-budget 3600"),
    ("--suite fer2013 --download", "run --suite fer2013 --download"),
    ("--members a b --train missing --set recipe.lr=0.1 x.y=2", "run --members a b --train missing --set recipe.lr=0.1 "
     "x.y=2"),
    ("--suite kdef --from fer2013 --members vgg* --data KDEF", "run --suite kdef --from fer2013 --members vgg* --data "
     "KDEF"),
    ("--list", "list"),
    ("--list --json", "list --json"),
    ("--json --list", "list --json"),
    ("--suite kdef --list", "list"),
    ("--list --zoo mine.py", "list --zoo mine.py"),
    ("--quiet --list --train missing", "list"),
    ("--plan", "plan"),
    ("--suite fer2013 --plan --train missing", "plan --suite fer2013 --train missing"),
    ("--plan --suite digits --members mlp --epochs 2", "plan --suite digits --members mlp --epochs 2"),
    ("--check results", "check results"),
    ("--check a.npz b.csv --suite ferplus", "check a.npz b.csv --suite ferplus"),
    ("--suite fer2013 --check mine.npz --name my_model --replace", "check mine.npz --suite fer2013 --name my_model "
     "--replace"),
    ("--compare A B", "compare A B"),
    ("--compare A B --json", "compare A B --json"),
    ("--suite digits --compare A B --ensemblers uniform --jobs 2", "compare A B --suite digits --ensemblers uniform "
     "--jobs 2"),
    ("--add-predictions mine.npz --name my_model --reference arXiv:2401.00001 --notes text", "add mine.npz --name "
     "my_model --reference arXiv:2401.00001 --notes text"),
    ("--suite ferplus --quiet --add-predictions mine.csv --accept-suspicious", "add mine.csv --suite ferplus --quiet "
     "--accept-suspicious"),
    # Where several modes stand together, the order is what it was.
    ("--list --plan --check a.npz", "list"),
    ("--check a.npz --compare A B", "compare A B"),
    ("--plan --add-predictions mine.npz", "plan"),
    ("--plan --check a.npz", "check a.npz"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW, ids=[old or "nothing" for old, _ in OLD_AND_NEW])
def test_an_old_call_is_that_of_a_verb(old: str, new: str):
    (command, arguments), (expected, its_arguments) = (command_line.parse(call.split()) for call in (old, new))
    assert command is expected
    assert vars(its_arguments).items() <= vars(arguments).items()
    if command is not command_line.parse(["list"])[0]:  # which has no suite, and does not mind one
        assert options_from(arguments) == options_from(its_arguments)


def test_an_old_call_prints_what_its_verb_prints():
    assert cli("--suite", "kdef", "--list", "--json").out == cli("list", "--json").out


def documented() -> list[tuple[str, str]]:
    """Every call in the READMEs and reports, and in strings of the code, with the file it stands in."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("results/*/*.md")]
    code = [path for package in ("benchmarks", "zoo", "ensembles") for path in ROOT.glob(f"{package}/**/*.py")]
    texts = [(path, path.read_text(encoding="utf-8").replace("\\\n", " ")) for path in pages]
    texts += [(path, text) for path in code for text in strings_of(ast.parse(path.read_text(encoding="utf-8")))]
    return [(str(path.relative_to(ROOT)), call) for path, text in texts for call in calls_in(text)]


def strings_of(tree: ast.AST) -> Iterator[str]:
    """The strings of a file, `{}` where a value is filled in."""
    if isinstance(tree, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in tree.values)
    elif isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.value
    else:
        for child in ast.iter_child_nodes(tree):
            yield from strings_of(child)


def calls_in(text: str) -> list[str]:
    """Arguments of benchmark.py, up to where the call ends; none where whole arguments are filled in."""
    found = (match[1].strip() for match in re.finditer(r"python benchmark\.py([^`#&|<;\n]*)", text))
    filled = (re.sub(r"(--\w+) \{\}", r"\1 X", call) for call in found)
    return [call for call in filled if not re.search(r"[{}\\]|\bVERB\b", call)]


@pytest.mark.parametrize(("place", "call"), sorted(set(documented())))
def test_every_documented_call_can_be_typed(place: str, call: str):
    try:
        command_line.parse(shlex.split(call))
    except SystemExit as left:
        assert left.code == 0, place
