"""What probabilities are worth beside accuracy, in short: a sentence for the headline and a section of the reports."""

from __future__ import annotations

from benchmarks.formats import bounds, escape, percent, points, table
from benchmarks.results import (
    BEST_SINGLE,
    Results,
    by_log_loss,
    headline_probabilities,
    probability_rows,
    split_names,
)
from benchmarks.results.probabilities import ProbabilityRow
from benchmarks.results.separation import PROPER, clear, counted, separating

FILE = "probabilities.md"
ENSEMBLES = 6  # of the short tables, beside the best single member


def separation(results: Results) -> str:
    """Say what accuracy tells of the headline and the best single member, and what proper scores tell; else nothing."""
    row = headline_probabilities(results)
    if row is None or row["name"] == BEST_SINGLE:
        return ""
    accuracy, telling = row["scores"]["accuracy"]["single_interval"], separating(row)
    size = f"{results['splits']['test']['size']:,} images"
    able = "tells" if clear(accuracy) else "cannot tell"
    first = f"Accuracy {able} the two apart on {size} (paired 95 % interval {_points(accuracy)} points)"
    if not telling:
        nor = "log-loss, Brier score and the area under the risk-coverage curve"
        return f"{first}, nor can {nor}." if not clear(accuracy) else f"{first}; {nor} do not."
    (title, score), *others = telling
    values = f"{score['single']:+.4f} {bounds(score['single_interval'], 4)}"
    also = f", and so does the {' and the '.join(name for name, _ in others)}" if len(others) == 1 else ""
    also = also or (f", and so do {' and '.join(name for name, _ in others)}" if others else "")
    does = f"so does {title}" if clear(accuracy) else f"{title} does"
    return f"{first}; {does}, lower is better: {values}{also}."


def _points(interval: list[float]) -> str:
    return f"{points(interval[0], 2)} to {points(interval[1], 2)}"


def probabilities_section(results: Results) -> str:
    """Summarise what log-loss, sets and selective answers tell apart, for a few rows; empty where nothing is known."""
    rows = probability_rows(results, ENSEMBLES)
    if not rows:
        return ""
    ensembles = [row for row in by_log_loss(results) if row["kind"] == "ensemble" and row["name"] != BEST_SINGLE]
    single, (_, val, test) = escape(results["probabilities"]["single"]), split_names(results)
    return (
        f"## Beside accuracy\n\nAgainst {single}, the best single member on {val}, with paired 95 % intervals over the "
        f"same draws of {test} images that accuracy has, not adjusted for their number: {_counts(ensembles)}. "
        f"All rows, recalibration and classes: [{FILE}]({FILE}).\n\n"
        + _scores_table(rows, results)
        + "\n\n"
        + _use_table(rows, results)
    )


def beside_accuracy(results: Results) -> str:
    """Say in a paragraph what scores of probabilities tell of the ensembles; empty without a headline."""
    row, known = headline_probabilities(results), results["probabilities"]
    if row is None or row["name"] == BEST_SINGLE:
        return ""
    single = next(row for row in known["rows"] if row["kind"] == "member" and row["title"] == known["single"])
    ensembles = [row for row in known["rows"] if row["kind"] == "ensemble" and row["name"] != BEST_SINGLE]
    sets = row["sets"]
    return (
        f"\n\nBeside accuracy, against the best single member: {_counts(ensembles)}. Sets that are to hold the right "
        f"class {100 * known['coverage']:.0f} % of the time hold it {percent(sets['covered'])} % of the time with "
        f"{sets['size']:.2f} of {len(results['classes'])} classes, {sets['size_single']:+.2f} "
        f"{bounds(sets['size_single_interval'], 2)}. Where 85 % of the answers are to be right, {_answered(row)} of "
        f"the images are answered, by the best single member {_answered(single)}. All rows: [{FILE}]({FILE})."
    )


def _answered(row: ProbabilityRow, asked: float = 0.85) -> str:
    share = next(one["answered"] for one in row["selective"] if one["asked"] == asked)
    return "none" if share is None else f"{percent(share)} %"


def _counts(ensembles: list[ProbabilityRow]) -> str:
    """Say of how many ensembles each score finds something beyond chance."""
    parts = []
    for score, title in {"accuracy": "accuracy", **PROPER}.items():
        better, worse = counted(ensembles, score)
        parts.append(f"{title} finds {better} better and {worse} worse")
    return f"of {len(ensembles)} ensembles, {', '.join(parts)}"


def name(row: ProbabilityRow, results: Results) -> str:
    """Return a row's title for a table, the headline bold."""
    title = escape(row["title"])
    return f"**{title}**" if row["kind"] == "ensemble" and row["name"] == results["headline"] else title


def _scores_table(rows: list[ProbabilityRow], results: Results) -> str:
    body = []
    for row in rows:
        cells = [name(row, results), percent(row["scores"]["accuracy"]["value"])]
        for score in PROPER:
            paired = row["scores"][score]
            apart = f"{paired['single']:+.4f} {bounds(paired['single_interval'], 4)}" if paired["single"] else None
            cells += [f"{paired['value']:.4f}", apart]
        body.append(cells)
    head = "Name|Accuracy, %|Log-loss|to best single|Brier|to best single|AURC|to best single"
    return table(head, body, right=set(range(1, 8)))


def _use_table(rows: list[ProbabilityRow], results: Results) -> str:
    """Tabulate prediction sets, and how many images are answered at each share of right answers."""
    coverage = f"{100 * results['probabilities']['coverage']:.0f} %"
    body = []
    for row in rows:
        sets = row["sets"]
        answers = [
            None if one["answered"] is None else f"{percent(one['answered'])} ({percent(one['right'])})"
            for one in row["selective"]
        ]
        body.append(
            [
                name(row, results), percent(sets["covered"]), f"{sets['size']:.2f}",
                bounds(sets["size_single_interval"], 3) if sets["size_single"] else None,
                percent(sets["alone"]), *answers,
            ]
        )  # fmt: skip
    asked = [f"answers at {100 * one['asked']:.0f} % (right)" for one in rows[0]["selective"]]
    head = "|".join(["Name", "covered, %", "classes", "against best single", "one class, %", *asked])
    return (
        f"Conformal sets that are to hold the right class {coverage} of the time, and the share of images answered "
        "where the answers are to be right so often (in brackets: how often they were); quantiles and thresholds from "
        f"{split_names(results)[1]}:\n\n{table(head, body, right=set(range(1, len(asked) + 5)))}"
    )
