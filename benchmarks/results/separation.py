"""Which scores tell a row from the best single member: those whose paired interval leaves zero out."""

from __future__ import annotations

from benchmarks.results.probabilities import PairedScore, ProbabilityRow

PROPER = {"log_loss": "log-loss", "brier": "Brier score", "aurc": "area under the risk-coverage curve"}
"""Scores of probabilities by their name in results.json, and what they are called in a sentence; lower is better."""


def clear(interval: list[float]) -> bool:
    """Tell whether zero lies outside."""
    return interval[0] > 0 or interval[1] < 0


def separating(row: ProbabilityRow) -> list[tuple[str, PairedScore]]:
    """Return the proper scores that tell a row from the best single member, each by its name in a sentence."""
    scores = [(title, row["scores"][name]) for name, title in PROPER.items()]
    return [(title, score) for title, score in scores if clear(score["single_interval"])]


def counted(rows: list[ProbabilityRow], score: str) -> tuple[int, int]:
    """Count rows that a score finds better than the best single member, and worse, beyond chance."""
    sign = 1 if score == "accuracy" else -1
    intervals = [[sign * bound for bound in row["scores"][score]["single_interval"]] for row in rows]
    return sum(min(bounds) > 0 for bounds in intervals), sum(max(bounds) < 0 for bounds in intervals)
