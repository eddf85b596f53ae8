"""Predictions made elsewhere: every form is understood, what is wrong is named with its reason, the rest takes part."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from benchmarks.data import Dataset
from benchmarks.store.folds import stored_targets
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets, save_targets
from ensembles import log_softmax, softmax
from tests.helpers.generated import FACES, stored_predictions
from tests.helpers.runs import ROOT, Outcome, cli, files, python
from zoo.sealed import seal

SIMPLE = ("--ensemblers", "uniform", "best_single")
SPLITS = {"val": "PublicTest", "test": "PrivateTest"}

pytestmark = pytest.mark.usefixtures("nowhere_else", "no_figures")


@dataclass
class Elsewhere:
    """A results folder whose targets know the official order, and a model's logits in that order."""

    results: Path
    targets: Targets
    logits: dict[str, np.ndarray]
    folder: Path

    @property
    def store(self) -> PredictionStore:
        return PredictionStore(self.results / "fer2013" / "predictions")

    def ids(self, split: str) -> np.ndarray:
        """Row numbers in the official order."""
        return np.sort(rows_of(self.targets, split))

    def run(self, *options: object) -> Outcome:
        return cli("--suite", "fer2013", "--results", self.results, "--train", "never", *SIMPLE, *options)

    def check(self, file: Path, *options: object) -> Outcome:
        return cli("--suite", "fer2013", "--results", self.results, "--check", file, *options)

    def npz(self, file: str = "mine.npz", /, **arrays: Any) -> Path:
        path = self.folder / file
        np.savez(path, **{**self.logits, **arrays})
        return path

    def members(self) -> dict[str, dict[str, Any]]:
        read = json.loads((self.results / "fer2013" / "results.json").read_text())
        return {member["name"]: member for member in read["members"]}

    def stored(self, name: str) -> dict[str, np.ndarray]:
        (path,) = self.store.folder.glob(f"{name}.external.*.safetensors")
        return load_file(path)


def rows_of(targets: Targets, split: str) -> np.ndarray:
    rows: np.ndarray = getattr(targets, f"{split}_rows")
    return rows


def official(targets: Targets, array: np.ndarray, split: str) -> np.ndarray:
    """Rows of the store in the official order."""
    return array[np.argsort(rows_of(targets, split))]


def answers(targets: Targets, skill: float, seed: int = 11) -> dict[str, np.ndarray]:
    """Random logits in the official order, better with more `skill`."""
    random = np.random.default_rng(seed)
    found = {}
    for split in SPLITS:
        truth = official(targets, getattr(targets, split), split)
        found[split] = skill * np.eye(len(FACES))[truth] + random.normal(size=(len(truth), len(FACES)))
    return found


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    random = np.random.default_rng(5)
    rows = {"val": 700 + random.permutation(300), "test": 1000 + random.permutation(330)}
    shares = (0.13, 0.02, 0.14, 0.25, 0.18, 0.11, 0.17)
    val, test = (random.choice(7, len(rows[split]), p=shares) for split in SPLITS)
    val_rows, test_rows = (rows[split].astype(np.int32) for split in SPLITS)
    targets = Targets(val, test, "f" * 32, FACES, 700, val_rows, test_rows)
    results = tmp_path / "results"
    store = PredictionStore(results / "fer2013" / "predictions")
    save_targets(store.folder, targets)
    for name in ("vgg_fer", "resnet18"):
        stored_predictions(store, targets, name, skill=1.7)
    return Elsewhere(results, targets, answers(targets, 1.7), tmp_path)


# Forms


def as_npz(here: Elsewhere) -> Path:
    return here.npz()


def as_shuffled_npz_with_row_numbers(here: Elsewhere) -> Path:
    arrays: dict[str, np.ndarray] = {}
    for split, logits in here.logits.items():
        order = np.random.default_rng(1).permutation(len(logits))
        arrays |= {split: logits[order], f"{split}_ids": here.ids(split)[order]}
    return here.npz(**arrays)


def as_shuffled_npz_with_places(here: Elsewhere) -> Path:
    arrays: dict[str, np.ndarray] = {}
    for split, logits in here.logits.items():
        order = np.random.default_rng(1).permutation(len(logits))
        arrays |= {split: logits[order], f"{split}_ids": order}
    return here.npz(**arrays)


def as_npz_with_named_classes(here: Elsewhere) -> Path:
    order = np.random.default_rng(1).permutation(7)
    arrays = {split: logits[:, order] for split, logits in here.logits.items()}
    return here.npz(**arrays, classes=np.array([FACES[index].title() for index in order]))


def as_safetensors(here: Elsewhere) -> Path:
    tensors = {split: logits[:, ::-1].astype(np.float32) for split, logits in here.logits.items()}
    contiguous = {split: np.ascontiguousarray(tensor) for split, tensor in tensors.items()}
    save_file(contiguous, here.folder / "mine.safetensors", {"classes": ",".join(FACES[::-1])})
    return here.folder / "mine.safetensors"


def table(here: Elsewhere) -> dict[str, list[Any]]:
    """Both splits, images shuffled, classes in alphabetical order."""
    columns: dict[str, list[Any]] = {name: [] for name in ("split", "id", *sorted(FACES))}
    for split, logits in here.logits.items():
        for row in np.random.default_rng(2).permutation(len(logits)):
            columns["split"].append(SPLITS[split] if row % 2 else split)
            columns["id"].append(int(here.ids(split)[row]))
            for index, name in enumerate(FACES):
                columns[name].append(float(logits[row, index]))
    return columns


def as_csv(here: Elsewhere) -> Path:
    with (here.folder / "mine.csv").open("w", newline="") as file:
        columns = table(here)
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return here.folder / "mine.csv"


def as_parquet(here: Elsewhere) -> Path:
    pq.write_table(pa.table(table(here)), here.folder / "mine.parquet")
    return here.folder / "mine.parquet"


def as_probabilities(here: Elsewhere) -> Path:
    return here.npz(**{split: softmax(logits) for split, logits in here.logits.items()})


FORMS = [
    as_npz,
    as_shuffled_npz_with_row_numbers,
    as_shuffled_npz_with_places,
    as_npz_with_named_classes,
    as_safetensors,
    as_csv,
    as_parquet,
    as_probabilities,
]


@pytest.mark.parametrize("form", FORMS, ids=[form.__name__ for form in FORMS])
def test_every_form_gives_the_same_logits_in_the_order_of_the_store(
    elsewhere: Elsewhere, form: Callable[[Elsewhere], Path]
):
    done = elsewhere.run("--add-predictions", form(elsewhere), "--name", "mine")
    assert (done.code, done.err) == (0, "")
    assert "mine" in elsewhere.members()
    for split, found in elsewhere.stored("mine").items():
        expected = log_softmax(elsewhere.logits[split])
        given = official(elsewhere.targets, found, split)
        np.testing.assert_allclose(given.astype(np.float64), expected, rtol=2e-3, atol=2e-3)


def test_a_probability_of_zero_is_small_and_finite(elsewhere: Elsewhere):
    certain = {split: np.eye(7)[logits.argmax(1)] for split, logits in elsewhere.logits.items()}
    done = elsewhere.run("--add-predictions", elsewhere.npz(**certain))
    assert "values: probabilities" in done.out
    assert "warning: every answer is certain" in done.out
    assert float(elsewhere.stored("mine")["val"].min()) == pytest.approx(np.log(1e-7), rel=1e-2)


# Taking part


def test_an_added_model_is_in_table_and_ensembles_and_marked_external(elsewhere: Elsewhere):
    options = ("--reference", "arXiv:1234.56789", "--notes", "AffectNet")
    done = elsewhere.run("--add-predictions", elsewhere.npz(), *options)
    assert done.code == 0
    assert "mine.npz, added as 'mine': ok" in done.out
    row = elsewhere.members()["mine"]
    assert (row["kind"], row["init"], row["seed"], row["epochs"]) == ("external", "external", None, None)
    assert (row["reference"], row["extra_data"], row["source"]["file"]) == ("arXiv:1234.56789", "AffectNet", "mine.npz")
    correct = [
        (elsewhere.logits[split].argmax(1) == official(elsewhere.targets, getattr(elsewhere.targets, split), split))
        for split in SPLITS
    ]
    assert row["val_accuracy"] == pytest.approx(correct[0].mean(), abs=1e-6)
    assert row["test_accuracy"] == pytest.approx(correct[1].mean(), abs=1e-6)
    read = json.loads((elsewhere.results / "fer2013" / "results.json").read_text())
    (uniform,) = (one for one in read["ensembles"] if one["name"] == "uniform")
    assert "mine" in uniform["members_used"]
    board = (elsewhere.results / "fer2013" / "leaderboard.md").read_text()
    assert "| external | mine |" in board
    assert "| mine | mine.npz | `" in board.partition("## External models")[2]
    assert "2 members, trained in 25 s in all on abacus (wall clock). 1 external model." in board
    with (elsewhere.results / "fer2013" / "leaderboard.csv").open() as file:
        (line,) = (line for line in csv.DictReader(file) if line["kind"] == "external")
    assert (line["name"], line["extra_data"]) == ("mine", "AffectNet")


def test_a_later_run_takes_it_along_byte_for_byte_without_torch(elsewhere: Elsewhere):
    assert elsewhere.run("--add-predictions", elsewhere.npz()).code == 0
    before = files(elsewhere.store.folder.parent)
    script = "import sys, benchmark; code = benchmark.main(sys.argv[1:]); print('torch' in sys.modules, code)"
    done = python("-c", script, "--results", elsewhere.results, "--train", "never", "--fresh", *SIMPLE)
    assert done.stdout.splitlines()[-1] == "False 0", done.stderr
    after = {name: content for name, content in files(elsewhere.store.folder.parent).items() if "local/" not in name}
    changed = [name for name, content in after.items() if before.get(name, content) != content]
    assert changed == ["index.html"], "the page embeds the figures, which this process does not draw"
    assert {name.partition("/")[0] for name in after.keys() - before.keys()} == {"figures"}


def test_members_can_be_chosen_with_and_without_it(elsewhere: Elsewhere):
    assert elsewhere.run("--add-predictions", elsewhere.npz()).code == 0
    for pattern, expected in (("mi*", {"mine"}), ("vgg_fer", {"vgg_fer"})):
        assert elsewhere.run("--members", pattern).code == 0
        assert {name for name in elsewhere.members() if name in ("mine", "vgg_fer", "resnet18")} == expected


def test_the_plan_lists_it_as_loaded(elsewhere: Elsewhere):
    assert elsewhere.run("--add-predictions", elsewhere.npz()).code == 0
    lines = elsewhere.run("--plan").out.splitlines()
    assert [line.split()[:2] for line in lines if "from elsewhere" in line] == [["mine", "load"]]


def test_a_name_is_taken_once_and_replaced_only_when_told(elsewhere: Elsewhere):
    assert elsewhere.run("--add-predictions", elsewhere.npz()).code == 0
    first = files(elsewhere.store.folder)
    other = elsewhere.npz("other.npz", **answers(elsewhere.targets, 2.0, seed=12))
    done = elsewhere.run("--add-predictions", other, "--name", "mine")
    assert done.code == 2
    assert "an external model 'mine' is there already: --replace puts this one in its place" in done.err
    assert files(elsewhere.store.folder) == first
    assert elsewhere.run("--add-predictions", other, "--name", "mine", "--replace").code == 0
    assert elsewhere.members()["mine"]["source"]["file"] == "other.npz"
    assert elsewhere.run("--add-predictions", other, "--name", "mine", "--replace").code == 0
    assert len(list(elsewhere.store.folder.glob("mine.*"))) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg_fer", "'vgg_fer' is a member of the zoo"),
        ("my.model", "'my.model' cannot name a model"),
        ("../x", "cannot"),
    ],
)
def test_a_name_that_cannot_be_is_refused(elsewhere: Elsewhere, name: str, message: str):
    before = files(elsewhere.results)
    done = elsewhere.run("--add-predictions", elsewhere.npz(), "--name", name)
    assert done.code == 2
    assert message in done.err
    assert files(elsewhere.results) == before


def tampered(here: Elsewhere, path: Path) -> str:
    tensors = load_file(path)
    tensors["test"][0] = tensors["test"][0, ::-1]
    header = read_metadata(path)
    save_file(tensors, path, header)
    return "its arrays are not those that were written"


def resealed(here: Elsewhere, path: Path) -> str:
    tampered(here, path)
    header = {name: text for name, text in read_metadata(path).items() if not name.endswith("_sha256")}
    save_file(load_file(path), path, header)
    path.write_bytes(seal(path.read_bytes()))
    return "holds other logits than those it is named after"


def read_metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        metadata: dict[str, str] = file.metadata()
    return metadata


def cut(here: Elsewhere, path: Path) -> str:
    path.write_bytes(path.read_bytes()[:300])
    return "is damaged"


def renamed(here: Elsewhere, path: Path) -> str:
    path.rename(path.with_name(path.name.replace("mine", "yours")))
    return "holds what would be named mine.external."


def foreign(here: Elsewhere, path: Path) -> str:
    save_file({"val": np.zeros((300, 7))}, path)
    return "was not written by this store"


def doubled(here: Elsewhere, path: Path) -> str:
    aside = here.folder / "aside"
    path.rename(aside)
    other = here.npz("other.npz", **answers(here.targets, 2.0, seed=12))
    assert here.run("--add-predictions", other, "--name", "mine").code == 0
    aside.rename(path)
    return "is a second file of mine"


HARMS = [tampered, resealed, cut, renamed, foreign, doubled]


@pytest.mark.parametrize("harm", HARMS, ids=[harm.__name__ for harm in HARMS])
def test_a_stored_file_that_cannot_be_trusted_is_named_by_run_and_check(
    elsewhere: Elsewhere, harm: Callable[[Elsewhere, Path], str]
):
    assert elsewhere.run("--add-predictions", elsewhere.npz()).code == 0
    (path,) = elsewhere.store.folder.glob("mine.external.*")
    message = harm(elsewhere, path)
    done = elsewhere.run()
    assert done.code == 0
    assert "not used: " in done.out and message in done.out
    checked = elsewhere.check(elsewhere.results)
    assert (checked.code, checked.out) == (2, "")
    assert message in checked.err


# The dry run


def test_a_check_says_what_was_found_and_writes_nothing(elsewhere: Elsewhere):
    before = files(elsewhere.results)
    done = elsewhere.check(as_shuffled_npz_with_row_numbers(elsewhere))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("mine.npz as 'mine': ok\n")
    for line in (
        "val (PublicTest): 300 rows by row number in the original file",
        "test (PrivateTest): 330 rows by row number in the original file",
        "values: logits",
        "accuracy on PublicTest: ",
        "agrees most with ",
    ):
        assert line in done.out
    assert files(elsewhere.results) == before


WRONG: list[tuple[str, Callable[[Elsewhere], dict[str, Any]], str]] = [
    ("an image is missing", lambda here: {"val": here.logits["val"][1:]}, r"holds [299, 7], not [300, 7]"),
    ("a class is missing", lambda here: {"test": here.logits["test"][:, 1:]}, "holds [330, 6], not [330, 7]"),
    ("no numbers", lambda here: {"val": here.logits["val"] * np.nan}, "holds no number in 300 rows"),
    ("text", lambda here: {"val": here.logits["val"].astype(str)}, "logits or probabilities [N, classes] are needed"),
    ("objects", lambda here: {"val": np.array([{}, 1], dtype=object)}, "holds Python objects"),
    ("an id twice", lambda here: {"val_ids": np.full(300, 701)}, "id 701 stands 300 times"),
    (
        "ids of others",
        lambda here: {"val_ids": here.ids("val") + 5},
        "ids are row numbers of the original file (700 to",
    ),
    ("ids as text", lambda here: {"val_ids": here.ids("val").astype(str)}, "row numbers, integers [N], are needed"),
    ("other classes", lambda here: {"classes": np.array([*FACES[:-1], "neutrl"])}, "Did you mean 'neutral'?"),
    (
        "percentages",
        lambda here: {split: 100 * softmax(logits) for split, logits in here.logits.items()},
        "these are percentages",
    ),
    (
        "sigmoids",
        lambda here: {split: 1 / (1 + np.exp(-logits)) for split, logits in here.logits.items()},
        "neither probabilities, which sum to 1, nor logits",
    ),
    (
        "classes in alphabetical order",
        lambda here: {split: logits[:, np.argsort(FACES)] for split, logits in here.logits.items()},
        "columns seem to be in another class order: angry, disgust, fear, happy, neutral, sad, surprise;",
    ),
    (
        "two classes exchanged",
        lambda here: {split: logits[:, [0, 1, 4, 3, 2, 5, 6]] for split, logits in here.logits.items()},
        "another class order: angry, disgust, sad, happy, fear, surprise, neutral",
    ),
    (
        "rows of the store",
        lambda here: {
            split: logits[np.argsort(np.argsort(rows_of(here.targets, split)))] for split, logits in here.logits.items()
        },
        "rows seem to be in the store's own order",
    ),
    ("rows in reverse", lambda here: {"val": here.logits["val"][::-1]}, "rows seem to be in reverse"),
    (
        "rows by folder",
        lambda here: {
            "val": here.logits["val"][
                np.argsort(
                    np.argsort(np.argsort(FACES))[official(here.targets, here.targets.val, "val")], kind="stable"
                )
            ]
        },
        "rows seem to be class by class in alphabetical order, as folders are listed",
    ),
    (
        "rows at random",
        lambda here: {"val": np.random.default_rng(0).permutation(here.logits["val"])},
        "is no better than always answering 'happy'",
    ),
    ("a leak", lambda here: answers(here.targets, 9.0), "--accept-suspicious takes it all the same"),
    ("a copy", lambda here: copied(here, "vgg_fer"), "val and test are what vgg_fer.s0."),
    ("half a copy", lambda here: {"test": np.log(copied(here, "vgg_fer")["test"])}, "test is what vgg_fer.s0."),
    ("two kinds", lambda here: {"test": copied(here, "vgg_fer")["test"]}, "val holds logits, test probabilities"),
]


def copied(here: Elsewhere, name: str) -> dict[str, np.ndarray]:
    """A stored member's probabilities with three decimals, at another scale: not the same bytes."""
    (path,) = here.store.folder.glob(f"{name}.s0.*.safetensors")
    stored = load_file(path)
    return {split: official(here.targets, softmax(logits).round(3) + 1e-4, split) for split, logits in stored.items()}


@pytest.mark.parametrize(("make", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_told_with_its_reason_and_nothing_is_written(
    elsewhere: Elsewhere, make: Callable[[Elsewhere], dict[str, Any]], message: str
):
    path, before = elsewhere.npz(**make(elsewhere)), files(elsewhere.results)
    checked, added = elsewhere.check(path), elsewhere.run("--add-predictions", path)
    assert (checked.code, checked.out) == (2, "")
    assert checked.err.startswith("benchmark.py: mine.npz: ")
    assert message in checked.err
    assert "Traceback" not in checked.err and checked.err.count("\n") == 1
    assert (added.code, added.err) == (2, checked.err)
    assert files(elsewhere.results) == before


def test_the_same_numbers_for_both_splits_are_refused(elsewhere: Elsewhere, tmp_path: Path):
    targets = elsewhere.targets
    assert targets.test_rows is not None
    even = replace(targets, test=targets.test[:300], test_rows=targets.test_rows[:300])
    store = PredictionStore(tmp_path / "even" / "fer2013" / "predictions")
    save_targets(store.folder, even)
    # The same places in the store, and in the files those of the two official orders.
    both = np.empty((300, 7))
    both[np.argsort(rows_of(even, "val"))] = elsewhere.logits["val"]
    path = elsewhere.npz(val=elsewhere.logits["val"], test=official(even, both, "test"))
    done = cli("--results", tmp_path / "even", "--check", path)
    assert done.code == 2
    assert "val and test hold the same numbers" in done.err


def test_a_suspicious_model_is_taken_when_told_and_stays_marked(elsewhere: Elsewhere):
    path = elsewhere.npz(**answers(elsewhere.targets, 9.0))
    done = elsewhere.run("--add-predictions", path, "--accept-suspicious")
    assert done.code == 0
    assert "warning: " in done.out and "is above 77.00 %" in done.out
    assert "treat as a leak until shown otherwise" in (elsewhere.results / "fer2013" / "leaderboard.md").read_text()
    checked = elsewhere.check(elsewhere.results)
    assert checked.code == 0
    assert "is above 77.00 %" in checked.out


TABLES = [
    ("split,id,angry\nval,1,0.5\n", "has no column 'disgust'"),
    ("id,angry,disgust,fear,happy,sad,surprise,neutral\n1,1,1,1,1,1,1,1\n", "has no column 'split'"),
    ("split,Angry,disgust,fear,hapy,sad,surprise,neutral\nval,1,1,1,1,1,1,1\n", "Did you mean 'hapy'?"),
    ("split,angry,disgust,fear,happy,sad,surprise,neutral\ntrain,1,1,1,1,1,1,1\n", "split is 'train', not val"),
    (
        "split,angry,disgust,fear,happy,sad,surprise,neutral\nval,1,1,x,1,1,1,1\n",
        "column 'fear' holds what is no number",
    ),
    ("split,angry,angry,disgust,fear,happy,sad,surprise,neutral\nval,1,1,1,1,1,1,1,1\n", "has two columns 'angry'"),
    ("split,angry,disgust,fear,happy,sad,surprise,neutral\nval,1,1\n", "cannot be read as csv"),
]


@pytest.mark.parametrize(("text", "message"), TABLES)
def test_a_table_that_does_not_fit_is_refused(elsewhere: Elsewhere, text: str, message: str):
    path = elsewhere.folder / "mine.csv"
    path.write_text(text)
    done = elsewhere.check(path)
    assert done.code == 2
    assert done.err.startswith("benchmark.py: mine.csv: ") and message in done.err


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet", ".safetensors", ".pt"])
def test_a_file_of_another_kind_is_refused(elsewhere: Elsewhere, suffix: str):
    path = elsewhere.folder / f"mine{suffix}"
    path.write_bytes(b"\x80\x04 something else")
    done = elsewhere.check(path)
    assert done.code == 2
    assert done.err.startswith(f"benchmark.py: mine{suffix}: ") and "Traceback" not in done.err


def test_other_columns_and_arrays_are_named_as_ignored(elsewhere: Elsewhere):
    assert "ignored: array 'loss'" in elsewhere.check(elsewhere.npz(loss=np.zeros(3))).out


# The official order


def test_targets_without_the_official_order_keep_working_and_say_what_is_missing(stored_results: Path, tmp_path: Path):
    path = tmp_path / "mine.npz"
    np.savez(path, val=np.zeros((70, 7)), test=np.zeros((84, 7)))
    done = cli("--results", stored_results, "--check", path)
    assert done.code == 2
    assert "do not know the official order of rows" in done.err and "--data DIR" in done.err


def test_the_official_order_is_added_to_targets_that_lack_it(dataset: Dataset, tmp_path: Path):
    store, known = PredictionStore(tmp_path), Targets.of(ordered(dataset))
    save_targets(store.folder, Targets.of(dataset))
    for written in (known, Targets.of(dataset)):  # what is known is not forgotten
        save_targets(store.folder, written)
        found = stored_targets(store.folder)
        assert found is not None
        for split in SPLITS:
            np.testing.assert_array_equal(rows_of(found, split), rows_of(known, split))
            np.testing.assert_array_equal(getattr(found, split), getattr(known, split))


def ordered(dataset: Dataset) -> Dataset:
    """The data set with row numbers, in reverse."""
    val, test = (replace(split, rows=np.arange(len(split))[::-1].copy()) for split in (dataset.val, dataset.test))
    return replace(dataset, val=val, test=test)


# What is committed


def test_a_folder_is_checked_file_by_file(elsewhere: Elsewhere):
    assert elsewhere.run("--add-predictions", elsewhere.npz()).code == 0
    for path in (elsewhere.results, elsewhere.results / "fer2013", elsewhere.store.folder):
        done = cli("--check", path)
        assert (done.code, done.err) == (0, "")
        assert done.out.count(": ok\n") == 4  # the targets, too
    (stored,) = elsewhere.store.folder.glob("mine.*")
    assert cli("--check", stored).out.startswith(f"{stored.name}: ok\n")


def test_a_committed_copy_of_a_member_is_refused(elsewhere: Elsewhere):
    aside = elsewhere.folder / "aside"
    (member,) = elsewhere.store.folder.glob("vgg_fer.s0.*.safetensors")
    path = elsewhere.npz(**copied(elsewhere, "vgg_fer"))
    member.rename(aside)
    assert elsewhere.run("--add-predictions", path).code == 0
    aside.rename(member)
    done = elsewhere.check(elsewhere.results)
    assert done.code == 2
    assert "mine.external." in done.err and f"what {member.stem} predicts" in done.err


def test_a_file_under_a_name_of_its_own_is_not_overlooked(elsewhere: Elsewhere):
    (path,) = elsewhere.store.folder.glob("vgg_fer.s0.*.safetensors")
    stem = path.stem
    path.rename(path.with_name("best.safetensors"))
    for checked in (elsewhere.results, path.with_name("best.safetensors")):
        done = elsewhere.check(checked)
        assert done.code == 2
        assert f"best.safetensors: holds what would be named {stem}" in done.err


def test_a_folder_without_predictions_is_no_success(tmp_path: Path):
    done = cli("--check", tmp_path)
    assert done.code == 2
    assert "holds no predictions" in done.err


def test_the_file_of_a_store_cannot_be_added_again(elsewhere: Elsewhere):
    (path,) = elsewhere.store.folder.glob("vgg_fer.s0.*.safetensors")
    done = elsewhere.run("--add-predictions", path, "--name", "mine")
    assert done.code == 2
    assert "is a file of a prediction store" in done.err


@pytest.mark.skipif(not (ROOT / "results" / "fer2013" / "predictions").exists(), reason="no predictions are committed")
def test_the_committed_predictions_are_in_order(tmp_path: Path):
    shutil.copytree(ROOT / "results", tmp_path / "results")
    done = cli("--check", tmp_path / "results")
    assert (done.code, done.err) == (0, "")
    targets = stored_targets(ROOT / "results" / "fer2013" / "predictions")
    assert targets is not None
    assert np.array_equal(np.sort(rows_of(targets, "val")), np.arange(28709, 32298))
    assert np.array_equal(np.sort(rows_of(targets, "test")), np.arange(32298, 35887))


@pytest.mark.parametrize(
    "nothing", [-np.inf, -1e9, np.finfo(np.float32).min, -1e30, -70_000.0, -500.0], ids=lambda value: f"{value:.0e}"
)
def test_a_class_that_is_ruled_out_is_the_same_in_every_form(elsewhere: Elsewhere, nothing: float):
    masked, zero = {}, {}
    for split, logits in elsewhere.logits.items():
        masked[split] = logits.copy()
        masked[split][:, 2] = nothing
        zero[split] = softmax(masked[split])
    ruled_out = elsewhere.npz("masked.npz", **masked)
    checked = elsewhere.check(ruled_out)
    added = elsewhere.run("--add-predictions", ruled_out, "--name", "masked")
    assert (checked.code, added.code) == (0, 0), checked.err + added.err
    stored = elsewhere.stored("masked")
    assert elsewhere.run("--add-predictions", elsewhere.npz("zero.npz", **zero), "--name", "zero").code == 2  # a copy
    for split, values in stored.items():
        assert np.isfinite(values).all()
        assert values[:, 2].astype(np.float32) == pytest.approx(np.log(1e-7), rel=1e-3), split


def test_rows_without_any_possible_class_are_no_predictions(elsewhere: Elsewhere):
    wrong = {split: logits.copy() for split, logits in elsewhere.logits.items()}
    wrong["val"][5] = -np.inf
    for command in (
        elsewhere.check(elsewhere.npz(**wrong)),
        elsewhere.run("--add-predictions", elsewhere.npz(**wrong)),
    ):
        assert command.code == 2 and "holds no number in 1 rows, the first is row 5" in command.err


def test_the_model_that_is_added_may_be_one_of_the_members_asked_for(elsewhere: Elsewhere):
    done = elsewhere.run("--add-predictions", elsewhere.npz(), "--name", "my_model", "--members", "my_model")
    assert done.code == 0, done.err
    assert list(elsewhere.members()) == ["my_model"]


def test_members_that_are_unknown_even_with_the_added_model_keep_it_out(elsewhere: Elsewhere):
    before = files(elsewhere.results)
    done = elsewhere.run("--add-predictions", elsewhere.npz(), "--name", "my_model", "--members", "my_modle")
    assert done.code == 2 and "my_model" in done.err
    assert files(elsewhere.results) == before


OTHER_NAMES = {"angry": "Anger", "fear": "fearful", "happy": "Happiness", "sad": "sadness", "surprise": "surprised"}


def test_columns_may_have_any_usual_name_of_an_expression(elsewhere: Elsewhere):
    names = [OTHER_NAMES.get(name, name) for name in FACES]
    given = elsewhere.run(
        "--add-predictions", elsewhere.npz(classes=np.array(names[::-1]), **reversed_columns(elsewhere))
    )
    assert given.code == 0, given.err
    for split, found in elsewhere.stored("mine").items():
        expected = log_softmax(elsewhere.logits[split])
        np.testing.assert_allclose(official(elsewhere.targets, found, split), expected, rtol=2e-3, atol=2e-3)


def reversed_columns(elsewhere: Elsewhere) -> dict[str, np.ndarray]:
    return {split: logits[:, ::-1] for split, logits in elsewhere.logits.items()}


def test_a_table_may_have_other_names_and_row_numbers_as_floats(elsewhere: Elsewhere):
    path = elsewhere.folder / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "id", *(OTHER_NAMES.get(name, name) for name in FACES)])
        for split, logits in elsewhere.logits.items():
            for number, row in zip(elsewhere.ids(split), logits, strict=True):
                writer.writerow([split, f"{number}.0", *row])
    done = elsewhere.run("--add-predictions", path, "--name", "table")
    assert done.code == 0 and "by row number in the original file" in done.out, done.err


def test_row_numbers_that_are_no_integers_are_refused(elsewhere: Elsewhere):
    done = elsewhere.check(elsewhere.npz(val_ids=elsewhere.ids("val") + 0.5, test_ids=elsewhere.ids("test")))
    assert done.code == 2 and "val_ids is float64" in done.err and "integers [N], are needed" in done.err
