"""Voting and stacking against scikit-learn and mlxtend, dynamic selection against DESlib.

    python -m benchmarks.speed.stacking [--members 20 --samples 3589 --classes 7]

All sides combine the same members, whose predictions are there already: the peers get estimators that look them up.
Each is fitted on one half of the samples and scored on the other. Ours starts from logits, the peers from
probabilities; `stack_logistic` includes the choice of its penalty by cross-validation (13 fits), the peers' logistic
regression does one fit at the default penalty. Peers that are not installed, or do not run, are left out.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

import ensembles
from benchmarks.evaluation.metrics import accuracy, log_loss
from benchmarks.speed.records import add_json_option, compare_times, write_record
from benchmarks.speed.timing import PeerMissing, header, made_up, peer, ratio, timed
from ensembles import softmax

Rows = NDArray[np.float64]


class Column(ClassifierMixin, BaseEstimator):
    """A fitted member as the peers want it: its probabilities are columns of X `[N, members * classes]`."""

    def __init__(self, member: int, classes: int) -> None:
        self.member = member
        self.classes = classes

    def fit(self, X: Rows, y: NDArray[np.int64]) -> Column:
        """Nothing to fit."""
        self.classes_ = np.arange(self.classes)
        return self

    def predict_proba(self, X: Rows) -> Rows:
        return X[:, self.member * self.classes : (self.member + 1) * self.classes]

    def predict(self, X: Rows) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self.predict_proba(X).argmax(axis=1)
        return found


def main(argv: list[str] | None = None) -> None:
    """Runs every comparison whose peer is installed and prints it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("members", 20), ("samples", 3589), ("classes", 7), ("repeats", 3)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    add_json_option(arguments)
    options = arguments.parse_args(argv)
    title = f"Combining {options.members} members, fitted on {options.samples} samples, {options.classes} classes"
    print(header(title, ["mlxtend", "DESlib"]))
    logits, targets = made_up(options.members, 2 * options.samples, options.classes)
    columns = softmax(logits).transpose(1, 0, 2).reshape(len(targets), -1)
    members = [Column(m, options.classes).fit(columns, targets) for m in range(options.members)]
    half, found = options.samples, []
    for name, rival, build in PEERS:
        try:
            theirs = build(members)
        except PeerMissing as missing:
            print(f"\n{rival}: left out, {missing}")
            continue

        def run_ours(name: str = name) -> Rows:
            return ensembles.create(name).fit(logits[:, :half], targets[:half]).predict_proba(logits[:, half:])

        def run_theirs(theirs: Any = theirs) -> Rows:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs.fit(columns[:half], targets[:half])
                return _rows(theirs, columns[half:], options.classes)

        own = timed(run_ours, options.repeats)
        try:
            peers = timed(run_theirs, options.repeats)
        except (AttributeError, TypeError) as error:  # an interface of scikit-learn's that a peer still counts on
            print(f"\n{rival}: left out, it does not run with this scikit-learn ({error})")
            continue
        print(f"\n{name} against {rival}, fit and predict")
        for label, (timing, rows) in (("ours", own), ("theirs", peers)):
            truth = targets[half:]
            print(f"  {label:7s} {timing}, accuracy {accuracy(rows, truth):.4f}, log-loss {log_loss(rows, truth):.4f}")
        print(f"  {ratio(own[0], peers[0])}")
        found.append(compare_times(name, own[0], rival, peers[0]))
    write_record(options.json, "stacking", title, found, ["mlxtend", "DESlib"])


def _rows(fitted: Any, columns: Rows, classes: int) -> Rows:
    """Probabilities; of a method that only votes, one for the class it names."""
    if getattr(fitted, "voting", "soft") == "hard":
        return np.eye(classes)[fitted.predict(columns)]
    return np.asarray(fitted.predict_proba(columns))


def _voting(how: str) -> Callable[[list[Column]], Any]:
    def build(members: list[Column]) -> Any:
        named = [(str(member.member), member) for member in members]
        return peer("sklearn.ensemble", "scikit-learn").VotingClassifier(named, voting=how)

    return build


def _sklearn_stacking(members: list[Column]) -> Any:
    named = [(str(member.member), member) for member in members]
    final = peer("sklearn.linear_model", "scikit-learn").LogisticRegression(max_iter=1000)
    return peer("sklearn.ensemble", "scikit-learn").StackingClassifier(named, final, cv="prefit")


def _mlxtend_voting(members: list[Column]) -> Any:
    return peer("mlxtend.classifier", "mlxtend").EnsembleVoteClassifier(
        members, voting="soft", fit_base_estimators=False
    )


def _mlxtend_stacking(members: list[Column]) -> Any:
    final = peer("sklearn.linear_model", "scikit-learn").LogisticRegression(max_iter=1000)
    return peer("mlxtend.classifier", "mlxtend").StackingClassifier(
        members, final, use_probas=True, fit_base_estimators=False
    )


def _deslib(name: str) -> Callable[[list[Column]], Any]:
    def build(members: list[Column]) -> Any:
        module, kind = ("deslib.des.knora_u", "KNORAU") if name == "knora_u" else ("deslib.des.knora_e", "KNORAE")
        return getattr(peer(module, "DESlib"), kind)(pool_classifiers=members, k=7, voting="soft")

    return build


PEERS: tuple[tuple[str, str, Callable[[list[Column]], Any]], ...] = (
    ("uniform", "VotingClassifier(voting='soft') of scikit-learn", _voting("soft")),
    ("hard_vote", "VotingClassifier(voting='hard') of scikit-learn", _voting("hard")),
    ("uniform", "EnsembleVoteClassifier of mlxtend", _mlxtend_voting),
    ("stack_logistic", "StackingClassifier(cv='prefit') of scikit-learn", _sklearn_stacking),
    ("stack_logistic", "StackingClassifier of mlxtend", _mlxtend_stacking),
    ("knora_u", "KNORA-U of DESlib", _deslib("knora_u")),
    ("knora_e", "KNORA-E of DESlib", _deslib("knora_e")),
)


if __name__ == "__main__":
    main()
