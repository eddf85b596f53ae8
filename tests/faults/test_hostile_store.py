"""Files of a store whose names and texts would become more than text: they are named, set aside, and shown nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.external.importer import Details, inspect
from benchmarks.session import Options, Session
from benchmarks.store.identity import External, Identity, Transferred
from benchmarks.store.predictions import Predictions, PredictionStore
from benchmarks.store.targets import Targets
from tests.helpers.runs import cli
from zoo import registry

NAMES = ("<img src=x onerror=alert(1)>", "\x1b[31mred\x1b[0m", "$x^2_{$", "two\nlines", "a b")
RUN = ("--train", "never", "--ensemblers", "uniform", "best_single")

pytestmark = pytest.mark.usefixtures("nowhere_else", "no_figures")


def logits(targets: Targets, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    val, test = (random.normal(size=(len(labels), 7)) for labels in (targets.val, targets.test))
    return val.astype(np.float32), test.astype(np.float32)


def store(results: Path, identity: Identity, seed: int, targets: Targets, **provenance: object) -> None:
    val, test = (array.astype(np.float16).astype(np.float32) for array in logits(targets, seed))
    PredictionStore(results / "fer2013" / "predictions").save(Predictions(identity, val, test, provenance), [])


def strangers(results: Path, targets: Targets) -> None:
    """Members from another suite with names that no member has, as a file system takes them."""
    for seed, name in enumerate(NAMES):
        member = replace(registry.get("vgg_fer"), name=name)
        store(results, Transferred(member, 0, targets.fingerprint, 7, "fer2013", "e" * 32), seed, targets)


def said_badly(results: Path, targets: Targets) -> None:
    """External models whose reference or notes are no UTF-8, or steer a terminal."""
    for seed, text in enumerate(("caf\udce9", "\x1b]0;title\x07"), 40):
        val, test = (array.astype(np.float16).astype(np.float32) for array in logits(targets, seed))
        identity = External.of(f"model{seed}", targets.fingerprint, val, test)
        store(results, identity, seed, targets, reference=text, extra_data=text)


def test_names_and_texts_of_stored_files_are_judged(stored_results: Path, faces: Targets):
    strangers(stored_results, faces)
    said_badly(stored_results, faces)
    done = cli("--suite", "fer2013", "--results", stored_results, *RUN)
    assert done.code == 0, done.err
    assert done.out.count("not used: ") == len(NAMES) + 2
    assert all(letter.isprintable() or letter == "\n" for letter in done.out + done.err)
    for path in (stored_results / "fer2013").glob("*.*"):
        if path.is_file():
            written = path.read_text(encoding="utf-8")
            assert "\x1b" not in written, path.name
            assert path.suffix not in (".md", ".html") or "<img src=x" not in written, path.name
    checked = cli("check", stored_results)
    assert checked.code == 2 and checked.err.count("is no name of a model") == len(NAMES)
    assert checked.err.count("a text in its header") == 2 and "\x1b" not in checked.err


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        (Details(name="mine", reference="caf\udce9"), "--reference is not UTF-8"),
        (Details(name="mine", notes="\x1b[31m"), r"--notes holds \x1b"),
        (Details(name="mine", notes="x" * 3000), "--notes has 3,000 characters"),
        (Details(name="<img>"), "'<img>' cannot name a model"),
        (Details(name="x" * 5000), "cannot name a model"),
    ],
)
def test_what_is_stated_of_a_model_is_judged_before_it_is_stored(
    details: Details, reason: str, stored_results: Path, tmp_path: Path
):
    np.savez(tmp_path / "mine.npz", val=np.zeros((70, 7)), test=np.zeros((84, 7)))
    session = Session(Options(results=stored_results))
    with pytest.raises(ValueError, match=r".") as caught:
        inspect(session, tmp_path / "mine.npz", details)
    assert reason in str(caught.value) and len(str(caught.value)) < 400
