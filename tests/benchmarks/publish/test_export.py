"""What an export leaves: a file that was checked, or nothing."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ensembles
from benchmarks.data import Dataset
from benchmarks.data.fingerprint import assemble
from benchmarks.publish import export as exporting
from benchmarks.publish.check import ExportFailed, Recogniser, agreement, check_accuracy, check_agreement
from benchmarks.publish.export import CannotExport, Job, check_job, export, staged
from benchmarks.publish.formats import FORMATS
from tests.helpers.generated import stripes
from tests.helpers.random_models import CLASSES, model_of, need_onnx, random_member
from tests.helpers.runs import files
from zoo.use.bundle import Facts

torch.set_num_threads(1)
LOGITS = np.random.default_rng(0).normal(size=(2, 5, 3))
FACTS = Facts(CLASSES, "generated", "A model", "", members=({"label": "lenet", "weights_sha256": "0a"},))


@pytest.fixture
def images() -> Dataset:
    splits = {"train": stripes(24, seed=0), "val": stripes(40, seed=1), "test": stripes(24, seed=2)}
    return assemble(splits, ("across", "down", "checkers"), "generated")


@pytest.fixture
def job() -> Job:
    return Job(
        model_of([random_member("lenet"), random_member("mlp", seed=1)], "weighted"), "torchscript", "fp32", FACTS
    )


def test_a_file_lies_with_its_facts_and_the_fitted_ensembler(job: Job, tmp_path: Path):
    written = export(job, tmp_path / "a" / "b")
    assert set(files(tmp_path)) == {f"a/b/weighted{end}" for end in (".pt", ".json", ".ensembler.safetensors")}
    assert written.path == tmp_path / "a" / "b" / "weighted.pt" and "256 images" in str(written)
    told = json.loads((tmp_path / "a" / "b" / "weighted.json").read_text())
    assert told["classes"] == list(CLASSES) and told["stored"] == "fp32"
    assert told["check"]["of"] == "made-up images" and told["check"]["largest_difference"] < 1e-5
    assert list(told["files"]) == ["weighted.ensembler.safetensors", "weighted.pt"]
    kept, fitted = ensembles.load(tmp_path / "a" / "b" / "weighted.ensembler.safetensors"), job.spec.fitted
    assert fitted is not None and np.array_equal(kept.predict_proba(LOGITS), fitted.predict_proba(LOGITS))


def test_with_images_the_files_own_accuracy_is_measured(job: Job, images: Dataset, tmp_path: Path):
    written = export(replace(job, dataset=images), tmp_path)
    expected = (job.spec.probabilities(images.val.images).argmax(axis=1) == images.val.targets).mean()
    assert written.val_accuracy == pytest.approx(expected)
    assert written.facts.accuracy == {"val": round(float(expected), 6)}
    assert json.loads((tmp_path / "weighted.json").read_text())["check"]["of"] == "val"
    with zipfile.ZipFile(tmp_path / "weighted.pt") as archive:
        facts = json.loads(archive.read("weighted/extra/facts.json"))
    assert json.loads(facts["accuracy"]) == written.facts.accuracy


def test_a_file_that_says_something_else_is_not_left(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    wrong = replace(FORMATS["torchscript"], open=lambda path: lambda crops: np.full((len(crops), 3), 1 / 3))
    monkeypatch.setitem(exporting.FORMATS, "torchscript", wrong)
    with pytest.raises(ExportFailed, match=r"weighted\.pt differs from the project by more than 1e-05: 256 images"):
        export(job, tmp_path / "new")
    assert files(tmp_path) == {} and not (tmp_path / "new").exists()


def test_a_file_that_resizes_otherwise_is_not_left(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def without_resizing(path: Path) -> Recogniser:
        recognise = torchscript.open(path)
        return lambda crops: recognise(crops[:, :16, :16] if crops.shape[1] > 16 else crops)

    torchscript = FORMATS["torchscript"]
    monkeypatch.setitem(exporting.FORMATS, "torchscript", replace(torchscript, open=without_resizing))
    with pytest.raises(ExportFailed, match=r"with crops of 96 x 96, differs"):
        export(job, tmp_path)
    assert files(tmp_path) == {}


def test_what_lay_there_stays_after_a_failure(tmp_path: Path):
    (tmp_path / "model.onnx").write_text("of before")
    with pytest.raises(RuntimeError), staged(tmp_path) as draft:
        (draft / "model.onnx").write_text("half")
        raise RuntimeError
    assert files(tmp_path) == {"model.onnx": b"of before"} and list(tmp_path.iterdir()) == [tmp_path / "model.onnx"]


def test_limits_are_by_how_weights_are_stored():
    expected = np.tile([0.6, 0.3, 0.1], (200, 1))
    near = expected + np.array([0.015, -0.015, 0])

    def with_others(count: int) -> np.ndarray:
        return np.where(np.arange(200)[:, None] < count, expected[:, [1, 0, 2]], expected)

    check_agreement(agreement(expected, near), "int8", "it")
    with pytest.raises(ExportFailed, match=r"it differs from the project by more than 0\.005"):
        check_agreement(agreement(expected, near), "fp16", "it")
    check_agreement(agreement(expected, with_others(2)), "int8-static", "it")
    with pytest.raises(ExportFailed, match=r"it must agree on 98\.5 % of the classes: .* 98\.00 %"):
        check_agreement(agreement(expected, with_others(4)), "int8-static", "it")
    with pytest.raises(ExportFailed, match="differs"):
        check_agreement(agreement(expected, expected * np.nan), "fp32", "it")


def test_a_file_must_not_lose_half_a_point_to_its_row(job: Job, images: Dataset, tmp_path: Path):
    check_accuracy(0.7, 0.696, "it")
    with pytest.raises(
        ExportFailed, match=r"it loses 0\.60 points of accuracy on val, more than 0\.5: its row .* 70\.00 %"
    ):
        check_accuracy(0.7, 0.694, "it")
    with pytest.raises(ExportFailed, match=r"weighted\.pt loses"):
        export(replace(job, dataset=images, facts=replace(FACTS, accuracy={"val": 1.0})), tmp_path)
    assert files(tmp_path) == {}


def test_formats_say_what_they_have(monkeypatch: pytest.MonkeyPatch, job: Job, tmp_path: Path):
    with pytest.raises(CannotExport, match="torchscript has no int8 weights: fp32"):
        check_job("torchscript", "int8")
    with pytest.raises(CannotExport, match="there is no format 'tflite': onnx, openvino, torchscript"):
        check_job("tflite", "fp32")
    monkeypatch.setattr(exporting, "version", lambda name: "2.7.1+cpu")
    with pytest.raises(CannotExport, match=r"onnx needs torch 2\.8 or newer"):
        check_job("onnx", "fp32")
    monkeypatch.setattr(exporting, "version", lambda name: "2.10.0")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        CannotExport, match=r'onnx needs onnx and onnxscript and onnxruntime: pip install -e "\.\[export\]"'
    ):
        check_job("onnx", "fp32")


def test_static_int8_needs_images(job: Job, tmp_path: Path):
    need_onnx()
    with pytest.raises(CannotExport, match="calibrated on training images, and none are at hand"):
        export(replace(job, format="onnx", weights="int8-static"), tmp_path / "new")
    assert not (tmp_path / "new").exists()
