"""`export`: which model is meant, what it needs, and what is said where it cannot be had."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.helpers.bundles import write_bundle
from tests.helpers.damage import damaged_copies
from tests.helpers.digits import read, stored_weights
from tests.helpers.runs import Outcome, cli, files

torch.set_num_threads(1)
pytestmark = pytest.mark.usefixtures("nowhere_else")
SCRIPT = ("--format", "torchscript")  # without the packages of ONNX, and in no time


@pytest.fixture
def results(digits_run: tuple[Path, Outcome], tmp_path: Path) -> Path:
    """A copy of the digits run, to be changed."""
    shutil.copytree(digits_run[0], tmp_path / "results")
    return tmp_path / "results"


def export(results: Path, *arguments: object, suite: str = "digits") -> Outcome:
    return cli("export", *arguments, "--suite", suite, "--results", results)


def refused(results: Path, *arguments: object, suite: str = "digits") -> str:
    done = export(results, *arguments, suite=suite)
    assert (done.code, done.out) == (2, "") and "Traceback" not in done.err
    assert not Path("exported").exists()
    return done.err


def test_a_member_becomes_a_file_in_the_folder_exported(digits_run: tuple[Path, Outcome]):
    done = export(digits_run[0], "linear", *SCRIPT)
    assert done.code == 0 and done.out.startswith("exported/linear.pt, 0.0"), done.err
    told = json.loads(Path("exported/linear.json").read_text())
    (row,) = (member for member in read(digits_run[0])["members"] if member["name"] == "linear")
    assert told["check"]["of"] == "val" and told["accuracy"]["test"] == row["test_accuracy"]
    assert told["accuracy"]["val"] == pytest.approx(row["val_accuracy"], abs=1e-6), "of the file, and of its row"
    assert told["members"][0]["hash"] == row["hash"] and told["crop"]["size"] == 8


def test_an_ensembler_becomes_one_file_of_its_members(digits_run: tuple[Path, Outcome]):
    done = export(digits_run[0], "greedy", *SCRIPT, "--out", "here")
    assert done.code == 0, done.err
    told = json.loads(Path("here/greedy.json").read_text())
    (row,) = (row for row in read(digits_run[0])["ensembles"] if row["name"] == "greedy")
    assert [member["label"] for member in told["members"]] == row["members_used"]
    assert [member["weight"] for member in told["members"]] == [row["weights"][label] for label in row["members_used"]]
    assert Path("here/greedy.ensembler.safetensors").exists()


def test_a_copy_of_an_export_is_checked_by_its_json(digits_run: tuple[Path, Outcome]):
    assert export(digits_run[0], "greedy", *SCRIPT).code == 0
    facts, model = Path("exported/greedy.json"), Path("exported/greedy.pt")
    checked = cli("check", facts)
    assert (checked.code, checked.out) == (0, "greedy.json: ok, with greedy.ensembler.safetensors, greedy.pt\n")
    said = "greedy.pt: is missing, or not the file that greedy.json describes"
    for what, damaged in damaged_copies(model.read_bytes(), trials=20):
        model.write_bytes(damaged)
        checked = cli("check", facts)
        assert checked.code == 2 and said in checked.err, what
    model.unlink()
    assert said in cli("check", facts).err
    facts.write_text("{}")
    assert "greedy.json: lacks files" in cli("check", facts).err


def test_the_best_single_member_is_exported_as_a_member(digits_run: tuple[Path, Outcome]):
    done = export(digits_run[0], "best_single", *SCRIPT)
    (row,) = (row for row in read(digits_run[0])["ensembles"] if row["name"] == "best_single")
    assert done.out.startswith(f"exported/{row['members_used'][0]}.pt")


def test_other_views_are_calibrated_anew(digits_run: tuple[Path, Outcome]):
    assert export(digits_run[0], "linear", *SCRIPT, "--views", "flip").code == 0
    told = json.loads(Path("exported/linear.flip.json").read_text())
    assert told["title"] == "linear, views: flip" and told["members"][0]["views"] == "flip"
    assert set(told["accuracy"]) == {"val"}, "its row is of other views"
    assert "--views is for single members" in export(digits_run[0], "greedy", *SCRIPT, "--views", "flip").err


def test_what_cannot_be_exported_is_refused_with_what_can(digits_run: tuple[Path, Outcome]):
    message = refused(digits_run[0], "stack_xgboost", *SCRIPT)
    assert message.startswith(
        "benchmark.py: Stacking, XGBoost (stack_xgboost) has no form that an exported file can hold"
    )
    assert "exportable: best_single" in message
    assert "no model matches 'lniear': did you mean linear" in refused(digits_run[0], "lniear", *SCRIPT)
    assert "torchscript has no int8 weights: fp32" in refused(digits_run[0], "linear", *SCRIPT, "--weights", "int8")


def test_missing_weights_are_named_with_what_trains_them(results: Path):
    stored_weights(results, "mlp").unlink()
    message = refused(results, "uniform", *SCRIPT)
    assert "the weights of mlp are not at hand: mlp.s0." in message and "linear" not in message
    assert "python benchmark.py --suite digits --members mlp --train always (it took " in message


def test_weights_of_another_training_are_refused(results: Path):
    from benchmarks.store.weights import read_weights, write_weights

    path = stored_weights(results, "linear")
    weights, provenance, history = read_weights(path)
    write_weights(path, weights, {**provenance, "train_seconds": 1e6}, history)
    message = refused(results, "linear", *SCRIPT)
    assert "are not those that made its stored predictions" in message
    assert "train_seconds is 1000000.0 there and" in message
    path.write_bytes(b"damaged")
    assert "the weights of linear are damaged" in refused(results, "linear", *SCRIPT)


def test_a_board_of_other_predictions_is_refused(results: Path):
    board = read(results)
    for row in board["members"]:
        row["hash"] = "000000000000"
    (results / "digits" / "results.json").write_text(json.dumps(board))
    message = refused(results, "linear", *SCRIPT)
    assert (
        "is not of the stored predictions of linear: write it anew with python benchmark.py --suite digits" in message
    )


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for onnxruntime-web; and a face detector that is at hand."""
    from benchmarks.publish import runtime, web

    for name in runtime.NAMED:
        (tmp_path / name).write_text("")
    monkeypatch.setattr(web, "detector", lambda: b"a face detector")
    return tmp_path


def test_a_member_becomes_a_page_with_int8_weights(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch):
    from benchmarks.commands import export as command

    def export_file(arguments: argparse.Namespace, *form: object) -> argparse.Namespace:
        asked.append((arguments.name, *form[:3]))
        return argparse.Namespace(path=write_bundle(tmp_path / "linear.onnx"))

    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(command, "export_file", export_file)
    done = cli("export", "linear", "--format", "web", "--runtime", runtime, "--out", "page")
    assert done.code == 0 and done.out.startswith("page/index.html\nto look at it: python -m http.server"), done.err
    assert asked == [("linear", "onnx", "int8", Path("page"))]
    assert {path.name for path in Path("page").glob("*.onnx")} == {"expression.onnx", "blazeface.onnx"}


def test_a_model_file_becomes_a_page(tmp_path: Path, runtime: Path):
    file = write_bundle(tmp_path / "model.onnx")
    done = cli("export", file, "--format", "web", "--runtime", runtime)
    assert done.code == 0 and Path("exported/expression.onnx").read_bytes() == file.read_bytes(), done.err


def test_parts_of_the_page_that_are_missing_are_named_first(digits_run: tuple[Path, Outcome], tmp_path: Path):
    assert "has no ort.wasm.bundle.min.mjs" in refused(
        digits_run[0], "lniear", "--format", "web", "--runtime", tmp_path
    )
    assert "--runtime is for --format web" in refused(digits_run[0], "linear", "--runtime", tmp_path)


def test_without_results_it_says_what_makes_them(tmp_path: Path):
    assert "python benchmark.py --suite digits" in refused(tmp_path, "linear", *SCRIPT)


def test_what_was_trained_for_research_never_comes_to_lie_below_results(tmp_path: Path):
    before = files(tmp_path)
    inside = tmp_path / "results" / "kdef-random" / "model"
    message = refused(tmp_path / "results", "vgg_fer", *SCRIPT, "--out", inside, suite="kdef-random")
    assert "KDEF, random split is given for research, and nothing trained on it may be committed" in message
    assert files(tmp_path) == before and not inside.exists()


def test_a_suite_in_folds_has_no_one_model(tmp_path: Path):
    assert "is scored in 5 folds, each with members of its own" in refused(
        tmp_path / "results", "vgg_fer", *SCRIPT, suite="kdef"
    )
