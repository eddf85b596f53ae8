"""Members that learn from other members, on the digits suite: teachers, judges, doubtful labels, trials."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmark
from benchmarks import suites
from benchmarks.commands import trials
from benchmarks.data import DataError, DataOptions, Dataset
from benchmarks.execution.distillation import changed_peers, peers_of
from benchmarks.execution.in_sample import keep_train_logits
from benchmarks.execution.tasks import Task, schedule
from benchmarks.files import CsvRow, csv_text_of, read_csv, write_atomic
from benchmarks.fold import Fold
from benchmarks.session import Options, Session
from benchmarks.store.container import StoreError, read_file, read_header
from benchmarks.store.file_names import member_files
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets
from benchmarks.store.train_logits import IN_SAMPLE, OUT_OF_FOLD, TrainLogits
from benchmarks.store.weights import read_weights, write_weights
from tests.helpers.runs import Outcome, cli
from zoo import registry
from zoo.inference import predict as inference
from zoo.inference.views import VIEWS
from zoo.overrides import override
from zoo.training.job import TrainContext

LINEAR = registry.get("linear")

pytestmark = pytest.mark.usefixtures("no_figures")


def run(results: Path, *options: str) -> Outcome:
    common = ("--suite", "digits", "--results", results, "--device", "cpu", "--train", "missing", "--quiet")
    return cli(*common, "--ensemblers", "uniform", *options)


@pytest.fixture
def results(digits_run: tuple[Path, Outcome], tmp_path: Path) -> Path:
    """A copy of the digits results, weights and all."""
    return Path(shutil.copytree(digits_run[0], tmp_path / "results"))


@pytest.fixture
def judged(results: Path) -> Path:
    """The same with out-of-fold predictions of one member."""
    done = run(results, "--members", "linear", "--set", "recipe.folds=3", "recipe.epochs=2")
    assert done.code == 0, done.err
    return results


def stored(results: Path, member: str) -> list[Path]:
    """The files of a member's predictions on val and test."""
    return member_files(results / "digits" / "predictions", member)


def train_files(results: Path, member: str, kind: str = IN_SAMPLE) -> list[Path]:
    """The files of a member's logits on the training images of one kind."""
    files = (results / "digits" / "predictions").glob(f"{member}.*.train.safetensors")
    return sorted(path for path in files if kind in read_file(path)[0])


def kept_logits(results: Path, member: str) -> TrainLogits:
    """What a member, trained as it is registered, says of the images that it learnt from."""
    (path,) = train_files(results, member)
    arrays, header, _ = read_file(path)
    return TrainLogits(arrays[IN_SAMPLE], header["weights"])


def notes(results: Path) -> list[str]:
    return list(json.loads((results / "digits" / "results.json").read_text())["notes"])


def test_a_member_of_the_store_teaches_another(results: Path):
    before = stored(results, "linear")
    done = run(results, "--members", "linear", "--set", "recipe.labels.teacher=lenet+mlp", "recipe.epochs=2")
    assert done.code == 0, done.err
    (student,) = set(stored(results, "linear")) - set(before)
    taught = read_header(student)["taught_by"]
    assert taught == {f"{name}.s0": kept_logits(results, name).digests() for name in ("lenet", "mlp")}


MATCHED = ("--members", "linear", "--set", "recipe.labels.teacher=lenet+mlp", "recipe.epochs=2")


def test_teachers_may_see_the_students_views(results: Path):
    before = stored(results, "linear")
    done = run(results, *MATCHED, "recipe.labels.matched=true")
    assert done.code == 0, done.err
    (student,) = set(stored(results, "linear")) - set(before)
    expected = {f"{name}.s0": {"weights": kept_logits(results, name).weights} for name in ("lenet", "mlp")}
    assert read_header(student)["taught_by"] == expected
    assert run(results, *MATCHED, "recipe.labels.matched=true").code == 0
    assert notes(results) == []
    plan = cli(
        "plan", "--suite", "digits", "--results", results, "--train", "always", *MATCHED, "recipe.labels.matched=true"
    )
    lenet, mlp, linear = (registry.get(name).macs or 0 for name in ("lenet", "mlp", "linear"))
    share = f"{100 * (lenet + mlp) / (3 * linear):.0f} %"
    assert f"linear: lenet, mlp look at each of its views, which adds {share} to its own multiply-adds" in plan.out


def test_a_teacher_without_weights_cannot_see_views(results: Path):
    for path in (results / "digits" / "checkpoints").glob("mlp.*"):
        path.unlink()
    assert run(results, *MATCHED).code == 0, "what it says of the stored images is kept"
    failed = run(results, *MATCHED, "recipe.labels.matched=true")
    assert "mlp, seed 0, cannot teach by the student's views" in failed.err + failed.out
    assert "--members mlp --seeds 0 --train always" in failed.err + failed.out


def test_a_student_whose_teacher_now_says_something_else_is_named(results: Path):
    student = ("--members", "linear", "--set", "recipe.labels.teacher=lenet+mlp", "recipe.epochs=2")
    assert run(results, *student).code == 0
    assert run(results, *student).code == 0
    assert notes(results) == []
    assert run(results, "--members", "mlp", "--set", "recipe.folds=3", "recipe.epochs=2").code == 0
    assert run(results, *student).code == 0
    (note,) = notes(results)
    assert note.startswith("linear.s0 was taught by other logits of mlp.s0 than the store holds now")


def test_students_from_before_digests_were_kept_are_passed_over(results: Path):
    store = PredictionStore(results / "digits" / "predictions")
    targets = Targets.of(suites.get("digits").read(DataOptions()))
    (mlp,) = (store.read(path, targets) for path in stored(results, "mlp"))
    assert changed_peers([mlp], store, targets) == []
    for digests, count in (({"logits": "0" * 64}, 1), (kept_logits(results, "lenet").digests(), 0)):
        taught = {"lenet.s0": digests, "gone.s0": {"logits": "1" * 64}}
        student = replace(mlp, provenance={**mlp.provenance, "taught_by": taught})
        assert len(changed_peers([student], store, targets)) == count


def test_a_teacher_is_asked_once_until_its_weights_are_others(results: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []
    predict = inference.predict

    def noted(member: registry.Member, *about: Any) -> np.ndarray:
        asked.append(member.name)
        return predict(member, *about)

    monkeypatch.setattr(inference, "predict", noted)
    dataset, checkpoints = suites.get("digits").read(DataOptions()), results / "digits" / "checkpoints"
    student = override(LINEAR, ["recipe.labels.teacher=mlp"])
    configuration = Configuration(student, 0, dataset.fingerprint, len(dataset.classes))

    def teach() -> np.ndarray:
        store = PredictionStore(results / "digits" / "predictions")
        teacher = peers_of(configuration, dataset, store, TrainContext(checkpoints)).predictions.teacher
        assert teacher is not None
        return teacher

    first = teach()
    assert asked == [], "its training has kept what it says"
    (kept,) = train_files(results, "mlp")
    kept.unlink()
    again = teach()
    np.testing.assert_allclose(again, first, atol=0.01)  # predicted anew, rounded to float16
    np.testing.assert_array_equal(teach(), again)
    assert asked == ["mlp"]
    kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(StoreError, match=f"{kept.name}: is damaged"):
        teach()
    kept.unlink()
    (weights,) = checkpoints.glob("mlp.*.weights.safetensors")
    values, provenance, history = read_weights(weights)
    write_weights(weights, {name: value * 0 for name, value in values.items()}, provenance, history)
    assert not np.array_equal(teach(), first), "other weights say something else"
    assert asked == ["mlp"] * 2


def test_without_its_weights_a_teacher_teaches_by_what_the_store_keeps(results: Path):
    shutil.rmtree(results / "digits" / "checkpoints")
    done = run(results, "--members", "linear", "--set", "recipe.labels.teacher=lenet", "recipe.epochs=2")
    assert done.code == 0, done.err


def test_a_teacher_of_which_nothing_is_kept_is_named_with_the_command_that_makes_it(results: Path):
    shutil.rmtree(results / "digits" / "checkpoints")
    train_files(results, "lenet")[0].unlink()
    done = run(results, "--members", "linear", "--set", "recipe.labels.teacher=lenet", "recipe.epochs=2")
    assert done.code == 2
    assert "lenet cannot teach: the store has no logits of it on the training images, and its weights" in done.err
    assert "are not in checkpoints/; --members lenet --seeds 0 --train always" in done.err


def test_logits_that_are_too_large_to_be_committed_lie_beside_the_weights(
    results: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("benchmarks.store.train_logits.MOST_BYTES", 0)
    train_files(results, "mlp")[0].unlink()
    done = run(results, "--members", "linear", "--set", "recipe.labels.teacher=mlp", "recipe.epochs=2")
    assert done.code == 0, done.err
    assert train_files(results, "mlp") == []
    assert len(list((results / "digits" / "checkpoints").glob("mlp.*.train.safetensors"))) == 1


def test_trained_members_get_the_logits_that_they_lack_where_training_is_asked_for(results: Path):
    members = ("linear", "mlp")
    before = {train_files(results, name)[0]: kept_logits(results, name) for name in members}
    weights = {path: path.stat().st_mtime_ns for path in (results / "digits" / "checkpoints").glob("*.weights.*")}
    for path in before:
        path.unlink()
    assert run(results, "--members", *members, "--train", "auto").code == 0
    assert not any(path.exists() for path in before)
    assert run(results, "--members", *members).code == 0
    for name, (path, old) in zip(members, before.items(), strict=True):
        assert train_files(results, name) == [path]
        assert kept_logits(results, name).weights == old.weights
        np.testing.assert_allclose(kept_logits(results, name).logits, old.logits, atol=0.05)
    assert {path: path.stat().st_mtime_ns for path in weights} == weights


def test_without_the_images_no_logits_are_kept_and_that_is_said(results: Path, dataset: Dataset):
    def gone(options: DataOptions) -> Dataset:
        raise DataError("no images here")

    said: list[str] = []
    digits = suites.get("digits")
    session = Session(Options("digits", ("linear",), results=results, device="cpu"))
    context = TrainContext(session.checkpoints, note=said.append)
    for load in (gone, lambda options: dataset):
        fold = Fold(replace(digits, load=load), DataOptions(), session.store)
        step = schedule(session)[0][0][0].step
        keep_train_logits(session.store, [Task(fold, step, "linear")], context)
    assert [text.partition(": ")[2] for text in said] == [
        "no images here",
        "the images found are not those the stored predictions are of",
    ]


def test_a_judge_without_folds_is_named_with_the_command_that_makes_them(results: Path):
    done = run(results, "--members", "linear", "--set", "recipe.labels.judge=mlp", "recipe.labels.clean=0.1")
    assert done.code == 2
    assert "mlp, seed 0, has no out-of-fold predictions" in done.err
    assert "--set recipe.folds=5" in done.err


@pytest.mark.parametrize(
    ("teacher", "message"), [("lenot", "did you mean lenet"), ("lenet:one", "'lenet:one': write a member as name")]
)
def test_a_teacher_that_cannot_be_is_refused(results: Path, teacher: str, message: str):
    done = run(results, "--members", "linear", "--set", f"recipe.labels.teacher={teacher}", "recipe.epochs=2")
    assert done.code == 2
    assert message in done.err


def test_labels_are_cleaned_by_out_of_fold_predictions(judged: Path):
    assert len(train_files(judged, "linear", OUT_OF_FOLD)) == 1
    settings = ("recipe.labels.judge=linear", "recipe.labels.clean=0.1", "recipe.labels.pseudo=0.6", "recipe.epochs=2")
    assert run(judged, "--members", "mlp", "--set", *settings).code == 0


def test_parts_leave_no_checkpoints_behind(judged: Path):
    assert list((judged / "digits" / "checkpoints").glob("*.pt")) == []


def test_doubtful_labels_are_ranked(judged: Path, capsys: pytest.CaptureFixture[str]):
    assert benchmark.main(["label-issues", "--suite", "digits", "--judges", "linear", "--results", str(judged)]) == 0
    with (judged / "digits" / "label_issues.csv").open() as file:
        rows = list(csv.DictReader(file))
    confidence = [float(row["confidence_in_given"]) for row in rows]
    assert confidence == sorted(confidence)
    assert confidence[0] < 0.3 < confidence[-1]
    assert len({row["row"] for row in rows}) == len(rows)
    assert f"{len(rows)} training images" in capsys.readouterr().out


def test_a_judge_that_has_not_judged_is_refused(results: Path, capsys: pytest.CaptureFixture[str]):
    assert benchmark.main(["label-issues", "--suite", "digits", "--judges", "mlp", "--results", str(results)]) == 2
    assert "mlp has no out-of-fold predictions; make them with" in capsys.readouterr().err


def test_trials_write_a_row_a_member_and_do_not_repeat_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["--suite", "digits", "--members", "linear", "mlp", "--seconds", "1", "--results", str(tmp_path)]
    assert benchmark.main(["trials", *command, "--device", "cpu"]) == 0
    assert capsys.readouterr().out.count("val") == 2
    rows = read_csv(tmp_path / "digits" / "trials.csv")
    assert {row["member"] for row in rows} == {"linear", "mlp"}
    assert all(float(row["val_accuracy"]) > 0.3 and not any("test" in column for column in row) for row in rows)
    assert rows == sorted(rows, key=lambda row: -float(row["val_accuracy"]))
    assert benchmark.main(["trials", *command, "--device", "cpu"]) == 0
    assert capsys.readouterr().out == ""


def test_trials_read_rows_with_test_accuracies_and_keep_none(tmp_path: Path):
    """Rows of before test was left to the leaderboard."""
    command = ["--suite", "digits", "--members", "linear", "--seconds", "1", "--results", str(tmp_path)]
    assert benchmark.main(["trials", *command, "--device", "cpu"]) == 0
    path = tmp_path / "digits" / "trials.csv"
    (row,) = read_csv(path)
    write_atomic(path, csv_text_of([{**row, "member": "older", "test_accuracy": "0.9"}]))
    assert benchmark.main(["trials", *command, "--device", "cpu"]) == 0
    assert [set(each) == set(row) for each in read_csv(path)] == [True, True]


def test_trials_of_which_none_succeeds_are_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def attempt(member: registry.Member, *rest: object) -> CsvRow:
        if member.name == "mlp":
            raise RuntimeError("no luck\nat all")
        return {"member": member.name, "val_accuracy": "0.5", "seconds": "1", "asked_seconds": "1"}

    monkeypatch.setattr(trials, "attempt", attempt)
    command = ["trials", "--suite", "digits", "--seconds", "1", "--results", str(tmp_path), "--device", "cpu"]
    assert benchmark.main([*command, "--members", "mlp"]) == 2
    said = capsys.readouterr().err
    assert "mlp: RuntimeError: no luck at all\n" in said and "no trial was possible: 1 of 1 members failed" in said
    assert not (tmp_path / "digits" / "trials.csv").exists()
    assert benchmark.main([*command, "--members", "mlp", "linear"]) == 0
    assert "mlp: RuntimeError" in capsys.readouterr().err


def test_views_are_compared_on_val_alone_and_once(results: Path, capsys: pytest.CaptureFixture[str]):
    command = ["--suite", "digits", "--members", "linear", "mlp", "--results", str(results), "--device", "cpu"]
    assert benchmark.main(["tta", *command]) == 0
    assert "(linear.s0, mlp.s0)" in capsys.readouterr().out
    rows = read_csv(results / "digits" / "tta.csv")
    assert len(rows) == 2 * len(VIEWS)
    stored = {row["name"]: row for row in json.loads((results / "digits" / "results.json").read_text())["members"]}
    for row in rows:
        if row["tta"] == "none":  # as the digits' recipes predict
            known = stored[row["stem"].partition(".")[0]]["val_accuracy"]
            assert float(row["val_accuracy"]) == pytest.approx(known, abs=0.005), "logits in the store are rounded"
    mirrored = {float(row["val_accuracy"]) for row in rows if row["tta"] == "flip"}
    assert max(mirrored) < min(float(row["val_accuracy"]) for row in rows if row["tta"] == "none"), "digits have a side"
    assert benchmark.main(["tta", *command]) == 0
    assert "ten_crop, 0" not in capsys.readouterr().out, "what is there is not computed again"
    assert benchmark.main(["tta", *command, "--results", str(results / "nowhere")]) == 2


def test_trees_on_the_features_of_a_member_are_a_member(results: Path, add_member: Callable[[registry.Member], None]):
    add_member(replace(registry.get("mlp"), name="mlp_xgboost", features_of="mlp"))
    (weights,) = (results / "digits" / "checkpoints").glob("mlp.*.weights.safetensors")
    before = weights.stat().st_mtime_ns
    done = run(results, "--members", "mlp", "mlp_xgboost")
    assert done.code == 0, done.err
    assert weights.stat().st_mtime_ns == before, "the network's weights are those of the member, not trained again"
    rows = json.loads((results / "digits" / "results.json").read_text())["members"]
    network, trees = (next(row for row in rows if row["name"] == name) for name in ("mlp", "mlp_xgboost"))
    assert abs(network["test_accuracy"] - trees["test_accuracy"]) < 0.05
    assert trees["hash"] != network["hash"]
    assert trees["train_seconds"] > network["train_seconds"]
    assert len(stored(results, "mlp_xgboost")) == 1
    assert not stored(results, "mlp_xgboost")[0].with_suffix(".csv").exists(), "epochs are the network's"


def test_a_change_of_the_trees_leaves_the_network_as_it_is(
    results: Path, add_member: Callable[[registry.Member], None]
):
    add_member(replace(registry.get("mlp"), name="mlp_xgboost", features_of="mlp"))
    for depth in ("2", "3"):
        assert run(results, "--members", "mlp_xgboost", "--set", f"recipe.trees.depth={depth}").code == 0
    assert len(stored(results, "mlp_xgboost")) == 2
    assert len(list((results / "digits" / "checkpoints").glob("mlp*.weights.safetensors"))) == 1


@pytest.mark.parametrize(
    ("speed", "epochs", "bound"),
    [
        (1000.0, LINEAR.recipe.epochs, 0),  # more than its recipe asks for fits
        (100.0, 10, 0),
        (10.0, trials.LEAST_EPOCHS, 128),
        (0.1, trials.LEAST_EPOCHS, LINEAR.recipe.batch_size),  # never less than a step an epoch
    ],
)
def test_a_trial_has_as_many_images_as_fit(speed: float, epochs: int, bound: int):
    plain = replace(LINEAR, recipe=replace(LINEAR.recipe, start_size=1.0))
    recipe = trials.fitted(plain, images_per_second=speed, seconds=100.0, train_size=1000).recipe
    assert (recipe.epochs, recipe.epoch_images) == (epochs, bound)
