"""Greedy and bagged greedy selection against AutoGluon's EnsembleSelection.

    python -m benchmarks.speed.greedy [--suite fer2013] [--made-up 100 3589 7 --draws 3] [--steps 25]

Ours gets logits and computes their softmax on the clock; AutoGluon gets the probabilities. Both sides break ties by the
log-loss. Scores are those of the weights found, on the data they were found on; the orders in which ties are broken
differ, and with them the paths, so that of made-up members scores are means over several draws. AutoGluon has no
bagging: its side of that comparison is one selection a bag, on the same bags.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluation.metrics import accuracy, log_loss
from benchmarks.speed.members import add_members_options, read_members
from benchmarks.speed.records import add_json_option, compare_times, write_record
from benchmarks.speed.timing import Timing, header, peer, ratio, timed
from ensembles import Ensembler, softmax
from ensembles.greedy import GreedyBagged
from ensembles.ranking import rank_alone
from ensembles.selection import BlendHits, BlendLogLoss, Greedy

Weights = NDArray[np.float64]
TARGETS = {"greedy by accuracy": 30.0, "greedy by log_loss": 150.0}  # times AutoGluon, on the committed store


@dataclass
class Comparison:
    """One way of selecting: seconds and scores of both sides, an entry a draw of the data."""

    name: str
    score: Callable[..., float]
    ours: Callable[[Data], Weights]
    theirs: Callable[[Data], Weights]
    seconds: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    scores: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    def run(self, data: Data, repeats: int) -> None:
        """Both sides on the same data: ours `repeats` times, the slower one once."""
        for side, (call, times) in enumerate(((self.ours, repeats), (self.theirs, 1))):
            timing, weights = timed(lambda call=call: call(data), times)  # type: ignore[misc]
            self.seconds[side].extend(timing.seconds)
            blend = np.tensordot(weights, data.probabilities, axes=1)
            self.scores[side].append(self.score(blend, data.targets))

    @property
    def timings(self) -> tuple[Timing, Timing]:
        """Ours and theirs, over all draws."""
        ours, theirs = (Timing(tuple(seconds)) for seconds in self.seconds)
        return ours, theirs

    def __str__(self) -> str:
        ours, theirs = self.timings
        scores = [f"{np.mean(values):.6f} ({', '.join(f'{value:.4f}' for value in values)})" for values in self.scores]
        return (
            f"\n{self.name}\n  ours       {ours}, mean score {scores[0]}\n  AutoGluon  {theirs}, mean score {scores[1]}"
            f"\n  {ratio(ours, theirs)}"
        )


@dataclass(frozen=True)
class Data:
    """What both sides select on."""

    logits: NDArray[np.float32]
    targets: NDArray[np.int64]
    probabilities: Weights


def main(argv: list[str] | None = None) -> None:
    """Runs the three comparisons on every draw of the data and prints them."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("steps", 25), ("bags", 2)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    arguments.add_argument("--draws", type=int, default=3, help="of made-up members")
    arguments.add_argument("--repeats", type=int, default=3, help="of our side on each")
    add_members_options(arguments)
    add_json_option(arguments)
    options = arguments.parse_args(argv)
    peer("autogluon.core.models.greedy_ensemble.ensemble_selection", "autogluon.core")
    drawn = [read_members(options, seed) for seed in range(options.draws if options.made_up else 1)]
    title = f"Greedy selection of {drawn[0].title}"
    print(header(f"{title}, {options.steps} steps", ["autogluon.core"]))
    found = comparisons(options.steps, options.bags)
    for members in drawn:
        data = Data(members.logits, members.targets, softmax(members.logits))
        for comparison in found:
            comparison.run(data, options.repeats)
    print("\n".join(map(str, found)))
    rows = []
    for one in found:
        ours, theirs = one.timings
        rows.append(compare_times(one.name, ours, "AutoGluon", theirs, TARGETS.get(one.name)))
    write_record(options.json, "greedy", f"{title}, {options.steps} steps", rows, ["autogluon.core"])


def comparisons(steps: int, bags: int) -> list[Comparison]:
    """By accuracy, by log-loss, and bagged."""
    bagged = GreedyBagged(bags=bags, steps=steps)
    return [
        *(
            Comparison(
                f"greedy by {metric}",
                score,
                lambda data, metric=metric: _weights(Greedy(steps, metric).fit(data.logits, data.targets)),  # type: ignore[misc]
                lambda data, metric=metric: _autogluon(data.probabilities, data.targets, metric, steps),  # type: ignore[misc]
            )
            for metric, score in (("accuracy", accuracy), ("log_loss", log_loss))
        ),
        Comparison(
            f"greedy by accuracy, {bags} bags",
            accuracy,
            lambda data: _weights(bagged.fit(data.logits, data.targets)),
            lambda data: _autogluon_bagged(data, bagged, steps),
        ),
    ]


def _weights(ensembler: Ensembler) -> Weights:
    assert ensembler.weights_ is not None
    return ensembler.weights_


def _autogluon(probabilities: Weights, targets: NDArray[np.int64], metric: str, steps: int) -> Weights:
    module = peer("autogluon.core.models.greedy_ensemble.ensemble_selection", "autogluon.core")
    scorer: Any = getattr(peer("autogluon.core.metrics", "autogluon.core"), metric)
    selection = module.EnsembleSelection(
        ensemble_size=steps, problem_type="multiclass", metric=scorer, tie_breaker="second_metric"
    )
    selection.fit(list(probabilities), targets)
    return np.asarray(selection.weights_)


def _autogluon_bagged(data: Data, bagged: GreedyBagged, steps: int) -> Weights:
    blend, hits = BlendLogLoss(data.logits, data.targets), BlendHits(data.logits, data.targets)
    weights = np.zeros(len(data.logits))
    for bag in bagged.draw_bags(rank_alone(blend, hits)):
        weights[bag] += _autogluon(data.probabilities[bag], data.targets, "accuracy", steps) / bagged.bags
    return weights


if __name__ == "__main__":
    main()
