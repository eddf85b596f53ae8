"""Rows that stand apart: FER+ votes beside FER2013's own labels, models inside packages, weights of authors."""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import suites
from benchmarks.data import DataError, DataOptions, Dataset
from benchmarks.data.expressions import FER2013_CLASSES
from benchmarks.data.fer2013 import reader as fer2013
from benchmarks.data.fer2013.official import USAGES
from benchmarks.data.ferplus import reader as ferplus
from benchmarks.data.ferplus.votes import COLUMNS
from benchmarks.evaluation.evaluate import evaluate
from benchmarks.evaluation.row_classes import learns_from_votes, split_row_classes
from benchmarks.external.importer import keep
from benchmarks.external.tools import details_of, predicted
from benchmarks.pipeline import search_fold
from benchmarks.report import leaderboard, readme
from benchmarks.report.figures import benchmark_chart
from benchmarks.report.latex import tex_table
from benchmarks.report.page.suite_page import page
from benchmarks.results import best_single
from benchmarks.session import Options, Session
from benchmarks.store.identity import Configuration, External
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets, save_targets
from tests.helpers.generated import stored_predictions
from tests.helpers.portraits import FOLDER
from zoo import registry
from zoo.overrides import override
from zoo.pretrained.archives import Archive
from zoo.tools.catalog import Tool

LABELS = [3, 0, 6, 4]  # of each split's images, in the order of FER2013_CLASSES
BALLOTS = [  # of each split's images, in the order of FER+'s columns
    [0, 10, 0, 0, 0, 0, 0, 0, 0, 0],
    [1, 0, 0, 0, 4, 3, 0, 2, 0, 0],
    [0, 0, 5, 0, 0, 0, 4, 0, 1, 0],
    [0, 0, 0, 0, 0, 0, 0, 3, 3, 4],
]
VOTES = [  # in the order of FER2013_CLASSES; the last image has none over them
    [0, 0, 0, 10, 0, 0, 0],
    [4, 3, 0, 0, 0, 0, 1],
    [0, 0, 4, 0, 0, 5, 0],
    [0, 0, 0, 0, 1, 0, 0],
]


def _written(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def copy(tmp_path: Path, nowhere_else: None) -> Path:
    """A folder with twelve images of FER2013 as CSV, four a split, and their votes."""
    random = np.random.default_rng(0)
    pixels = [" ".join(map(str, random.integers(0, 256, 48 * 48))) for _ in range(12)]
    rows = list(zip(LABELS * 3, pixels, np.repeat(USAGES, 4), strict=True))
    _written(tmp_path / "fer2013.csv", [["emotion", "pixels", "Usage"], *rows])
    ballots = [[usage, "", *ballot] for usage, ballot in zip(np.repeat(USAGES, 4), BALLOTS * 3, strict=True)]
    _written(tmp_path / ferplus.VOTES, [COLUMNS, *ballots])
    return tmp_path


def by_row(dataset: Dataset) -> np.ndarray:
    train = dataset.train
    assert train.rows is not None and train.votes is not None
    return train.votes[np.argsort(train.rows)]


def test_votes_are_joined_by_row_and_in_the_order_of_fer2013s_classes(copy: Path):
    assert by_row(ferplus.with_votes(fer2013.load(copy), copy)).tolist() == VOTES


def test_votes_are_of_the_training_split_alone_and_leave_the_data_what_it_was(copy: Path):
    faces = fer2013.load(copy)
    joined = ferplus.with_votes(faces, copy)
    assert joined.fingerprint == faces.fingerprint == suites.get("fer2013").read(DataOptions(copy)).fingerprint
    assert faces.train.votes is None and joined.val is faces.val and joined.test is faces.test
    assert joined.train.images is faces.train.images and joined.train.ids is faces.train.ids


def test_of_fewer_classes_only_their_votes_count(copy: Path):
    suite = suites.get("fer2013-3class")
    assert suite.extra_labels is not None
    data = suite.extra_labels.join(suite.read(DataOptions(copy)), DataOptions(copy))
    assert data.classes == ("happy", "sad", "neutral")
    assert by_row(data).tolist() == [[10, 0, 0], [0, 0, 1], [0, 1, 0]], "surprise and fear are no votes for neutral"


@pytest.mark.parametrize("change", [lambda lines: lines[:-1], lambda lines: [*lines[:3], lines[2], *lines[3:]]])
def test_a_table_of_another_length_is_refused_in_one_message(copy: Path, change):
    lines = (copy / ferplus.VOTES).read_text().splitlines()
    (copy / ferplus.VOTES).write_text("\n".join(change(lines)))
    with pytest.raises(DataError, match=r"fer2013new\.csv does not line up with FER2013: rows of P\w+ are others"):
        ferplus.with_votes(fer2013.load(copy), copy)


def test_only_a_member_that_asks_for_votes_needs_them(copy: Path):
    session = Session(Options("fer2013", members=("five_layer_cnn",), data=DataOptions(copy), results=copy))
    (plain,), (fold,) = session.participants.members, session.folds
    wanting = override(plain, ["recipe.labels.votes=true"])
    with fold.images() as dataset:
        assert fold.training_data(plain, dataset) is dataset
        assert by_row(fold.training_data(wanting, dataset)).tolist() == VOTES
        (copy / ferplus.VOTES).unlink()
        assert fold.training_data(plain, dataset) is dataset
        message = r"votes of FER\+ were not found[\s\S]*github\.com/microsoft/FERPlus"
        with pytest.raises(DataError, match=message) as error:
            fold.training_data(wanting, dataset)
    assert str(copy / ferplus.VOTES) in str(error.value)


@pytest.mark.skipif(FOLDER is None, reason="FER2013 and FER+ are not at hand")
def test_rows_line_up_in_the_real_files():
    assert FOLDER is not None
    train = ferplus.with_votes(fer2013.load(FOLDER), FOLDER).train
    assert (
        train.votes is not None and train.votes.shape == (28709, len(FER2013_CLASSES)) and train.votes.any(axis=1).all()
    )
    agreement = (train.votes.argmax(axis=1) == train.targets).mean()
    moved = (np.roll(train.votes, 1, axis=0).argmax(axis=1) == train.targets).mean()
    assert agreement == pytest.approx(0.647, abs=0.001) and moved < 0.25


VOTING = ("recipe.labels.votes=true", "recipe.labels.votes_weight=0.5")


def taught_by_votes(one: Predictions) -> Predictions:
    assert isinstance(one.configuration, Configuration)
    member = override(registry.get(one.configuration.name), VOTING)
    return replace(one, configuration=replace(one.configuration, member=member))


def results_of(folder: Path, targets: Targets, plain: Sequence[str], voting: Sequence[str]) -> Any:
    """Of random predictions, those of members that learnt from votes by far the best."""
    store = PredictionStore(folder / "fer2013" / "predictions")
    save_targets(store.folder, targets)
    members = [stored_predictions(store, targets, name) for name in plain]
    members[:0] = [taught_by_votes(stored_predictions(store, targets, name, skill=5.0)) for name in voting]
    session = Session(Options("fer2013", results=folder, ensemblers=("best_single", "uniform", "greedy")))
    searched = search_fold(session, session.folds[0], members)
    return evaluate(session.suite, searched, folder, not_run=[], notes=[])


@pytest.fixture
def mixed(tmp_path: Path, faces: Targets) -> Any:
    return results_of(tmp_path, faces, ("vgg_fer", "mini_xception"), ("resnet18",))


def test_members_that_learnt_from_votes_are_scored_and_stay_out_of_everything_that_is_chosen(mixed: Any):
    assert [member.get("extra_labels") for member in mixed["members"]] == [None, None, "FER+ votes"]
    assert mixed["members"][2]["test_accuracy"] > 0.9 > max(one["test_accuracy"] for one in mixed["ensembles"])
    for ensemble in mixed["ensembles"]:
        assert "extra_labels" not in ensemble
        known = [*ensemble["members_used"], *(one["member"] for one in ensemble["left_out"])]
        assert sorted(known) == ["mini_xception", "vgg_fer"]
    assert "resnet18" not in mixed["audit"]["best_subset_on_test"]["members"]
    single = best_single(mixed)
    assert single is not None and single.name in ("vgg_fer", "mini_xception")
    row = next(row for row in mixed["members"] if row["name"] == single.name)
    assert row["p_best_single"] == 1.0


def test_every_table_marks_them_and_says_why(mixed: Any, tmp_path: Path):
    text = leaderboard.markdown(mixed)
    assert "| member, extra labels | resnet18 † " in text and "| member | vgg_fer |" in text
    assert "† *Extra labels*: also learnt from the FER+ votes of the training images" in text
    assert "no ensemble has them as members" in text
    assert "| member, extra labels | resnet18 † " in readme.compact(mixed)
    rows = {row["name"]: row for row in csv.DictReader(leaderboard.csv_table(mixed).splitlines())}
    assert rows["resnet18"]["extra_data"] == "FER+ votes" and rows["vgg_fer"]["extra_data"] == "none"
    assert r"\emph{Members, extra labels (FER+ votes)}" in tex_table(mixed)
    assert r"resnet18 \textdagger{} &" in tex_table(mixed)
    html = page(mixed, tmp_path)
    assert 'data-group="extra-labels"' in html and "also learnt from the FER+ votes" in html
    groups = {group.heading: [row.name for row in group.rows] for group in benchmark_chart.groups(mixed)}
    assert groups["Members, extra labels"] == ["resnet18"]
    assert "resnet18" not in groups["Members"]


def from_elsewhere(store: PredictionStore, targets: Targets, name: str, row_class: str) -> Predictions:
    one = stored_predictions(store, targets, "vgg_fer", seed=len(name), skill=5.0)
    identity = External.of(name, targets.fingerprint, one.val, one.test)
    stated = {"extra_data": f"what {name}'s owner says", "row_class": row_class}
    return replace(one, configuration=identity, provenance={**one.provenance, **stated})


def evaluated(folder: Path, targets: Targets, plain: Sequence[str], voting: Sequence[str]) -> Any:
    """Of random predictions, those of a tool and of a checkpoint by far the best."""
    store = PredictionStore(folder / "fer2013" / "predictions")
    save_targets(store.folder, targets)
    members = [stored_predictions(store, targets, name) for name in plain]
    members += [taught_by_votes(stored_predictions(store, targets, name, skill=4.0)) for name in voting]
    members[:0] = [from_elsewhere(store, targets, *pair) for pair in (("pypi-x", "tools"), ("theirs", "checkpoint"))]
    session = Session(Options("fer2013", results=folder, ensemblers=("best_single", "uniform", "greedy")))
    return evaluate(session.suite, search_fold(session, session.folds[0], members), folder, not_run=[], notes=[])


@pytest.fixture
def elsewhere(tmp_path: Path, faces: Targets) -> Any:
    return evaluated(tmp_path, faces, ("vgg_fer", "mini_xception"), ("resnet18",))


def test_what_comes_from_elsewhere_is_scored_and_stays_out_of_everything_that_is_chosen(elsewhere: Any):
    apart = {member["label"]: member["row_classes"] for member in elsewhere["members"] if "row_classes" in member}
    assert apart == {"pypi-x": ["tools"], "theirs": ["checkpoint"]} and len(elsewhere["members"]) == 5
    for ensemble in elsewhere["ensembles"]:
        assert "row_classes" not in ensemble and set(ensemble["members_used"]) <= {"mini_xception", "vgg_fer"}
    single = best_single(elsewhere)
    assert single is not None and single.name in ("vgg_fer", "mini_xception")
    fronts = {member["label"]: member["pareto"] for member in elsewhere["members"]}
    assert fronts["pypi-x"] is None and fronts["theirs"] is None and fronts["resnet18"] is not None


def test_every_table_marks_what_comes_from_elsewhere(elsewhere: Any, tmp_path: Path):
    text = leaderboard.markdown(elsewhere)
    assert "| external, tools | pypi-x ‡ " in text and "| external, checkpoint | theirs § " in text
    assert "‡ *Tools*: models that ship inside packages" in text and "pypi-x: what pypi-x's owner says." in text
    assert "§ *Checkpoint*: weights that an author published" in text and "theirs: what theirs's owner says." in text
    assert text.count("no ensemble has them as members") == 3
    short = readme.compact(elsewhere)
    assert "pypi-x ‡" in short and "‡ *Tools*" in short
    tex = tex_table(elsewhere)
    assert r"\emph{Tools}" in tex and r"pypi-x \textdaggerdbl{} &" in tex and r"theirs \S{} &" in tex
    html = page(elsewhere, tmp_path)
    assert 'data-group="tools"' in html and 'data-group="checkpoint"' in html and "inside packages" in html
    groups = {group.heading: [row.name for row in group.rows] for group in benchmark_chart.groups(elsewhere)}
    assert groups["Tools"] == ["pypi-x"] and groups["Published checkpoints"] == ["theirs"]
    assert "External models" not in groups


def test_where_all_stand_apart_members_of_our_own_make_the_ensembles_before_those_from_elsewhere(
    tmp_path: Path, faces: Targets
):
    voting = evaluated(tmp_path / "a", faces, (), ("resnet18",))
    assert {name for one in voting["ensembles"] for name in one["members_used"]} == {"resnet18"}
    alone = evaluated(tmp_path / "b", faces, (), ())
    assert all(set(one["row_classes"]) <= {"tools", "checkpoint"} for one in alone["ensembles"])
    assert "ensembles are made of them, and mean as little" in leaderboard.markdown(alone)


class Flattened(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def test_tools_are_asked_in_their_own_order_of_classes_and_stored_with_what_is_known_of_them(
    copy: Path, tmp_path: Path
):
    session = Session(Options("fer2013", data=DataOptions(copy), results=tmp_path))
    fold, order = session.folds[0], (6, 3, 4, 0, 2, 1, 5)
    with fold.images() as dataset:
        splits = (dataset.val, dataset.test)
        pairs = [pair for split in splits for pair in zip(split.images, split.targets, strict=True)]
        known = {image.tobytes(): int(target) or 1 for image, target in pairs}  # one of four wrong, as no leak would be

    def prepare(images: torch.Tensor) -> torch.Tensor:
        """Answers, with a bit of noise: the network passes them on."""
        places = [order.index(known[image.numpy().tobytes()]) for image in images]
        answers = 3.0 * torch.eye(7)[places] + images[:, 0, 0, :7].float() / 255
        return answers[:, :, None, None]

    archive = tmp_path / "x-1.0.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.addfile(tarfile.TarInfo("x/w"), io.BytesIO())
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    release = Archive("pypi", "x", "1.0", archive.name, digest, "MIT", "")
    classes = tuple(FER2013_CLASSES[place] for place in order)
    tool = Tool("pypi-x", "x", release, ("w",), classes, 1, 7, lambda files: Flattened(), prepare, "PyPI x", "unknown")
    details = details_of(tool, replace=False)
    done = predicted(session, tool, details, tmp_path)
    assert done.findings.val_accuracy == 0.75
    assert "pypi-x" in keep(session, done, details)
    kept = session.store.read(session.store.path(done.predictions.configuration), fold.targets)
    assert (kept.test.argmax(1) == np.where(fold.targets.test == 0, 1, fold.targets.test)).all()
    assert kept.provenance["row_class"] == "tools" and kept.provenance["extra_data"] == "pypi x 1.0, MIT: unknown"
    assert kept.provenance["source"] == {"file": archive.name, "sha256": digest, "given": "logits"}
    keep(session, predicted(session, tool, details, tmp_path), details)
    assert len(list(session.store.folder.glob("pypi-x.*"))) == 1


def test_what_votes_are_worth_is_an_ablation_like_any_other(tmp_path: Path, faces: Targets):
    results = results_of(tmp_path, faces, ("vgg_fer", "vgg_fer@votes", "mini_xception"), ())
    assert [(row["variant"], row["network"]) for row in results["ablations"]] == [("votes †", "vgg_fer")]
    assert "vgg_fer@votes" not in results["audit"]["best_subset_on_test"]["members"]


def test_without_such_members_nothing_speaks_of_them(tmp_path: Path, faces: Targets):
    plain = results_of(tmp_path, faces, ("vgg_fer", "mini_xception"), ())
    assert not any("extra_labels" in row for row in (*plain["members"], *plain["ensembles"]))
    for text in (leaderboard.markdown(plain), tex_table(plain), page(plain, tmp_path)):
        assert "†" not in text and "extra labels" not in text.lower()


def test_where_all_members_learnt_from_votes_their_ensembles_are_marked_as_they_are(tmp_path: Path, faces: Targets):
    alone = results_of(tmp_path, faces, (), ("vgg_fer", "resnet18"))
    assert {one["extra_labels"] for one in (*alone["members"], *alone["ensembles"])} == {"FER+ votes"}
    text = leaderboard.markdown(alone)
    assert "| ensemble, extra labels | " in text and "Uniform average †" in text
    assert "Here all members did, and so their ensembles." in text


def test_a_student_of_a_teacher_that_learnt_from_votes_has_extra_labels_too(
    add_member: Callable[[registry.Member], None],
):
    add_member(replace(override(registry.get("vgg_fer"), VOTING), name="vgg_fer_votes"))
    assert learns_from_votes({"labels": {"teacher": "resnet18+vgg_fer_votes:1"}})
    assert not learns_from_votes({"labels": {"teacher": "resnet18+vgg_fer:1"}})


def test_where_votes_are_the_suites_own_labels_they_are_no_extra(tmp_path: Path, faces: Targets):
    store = PredictionStore(tmp_path / "predictions")
    one = taught_by_votes(stored_predictions(store, faces, "vgg_fer"))
    assert split_row_classes([one], suites.get("ferplus").extra_labels) == ([one], [])
    assert all((suites.get(name).extra_labels is None) == ("fer2013" not in name) for name in suites.suites())
