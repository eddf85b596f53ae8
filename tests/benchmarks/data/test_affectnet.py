"""AffectNet: its layouts and what is wrong with broken ones, its splits, and whole runs of both tasks."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import suites
from benchmarks.data import DataError, DataOptions, Dataset
from benchmarks.data.affectnet.reader import CLASSES
from benchmarks.store.folds import stored_targets
from benchmarks.suites.published_results import read_published, read_published_affect
from ensembles.affect.base import rated
from tests.helpers.affectnet_layouts import faces, write_flat, write_folders, write_lists
from tests.helpers.runs import Outcome, cli

pytestmark = pytest.mark.usefixtures("nowhere_else")

TRAIN, VAL = 10, 5  # of each expression
SUITES = ("affectnet8", "affectnet7", "affectnet8-3999")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("folders"), TRAIN, VAL)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A small set to do harm to."""
    return write_folders(tmp_path / "broken", 1, 1)


def load(name: str, path: Path | None, **options: Any) -> Dataset:
    return suites.get(name).read(DataOptions(path, **{"side": 32, **options}))


# Layouts


def test_official_validation_images_are_the_test_split_and_val_is_cut_off_the_training_images(folders: Path):
    data = load("affectnet8", folders)
    assert data.classes == CLASSES
    assert [len(split) for split in data.splits().values()] == [8 * 8, 2 * 8, 5 * 8]
    assert np.bincount(data.val.targets).tolist() == [2] * 8, "a fifth of each class, for it is less than test has"
    assert data.test.images.shape[1:] == (1, 32, 32), "grey images keep one channel"
    for split in data.splits().values():
        assert split.affect is not None and split.affect.shape == (len(split), 2)
    assert any(note.startswith("The training set: 1 of 81 images left out") for note in data.notes)
    assert any(note.startswith("The training set: 7 of 80 images have no") for note in data.notes)
    assert any("40 validation images, the original 4,000: scores do not compare" in note for note in data.notes)


def test_each_image_keeps_its_expression_and_ratings(folders: Path):
    test = load("affectnet8", folders, side=48).test
    written, codes, ratings = zip(*faces(TRAIN, VAL)["validation"][:-1], strict=True)
    pixels = np.stack(written).astype(float)
    assert test.affect is not None
    for image, target, affect in zip(test.images[:, 0], test.targets, test.affect, strict=True):
        apart = np.abs(pixels - image).mean(axis=(1, 2))
        nearest = int(apart.argmin())
        assert apart[nearest] < 8, "JPEG changes little"
        assert codes[nearest] == target
        np.testing.assert_allclose(ratings[nearest], affect, atol=1e-6)


@pytest.mark.parametrize("headings", [True, False])
def test_lists_hold_the_same_data_as_folders(folders: Path, tmp_path: Path, headings: bool):
    listed = load("affectnet8", write_lists(tmp_path / "lists", TRAIN, VAL, headings))
    data = load("affectnet8", folders)
    for mine, other in zip(listed.splits().values(), data.splits().values(), strict=True):
        assert np.bincount(mine.targets).tolist() == np.bincount(other.targets).tolist()
    assert listed.test.affect is not None and data.test.affect is not None
    np.testing.assert_allclose(np.sort(listed.test.affect, axis=0), np.sort(data.test.affect, axis=0), atol=1e-6)


def test_seven_classes_leave_contempt_out(folders: Path):
    data = load("affectnet7", folders)
    assert data.classes == CLASSES[:7] and max(split.targets.max() for split in data.splits().values()) == 6
    assert [len(split) for split in data.splits().values()] == [8 * 7, 2 * 7, 5 * 7]
    assert "Images of contempt are left out." in data.notes


@pytest.mark.parametrize("flat", [True, False])
def test_the_validation_images_alone_are_cut_80_10_10(tmp_path: Path, flat: bool):
    root = write_flat(tmp_path / "flat", 10) if flat else write_folders(tmp_path / "both", 1, 10)
    data = load("affectnet8-3999", root)
    assert [np.bincount(split.targets).tolist() for split in data.splits().values()] == [[8] * 8, [1] * 8, [1] * 8]


def test_the_split_seed_moves_images_but_never_into_test(folders: Path):
    one, other = load("affectnet8", folders), load("affectnet8", folders, seed=1)
    assert one.test.ids.tolist() == other.test.ids.tolist()  # type: ignore[union-attr]
    assert set(one.val.ids) != set(other.val.ids)
    assert set(one.val.ids) | set(one.train.ids) == set(other.val.ids) | set(other.train.ids)


def test_a_second_reading_comes_from_the_cache(folders: Path, monkeypatch: pytest.MonkeyPatch):
    first = load("affectnet8", folders)
    monkeypatch.setattr(
        "benchmarks.data.affectnet.reader.read_images", lambda files, side: pytest.fail("decoded again")
    )
    assert load("affectnet8", folders).fingerprint == first.fingerprint
    assert len(load("affectnet7", folders).test) == len(first.test) - VAL


# Broken layouts


def unlink(root: Path) -> Path:
    path = root / "val_set/annotations/3_val.npy"
    path.unlink()
    return path


def of_value(value: Any, name: str) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        path = root / f"train_set/annotations/2_{name}.npy"
        np.save(path, np.array(value))
        return path

    return write


def cut_short(root: Path) -> Path:
    path = root / "train_set/annotations/2_exp.npy"
    path.write_bytes(path.read_bytes()[:20])
    return path


def no_image(root: Path) -> Path:
    (root / "train_set/images/2.jpg").unlink()
    return root / "train_set/annotations/2_exp.npy"


def damaged_image(root: Path) -> Path:
    path = root / "val_set/images/2.jpg"
    path.write_bytes(b"no image")
    return path


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (unlink, "is missing, the valence of 3.jpg"),
        (of_value([0.1, 0.2], "val"), r"holds an array of shape \[2\], and should hold one number"),
        (of_value(np.nan, "aro"), "arousal 'nan' is no number"),
        (of_value("happy", "exp"), "expression 'happy' is no number"),
        (of_value(11, "exp"), "expression 11 is no code from 0 to 10"),
        (of_value(1.5, "exp"), "expression 1.5 is no code"),
        (of_value(1.2, "val"), r"valence 1.2 is neither in \[-1, 1\] nor -2"),
        (cut_short, "is no annotation that can be read"),
        (no_image, "there is no image of it"),
        (damaged_image, "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_the_name_of_the_file(broken: Path, harm: Callable[[Path], Path], message: str):
    path = harm(broken)
    with pytest.raises(DataError, match=message) as raised:
        load("affectnet8", broken)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("expression", "labels"), "has no column expression"),
        (("1.0;2.0,0", "1.0;2.0,12"), "line 2: expression 12 is no code"),
        (("1.0;2.0,0", "1.0;2.0,0,0"), "line 2: has 10 columns, not 9"),
        (("0/training0.png", "0/training.png"), "its first image, 0/training.png, was not found"),
        (("1/training1.png", "1/training.png"), "line 3: names an image that is not there"),
        (("1.0;2.0,1,", "1.0;2.0,1,x"), "valence 'x.*' is no number"),
    ],
)
def test_what_is_wrong_in_a_list_is_said_with_its_line(tmp_path: Path, change: tuple[str, str], message: str):
    root = write_lists(tmp_path / "lists", 1, 1)
    table = root / "training.csv"
    table.write_text(table.read_text().replace(*change, 1))
    with pytest.raises(DataError, match=message) as raised:
        load("affectnet8", root)
    assert str(table) in str(raised.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda text: text.encode("utf-16"), "cannot be read after line 1"),
        (lambda text: b"\xff" + text.encode(), "cannot be read after line 1"),
        (
            lambda text: text.replace(",", ";").encode(),
            "has no column .* line is: subDirectory_filePath;face_x",
        ),
        (lambda text: text.encode() + b'"' + b"9" * 200_000, "cannot be read after line"),
        (lambda text: (b"9" * 9000) + b"\n", r"its first line is: 9{200}\.\.\. \(9,000 characters\)"),
    ],
)
def test_a_list_that_is_no_csv_in_utf8_is_named(data: Callable[[str], bytes], message: str, tmp_path: Path):
    root = write_lists(tmp_path / "lists", 1, 1)
    table = root / "training.csv"
    table.write_bytes(data(table.read_text()))
    with pytest.raises(DataError, match=message) as raised:
        load("affectnet8", root)
    assert str(table) in str(raised.value) and len(str(raised.value)) < 700


def test_too_few_images_of_a_class_for_a_val_split_are_named(broken: Path):
    with pytest.raises(DataError, match="The training set has 1 images of neutral; at least 5"):
        load("affectnet8", broken)


@pytest.mark.parametrize("name", SUITES)
def test_without_the_data_the_user_learns_where_it_is_and_how_it_should_lie(name: str, tmp_path: Path):
    for arguments in (("--train", "missing", "--data", tmp_path / "none"), ("--download",)):
        done = cli("--suite", name, "--results", tmp_path / "results", *arguments)
        assert done.code == 2
        for needed in ("mohammadmahoor.com", "0_exp.npy", "validation.csv", "on request"):
            assert needed in done.err


def test_groups_do_not_apply(folders: Path):
    with pytest.raises(DataError, match="--groups does not apply"):
        load("affectnet8", folders, groups="subject")


# Published results


@pytest.mark.parametrize("name", SUITES)
def test_no_published_result_is_comparable_unless_the_protocol_compares(name: str):
    rows = read_published(name)
    assert rows and not any(row["comparable"] for row in rows)
    assert all(row["valence_ccc"] or row["valence_rmse"] for row in read_published_affect(name))


# Whole runs


def run(results: Path, suite: str, data: Path, members: tuple[str, ...] = ("lenet", "mlp"), *options: str) -> Outcome:
    changes = ("image_size=16", "recipe.batch_size=16", "recipe.affect=true")
    return cli(
        "--suite", suite, "--results", results, "--data", data, "--image-side", 16, "--device", "cpu", "--epochs", 2,
        "--members", *members, "--train", "missing", "--set", *changes, "--ensemblers", "uniform", "best_single",
        *options,
    )  # fmt: skip


@pytest.mark.parametrize("suite", ["affectnet8", "affectnet8-3999"])
def test_a_whole_run_ends_with_a_leaderboard_of_both_tasks(suite: str, tmp_path: Path, no_figures: None):
    data = write_folders(tmp_path / "data", 6, 20)
    done = run(tmp_path / "results", suite, data)
    assert done.code == 0, done.err
    folder = tmp_path / "results" / suite
    results = json.loads((folder / "results.json").read_text())
    affect = results["affect"]
    assert [row["name"] for row in affect["members"]] == ["mlp", "lenet"]
    assert {row["name"] for row in affect["ensembles"]} == {
        "affect_mean", "affect_weights", "affect_weights_ccc", "affect_stacking",
    }  # fmt: skip
    for row in (*affect["members"], *affect["ensembles"]):
        for dimension in ("valence", "arousal"):
            low, high = row[dimension]["ccc_interval"]
            assert low <= row[dimension]["ccc"] <= high
            assert row[dimension].keys() == {"rmse", "corr", "sagr", "ccc", "ccc_interval"}
    assert affect["headline"] == max(affect["ensembles"], key=lambda row: row["cross_fit_ccc"])["name"]
    markdown, page = (folder / "leaderboard.md").read_text(), (folder / "index.html").read_text()
    assert "## Valence and arousal" in markdown and "Cohen's κ | AUROC | AUPRC" in markdown
    assert 'id="affect"' in page and "Valence CCC" in page
    with (folder / "leaderboard_affect.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6
    again = run(tmp_path / "results", suite, data, ("lenet", "mlp"), "--train", "never")
    assert again.code == 0, again.err
    assert json.loads((folder / "results.json").read_text())["affect"] == affect, "the store keeps all it needs"


def test_ratings_reach_the_store_masked(folders: Path, tmp_path: Path, no_figures: None):

    assert run(tmp_path / "results", "affectnet8", folders, ("mlp",)).code == 0
    targets = stored_targets(tmp_path / "results/affectnet8/predictions")
    assert targets is not None and targets.test_affect is not None
    assert targets.test_affect.dtype == np.float32
    assert rated(targets.test_affect).sum() == 40 - 3
