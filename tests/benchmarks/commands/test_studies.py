"""Questions to a store that val answers: how unlike its members err, and which rule would choose best."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from benchmarks.commands.budget import stored_members
from benchmarks.commands.pairs import pairs
from benchmarks.commands.rules import BASE, RULES, halved, rows
from benchmarks.evaluation import metrics
from benchmarks.session import Session
from benchmarks.store.predictions import PredictionStore
from benchmarks.store.targets import Targets
from ensembles import softmax
from tests.helpers.generated import stored_predictions
from tests.helpers.runs import Outcome, cli

pytestmark = pytest.mark.usefixtures("nowhere_else")

METHODS = ("uniform", "best_single", "log_pool", "hard_vote")
QUESTIONS = {"pairs": ("pairs",), "rules": ("rules", "--repeats", "2", "--ensemblers", *METHODS)}


def ask(question: str, results: Path, *more: str) -> Outcome:
    done = cli(*QUESTIONS[question], *more, "--results", results)
    assert done.code == 0, done.err
    return done


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_answer_depends_on_test(question: str, stored_results: Path, faces: Targets):
    first = ask(question, stored_results)
    store = PredictionStore(stored_results / "fer2013" / "predictions")
    for path in store.prediction_files():
        member = store.read(path, faces)
        member.test[:] = member.test[:, ::-1]
        store.save(member, [])
    assert ask(question, stored_results).out == first.out


@pytest.mark.parametrize("question", QUESTIONS)
def test_members_that_are_not_there_are_told(question: str, stored_results: Path):
    done = cli(*QUESTIONS[question], "--members", "mlp", "--results", stored_results)
    assert done.code == 2 and "fer2013 has" in done.err and not done.out


def test_pairs_are_ordered_by_their_mean_and_a_copy_errs_alike(faces: Targets, tmp_path: Path):
    store = PredictionStore(tmp_path)
    one, other = (stored_predictions(store, faces, name, skill=1.5).val for name in ("vgg_fer", "resnet18"))
    found = pairs(["one", "copy", "other"], np.stack([one, one, other]), faces.val)
    copies = next(row for row in found if {row["better one"], row["other one"]} == {"one", "copy"})
    assert copies["correlation"] == "1.00"
    alone = metrics.accuracy(softmax(one), faces.val)
    assert copies["mean, %"] == copies["better, %"] == copies["other, %"] == f"{100 * alone:.2f}"
    means = [float(row["mean, %"] or "nan") for row in found]
    assert len(found) == 3 and means == sorted(means, reverse=True)
    together = metrics.accuracy((softmax(one) + softmax(other)) / 2, faces.val)
    assert f"{100 * together:.2f}" in {row["mean, %"] for row in found}


def test_as_many_pairs_are_shown_as_asked_for(stored_results: Path):
    shown = ask("pairs", stored_results, "--top", "2").out.splitlines()
    assert len(shown) == 4 and shown[-1] == "the best 2 of 6 pairs; --top shows more"
    assert len(ask("pairs", stored_results).out.splitlines()) == 7


def test_a_choice_is_scored_on_images_that_no_rule_saw(faces: Targets, tmp_path: Path):
    """By hand: the uniform average is fitted to nothing, so its score is that of the other half."""
    store = PredictionStore(tmp_path)
    members = [stored_predictions(store, faces, name, skill=1.5).val for name in ("vgg_fer", "resnet18")]
    logits = np.stack(members)
    choice = halved(logits, faces.val, METHODS, seed=3)["uniform average"]
    unseen = np.random.default_rng(3).permutation(len(faces.val))[len(faces.val) // 2 :]
    mean = softmax(logits[:, unseen]).mean(axis=0)
    assert choice.accuracy == metrics.accuracy(mean, faces.val[unseen])
    assert choice.log_loss == pytest.approx(metrics.log_loss(mean, faces.val[unseen]))


def test_rules_differ_where_methods_do():
    """A vote names the class of the best method with worse probabilities: accuracy alone cannot tell them apart."""
    random = np.random.default_rng(1)
    targets = random.integers(0, 7, 1200)
    logits = np.stack([8 * np.eye(7)[targets] + 4 * random.normal(size=(1200, 7)) for _ in range(5)])
    chosen = [halved(logits, targets, METHODS, seed) for seed in range(3)]
    assert {choices["the best log-loss"].method for choices in chosen} <= {"uniform", "log_pool"}
    assert all(choices["best single member"].method == "best_single" for choices in chosen)
    table = {row["rule"]: row for row in rows(chosen)}
    assert set(table) == set(RULES) and table[BASE]["gain"] == "+0.00 ± 0.00"
    assert float(table["the best log-loss"]["log-loss"] or 9) <= float(table["best single member"]["log-loss"] or 0)


def test_a_suite_in_folds_has_no_one_set_of_members():
    session = cast(Session, SimpleNamespace(folds=[None, None], suite=SimpleNamespace(name="kdef")))
    with pytest.raises(ValueError, match=r"^kdef is scored in folds, each by networks of its own"):
        stored_members(session)


def test_one_half_is_not_enough(stored_results: Path):
    done = cli("rules", "--repeats", "1", "--results", stored_results)
    assert done.code == 2 and re.search("at least 2", done.err)
