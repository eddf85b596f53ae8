"""Members that learn from images without labels, on digits: who labels them, and which of them are left out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.data import DataError
from benchmarks.data.digits import load
from benchmarks.data.unlabelled import with_unlabelled
from benchmarks.store.container import read_header
from benchmarks.store.file_names import member_files
from benchmarks.store.headers import PredictionsHeader
from tests.helpers.runs import Outcome, cli
from zoo import registry
from zoo.overrides import override
from zoo.training.job import PeerPredictions, PseudoLabelled, Splits
from zoo.training.soft_labels import training_targets

pytestmark = pytest.mark.usefixtures("no_figures")
ANNOTATED = ("recipe.labels.annotator=linear", "recipe.labels.sure=0.8")


@pytest.fixture
def results(digits_run: tuple[Path, Outcome], tmp_path: Path) -> Path:
    """A copy of the digits results, weights and all."""
    return Path(shutil.copytree(digits_run[0], tmp_path / "results"))


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A folder of 60 training digits with a pixel changed, one of them twice, five of test, and noise."""
    data, rng = load(), np.random.default_rng(0)
    folder = tmp_path / "pool"
    (folder / "more").mkdir(parents=True)
    changed = data.train.images[:60, 0].copy()
    changed[:, 0, 0] += 1  # an edge that is empty in nearly all
    pictures = [*changed, changed[0], *data.test.images[:5, 0], *rng.integers(0, 256, (20, 8, 8), dtype=np.uint8)]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / ("more" if number % 2 else ".") / f"{number:03}.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def run(results: Path, *options: str | Path) -> Outcome:
    common = ("--suite", "digits", "--results", results, "--device", "cpu", "--train", "missing")
    return cli(*common, "--ensemblers", "uniform", "--members", "mlp", *options)


def test_a_member_learns_from_images_of_which_another_one_is_sure(results: Path, pool: Path):
    done = run(results, "--unlabelled", pool, "--set", *ANNOTATED)
    assert done.code == 0, done.err
    (row,) = json.loads((results / "digits" / "results.json").read_text())["members"]
    used = int(row["extra_data"].partition(" of ")[0])
    assert row["extra_data"] == f"{used} of 86 images without labels, labelled by linear"
    assert 45 <= used <= 70
    assert f"mlp learns from {used} of 86 images without labels: 6 stand in the data, and of" in done.out
    headers = [read_header(path, PredictionsHeader) for path in member_files(results / "digits" / "predictions", "mlp")]
    (annotated,) = (header["annotated_by"] for header in headers if "annotated_by" in header)
    assert set(annotated) == {"linear.s0", "images"}


def test_classes_are_those_of_the_annotator(pool: Path):
    data = load()
    more = PseudoLabelled(data.train.images[:3], np.array([7, 8, 9]))
    plain = registry.get("mlp")
    for changes in ([], ["recipe.labels.teacher=linear", "recipe.labels.teacher_weight=0.5"]):
        recipe = override(plain, changes).recipe
        teacher = np.full((len(data.train), 10), 0.1) if changes else None
        made = training_targets(data.train, 10, recipe, PeerPredictions(teacher, more=more), 0)
        assert len(made.images) == len(made.targets) == len(data.train) + 3
        np.testing.assert_array_equal(made.images[-3:], more.images)
        np.testing.assert_array_equal(made.targets[-3:], np.eye(10, dtype=np.float32)[[7, 8, 9]])
        alone = training_targets(data.train, 10, recipe, PeerPredictions(teacher), 0)
        np.testing.assert_array_equal(made.targets[:-3], alone.targets)


def test_what_is_missing_is_said(results: Path, pool: Path, tmp_path: Path):
    missing = run(results, "--set", *ANNOTATED)
    assert "mlp learns from images without labels: name their folder by --unlabelled DIR" in missing.out + missing.err
    idle = run(results, "--unlabelled", pool)
    assert idle.code == 2 and "--unlabelled has no effect: no member here learns from images without" in idle.err
    unknown = run(results, "--unlabelled", pool, "--set", "recipe.labels.annotator=lniear")
    assert unknown.code == 2 and "did you mean linear" in unknown.err
    for path in (results / "digits" / "checkpoints").glob("linear.*"):
        path.unlink()
    gone = run(results, "--unlabelled", pool, "--set", *ANNOTATED)
    assert "linear, seed 0, cannot label images: that takes its weights" in gone.out + gone.err
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder, said in ((tmp_path / "nowhere", "there is no such folder"), (empty, "there are no images")):
        with pytest.raises(DataError, match=said):
            with_unlabelled(load(), folder, "mlp")


def test_nothing_that_is_sure_is_an_error(results: Path, pool: Path):
    unsure = run(results, "--unlabelled", pool, "--set", "recipe.labels.annotator=linear", "recipe.labels.sure=1.1")
    assert "mlp can use none of 86 images without labels: 6 stand in the data" in unsure.out + unsure.err


def test_images_get_the_size_and_the_channels_of_the_data(tmp_path: Path):
    Image.new("RGB", (40, 30), (255, 0, 0)).save(tmp_path / "red.png")
    (image,) = with_unlabelled(load(), tmp_path, "mlp").unlabelled  # type: ignore[misc]
    assert image.shape == (1, 8, 8) and np.unique(image).tolist() == [76]


def test_folds_see_all_of_them():
    from zoo.training import cross_validation

    data = load()
    more = PseudoLabelled(data.train.images[:3], np.array([7, 8, 9]))
    peers = PeerPredictions(np.zeros((len(data.train), 10)), more=more)
    rows = cross_validation.fold_rows(Splits(data.train, data.val).train, 3, 0)[0][0]
    kept = cross_validation._rows(peers, rows)
    assert kept.more is more and kept.teacher is not None and len(kept.teacher) == len(rows)


def test_an_annotator_may_be_trained_otherwise_than_its_recipe_says(results: Path, pool: Path):
    for path in (results / "digits").glob("*/linear.*"):
        path.unlink()
    common = ("--suite", "digits", "--results", results, "--device", "cpu", "--ensemblers", "uniform")
    assert cli(*common, "--train", "missing", "--members", "linear", "--set", "recipe.epochs=25").code == 0
    done = run(results, "--unlabelled", pool, "--set", *ANNOTATED)
    assert done.code == 0 and "mlp learns from" in done.out, done.err
