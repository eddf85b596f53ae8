"""A released model: its folder, its card and its weights say what was measured, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from benchmarks.data.digits import load
from benchmarks.publish.card import card
from benchmarks.publish.facts import face_terms
from benchmarks.publish.measure import load_probabilities, measured
from benchmarks.publish.release import LARGEST, finest, small_enough
from benchmarks.publish.spec import crops_of
from benchmarks.publish.thresholds import Calibration
from benchmarks.store.targets import load_targets
from tests.helpers.digits import read, stored_weights
from tests.helpers.random_models import need_onnx
from tests.helpers.results import audit, audit_row, blank_results, member
from tests.helpers.runs import ROOT, Outcome, cli, files
from zoo import registry
from zoo.pretrained import released
from zoo.pretrained.faces import FACES
from zoo.use.bundle import Bundle

torch.set_num_threads(1)
VGGFACE2 = "Its teacher mobilenetv1_mid_vggface2@fourth starts from a network trained on VGGFace2"
SFACE = "Its teacher face_mobilenet_mid_sface starts from OpenCV's SFace"
MODELS = sorted((ROOT / "results").glob("*/model/model.json"))


@pytest.fixture(scope="module")
def results(digits_run: tuple[Path, Outcome], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits run with a released model."""
    need_onnx()
    results = tmp_path_factory.mktemp("released") / "results"
    shutil.copytree(digits_run[0], results)
    done = cli("export", "lenet", "--release", "--suite", "digits", "--results", results)
    assert done.code == 0, done.err
    return results


@pytest.fixture(scope="module")
def folder(results: Path) -> Path:
    return results / "digits" / "model"


def facts_in(folder: Path) -> Any:
    return json.loads((folder / "model.json").read_text())


def checked_folder(folder: Path, results: Any) -> None:
    """Everything that stands in the folder of a released model is what can be computed again."""
    facts = facts_in(folder)
    assert (folder / "README.md").read_text() == card(facts, results), "python benchmark.py export --card"
    targets = load_targets(folder.parent / "predictions", results["data_fingerprint"])
    conformal = facts["conformal"]
    calibration = Calibration(facts["temperature"], facts["thresholds"], conformal["coverage"], conformal["quantile"])
    probabilities = load_probabilities(folder / "probabilities.safetensors")
    assert measured(probabilities, targets, calibration) == facts["measured"]
    bundle = Bundle(folder / "expression.onnx")
    assert bundle.facts.accuracy == {
        "val": facts["measured"]["val_accuracy"],
        "test": facts["measured"]["test_accuracy"],
        "interval": facts["measured"]["test_interval"],
    }
    assert bundle.facts.classes == tuple(results["classes"]) == tuple(facts["classes"])
    assert bundle.facts.thresholds == facts["thresholds"]
    assert not bundle.facts.restricted and (folder / "expression.onnx").stat().st_size <= LARGEST


# Of the released model of the digits


def test_a_release_is_five_files(folder: Path):
    assert set(files(folder)) == {
        "README.md",
        "expression.onnx",
        "model.json",
        "model.safetensors",
        "probabilities.safetensors",
    }
    assert {name: about["bytes"] for name, about in facts_in(folder)["files"].items()} == {
        name: (folder / name).stat().st_size for name in facts_in(folder)["files"]
    }


def test_everything_in_it_can_be_computed_again(results: Path, folder: Path):
    checked_folder(folder, read(results))


def test_the_file_scores_what_the_card_says_to_the_image(folder: Path):
    facts, dataset = facts_in(folder), load(None)
    found = Bundle(folder / "expression.onnx")(crops_of(dataset.test.images)).argmax(axis=1)
    right = int((found == dataset.test.targets).sum())
    assert right == round(facts["measured"]["test_accuracy"] * len(dataset.test.targets))
    assert f"| **this file** | {100 * right / len(found):.2f} |" in (folder / "README.md").read_text()


def test_quantised_files_come_to_stand_on_the_board(results: Path, folder: Path, no_figures: None):
    half, int8, static = facts_in(folder)["quantised"]
    measured_here = facts_in(folder)["measured"]
    assert [file["stored"] for file in (half, int8, static)] == ["fp16", "int8", "int8-static"]
    assert half["test_accuracy"] == measured_here["test_accuracy"] and half["bytes"] > int8["bytes"]
    assert half["same_class"] > 0.999 and int8["p"] > 0.05 and static["same_class"] > 0.9
    assert "a file in int8-static" in (folder / "README.md").read_text()
    done = cli("--suite", "digits", "--results", results, "--ensemblers", "uniform", "--train", "never", "--quiet")
    assert done.code == 0 and read(results)["quantised"] == {"row": "lenet", "files": [half, int8, static]}
    assert "## What quantisation costs" in (results / "digits" / "leaderboard.md").read_text()


@pytest.mark.parametrize(("params", "stored"), [(10, "fp16"), (2_300_000, "fp16"), (2_400_000, "int8")])
def test_weights_are_stored_as_exactly_as_a_repository_bears(params: int, stored: str):
    assert finest(params) == stored


def test_the_card_has_the_numbers_of_the_board(results: Path, folder: Path):
    (row,) = (row for row in read(results)["members"] if row["name"] == "lenet")
    text = (folder / "README.md").read_text()
    low, high = row["test_interval"]
    assert f"lenet | {100 * row['test_accuracy']:.2f} | [{100 * low:.1f}, {100 * high:.1f}] |" in text
    assert f"Configuration `{row['hash']}`" in text and "Ask people before you point it at them." in text


def test_a_card_of_other_results_differs_or_is_refused(results: Path, folder: Path):
    board = read(results)
    (row,) = (row for row in board["members"] if row["name"] == "lenet")
    row["test_accuracy"] -= 0.01
    assert card(facts_in(folder), board) != (folder / "README.md").read_text()
    row["hash"] = "0" * 12
    with pytest.raises(ValueError, match="has no row of lenet with the predictions of this model"):
        card(facts_in(folder), board)


def test_the_card_is_written_anew_from_results_alone(results: Path, folder: Path):
    before = (folder / "README.md").read_text()
    (folder / "README.md").write_text("lost")
    done = cli("export", "--card", "--suite", "digits", "--results", results)
    assert (done.code, done.out) == (0, f"{folder / 'README.md'}\n")
    assert (folder / "README.md").read_text() == before


def test_the_zoo_gives_the_released_weights_by_name(results: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(released, "FOLDER", results)
    network = zoo.create_model("lenet", num_classes=10, pretrained=True)
    own = zoo.create_model("lenet", num_classes=10, checkpoint_path=stored_weights(results, "lenet"))
    theirs = own.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in network.state_dict().items())
    other_head = zoo.create_model("lenet", num_classes=3, pretrained=True)
    first = next(iter(theirs))
    assert torch.equal(other_head.state_dict()[first], theirs[first])
    with pytest.raises(ValueError, match="the released weights of lenet are for 1 channels, not 3"):
        zoo.create_model("lenet", num_classes=10, in_chans=3, pretrained=True)
    with pytest.raises(ValueError, match="mlp starts from random weights"):
        zoo.create_model("mlp", num_classes=10, pretrained=True)


# What is not released


def test_a_release_has_a_form_of_its_own(results: Path):
    for more in (("--format", "onnx"), ("--out", "here"), ("--card",)):
        done = cli("export", "--release", *more, "--suite", "digits", "--results", results)
        assert done.code == 2 and "--release and --card have a form of their own" in done.err


def test_no_ensemble_is_released(results: Path, folder: Path):
    before = files(folder)
    done = cli("export", "uniform", "--release", "--suite", "digits", "--results", results)
    assert done.code == 2 and "is no single network: a release is one" in done.err
    assert files(folder) == before


def test_nothing_is_released_of_a_suite_with_research_terms(tmp_path: Path):
    done = cli("export", "--release", "--suite", "rafdb", "--results", tmp_path / "results")
    assert done.code == 2 and "RAF-DB is given for research: no model trained on it is released" in done.err
    assert files(tmp_path) == {}


def test_the_best_on_val_of_the_small_ones_is_released():
    rows = [
        member("large", 0, 0.75, params=6_000_000),
        member("best", 0, 0.73, params=4_300_000),
        member("small", 0, 0.70, params=100_000),
        member("votes", 0, 0.74, params=100_000, extra_labels="votes"),
        member("mobilenetv1_mid_vggface2@twenty", 0, 0.74, params=100_000, init="face (VGGFace2)"),
        member("vgg_fer@from_fer2013--resnet29_mid_dlib", 0, 0.74, params=100_000, init="fer2013"),
        member("patt_lite_vggface2@five@from_fer2013", 0, 0.74, params=100_000, init="fer2013"),
        member("vgg_fer@muon@sixth", 0, 0.74, params=100_000),
        member("theirs", None, 0.74, params=None, kind="external"),
    ]
    assert [row["name"] for row in small_enough(blank_results(members=rows))] == ["best", "small"]


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("vgg_fer@muon", []),
        ("vgg_fer@muon@fourth", []),
        ("resnet29_mid_dlib@fourth", ["It starts from dlib's"]),
        ("vgg_fer@from_fer2013--vgg_fer--sixth", ["Its teacher mobilenetv1_mid_vggface2@fourth starts", SFACE]),
        ("mobilenetv1_mid_vggface2@sixth", ["It starts from a network trained on VGGFace2", VGGFACE2, SFACE]),
    ],
)
def test_what_a_member_is_made_of_binds(name: str, terms: list[str]):
    found = face_terms(registry.get(name))
    assert len(found) == len(terms) and all(one.startswith(start) for one, start in zip(found, terms, strict=True))


def test_terms_can_be_said_of_a_teacher():
    assert all(weights.terms.startswith("It starts from ") for weights in FACES.values())


# Of what is committed


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.parent.name)
def test_a_committed_model_is_what_its_card_says(path: Path):
    pytest.importorskip("onnxruntime")
    suite = path.parent.parent.name
    checked_folder(path.parent, read(ROOT / "results", suite))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.parent.name)
def test_a_committed_file_says_what_its_probabilities_say(path: Path):
    """Of images spread over PrivateTest: all of them take a minute, and were compared when the file was made."""
    pytest.importorskip("onnxruntime")
    from benchmarks import suites
    from benchmarks.data import DataError, DataOptions

    results = read(ROOT / "results", path.parent.parent.name)
    try:
        dataset = suites.get(results["suite"]).read(DataOptions())
    except DataError:
        pytest.skip("the images are not at hand")
    assert dataset.fingerprint == results["data_fingerprint"]
    chosen = np.linspace(0, len(dataset.test.images) - 1, 200).astype(int)
    found = Bundle(path.parent / "expression.onnx")(crops_of(dataset.test.images[chosen]))
    kept = load_probabilities(path.parent / "probabilities.safetensors")["test"][chosen]
    assert np.abs(found - kept).max() < 1e-4 and (found.argmax(axis=1) == kept.argmax(axis=1)).all()


# Cards of made-up models


def made_up(**changes: Any) -> tuple[dict[str, Any], Any]:
    row = member("tiny", 0, 0.71, hash="0a1b")
    results = blank_results(members=[row], audit=audit([audit_row("member", "tiny", 0.71)], 1))
    facts = {
        "name": "tiny",
        "title": "tiny",
        "classes": ["angry", "happy", "neutral"],
        "crop": {"box_to_side": 0.88, "up": 0.04, "level_above_degrees": 5.0, "size": 48, "colour": "grey"},
        "temperature": 0.9,
        "members": [{"label": "tiny", "hash": "0a1b"}],
        "code_version": "0123",
        "restricted": False,
        "stored": "int8",
        "check": {"images": 256, "of": "val", "largest_difference": 0.004, "same_class": 1.0},
        "row": {"kind": "member", "name": "tiny"},
        "passes": 2,
        "origin": "pictures of a kind",
        "files": {"expression.onnx": {"bytes": 1234, "sha256": "ab"}},
        **changes,
    }
    return facts, results


def test_a_card_without_images_says_what_the_board_says():
    facts, results = made_up()
    text = card(facts, results)
    assert "this file" not in text and "71.00 | [69.6, 72.4]" in text and "keep silent" not in text
    assert "the row without the 40 images whose pixels also stand in training | 70.00" in text
    assert "value: 0.7100" in text and "license: mit" in text and "It was trained on pictures of a kind" in text


def test_a_card_of_restricted_data_says_so():
    text = card(*made_up(restricted=True))
    assert "license: other" in text and "It must not be handed on." in text and "MIT" not in text


def test_how_it_was_chosen_is_told_as_it_is():
    choice = {"place": 1, "of": 9, "bytes": 5_000_000}
    among = "of the 9 members whose file has at most 5 MB, and that are made of no network of faces, it has the best"
    assert f"{among} accuracy there" in card(*made_up(choice=choice))
    assert "it is number 3 by accuracy there" in card(*made_up(choice={**choice, "place": 3}))
    assert "By name, not by its accuracy on val split." in card(*made_up(choice={**choice, "place": 0}))
