"""Voting and stacking against scikit-learn and mlxtend, dynamic selection against DESlib.

    python -m benchmarks.speed.stacking [--suite fer2013] [--made-up 20 3589 7]

All sides combine the same members, whose predictions are there already: the peers get estimators that look them up. On
the clock, each is fitted on val and predicts the images of test; scores are those of a fit on one half of val, on the
other half. Ours starts from logits, which it checks and takes the softmax of, the peers from probabilities;
`stack_logistic` includes the choice of its penalty by cross-validation (13 fits), the peers' logistic regression does
one fit at the default penalty. Peers *from logits* do both as well. What ours remembers of logits that it has seen, as
a search does from fold to fold, is forgotten before each run. OMP_NUM_THREADS says how many threads BLAS has: on two,
scikit-learn's logistic regression takes several times as long as on one. A peer that is not installed, or fails, is
listed with the reason.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import validate_data

import ensembles
from benchmarks.evaluation.metrics import accuracy, log_loss
from benchmarks.provenance import cpu_cores
from benchmarks.report.figures.style import plural
from benchmarks.speed.members import Members, add_members_options, read_members
from benchmarks.speed.records import Comparison, add_json_option, compare_times, write_record
from benchmarks.speed.timing import PeerMissing, header, peer, ratio, timed, timed_in_turns
from ensembles import softmax
from ensembles.common_scale import forget_scales
from ensembles.inputs import by_sample

Rows = NDArray[np.float64]
TARGET = 1.0  # times the peer
Build = Callable[["list[Column]"], Any]


class Column(ClassifierMixin, BaseEstimator):
    """A fitted member as the peers want it: columns of X `[N, members * classes]` are its probabilities, or logits."""

    def __init__(self, member: int, classes: int, from_logits: bool = False) -> None:
        self.member = member
        self.classes = classes
        self.from_logits = from_logits

    def fit(self, X: Rows, y: NDArray[np.int64]) -> Column:
        """Nothing to fit."""
        self.classes_ = np.arange(self.classes)
        return self

    def predict_proba(self, X: Rows) -> Rows:
        found = X[:, self.member * self.classes : (self.member + 1) * self.classes]
        return scipy.special.softmax(found.astype(np.float64), axis=1) if self.from_logits else found

    def predict(self, X: Rows) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self.predict_proba(X).argmax(axis=1)
        return found


def main(argv: list[str] | None = None) -> None:
    """Runs every comparison whose peer is installed and prints it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=5)
    add_members_options(arguments)
    add_json_option(arguments)
    options = arguments.parse_args(argv)
    members = read_members(options)
    title = f"Combining {members.title}, {plural(cpu_cores(), 'BLAS thread')}"
    print(header(title, ["mlxtend", "DESlib"]))
    found = [compared(members, *row, options.repeats) for row in PEERS]
    found += [compared(members, *row, options.repeats, from_logits=True) for row in FROM_LOGITS]
    write_record(options.json, "stacking", title, found, ["mlxtend", "DESlib"])


def compared(
    members: Members, name: str, rival: str, build: Build, repeats: int, from_logits: bool = False
) -> Comparison:
    """One method of ours and a peer, timed and scored; the record says where the peer fails.

    With `from_logits`, the peer's estimators take the softmax of logits, as ours does.
    """

    def ours(fit: NDArray[Any], targets: NDArray[np.int64], unseen: NDArray[Any]) -> Rows:
        forget_scales()
        return ensembles.create(name).fit(fit, targets).predict_proba(unseen)

    def theirs(fit: Rows, targets: NDArray[np.int64], unseen: Rows) -> Rows:
        kinds = [Column(member, members.classes, from_logits) for member in range(len(members.logits))]
        columns = [column.fit(fit, targets) for column in kinds]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _rows(build(columns).fit(fit, targets), unseen, members.classes)

    print(f"\n{name} against {rival}, fit and predict")
    fit, held_out = members.half(second=False), members.half(second=True)
    given: Callable[[Any], Rows] = by_sample if from_logits else _columns
    truth, columns, unseen = members.targets[held_out], given(members.logits), given(members.unseen)

    def our_turn() -> Rows:
        return ours(members.logits, members.targets, members.unseen)

    scored = {"ours": ours(members.logits[:, fit], members.targets[fit], members.logits[:, held_out])}
    try:
        scored["theirs"] = theirs(columns[fit], members.targets[fit], columns[held_out])
    except (PeerMissing, Exception) as error:  # whatever a peer does: it is listed, and the others go on
        reason, (timing, _) = " ".join(str(error).split()) or type(error).__name__, timed(our_turn, repeats)
        print(f"  ours    {timing}; {rival} fails: {reason}")
        return Comparison(name, "s", timing.best, rival, failed=reason)
    timings = timed_in_turns(our_turn, lambda: theirs(columns, members.targets, unseen), repeats)
    for (label, rows), timing in zip(scored.items(), timings, strict=True):
        print(f"  {label:7s} {timing}, accuracy {accuracy(rows, truth):.4f}, log-loss {log_loss(rows, truth):.4f}")
    print(f"  {ratio(*timings)}")
    return compare_times(name, timings[0], rival, timings[1], TARGET)


def _columns(logits: NDArray[Any]) -> Rows:
    """Logits as the peers want them: probabilities `[N, members * classes]`."""
    return by_sample(softmax(logits))


def _rows(fitted: Any, columns: Rows, classes: int) -> Rows:
    """Probabilities; of a method that only votes, one for the class it names."""
    if getattr(fitted, "voting", "soft") == "hard":
        return np.eye(classes)[fitted.predict(columns)]
    return np.asarray(fitted.predict_proba(columns))


def _voting(how: str) -> Build:
    def build(members: list[Column]) -> Any:
        named = [(str(member.member), member) for member in members]
        return peer("sklearn.ensemble", "scikit-learn").VotingClassifier(named, voting=how)

    return build


def _sklearn_stacking(members: list[Column]) -> Any:
    named = [(str(member.member), member) for member in members]
    final = peer("sklearn.linear_model", "scikit-learn").LogisticRegression(max_iter=1000)
    return peer("sklearn.ensemble", "scikit-learn").StackingClassifier(named, final, cv="prefit")


def _sklearn_stacking_cv(members: list[Column]) -> Any:
    """As many strengths and folds as `stack_logistic` tries."""
    named = [(str(member.member), member) for member in members]
    linear = peer("sklearn.linear_model", "scikit-learn")
    final = linear.LogisticRegressionCV(Cs=4, cv=3, scoring="neg_log_loss", max_iter=1000)
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


def _deslib(name: str) -> Build:
    def build(members: list[Column]) -> Any:
        module, kind = ("deslib.des.knora_u", "KNORAU") if name == "knora_u" else ("deslib.des.knora_e", "KNORAE")
        method = getattr(peer(module, "DESlib"), kind)

        class Validating(method):  # type: ignore[misc, valid-type]
            """DESlib 0.3.7 calls a method that scikit-learn has made a function in 1.6."""

            def _validate_data(self, *data: Any, **options: Any) -> Any:
                return validate_data(self, *data, **options)

        return Validating(pool_classifiers=members, k=7, voting="soft")

    return build


PEERS: tuple[tuple[str, str, Build], ...] = (
    ("uniform", "VotingClassifier(voting='soft') of scikit-learn", _voting("soft")),
    ("hard_vote", "VotingClassifier(voting='hard') of scikit-learn", _voting("hard")),
    ("uniform", "EnsembleVoteClassifier of mlxtend", _mlxtend_voting),
    ("stack_logistic", "StackingClassifier(cv='prefit') of scikit-learn", _sklearn_stacking),
    ("stack_logistic", "StackingClassifier of mlxtend", _mlxtend_stacking),
    ("knora_u", "KNORA-U of DESlib", _deslib("knora_u")),
    ("knora_e", "KNORA-E of DESlib", _deslib("knora_e")),
)

FROM_LOGITS: tuple[tuple[str, str, Build], ...] = (
    ("uniform", "VotingClassifier(voting='soft') of scikit-learn, from logits", _voting("soft")),
    ("uniform", "EnsembleVoteClassifier of mlxtend, from logits", _mlxtend_voting),
    (
        "stack_logistic",
        "StackingClassifier(cv='prefit') of scikit-learn with LogisticRegressionCV, from logits",
        _sklearn_stacking_cv,
    ),
)


if __name__ == "__main__":
    main()
