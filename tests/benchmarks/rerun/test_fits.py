"""Fits that are known are read, to the bit what was fitted; those of anything else are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ensembles
from benchmarks.rerun import fits
from benchmarks.rerun.fits import KnownFits, Validation
from ensembles.search import SearchResult

NAMES = ("uniform", "hard_vote", "super_learner", "stack_logistic")


@pytest.fixture(scope="module")
def val() -> Validation:
    """Three members on 90 images of three classes."""
    random = np.random.default_rng(0)
    targets = np.tile(np.arange(3), 30)
    logits = random.normal(size=(3, 90, 3)).astype(np.float32)
    logits[:, np.arange(90), targets] += 1.0
    return Validation(logits, targets, ("a", "b", "c"), None, 3)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lists the names of what is really fitted from now on."""
    asked: list[str] = []
    search = fits.search

    def listed(logits: Any, targets: Any, names: Sequence[str], *more: Any, **options: Any) -> list[SearchResult]:
        asked.extend(name for name in names if name not in options["known"])
        return search(logits, targets, names, *more, **options)

    monkeypatch.setattr(fits, "search", listed)
    return asked


def searched(val: Validation, folder: Path, names: Sequence[str] = NAMES, *, fresh: bool = False) -> list[SearchResult]:
    return KnownFits(val, folder, fresh=fresh).search(names)


def same(one: SearchResult, other: SearchResult, logits: np.ndarray) -> None:
    for name in ("name", "title", "complexity", "fit_accuracy", "cross_fit_accuracy", "seconds", "error", "fitted_on"):
        assert getattr(one, name) == getattr(other, name)
    np.testing.assert_array_equal(one.cross_fit_correct, other.cross_fit_correct)
    np.testing.assert_array_equal(one.cross_fit_probabilities, other.cross_fit_probabilities)
    assert one.ensembler is not None and other.ensembler is not None
    np.testing.assert_array_equal(one.ensembler.predict_proba(logits), other.ensembler.predict_proba(logits))
    np.testing.assert_array_equal(one.ensembler.members_used_, other.ensembler.members_used_)


def test_every_ensembler_is_read_as_it_was_fitted(val: Validation, tmp_path: Path, fitted: list[str]):
    names = [name for name in ensembles.names() if ensembles.get(name).__module__.startswith("ensembles.")]
    first = searched(val, tmp_path, names)
    assert fitted == names
    again = searched(val, tmp_path, names)
    assert fitted == names
    for one, other in zip(first, again, strict=True):
        assert one.error is None, one.error
        same(one, other, np.asarray(val.logits))


def test_only_what_is_missing_is_fitted(val: Validation, tmp_path: Path, fitted: list[str]):
    searched(val, tmp_path, ["uniform"])
    results = searched(val, tmp_path)
    assert fitted == ["uniform", "hard_vote", "super_learner", "stack_logistic"]
    assert [result.name for result in results] == list(NAMES)


def test_what_is_known_is_the_same_beside_a_better_method(val: Validation, tmp_path: Path):
    """How often a method is cross-fitted hangs on the best of all: another best must not leave traces of the last."""
    alone = searched(val, tmp_path / "small", ["hard_vote"])
    assert alone[0].cross_fit_probabilities is not None and len(alone[0].cross_fit_probabilities) == 2
    for names in (["hard_vote", *NAMES], NAMES[1:], ["hard_vote"]):
        for one, other in zip(
            searched(val, tmp_path / "small", names), searched(val, tmp_path, names, fresh=True), strict=True
        ):
            np.testing.assert_array_equal(one.cross_fit_probabilities, other.cross_fit_probabilities)
            np.testing.assert_array_equal(one.cross_fit_correct, other.cross_fit_correct)
            assert one.cross_fit_accuracy == other.cross_fit_accuracy


def test_fresh_fits_everything(val: Validation, tmp_path: Path, fitted: list[str]):
    first = searched(val, tmp_path)
    for one, other in zip(first, searched(val, tmp_path, fresh=True), strict=True):
        np.testing.assert_array_equal(one.cross_fit_probabilities, other.cross_fit_probabilities)
    assert fitted == [*NAMES, *NAMES]


def of_another_image(val: Validation) -> Validation:
    logits = np.array(val.logits)
    logits[0, 0, 0] = np.nextafter(logits[0, 0, 0], np.float32(9))
    return replace(val, logits=logits)


@pytest.mark.parametrize(
    "change",
    [
        of_another_image,
        lambda val: replace(val, targets=np.roll(val.targets, 1)),
        lambda val: replace(val, logits=np.asarray(val.logits)[::-1]),
        lambda val: replace(val, folds=4),
        lambda val: replace(val, labels=("a", "b", "d")),
        lambda val: replace(val, groups=np.arange(90) // 2),
    ],
    ids=["one number", "targets", "order of members", "folds", "names", "groups"],
)
def test_fits_of_anything_else_are_not_taken(val: Validation, tmp_path: Path, fitted: list[str], change: Any):
    searched(val, tmp_path, ["super_learner"])
    searched(change(val), tmp_path, ["super_learner"])
    assert fitted == ["super_learner", "super_learner"]


@pytest.mark.parametrize("what", ["code", "libraries"])
def test_other_code_and_libraries_fit_anew(
    val: Validation, tmp_path: Path, fitted: list[str], what: str, monkeypatch: pytest.MonkeyPatch
):
    searched(val, tmp_path, ["super_learner"])
    monkeypatch.setattr(fits, what, lambda *folders: "changed")
    searched(val, tmp_path, ["super_learner"])
    assert fitted == ["super_learner", "super_learner"]


def test_a_damaged_file_is_fitted_again(val: Validation, tmp_path: Path, fitted: list[str]):
    first = searched(val, tmp_path, ["super_learner"])
    random = np.random.default_rng(0)
    for path in sorted({*tmp_path.iterdir()} - {*tmp_path.glob("*.predicted")}):
        whole = path.read_bytes()
        for at in random.integers(0, len(whole), 100):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << int(random.integers(8))
            path.write_bytes(damaged)
            found = fits._load(next(iter(stems(tmp_path))))
            if found is not None:  # a bit that says nothing
                same(first[0], found, np.asarray(val.logits))
        path.write_bytes(whole[: len(whole) // 2])
        del fitted[:]
        same_but_seconds = searched(val, tmp_path, ["super_learner"])[0]
        assert fitted == ["super_learner"]
        np.testing.assert_array_equal(same_but_seconds.cross_fit_correct, first[0].cross_fit_correct)
        first = [same_but_seconds]


def stems(folder: Path) -> set[Path]:
    return {path.with_suffix("") for path in folder.glob("*.scores")}


def test_a_method_that_fails_is_tried_again(val: Validation, tmp_path: Path, fitted: list[str]):
    few = replace(val, logits=np.asarray(val.logits)[:, :3], targets=val.targets[:3])
    failed = [result.name for result in searched(few, tmp_path / "few", list(ensembles.names())) if result.error]
    assert failed
    del fitted[:]
    searched(few, tmp_path / "few", failed)
    assert fitted == failed


def test_what_no_run_has_used_for_long_is_removed(val: Validation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    searched(val, tmp_path, ["super_learner", "uniform"])
    now = fits.time.time()
    monkeypatch.setattr(fits.time, "time", lambda: now + 86_400 * (fits.UNUSED_DAYS + 1))
    fits._sweep(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_an_ensembler_predicts_is_known_by_its_fit_and_the_logits(
    val: Validation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def predicted(val: Validation, logits: np.ndarray, *, fresh: bool = False) -> np.ndarray:
        known = KnownFits(val, tmp_path, fresh=fresh)
        return known.predict(known.search(["super_learner"])[0], logits)

    first = predicted(val, np.asarray(val.logits))
    np.testing.assert_array_equal(predicted(val, np.asarray(val.logits), fresh=True), first)
    other = of_another_image(val)
    predicted(val, np.asarray(other.logits))
    predicted(other, np.asarray(other.logits))
    assert len(list(tmp_path.glob("*.predicted"))) == 3
    monkeypatch.setattr(ensembles.get("super_learner"), "predict_proba", None)
    np.testing.assert_array_equal(predicted(val, np.asarray(val.logits)), first)


@pytest.mark.parametrize("fresh", [False, True])
def test_what_is_predicted_ahead_is_what_is_asked_for(
    val: Validation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: bool
):
    known, both = KnownFits(val, tmp_path, fresh=fresh), [val.logits, of_another_image(val).logits]
    results = known.search(["super_learner", "uniform", "greedy"])
    asked = [(result, np.asarray(logits)) for result in results for logits in both]
    expected = [KnownFits(val, tmp_path / "apart").predict(result, logits) for result, logits in asked]
    assert len(list(tmp_path.glob("*.predicted"))) == 3, "the search has predicted val"
    known.predict_ahead(results, np.asarray(both[1]), 2)
    assert len(list(tmp_path.glob("*.predicted"))) == 6
    for result in results:
        monkeypatch.setattr(type(result.ensembler), "predict_proba", None)
    for (result, logits), probabilities in zip(asked, expected, strict=True):
        np.testing.assert_array_equal(known.predict(result, logits), probabilities)
