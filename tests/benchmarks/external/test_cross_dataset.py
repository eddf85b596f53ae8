"""Members trained on one suite, evaluated on another: classes by name, channels, what is said of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import suites
from benchmarks.data import DataError, DataOptions, Dataset, Split
from benchmarks.data.channels import in_channels
from benchmarks.data.derive import of_classes
from benchmarks.data.expressions import shared_classes
from benchmarks.data.fingerprint import assemble
from benchmarks.external.cross_dataset import ABSENT, map_classes
from benchmarks.store.folds import stored_targets
from benchmarks.store.identity import Transferred
from benchmarks.store.predictions import PredictionStore
from benchmarks.suites import digits as digits_suite
from tests.helpers.runs import Outcome, cli

DIGITS = digits_suite.SUITES[0]
FEW = ("3", "1", "7")
SIMPLE = ("--ensemblers", "uniform", "top_k")


def few(options: DataOptions) -> Dataset:
    return of_classes(DIGITS.load(options), FEW)


@pytest.fixture
def results(
    tmp_path: Path, digits_run: tuple[Path, Outcome], monkeypatch: pytest.MonkeyPatch, no_figures: None
) -> Path:
    """The digits run's results, and a suite `few` of three of its classes."""
    other = replace(DIGITS, name="few", title="Few", members=("linear",), load=few)
    monkeypatch.setattr(suites, "suites", lambda: {"digits": DIGITS, "few": other})
    shutil.copytree(digits_run[0], tmp_path / "results")
    return tmp_path / "results"


def transferred(results: Path, *options: object) -> Outcome:
    return cli("--suite", "few", "--from", "digits", "--results", results, *SIMPLE, *options)


def test_expressions_are_the_same_under_other_names():
    assert shared_classes(("angry", "disgust", "happy"), ("Happiness", "contempt", "anger")) == [2, None, 0]


def test_suites_without_common_classes_are_refused():
    with pytest.raises(ValueError, match=r"\(angry, sad\) and those asked for \(cat, sadness\) have fewer than two"):
        shared_classes(("angry", "sad"), ("cat", "sadness"))


def test_what_is_said_of_other_classes_is_dropped_and_unknown_ones_are_never_predicted():
    logits = np.array([[5.0, 1.0, 2.0], [0.0, 3.0, 1.0]], dtype=np.float32)
    found = map_classes(logits, [2, None, 1])
    assert found.dtype == np.float32 and found[:, 1].tolist() == [ABSENT, ABSENT]
    assert np.exp(found[:, [0, 2]]).sum(axis=1) == pytest.approx([1.0, 1.0])
    assert found[0, 0] - found[0, 2] == pytest.approx(1.0)
    assert found.argmax(axis=1).tolist() == [0, 2]


def test_colour_becomes_grey_and_grey_colour():
    colour = np.zeros((2, 3, 4, 4), dtype=np.uint8)
    colour[0, 0], colour[1, 1] = 100, 200
    assert in_channels(colour, 1)[:, 0, 0, 0].tolist() == [30, 117]
    grey = np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4)
    assert np.array_equal(in_channels(grey, 3)[:, 2], grey[:, 0]) and in_channels(grey, 1) is grey


def test_members_answer_for_the_other_suite_as_for_their_own(results: Path):
    assert transferred(results, "--members", "linear", "mlp").code == 0
    found = json.loads((results / "few" / "results.json").read_text())
    assert {member["label"] for member in found["members"]} == {"linear-from-digits", "mlp-from-digits"}
    assert {member["extra_data"] for member in found["members"]} == {"trained on digits alone"}
    assert "What members trained on digits say of 0, 2, 4, 5, 6, 8, 9 is dropped." in found["notes"]
    assert not found["not_run"]

    store, own = PredictionStore(results / "few" / "predictions"), PredictionStore(results / "digits" / "predictions")
    targets, all_digits = stored_targets(store.folder), stored_targets(own.folder)
    assert targets is not None and all_digits is not None
    (path,) = store.folder.glob("mlp-from-digits.s0.*")
    guest = store.read(path, targets)
    assert isinstance(guest.configuration, Transferred) and guest.configuration.suite == "digits"
    (path,) = (path for path in own.prediction_files() if path.name.startswith("mlp."))
    logits = own.read(path, all_digits).test
    ids = DIGITS.load(DataOptions()).test.rows, few(DataOptions()).test.rows
    assert ids[0] is not None and ids[1] is not None
    at_home = logits[[ids[0].tolist().index(row) for row in ids[1].tolist()]][:, [3, 1, 7]]
    difference = at_home - guest.test
    assert np.abs(difference - difference[:, :1]).max() < 0.05  # a constant a row, up to float16


def test_other_views_are_transferred_with_the_weights_they_share(results: Path):
    both = ("linear", "linear@scale_tta")
    digits = ("--suite", "digits", "--results", results, "--train", "missing", *SIMPLE)
    assert cli(*digits, "--members", *both, "--device", "cpu").code == 0
    assert transferred(results, "--members", *both).code == 0
    found = json.loads((results / "few" / "results.json").read_text())
    assert {member["label"]: member["tta"] for member in found["members"]} == {
        "linear-from-digits": "none",
        "linear@scale_tta-from-digits": "scale",
    }


def test_later_runs_take_them_along_without_weights(results: Path):
    assert transferred(results, "--members", "linear").code == 0
    before = (results / "few" / "leaderboard.md").read_text()
    shutil.rmtree(results / "digits")
    options = ("--suite", "few", "--results", results, "--train", "never", *SIMPLE)
    assert cli(*options, "--members", "linear-from-digits").code == 0
    assert (results / "few" / "leaderboard.md").read_text() == before
    done = cli(*options, "--plan")
    assert "linear-from-digits" in done.out and "predictions from elsewhere" in done.out


def leaky(options: DataOptions, seen: int) -> Dataset:
    """Three digits, with so many of the images that digits trains on, and all that it tests on, in test."""
    data = DIGITS.load(options)
    mixed = Split(
        np.concatenate([data.train.images[:seen], data.test.images]),
        np.concatenate([data.train.targets[:seen], data.test.targets]),
        np.zeros(seen + len(data.test), dtype=str),
    )
    return of_classes(replace(data, test=mixed), FEW)


def test_test_images_that_the_other_suite_trains_on_are_counted(results: Path, monkeypatch: pytest.MonkeyPatch):
    other = replace(DIGITS, name="few", load=partial(leaky, seen=60))
    monkeypatch.setattr(suites, "suites", lambda: {"digits": DIGITS, "few": other})
    all_of_them, unseen = len(other.load(DataOptions()).test), len(few(DataOptions()).test)
    done = transferred(results, "--members", "linear")
    said = f"{all_of_them - unseen} of {all_of_them} test images stand in the training split of digits."
    assert said in done.out and said in json.loads((results / "few" / "results.json").read_text())["notes"]


def test_a_test_split_that_was_mostly_trained_on_is_refused(results: Path, monkeypatch: pytest.MonkeyPatch):
    other = replace(DIGITS, name="few", load=partial(leaky, seen=1000))
    monkeypatch.setattr(suites, "suites", lambda: {"digits": DIGITS, "few": other})
    done = transferred(results)
    assert done.code == 2 and "stand in the training split of digits. Nothing can be learnt from that." in done.err


def elsewhere(options: DataOptions, seen: int) -> Dataset:
    """Digits that lie where the user says alone."""
    if options.path is None:
        raise DataError("no digits in the usual places")
    return leaky(options, seen) if seen else DIGITS.load(DataOptions())


def test_training_images_are_found_where_the_data_of_the_run_lies(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    few_suite = replace(DIGITS, name="few", load=partial(elsewhere, seen=60), packaged="")
    digits = replace(DIGITS, load=partial(elsewhere, seen=0), packaged="")
    monkeypatch.setattr(suites, "suites", lambda: {"digits": digits, "few": few_suite})
    done = transferred(results, "--members", "linear", "--data", tmp_path)
    assert done.code == 0 and "test images stand in the training split of digits." in done.out


def test_images_of_the_other_suite_that_are_others_than_those_trained_on_prove_nothing(
    results: Path, monkeypatch: pytest.MonkeyPatch
):
    digits = replace(DIGITS, load=lambda options: of_classes(DIGITS.load(options), tuple("0123456")))
    monkeypatch.setattr(suites, "suites", lambda: {"digits": digits, "few": replace(DIGITS, name="few", load=few)})
    assert "digits is not known here" in transferred(results, "--members", "linear").out


def test_a_folder_of_ones_own_is_found_by_what_its_results_say(tmp_path: Path):
    flags = DataOptions(tmp_path, side=64, groups="people.csv", seed=3)
    words = {"--data": str(tmp_path), **flags.flags(), "--suite": "folder"}
    assert DataOptions.from_flags(words) == flags
    assert DataOptions.from_flags({}) == DataOptions()


def test_nothing_is_trained(results: Path):
    done = transferred(results, "--members", "linear")
    assert done.code == 0
    for option in ("missing", "always"):
        refused = transferred(results, "--members", "linear", "--train", option)
        assert refused.code == 2 and "--from digits trains nothing: leave out --train" in refused.err


def test_members_of_the_suite_that_are_stale_are_not_trained_anew(results: Path):
    own = cli("--suite", "few", "--results", results, "--train", "missing", "--members", "linear", *SIMPLE)
    assert own.code == 0, own.err
    [stored] = (results / "few" / "predictions").glob("linear.s0.*[0-9a-f].safetensors")
    stored.rename(stored.with_name(f"linear.s0.{'0' * 12}.safetensors"))
    done = transferred(results)
    assert (
        done.code == 0 and "with --from digits nothing is trained" in (results / "few" / "leaderboard.md").read_text()
    )


def turned(options: DataOptions, fold: int) -> Dataset:
    """Three digits, val and test changing places from fold to fold."""
    data = few(options)
    splits = {"train": data.train, "val": (data.val, data.test)[fold], "test": (data.test, data.val)[fold]}
    return assemble(splits, data.classes, data.source)


def test_every_fold_of_a_suite_is_predicted_and_scored_together(results: Path, monkeypatch: pytest.MonkeyPatch):
    folds = tuple(partial(turned, fold=fold) for fold in range(2))
    other = replace(DIGITS, name="few", load=folds[0], folds=folds)
    monkeypatch.setattr(suites, "suites", lambda: {"digits": DIGITS, "few": other})
    done = transferred(results)
    assert done.code == 0, done.err
    found = json.loads((results / "few" / "results.json").read_text())
    data = few(DataOptions())
    assert found["splits"]["test"]["size"] == len(data.val) + len(data.test)
    assert "mlp-from-digits" in [member["label"] for member in found["members"]]
    own = json.loads((results / "digits" / "results.json").read_text())["members"]
    took = {member["name"]: member["train_seconds"] for member in own}
    assert {member["train_seconds"] for member in found["members"]} == set(took.values()), "trained once, for all folds"
    shutil.rmtree(results / "digits")
    again = cli("--suite", "few", "--members", "*-from-digits", "--results", results, "--train", "never", *SIMPLE)
    assert again.code == 0, again.err
    assert json.loads((results / "few" / "results.json").read_text())["members"] == found["members"]


def test_members_trained_in_folds_are_not_taken(results: Path, monkeypatch: pytest.MonkeyPatch):
    folds = tuple(partial(turned, fold=fold) for fold in range(2))
    other = replace(DIGITS, name="few", load=folds[0], folds=folds)
    monkeypatch.setattr(suites, "suites", lambda: {"digits": DIGITS, "few": other})
    done = cli("--suite", "digits", "--from", "few", "--results", results, *SIMPLE)
    assert done.code == 2 and "--from few: its members are trained 2 times, once a fold" in done.err


def test_without_trained_weights_the_command_that_makes_them_is_named(results: Path):
    shutil.rmtree(results / "digits" / "checkpoints")
    done = transferred(results)
    assert done.code == 2 and "--suite digits --members NAME --train always" in done.err
    assert not (results / "few").exists()


def test_an_unknown_member_of_the_other_suite_gets_near_matches(results: Path):
    done = transferred(results, "--members", "linaer")
    assert done.code == 2 and "did you mean linear?" in done.err


def test_an_unknown_source_gets_near_matches(results: Path):
    done = cli("--suite", "few", "--from", "digit", "--results", results, *SIMPLE)
    assert done.code == 2 and "no suite to take members from matches 'digit': did you mean digits?" in done.err
