"""Which rows of the leaderboard stand for the whole: the headline, floors, the best of each kind, what is doubtful."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.results.gains import gain
from benchmarks.results.names import BEST_SINGLE, TOP_K, UNIFORM
from benchmarks.results.probabilities import ProbabilityRow
from benchmarks.results.row_classes import TOOLS
from benchmarks.results.rows import LeaderboardRow, by_accuracy, ensemble_rows, member_rows, published_rows
from benchmarks.results.schema import MetricColumn, Results

MOST_ERRORS = 4.0  # standard errors between val and test: by chance one honest row in 15,000 has more
TRAINED_ALIKE = ("name", "seed", "recipe", "image_size", "init")  # of a member, whatever the suite


def split_names(results: Results) -> tuple[str, str, str]:
    """Return what train, val and test are called in the data set's papers."""
    splits = results["splits"]
    return splits["train"]["name"], splits["val"]["name"], splits["test"]["name"]


def command_for(results: Results) -> str:
    """Return the command line that selects this suite and its data, to which what is to be done is added."""
    return f"python benchmark.py {results.get('selection', '--suite ' + results['suite'])}"


def leading_ensembles(results: Results, limit: int) -> list[LeaderboardRow]:
    """Return at most `limit` ensembles by cross-fitted accuracy; the headline and the floors come first."""
    rows = [row for row in ensemble_rows(results) if row.accuracy is not None]
    always = [results["headline"], UNIFORM, BEST_SINGLE, TOP_K]

    def place(row: LeaderboardRow) -> tuple[int, float]:
        known = always.index(row.name) if row.name in always else len(always)
        return known, -(row.cross_fit_accuracy or row.fit_accuracy or 0.0)

    return by_accuracy(sorted(rows, key=place)[:limit])


def leading_published(results: Results, limit: int | None = None) -> list[LeaderboardRow]:
    """Return at most `limit` comparable published results for figures: the best of each source."""
    shown = [row for row in by_accuracy(published_rows(results)) if row.comparable and row.chart]
    best = {row.reference: row for row in reversed(shown)}
    return by_accuracy(list(best.values()))[:limit]


def short_list(results: Results, ensembles: int, members: int, published: int) -> list[LeaderboardRow]:
    """Return the rows that stand for all where space is short, best first.

    The headline, floors and the ensembles next to them by cross-fitted accuracy, the best members on test, the best
    tool, and the best comparable published results.
    """
    models = [row for row in by_accuracy(member_rows(results)) if row.accuracy is not None]
    tool = [row for row in models[members:] if TOOLS in row.row_classes and not _any_tool(models[:members])][:1]
    return by_accuracy(
        [*leading_ensembles(results, ensembles), *models[:members], *tool, *leading_published(results, published)]
    )


def _any_tool(rows: Iterable[LeaderboardRow]) -> bool:
    return any(TOOLS in row.row_classes for row in rows)


def probability_rows(results: Results, limit: int) -> list[ProbabilityRow]:
    """Return what is known of the probabilities of the best single member and of at most `limit` leading ensembles.

    The lowest log-loss comes first.
    """
    wanted = {row.name for row in leading_ensembles(results, limit + 1)} - {BEST_SINGLE}
    known = results["probabilities"]
    rows = [
        row
        for row in by_log_loss(results)
        if (row["name"] in wanted if row["kind"] == "ensemble" else row["title"] == known["single"])
    ]
    return rows[: limit + 1]


def by_log_loss(results: Results) -> list[ProbabilityRow]:
    """Return what is known of all rows' probabilities, the lowest log-loss first."""
    return sorted(results["probabilities"]["rows"], key=lambda row: row["scores"]["log_loss"]["value"])


def headline_probabilities(results: Results) -> ProbabilityRow | None:
    """Return what is known of the headline's probabilities; None where there is no headline."""
    rows = results["probabilities"]["rows"]
    return next((row for row in rows if row["kind"] == "ensemble" and row["name"] == results["headline"]), None)


def headline_row(results: Results) -> LeaderboardRow | None:
    """Return the ensemble chosen on val; None where none was chosen or it has no test accuracy."""
    rows = ensemble_rows(results)
    return next((row for row in rows if row.name == results["headline"] and row.accuracy is not None), None)


def best_single(results: Results) -> LeaderboardRow | None:
    """Return the member with the best val accuracy, which a user without test labels would have taken.

    One of a class that stands apart only where all members are.
    """
    rows = [row for row in member_rows(results) if row.accuracy is not None]
    rows = [row for row in rows if not row.row_classes] or rows
    return max(rows, key=lambda row: row.val_accuracy or 0.0, default=None)


def extra_labels(rows: Iterable[LeaderboardRow]) -> list[str]:
    """List what any of the rows learnt from beside the suite's own labels, by name."""
    return sorted({row.extra_labels for row in rows if row.extra_labels})


def looks_leaked(row: LeaderboardRow, results: Results) -> bool:
    """Tell whether the accuracy is above what anyone reached on this suite without a leak or selection on test."""
    limit = results["leak_above"]
    return limit is not None and row.accuracy is not None and row.accuracy > limit


def split_gap(row: LeaderboardRow, results: Results) -> float | None:
    """Return by how many standard errors accuracies on val and test differ; None where one is not known.

    Val is that of images held out of the fit, for ensembles. Two splits of one kind of images rarely differ by more
    than two; a model that knows one of them from training, or was tuned on it, does.
    """
    val = row.cross_fit_accuracy if row.kind == "ensemble" else row.val_accuracy
    sizes = [results["splits"][split]["size"] for split in ("val", "test")]
    if val is None or row.accuracy is None or not all(sizes):
        return None
    mean = (val * sizes[0] + row.accuracy * sizes[1]) / sum(sizes)
    error = math.sqrt(max(mean * (1 - mean), 1e-9) * sum(1 / size for size in sizes))
    return abs(row.accuracy - val) / error


def odd_gap(row: LeaderboardRow, results: Results) -> bool:
    """Tell whether val and test are too far apart for two splits of one kind of images."""
    gap = split_gap(row, results)
    return gap is not None and gap > MOST_ERRORS


def is_headline(row: LeaderboardRow, results: Results) -> bool:
    """Tell whether the row is the ensemble chosen on val."""
    return row.kind == "ensemble" and row.name == results["headline"]


def below_uniform(row: LeaderboardRow, results: Results) -> bool:
    """Tell whether an ensemble loses to the average of all members on test."""
    floor = next((other.accuracy for other in ensemble_rows(results) if other.name == UNIFORM), None)
    return row.kind == "ensemble" and None not in (row.accuracy, floor) and (row.accuracy or 0) < (floor or 0)


def no_gain(row: LeaderboardRow, results: Results) -> bool:
    """Tell whether an ensemble is above the better floor neither in accuracy nor in log-loss, held out on val."""
    known = gain(row.name, results) if row.kind == "ensemble" else None
    return known is not None and not known.helps


def mostly_seen(results: Results) -> tuple[str, int] | None:
    """Return which split holds most images of test, pixel for pixel, and how many; None where none is known to."""
    overlap, size = results["audit"]["overlap"] or {}, results["splits"]["test"]["size"]
    train, val, _ = split_names(results)
    counts = {train: overlap.get("test_in_train", 0), val: overlap.get("test_in_val", 0)}
    return next(((split, count) for split, count in counts.items() if 2 * count > size), None)


def cheaper_than_headline(results: Results) -> LeaderboardRow | None:
    """Return the row with the fewest FLOPs of those that keep the headline off the front of accuracy and FLOPs."""
    headline = headline_row(results)
    if headline is None or headline.pareto is not False:
        return None
    accuracy, flops = headline.accuracy or 0.0, headline.flops or 0.0
    rows = [row for row in [*member_rows(results), *ensemble_rows(results)] if row.pareto]
    beating = [row for row in rows if (row.accuracy or 0.0) >= accuracy and (row.flops or 0.0) <= flops]
    return min(beating, key=lambda row: (row.flops or 0.0, -(row.accuracy or 0.0)), default=None)


def metric_columns(results: Results, report: str | None = None) -> list[MetricColumn]:
    """Return the metrics beside accuracy, in order; with `report`, those that this report shows."""
    return [column for column in results["metrics"] if report is None or report in column["shown"]]


def trained_alike(member: Mapping[str, Any]) -> str:
    """Return a key that rows of different suites share where they are of one member, trained in the same way."""
    return json.dumps([member.get(key) for key in TRAINED_ALIKE], sort_keys=True)


def metric_text(row: LeaderboardRow, column: MetricColumn) -> str | None:
    """Print the row's metric; None where it is not known."""
    value = row.metrics.get(column["name"])
    return None if value is None else f"{value * (100 if column['percent'] else 1):.{column['digits']}f}"
