"""A run of which nothing has changed shows what is there; whatever changes, it is noticed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import digests, pipeline, session
from benchmarks.rerun import unchanged
from benchmarks.session import Options
from tests.helpers.runs import Outcome, cli, files, python

pytestmark = pytest.mark.usefixtures("nowhere_else")

NOTHING = "Nothing has changed since the last run"
FEW = ("--members", "vgg_fer", "resnet18", "--ensemblers", "uniform", "hard_vote")


def run(results: Path, *more: object) -> Outcome:
    done = cli("--suite", "fer2013", "--results", results, *FEW, *more)
    assert done.code == 0, done.err
    return done


@pytest.fixture
def ran(stored_results: Path, no_figures: None) -> Path:
    """Results of a run with few members and ensemblers, without figures."""
    assert NOTHING not in run(stored_results).out
    return stored_results


def test_a_second_run_shows_the_first_ones_results(ran: Path, monkeypatch: pytest.MonkeyPatch):
    before = files(ran)
    monkeypatch.setattr(pipeline, "run", None)  # nothing may be computed
    again = run(ran)
    assert NOTHING in again.out and "uniform" in again.out.lower()
    assert run(ran, "--quiet").out == ""
    assert files(ran) == before


def test_where_only_the_reports_have_other_code_its_results_are_reported_anew(
    ran: Path, monkeypatch: pytest.MonkeyPatch
):
    before = files(ran)
    inputs, compute = unchanged.inputs, pipeline.run
    monkeypatch.setattr(unchanged, "inputs", lambda options: inputs(options) | {"reports": "other code"})
    monkeypatch.setattr(pipeline, "run", None)  # nothing may be computed
    again = run(ran)
    assert "only how results are reported has changed" in again.out and NOTHING not in again.out
    after = files(ran)
    assert {name for name in before if before[name] != after[name]} <= {"fer2013/local/last_run.json"}
    assert NOTHING in run(ran).out, "what was written is of today's code"
    leaderboard = ran / "fer2013" / "leaderboard.md"
    leaderboard.write_bytes(leaderboard.read_bytes() + b" ")
    monkeypatch.setattr(pipeline, "run", compute)
    monkeypatch.setattr(unchanged, "inputs", lambda options: inputs(options) | {"reports": "again other code"})
    assert "has changed" not in run(ran).out, "another file has changed, too: the whole run is done"


def test_the_code_of_reports_is_told_from_that_of_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    shutil.copytree(unchanged.ROOT / "benchmarks", tmp_path / "benchmarks", ignore=shutil.ignore_patterns("speed"))
    for package in ("ensembles", "zoo"):
        (tmp_path / package).mkdir()
    monkeypatch.setattr(digests, "ROOT", tmp_path)
    options = Options(results=tmp_path / "results")

    def changed_by(place: str) -> set[str]:
        before, path = unchanged.inputs(options), tmp_path / place
        path.write_text(path.read_text() + "# more\n")
        after = unchanged.inputs(options)
        return {name for name in before if before[name] != after[name]}

    assert changed_by("benchmarks/report/leaderboard.py") == {"reports"}
    assert changed_by("benchmarks/report/page/templates/page.js") == {"reports"}
    assert changed_by("benchmarks/report/epochs.py") == {"reports", "code"}, "results name histories it cannot read"
    assert changed_by("benchmarks/formats.py") == {"code"}
    assert changed_by("benchmarks/results/rows.py") == {"code"}


def test_results_take_no_code_from_reports_but_their_histories():
    """Else another report could be other results, and `unchanged` would not see it."""
    folder = unchanged.ROOT / "benchmarks"
    computes = [folder / "evaluation", folder / "execution", folder / "store", folder / "data", folder / "results"]
    for path in (path for place in computes for path in place.rglob("*.py")):
        assert "benchmarks.report" not in path.read_text(encoding="utf-8"), path


def test_a_second_run_imports_neither_torch_nor_scikit_learn(ran: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(unchanged.ROOT)
    run(ran)  # the first was in another folder of work, whose data sets may be others
    script = (
        "import sys, benchmark; benchmark.main(sys.argv[1:]); print({'torch', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    done = python("-c", script, "--suite", "fer2013", "--results", ran, *FEW, cwd=Path(unchanged.ROOT))
    assert NOTHING in done.stdout
    assert done.stdout.splitlines()[-1] == "set()", done.stderr


def test_a_run_with_known_fits_imports_neither_torch_nor_what_fitted(stored_results: Path, no_figures: None):
    asked = ["--suite", "fer2013", "--results", stored_results, *FEW, "stack_xgboost"]
    assert cli(*asked).code == 0
    script = (
        "import sys, benchmark; benchmark.main(sys.argv[1:]); print({'torch', 'sklearn', 'xgboost'} & set(sys.modules))"
    )
    (stored_results / "fer2013" / "local" / "last_run.json").unlink()
    done = python("-c", script, *asked, cwd=Path(unchanged.ROOT))
    assert NOTHING not in done.stdout and "Stacking, XGBoost" in done.stdout
    assert done.stdout.splitlines()[-1] == "set()", done.stderr


def test_fresh_computes_it_anew_to_the_same_bytes(ran: Path):
    before = files(ran)
    assert NOTHING not in run(ran, "--fresh").out
    after = files(ran)
    assert {name for name in before if before[name] != after[name]} <= {
        name for name in before if name.startswith("fer2013/local/")
    }
    assert NOTHING in run(ran).out


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    known = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))  # as small a change as there can be


@pytest.mark.parametrize("pattern", ["predictions/vgg_fer.s0.*.safetensors", "predictions/targets.*", "*.json", "*.md",
                                     "*.csv", "index.html", "../index.html"])  # fmt: skip
def test_a_bit_in_any_file_is_noticed(ran: Path, pattern: str):
    options = session.Options(results=ran)
    folder = ran / "fer2013"
    known = unchanged.inputs(options) | unchanged._outputs(options)
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    assert found
    for path in found:
        flip(path)
        assert unchanged.inputs(options) | unchanged._outputs(options) != known, path
        flip(path)
        assert unchanged.inputs(options) | unchanged._outputs(options) == known


def remove_prediction(results: Path) -> None:
    next((results / "fer2013" / "predictions").glob("vgg_fer.s1.*.safetensors")).unlink()


def add_file(results: Path) -> None:
    (results / "fer2013" / "predictions" / "another.safetensors").write_bytes(b"")


def add_suite(results: Path) -> None:
    (results / "another").mkdir()
    (results / "another" / "results.json").write_text("{}")


@pytest.mark.parametrize("change", [remove_prediction, add_file, add_suite])
def test_files_that_come_and_go_are_noticed(ran: Path, change: Callable[[Path], None]):
    change(ran)
    assert NOTHING not in run(ran).out


@pytest.mark.parametrize(
    "changed",
    [{"code": "1"}, {"libraries": "1"}, {"machine": "1"}, {"format": "1"}],
    ids=lambda changed: next(iter(changed)),
)
def test_other_code_libraries_and_machines_are_noticed(
    ran: Path, changed: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    inputs = unchanged.inputs
    monkeypatch.setattr(unchanged, "inputs", lambda options: inputs(options) | changed)
    assert NOTHING not in run(ran).out


@pytest.mark.parametrize(
    "more",
    [
        ("--seeds", 0),
        ("--ensemblers", "borda"),
        ("--train", "never"),
        ("--set", "recipe.lr=0.01"),
        ("--recipe", "paper"),
    ],
    ids=str,
)
def test_other_options_are_another_run(ran: Path, more: tuple[object, ...]):
    assert NOTHING not in cli("--suite", "fer2013", "--results", ran, *FEW, *more).out


def test_a_data_set_that_has_come_is_noticed(ran: Path):
    (Path("data") / "fer2013").mkdir(parents=True)
    assert NOTHING not in run(ran).out


def test_what_a_run_leaves_is_not_kept_where_its_inputs_changed_meanwhile(ran: Path):
    options = Options(results=ran)
    before = unchanged.inputs(options)
    add_file(ran)
    (ran / "fer2013" / "local" / "last_run.json").unlink()
    unchanged.keep(options, before)
    assert not (ran / "fer2013" / "local" / "last_run.json").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"code": 1}'])
def test_a_damaged_record_is_no_obstacle(ran: Path, content: str):
    (ran / "fer2013" / "local" / "last_run.json").write_text(content)
    assert NOTHING not in run(ran).out
