"""All that is known of probabilities: probabilities.md and probabilities.csv, pure functions of the results."""

from __future__ import annotations

from typing import Any

from benchmarks.files import csv_text_of
from benchmarks.formats import bounds, escape, interval, percent, table
from benchmarks.report.sections.probabilities import name
from benchmarks.results import Results, by_log_loss, headline_probabilities, split_names
from benchmarks.results.probabilities import PredictionSets, ProbabilityRow

CSV = "probabilities.csv"
KINDS = {"none": "as it is", "temperature": "temperature", "vector": "vector"}


def probabilities_page(results: Results) -> str:
    """Return every table, all rows, the lowest log-loss first."""
    rows, (_, val, test) = by_log_loss(results), split_names(results)
    if not rows:
        return ""
    sections = [
        f"# {results['title']}: what probabilities are worth",
        f"All scores are on {test}, of models and ensembles that were chosen on {val}. Intervals are 95 %, paired, "
        "from the draws of images that the leaderboard's have, and not adjusted for their number. Temperatures, "
        f"scales, quantiles and thresholds come from {val}, of ensembles from what they say of images held out of the "
        f"fit. As a table: [{CSV}]({CSV}).",
        _scores(
            rows, results, "single", f"Against {escape(results['probabilities']['single'])}, the best single member"
        ),
        _scores(rows, results, "uniform", "Against the average of all members"),
        _recalibration(rows, results),
        _classes(results),
        _sets(rows, results, "sets", "Prediction sets"),
        _sets(rows, results, "class_sets", "Prediction sets with a quantile for each class"),
        _selective(rows, results),
        _cross_fitted(rows, results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _scores(rows: list[ProbabilityRow], results: Results, other: str, title: str) -> str:
    paired: list[list[str | None]] = []
    for row in rows:
        cells: list[str | None] = [name(row, results)]
        for key in ("accuracy", "log_loss", "log_loss_scaled", "brier", "aurc"):
            score: Any = row["scores"][key]
            scale, digits = (100.0, 2) if key == "accuracy" else (1.0, 4)
            apart, range_ = score[other], score[f"{other}_interval"]
            cells.append(f"{scale * score['value']:.{digits}f}")
            cells.append(f"{scale * apart:+.{digits}f} {bounds(range_, digits, scale)}" if apart else None)
        paired.append(cells)
    if all(cell is None for cells in paired for cell in cells[2::2]):
        return ""
    head = "Name|Accuracy, %|apart|Log-loss|apart|scaled|apart|Brier|apart|AURC|apart"
    return (
        f"## {title}\n\n*Scaled* is the log-loss after both have their own temperature: what stays apart there is no "
        "matter of calibration. AURC is the area under the risk-coverage curve: the share of errors among the surest "
        f"images, averaged over how many are taken.\n\n{table(head, paired, right=set(range(1, 11)))}"
    )


def _recalibration(rows: list[ProbabilityRow], results: Results) -> str:
    body = [
        [
            name(row, results),
            *(f"{known['ece'][kind]:.4f}" for kind in KINDS),
            *(f"{known['classwise_ece'][kind]:.4f}" for kind in KINDS),
            *(f"{known['log_loss'][kind]:.4f}" for kind in KINDS),
            f"{known['gain']:+.4f} {bounds(known['gain_interval'], 4)}",
        ]
        for row in rows
        for known in [row["recalibrated"]]
    ]
    kinds = "temperature|vector"
    head = f"Name|ECE|{kinds}|Classwise ECE|{kinds}|Log-loss|{kinds}|vector beyond temperature"
    return (
        "## Recalibration\n\nOne *temperature*, and a scale and a bias for each class (*vector* scaling, "
        "arXiv:1706.04599). Classwise ECE (arXiv:1910.12656) is the mean over classes of the gap between a class's "
        f"probability and how often it is the label.\n\n{table(head, body, right=set(range(1, 11)))}"
    )


def _classes(results: Results) -> str:
    """Tabulate calibration and coverage of the headline class by class; empty without a headline."""
    row = headline_probabilities(results)
    if row is None:
        return ""
    errors = row["recalibrated"]["class_errors"]
    body = [
        [
            escape(label), *(f"{errors[kind][place]:.4f}" for kind in KINDS),
            percent(row["sets"]["class_covered"][place]), percent(row["class_sets"]["class_covered"][place]),
        ]
        for place, label in enumerate(results["classes"])
    ]  # fmt: skip
    head = "Class|Calibration error|temperature|vector|Sets that hold it, %|with a quantile a class"
    return f"## Class by class, {escape(row['title'])}\n\n{table(head, body, right=set(range(1, 6)))}"


def _sets(rows: list[ProbabilityRow], results: Results, key: str, title: str) -> str:
    coverage = 100 * results["probabilities"]["coverage"]
    body = []
    for row in rows:
        sets: PredictionSets = row["sets"] if key == "sets" else row["class_sets"]
        label, share = worst_class(sets, results)
        body.append(
            [
                name(row, results), percent(sets["covered"]), interval(*sets["covered_interval"]),
                f"{sets['size']:.3f}", f"[{sets['size_interval'][0]:.3f}, {sets['size_interval'][1]:.3f}]",
                _apart(sets),                 percent(sets["alone"]), f"{label} {percent(share)}",
            ]
        )  # fmt: skip
    head = "Name|Covered, %|95 %|Classes|95 %|against best single|One class, %|Worst class, %"
    return (
        f"## {title}\n\nAsked to hold the right class {coverage:.0f} % of the time (split conformal, LAC, "
        f"doi:10.1080/01621459.2017.1395341): how often they do, and of how many of the {len(results['classes'])} "
        f"classes they are in the mean.\n\n{table(head, body, right=set(range(1, 7)))}"
    )


def _apart(sets: PredictionSets) -> str | None:
    apart = sets["size_single"]
    return f"{apart:+.3f} {bounds(sets['size_single_interval'], 3)}" if apart else None


def worst_class(sets: PredictionSets, results: Results) -> tuple[str, float]:
    """Return the class that sets hold least often, and how often."""
    known = [
        (share, label)
        for share, label in zip(sets["class_covered"], results["classes"], strict=True)
        if share is not None
    ]
    share, label = min(known)
    return escape(label), share


def _selective(rows: list[ProbabilityRow], results: Results) -> str:
    asked = [one["asked"] for one in rows[0]["selective"]]
    body = []
    for row in rows:
        cells: list[str | None] = [name(row, results)]
        for one in row["selective"]:
            known = one["answered_interval"]
            cells += [percent(one["answered"]), interval(*known) if known else None, percent(one["right"])]
        body.append(cells)
    head = "|".join(["Name", *(f"Answered at {100 * share:.0f} %|95 %|right" for share in asked)])
    return (
        "## Selective accuracy\n\nThe share of images that are answered where the answers are to be right 80, 85 or "
        f"90 % of the time, by a threshold on the top probability from {split_names(results)[1]}, and how often they "
        "were.\n\n" + table(head, body, right=set(range(1, 1 + 3 * len(asked))))
    )


def _cross_fitted(rows: list[ProbabilityRow], results: Results) -> str:
    _, val, test = split_names(results)
    body = [
        [
            name(row, results), f"{row['cross_fitted']['log_loss']:.4f}", f"{row['scores']['log_loss']['value']:.4f}",
            f"{row['cross_fitted']['ece']:.4f}", f"{row['recalibrated']['ece']['none']:.4f}",
        ]
        for row in rows
    ]  # fmt: skip
    head = f"Name|Log-loss, {val}|{test}|ECE, {val}|{test}"
    return (
        f"## What {val} said before\n\nOf ensembles on images held out of the fit, of members as they are.\n\n"
        + table(head, body, right={1, 2, 3, 4})
    )


def probabilities_csv(results: Results) -> str:
    """Return a line a row: every score with its differences and intervals, recalibration, sets, answers."""
    return csv_text_of([_flat(row) for row in by_log_loss(results)])


def _flat(row: ProbabilityRow) -> dict[str, object]:
    cells: dict[str, object] = {"kind": row["kind"], "name": row["name"], "title": row["title"]}
    for key, score in row["scores"].items():
        _spread(cells, key, dict(score))
    cells |= {f"cross_fitted_{key}": value for key, value in row["cross_fitted"].items()}
    recalibrated = row["recalibrated"]
    for metric in ("ece", "classwise_ece", "log_loss"):
        known: Any = recalibrated[metric]
        cells |= {f"{metric}_{kind}": known[kind] for kind in KINDS if metric != "log_loss" or kind == "vector"}
    _spread(cells, "vector", {"gain": recalibrated["gain"], "gain_interval": recalibrated["gain_interval"]})
    for prefix, sets in (("sets", row["sets"]), ("class_sets", row["class_sets"])):
        numbers: dict[str, Any] = {key: value for key, value in sets.items() if key not in ("class_covered", "sizes")}
        _spread(cells, prefix, numbers)
    for one in row["selective"]:
        numbers = {key: value for key, value in one.items() if key != "asked"}
        _spread(cells, f"asked_{100 * one['asked']:.0f}", numbers)
    return cells


def _spread(cells: dict[str, object], prefix: str, numbers: dict[str, Any]) -> None:
    """Add numbers to a line, an interval as two."""
    for key, value in numbers.items():
        column = prefix if key == "value" else f"{prefix}_{key}"
        if key.endswith("interval"):
            low, high = value or (None, None)
            cells |= {column.replace("interval", "low"): low, column.replace("interval", "high"): high}
        else:
            cells[column] = value
