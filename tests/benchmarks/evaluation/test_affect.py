"""Valence and arousal from the store to the tables: what is kept, chosen, measured and printed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from benchmarks.evaluation.affect import affect_part, bootstrap_concordance
from benchmarks.evaluation.affect_metrics import affect_scores, concordance
from benchmarks.evaluation.significance import image_counts
from benchmarks.report.sections.affect import affect_csv, affect_section
from benchmarks.store.container import StoreError
from benchmarks.store.folds import stored_targets
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets, save_targets
from benchmarks.suites.published_results import AFFECT_COLUMNS, read_published_affect
from ensembles.affect import search as affect_search
from ensembles.affect.base import AffectMean
from ensembles.affect.search import FOLDS, KINDS, search_affect
from tests.helpers.generated import PROVENANCE, stored_predictions
from tests.helpers.results import blank_results
from zoo import registry
from zoo.sealed import seal

NAMES = ("vgg_fer", "resnet18", "mini_xception")


@pytest.fixture
def rated_faces(faces: Targets) -> Targets:
    """The usual targets with ratings, some of them missing."""
    random = np.random.default_rng(1)
    val, test = (random.uniform(-1, 1, (len(part), 2)).astype(np.float32) for part in (faces.val, faces.test))
    val[:4], test[:5, 0] = -2.0, np.nan
    return replace(faces, val_affect=val, test_affect=test)


def prediction(targets: Targets, name: str, noise: float) -> Predictions:
    """Random logits, and ratings that miss the truth by so much; of what is unrated, anything."""
    assert targets.val_affect is not None and targets.test_affect is not None
    configuration = Configuration(registry.get(name), 0, targets.fingerprint, len(targets.classes))
    random = np.random.default_rng([*name.encode()])
    val, test = (random.normal(size=(len(part), 7)).astype(np.float32) for part in (targets.val, targets.test))
    ratings = [
        np.clip(np.where(np.abs(truth) <= 1, truth, 0) + random.normal(0, noise, truth.shape), -1, 1).astype(np.float32)
        for truth in (targets.val_affect, targets.test_affect)
    ]
    return Predictions(configuration, val, test, dict(PROVENANCE), *ratings)


def predictions(targets: Targets) -> list[Predictions]:
    return [prediction(targets, name, noise) for name, noise in zip(NAMES, (0.6, 0.3, 0.9), strict=True)]


# The store


def test_ratings_are_stored_beside_the_logits(rated_faces: Targets, tmp_path: Path):
    store, one = PredictionStore(tmp_path), prediction(rated_faces, "vgg_fer", 0.5)
    saved = store.save(one, [])
    found = store.load(one.configuration, rated_faces)
    assert found is not None and found.val_affect is not None and found.test_affect is not None
    np.testing.assert_array_equal(found.val_affect, saved.val_affect)
    np.testing.assert_array_equal(found.test_affect, one.test_affect.astype(np.float16).astype(np.float32))  # type: ignore[union-attr]
    assert load_file(store.path(one.configuration))["val_affect"].dtype == np.float16


def test_files_without_ratings_stay_as_they_are(faces: Targets, tmp_path: Path):
    store = PredictionStore(tmp_path)
    plain = stored_predictions(store, faces, "vgg_fer")
    assert load_file(store.path(plain.configuration)).keys() == {"val", "test"}
    found = store.load(plain.configuration, faces)
    assert found is not None and found.val_affect is None and found.affect() == {}


@pytest.mark.parametrize(
    "harm",
    [
        lambda arrays: arrays.pop("test_affect"),
        lambda arrays: arrays.update(val_affect=arrays["val_affect"][:-1]),
        lambda arrays: arrays.update(val_affect=arrays["val_affect"] * np.float16(np.nan)),
        lambda arrays: arrays.update(test_affect=arrays["test_affect"] + np.float16(3)),
    ],
)
def test_damaged_ratings_are_refused(rated_faces: Targets, tmp_path: Path, harm: Callable[[dict[str, Any]], None]):
    store, one = PredictionStore(tmp_path), prediction(rated_faces, "vgg_fer", 0.5)
    store.save(one, [])
    path = store.path(one.configuration)
    arrays = load_file(path)
    with safe_open(path, framework="numpy") as file:
        header = file.metadata()
    harm(arrays)
    save_file(arrays, path, header)
    path.write_bytes(seal(path.read_bytes()))  # by digests, it is what was written
    with pytest.raises(StoreError, match=r"_affect holds no valence and arousal in \[-1, 1\] of"):
        store.load(one.configuration, rated_faces)


def test_true_ratings_are_kept_and_added_to_targets_that_lack_them(
    faces: Targets, rated_faces: Targets, tmp_path: Path
):
    store = PredictionStore(tmp_path)
    save_targets(store.folder, faces)
    save_targets(store.folder, rated_faces)
    found = stored_targets(store.folder)
    assert found is not None and found.test_affect is not None
    np.testing.assert_array_equal(found.test_affect, rated_faces.test_affect)
    assert found.test_affect.dtype == np.float32


# Choosing on val


def test_cross_fitted_predictions_come_from_fits_that_have_not_seen_the_image(monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(0)
    truth = random.uniform(-1, 1, (23, 2))
    truth[:3] = -2.0
    values = random.uniform(-1, 1, (2, 23, 2))
    fits: list[int] = []

    class Memory(AffectMean):
        """Knows what it has seen, and says 1 of it."""

        def fit(self, predictions: Any, targets: Any) -> Memory:
            self.seen = {row.tobytes() for row in np.asarray(predictions)[0]}
            fits.append(len(self.seen))
            return super().fit(predictions, targets)

        def predict(self, predictions: Any) -> Any:
            return np.array([[float(row.tobytes() in self.seen)] * 2 for row in np.asarray(predictions)[0]])

    monkeypatch.setattr(affect_search, "KINDS", {"memory": affect_search.Kind("Memory", Memory)})
    (found,) = search_affect(values, truth)
    assert (found.fitted == 1).all() and (found.cross_fitted[3:] == 0).all() and np.isnan(found.cross_fitted[:3]).all()
    assert fits == [23] + [16] * FOLDS


def test_a_combination_that_fails_costs_the_others_nothing(rated_faces: Targets, monkeypatch: pytest.MonkeyPatch):
    def fail() -> AffectMean:
        raise RuntimeError("no luck")

    monkeypatch.setattr(affect_search, "KINDS", {"bad": affect_search.Kind("Bad luck", fail), **KINDS})
    affect = affect_part(predictions(rated_faces), rated_faces)
    assert affect is not None and affect["failed"] == [
        {"name": "bad", "title": "Bad luck", "error": "RuntimeError: no luck"}
    ]
    assert [row["name"] for row in affect["ensembles"]] == list(KINDS)


def test_too_few_ratings_to_cross_fit_are_refused():
    with pytest.raises(ValueError, match="4 rated samples cannot be split into 5 folds"):
        search_affect(np.zeros((2, 4, 2)), np.zeros((4, 2)))


# Scores


def test_results_have_this_part_only_where_ratings_and_members_are(faces: Targets, rated_faces: Targets):
    every = predictions(rated_faces)
    mute = [replace(one, val_affect=None, test_affect=None) for one in every]
    assert affect_part(every, faces) is None and affect_part(mute, rated_faces) is None
    affect = affect_part([mute[0], *every[1:]], rated_faces)
    assert affect is not None and [row["name"] for row in affect["members"]] == list(NAMES[1:])


def test_rows_are_scored_on_rated_test_images_and_chosen_on_val(rated_faces: Targets):
    every = predictions(rated_faces)
    affect = affect_part(every, rated_faces)
    assert affect is not None
    assert affect["rated"] == {"val": 66, "test": 79}
    assert affect["best_single"] == "resnet18" == max(affect["members"], key=lambda row: row["val_ccc"])["name"]
    for one, row in zip(every, affect["members"], strict=True):
        scores = affect_scores(one.test_affect, rated_faces.test_affect)  # type: ignore[arg-type]
        for known, values in ((row["valence"], scores["valence"]), (row["arousal"], scores["arousal"])):
            assert {name: value for name, value in known.items() if name in values} == pytest.approx(values)
        assert row["cross_fit_ccc"] is None
        assert row["ccc"] == pytest.approx((row["valence"]["ccc"] + row["arousal"]["ccc"]) / 2)
    single = affect["members"][1]
    assert single["difference_interval"] == [0.0, 0.0]
    weights = next(row["weights"] for row in affect["ensembles"] if row["name"] == "affect_weights")
    assert weights is not None and np.sum(list(weights.values()), axis=0) == pytest.approx([1.0, 1.0])


def test_test_ratings_choose_nothing(rated_faces: Targets):
    assert rated_faces.test_affect is not None
    other = replace(
        rated_faces, test_affect=-np.where(np.abs(rated_faces.test_affect) <= 1, rated_faces.test_affect, 2)
    )
    every = predictions(rated_faces)
    before, after = (affect_part(every, targets) for targets in (rated_faces, other))
    assert before is not None and after is not None
    for key in ("best_single", "headline"):
        assert before[key] == after[key]
    for mine, theirs in zip(before["ensembles"], after["ensembles"], strict=True):
        assert mine["weights"] == theirs["weights"] and mine["cross_fit_ccc"] == theirs["cross_fit_ccc"]


def test_bootstrap_of_concordance_equals_drawing_the_images_one_by_one():
    random = np.random.default_rng(0)
    truth = random.uniform(-1, 1, (40, 2))
    rows = np.stack([truth, np.zeros_like(truth), np.clip(truth + random.normal(0, 0.5, truth.shape), -1, 1)])
    found = bootstrap_concordance(rows, truth, draws=20, random_state=3)
    counts = image_counts(np.random.default_rng(3), 20, 40).astype(int)
    for draw, count in enumerate(counts):
        images = np.repeat(np.arange(40), count)
        for row, predicted in enumerate(rows):
            for column in range(2):
                expected = concordance(predicted[images, column], truth[images, column])
                assert found[draw, row, column] == pytest.approx(expected, abs=1e-9)


def test_more_images_narrow_the_interval():
    random = np.random.default_rng(0)
    widths = []
    for count in (50, 800):
        truth = random.uniform(-1, 1, (count, 2))
        rows = (truth + random.normal(0, 0.5, truth.shape))[None]
        low, high = np.quantile(bootstrap_concordance(rows, truth, draws=500), [0.025, 0.975], axis=0)[:, 0, 0]
        assert low < concordance(rows[0, :, 0], truth[:, 0]) < high
        widths.append(high - low)
    assert widths[1] < 0.4 * widths[0]


# Reports


@pytest.fixture
def results(rated_faces: Targets) -> Any:
    return blank_results(affect=affect_part(predictions(rated_faces), rated_faces, read_published_affect("affectnet8")))


def test_the_section_shows_every_row_and_marks_the_choice(results: Any):
    text = affect_section(results)
    chosen = next(row for row in results["affect"]["ensembles"] if row["name"] == results["affect"]["headline"])
    assert f"| **{chosen['title']}** |" in text and f"**Mean CCC {chosen['ccc']:.3f}" in text
    for row in (*results["affect"]["members"], *results["affect"]["ensembles"]):
        assert f"{row['valence']['rmse']:.3f} | {row['valence']['corr']:.3f}" in text
    assert "79 images of test split" in text and "MT-EmotiEffNet" in text
    assert affect_section(blank_results()) == ""


def test_a_correlation_that_is_not_defined_is_left_blank(rated_faces: Targets, results: Any):
    one = prediction(rated_faces, "vgg_fer", 0.5)
    constant = replace(one, test_affect=np.full_like(one.test_affect, 0.25))
    results["affect"] = affect_part([constant], rated_faces)
    assert results["affect"]["members"][0]["valence"]["corr"] is None
    assert re.search(r"\| member \| vgg_fer \|.*\| - \|", affect_section(results))
    line = next(line for line in csv.DictReader(io.StringIO(affect_csv(results))) if line["kind"] == "member")
    assert line["valence_corr"] == "" and line["valence_ccc"] == "0.000000"


def test_the_csv_has_a_line_a_row_best_first(results: Any):
    lines = list(csv.DictReader(io.StringIO(affect_csv(results))))
    assert len(lines) == 7 and {line["kind"] for line in lines} == {"member", "ensemble"}
    scores = [float(line["ccc"]) for line in lines]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("X,2020,test,,,,,,,,,source,source,", "needs a score"),
        ("X,2020,test,0.1,,,,,,,,source,rumour,", "needs a score, and a 'seen'"),
        ("X,2020,test,high,,,,,,,,source,source,", "not a published result"),
    ],
)
def test_broken_published_rows_are_named(tmp_path: Path, line: str, message: str):
    (tmp_path / "some.csv").write_text(",".join(AFFECT_COLUMNS) + "\n" + line + "\n")
    with pytest.raises(ValueError, match=message) as raised:
        read_published_affect("some", tmp_path)
    assert "some.csv:2" in str(raised.value)
    assert read_published_affect("other", tmp_path) == []
