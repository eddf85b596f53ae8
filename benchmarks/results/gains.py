"""What a method gains over the floors, by images of val held out of its fit: the evidence for keeping it.

The floors are the best single member and the average of all. A method that is above the better of the two neither in
accuracy nor in log-loss, on no suite, has never helped; chance alone lifts a useless one above it now and then, so that
the mark errs on the side of the method.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.results.names import BEST_SINGLE, UNIFORM
from benchmarks.results.schema import Results

FLOORS = (BEST_SINGLE, UNIFORM)


class Gain(NamedTuple):
    """Cross-fitted on val, less the better floor's: accuracy as a fraction, log-loss in nats, where lower is better."""

    accuracy: float
    log_loss: float | None

    @property
    def helps(self) -> bool:
        return self.accuracy > 0.0 or (self.log_loss is not None and self.log_loss < 0.0)

    def text(self) -> str:
        """Return the gain for a table: points, and nats where they are known."""
        nats = "" if self.log_loss is None else f", log-loss {self.log_loss:+.3f}"
        return f"{100.0 * self.accuracy:+.2f} points{nats}"


def gain(name: str, results: Results) -> Gain | None:
    """Return what an ensembler gains over the better floor on val; None of floors, and where either is not known."""
    accuracies = {row["name"]: row["cross_fit_accuracy"] for row in results["ensembles"]}
    if name in FLOORS or name not in accuracies or not all(floor in accuracies for floor in FLOORS):
        return None
    losses = {
        row["name"]: known["log_loss"]
        for row in results["probabilities"]["rows"]
        if row["kind"] == "ensemble" and (known := row.get("cross_fitted"))
    }
    better = max(accuracies[floor] for floor in FLOORS)
    if not {name, *FLOORS} <= losses.keys():
        return Gain(accuracies[name] - better, None)
    return Gain(accuracies[name] - better, losses[name] - min(losses[floor] for floor in FLOORS))


def evidence(gains: Mapping[str, Gain]) -> str:
    """Say where a method helped most, or that it never did and by how much, from its gains by suite; empty without."""
    if not gains:
        return ""
    if not any(known.helps for known in gains.values()):
        return "never helped: " + "; ".join(f"{suite} {known.text()}" for suite, known in gains.items())
    suite = max((suite for suite in gains if gains[suite].helps), key=lambda suite: gains[suite].accuracy)
    return f"{suite} {gains[suite].text()}"
