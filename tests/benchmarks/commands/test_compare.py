"""Two runs side by side: what is paired, by how much it differs, and what cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.formats import labels
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.generated import stored_predictions
from tests.helpers.runs import Outcome, cli, files

SIMPLE = ("--ensemblers", "uniform", "best_single")

pytestmark = pytest.mark.usefixtures("nowhere_else", "no_figures")


def run(folder: Path, targets: Targets, *members: tuple[str, int, float]) -> dict[tuple[str, int], Predictions]:
    """A run of these members (name, seed, skill) in `folder`; their predictions."""
    store = PredictionStore(folder / "fer2013" / "predictions")
    save_targets(store.folder, targets)
    stored = {
        (name, seed): stored_predictions(store, targets, name, seed=seed, skill=skill) for name, seed, skill in members
    }
    names = sorted({name for name, _ in stored})
    done = cli("--results", folder, "--members", *names, "--train", "never", *SIMPLE)
    assert done.code == 0, done.err
    return stored


def compare(a: Path, b: Path, *options: object) -> Outcome:
    return cli("--compare", a, b, *SIMPLE, *options)


def as_json(a: Path, b: Path) -> dict[str, Any]:
    done = compare(a, b, "--json")
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


@pytest.fixture
def targets() -> Targets:
    random = np.random.default_rng(0)
    classes = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    return Targets(random.integers(0, 7, 300), random.integers(0, 7, 400), "f" * 32, classes, train_size=500)


@pytest.fixture
def folders(tmp_path: Path, targets: Targets) -> tuple[Path, Path]:
    """Run A; run B with a better resnet18, another vgg_fer seed, and without mini_xception."""
    run(tmp_path / "a", targets, ("vgg_fer", 0, 1.5), ("resnet18", 0, 1.0), ("mini_xception", 0, 1.0))
    run(tmp_path / "b", targets, ("vgg_fer", 0, 1.5), ("vgg_fer", 1, 1.5), ("resnet18", 0, 2.0))
    return tmp_path / "a", tmp_path / "b"


def test_differences_are_b_minus_a_on_the_same_images(tmp_path: Path, targets: Targets):
    before = run(tmp_path / "a", targets, ("vgg_fer", 0, 1.5), ("resnet18", 0, 1.0))
    after = run(tmp_path / "b", targets, ("vgg_fer", 0, 1.5), ("resnet18", 0, 2.0))
    rows = {row["name"]: row for row in as_json(tmp_path / "a", tmp_path / "b")["rows"]}
    assert set(rows) == {"headline", "uniform", "best_single", "vgg_fer", "resnet18"}
    right = [one["resnet18", 0].test.argmax(1) == targets.test for one in (before, after)]
    row = rows["resnet18"]
    assert (row["a"], row["b"]) == (pytest.approx(right[0].mean()), pytest.approx(right[1].mean()))
    gain = right[1].astype(float) - right[0]
    assert row["difference"] == pytest.approx(gain.mean(), abs=1e-6)
    half = 1.96 * gain.std() / np.sqrt(len(gain))
    assert row["interval"] == pytest.approx([gain.mean() - half, gain.mean() + half], abs=0.01)
    assert row["p"] < 0.001


def test_what_did_not_change_differs_by_nothing(folders: tuple[Path, Path]):
    (row,) = (row for row in as_json(*folders)["rows"] if row["name"] == "vgg_fer (seed 0)")
    assert (row["difference"], row["interval"], row["p"]) == (0.0, [0.0, 0.0], 1.0)


def test_a_run_beside_itself_differs_nowhere(folders: tuple[Path, Path]):
    found = as_json(folders[0], folders[0] / "fer2013")
    assert [row["difference"] for row in found["rows"]] == [0.0] * 6
    assert found["only_a"] == found["only_b"] == []


def test_exchanging_the_runs_turns_every_sign(folders: tuple[Path, Path]):
    there, back = as_json(*folders), as_json(*folders[::-1])
    assert {row["name"]: row["difference"] for row in there["rows"]} == {
        row["name"]: -row["difference"] for row in back["rows"]
    }
    assert (there["only_a"], there["only_b"]) == (back["only_b"], back["only_a"])


def test_rows_of_one_run_alone_are_listed(folders: tuple[Path, Path]):
    found = as_json(*folders)
    assert [row["name"] for row in found["only_a"]] == ["mini_xception"]
    assert [row["name"] for row in found["only_b"]] == ["vgg_fer (seed 1)"]


def test_ensembles_are_those_of_either_run(folders: tuple[Path, Path]):
    rows = {row["name"]: row for row in as_json(*folders)["rows"] if row["kind"] == "ensemble"}
    for side, folder in zip("ab", folders, strict=True):
        read = json.loads((folder / "fer2013" / "results.json").read_text())
        for one in read["ensembles"]:
            assert rows[one["name"]][side] == pytest.approx(one["test_accuracy"], abs=1e-6)


def test_the_text_has_a_line_a_row_and_writes_nothing(folders: tuple[Path, Path]):
    before = files(folders[0]), files(folders[1])
    done = compare(*folders)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    (line,) = (line for line in lines if line.split()[:2] == ["model", "resnet18"])
    assert "+" in line and "< 0.001" in line
    assert lines[-2].startswith("only in A: mini_xception (") and lines[-1].startswith("only in B: vgg_fer (seed 1) (")
    assert "PrivateTest (400 images)" in done.out
    assert (files(folders[0]), files(folders[1])) == before


def test_a_changed_recipe_is_compared_with_the_old_one(
    folders: tuple[Path, Path], targets: Targets, monkeypatch: pytest.MonkeyPatch
):
    """A run is what its results.json lists, whatever the zoo says of these members by now."""
    from zoo import registry

    known = registry.members()
    member = known["resnet18"]
    changed = replace(member, recipe=replace(member.recipe, epochs=99))
    monkeypatch.setattr(registry, "members", lambda: {**known, "resnet18": changed})
    assert "resnet18" in {row["name"] for row in as_json(*folders)["rows"]}


def test_other_data_cannot_be_compared(folders: tuple[Path, Path], targets: Targets, tmp_path: Path):
    run(tmp_path / "c", replace(targets, fingerprint="e" * 32), ("vgg_fer", 0, 1.5), ("resnet18", 0, 1.0))
    done = compare(folders[0], tmp_path / "c")
    assert done.code == 2
    assert f"of data {'f' * 32}" in done.err and f"of {'e' * 32}" in done.err and "other images" in done.err


def test_a_folder_that_holds_no_run_is_named(folders: tuple[Path, Path], tmp_path: Path):
    done = compare(folders[0], tmp_path / "nowhere")
    assert done.code == 2
    assert f"{tmp_path / 'nowhere'}: holds no run of fer2013" in done.err
    done = cli("--suite", "digits", "--compare", folders[0] / "fer2013", folders[1] / "fer2013")
    assert done.code == 2
    assert "is a run of fer2013, not of digits" in done.err


def test_predictions_that_are_gone_are_named(folders: tuple[Path, Path]):
    (path,) = (folders[1] / "fer2013" / "predictions").glob("resnet18.*.safetensors")
    path.unlink()
    done = compare(*folders)
    assert done.code == 2
    assert "the predictions of resnet18 are not there" in done.err


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ([("a", 0), ("b", 0)], ["a", "b"]),
        ([("a", 0), ("a", 1), ("b", 0)], ["a (seed 0)", "a (seed 1)", "b"]),
        ([("a", 3)], ["a (seed 3)"]),
        ([("a", None)], ["a"]),
    ],
)
def test_a_label_has_the_seed_where_it_tells_models_apart(models: list[tuple[str, int | None]], expected: list[str]):
    assert labels(models) == expected
