"""Cross-validated scores: each row fold by fold, with an interval over folds and one over people or images."""

from __future__ import annotations

from benchmarks.formats import escape, interval, percent, table
from benchmarks.results import Results, member_rows, split_names


def cross_validated_section(results: Results) -> str:
    """Tabulate the rows of a suite in folds, and members whose recipes train in folds; empty without any."""
    return "\n\n".join(part for part in (_suite_in_folds(results), _members_in_folds(results)) if part)


def _suite_in_folds(results: Results) -> str:
    if "cross_validated" not in results:
        return ""
    known = results["cross_validated"]
    unit = "images" if known["people"] is None else f"{known['people']:,} {results['protocol']['unit']}"
    head = (
        f"Name|{'|'.join(f'Fold {place}' for place in range(1, len(known['sizes']) + 1))}|Mean|Over folds|Over {unit}"
    )
    body = [
        [
            escape(row["title"]), *(percent(value) for value in row["accuracies"]), percent(row["mean"]),
            interval(*row["fold_interval"]), interval(*row["interval"]),
        ]
        for row in sorted(known["rows"], key=lambda row: -row["mean"])
    ]  # fmt: skip
    sizes = ", ".join(f"{size:,}" for size in known["sizes"])
    return (
        f"## Cross-validated\n\nAccuracy in per cent on the test images of each fold ({sizes}). Two intervals of 95 %: "
        f"*over {unit}* is about the networks that were trained here and other faces; *over folds* also about other "
        "training images (corrected t of Nadeau and Bengio, 2003: folds share training images, and the usual t is too "
        f"narrow).\n\n{table(head, body, right=set(range(1, len(known['sizes']) + 2)))}"
    )


def _members_in_folds(results: Results) -> str:
    body = [
        [escape(row.title), len(known["accuracies"]), percent(known["mean"]), interval(*known["interval"])]
        for member, row in zip(results["members"], member_rows(results), strict=True)
        if (known := member.get("folds_of_train")) is not None
    ]
    if not body:
        return ""
    train = split_names(results)[0]
    return (
        f"## Members trained in folds\n\nEach of their networks has not seen a part of {train}: accuracy there in per "
        "cent, mean over the parts, with a 95 % interval over folds.\n\n"
        + table(f"Name|Folds|Accuracy on {train}, held out|95 % interval", body, right={1, 2})
    )
