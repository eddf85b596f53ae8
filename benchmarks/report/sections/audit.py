"""The audit's part of the leaderboard: a pure function of the results, clearly apart from them."""

from __future__ import annotations

from benchmarks.formats import escape, percent, points, table
from benchmarks.results import Results, headline_row, split_names
from benchmarks.results.analyses import Audit, AuditRow, BestSubset, Curve, LearningCurve

LABEL = "## Audit: not a result"
EVERY_SIZE = 10  # of the learning curve: up to here each is shown, above only its multiples


def audit_section(results: Results) -> str:
    """Return markdown; empty where there is no member to judge."""
    audit, (_, _, test) = results["audit"], split_names(results)
    if not results["members"]:
        return ""
    parts = [
        f"{LABEL}\n\nNothing here was chosen, and nothing may be quoted as this benchmark's score: the audit says what "
        "other ways of scoring would have claimed, and how far the scores above can be trusted.",
        _selection(audit["best_subset_on_test"], results, test),
        _overlap(audit, results),
        _calibration(audit, results),
        _curve(audit["learning_curve"], results),
    ]
    return "\n\n".join(part for part in parts if part)


def _selection(best: BestSubset, results: Results, test: str) -> str:
    headline = headline_row(results)
    against = ""
    if headline is not None and headline.accuracy is not None:
        against = f", {points(best['accuracy'] - headline.accuracy)} points against the headline"
    return (
        f"### Members chosen on {test}\n\nOf the {best['subsets']:,} uniform averages of {best['candidates']} members, "
        f"the best one *on {test} itself* has {percent(best['accuracy'])} %{against}: "
        f"{escape(', '.join(best['members']))}. That is selection on the test set."
    )


def _overlap(audit: Audit, results: Results) -> str:
    train, val, test = split_names(results)
    heading = f"### Images of {test} that also stand in {train}\n\n"
    if audit["overlap"] is None:
        return f"{heading}Unknown: the stored targets do not say which images these are."
    count, size = audit["overlap"]["test_in_train"], results["splits"]["test"]["size"]
    sentence = f"{heading}The exact pixels of {count:,} of the {size:,} images also stand in {train}."
    if "test_in_val" in audit["overlap"]:
        sentence += f" {audit['overlap']['test_in_val']:,} also stand in {val}, where models were chosen."
    if "val_in_train" in audit["overlap"]:
        known, whole = audit["overlap"]["val_in_train"], results["splits"]["val"]["size"]
        sentence += f" Of {val}'s {whole:,} images, {known:,} also stand in {train}."
    near = audit["overlap"].get("test_near_train", 0)
    if near > count:
        sentence += (
            f" {near:,} show a photograph of {train}, these included: mirrored, shifted, cropped, resized, of another "
            "brightness or under a watermark (`near-copies` lists them)."
        )
    if not max(count, near):
        return sentence
    parts = {"unseen_accuracy": count, "unlike_accuracy": near if near > count else 0}
    shown = {part: size for part, size in parts.items() if size}
    body = [
        [
            row["kind"], escape(row["title"]), percent(row["accuracy"]),
            *(cell for part in shown for cell in _without(row, row.get(part))),
            *([percent(row["overlap_accuracy"])] if count else []),
        ]
        for row in _sorted(audit)
    ]  # fmt: skip
    heads = [name for size in shown.values() for name in (f"Without the {size:,}", "Change")]
    head = "|".join(["Kind", "Name", "All", *heads, *([f"The {count:,} alone"] if count else [])])
    return f"{sentence} Accuracy in per cent:\n\n{table(head, body, right=set(range(2, 8)))}"


def _without(row: AuditRow, accuracy: object) -> list[str | None]:
    known = accuracy if isinstance(accuracy, float) else None
    return [percent(known), points(_difference(known, row["accuracy"]))]


def _calibration(audit: Audit, results: Results) -> str:
    val = split_names(results)[1]
    body = [
        [
            row["kind"], escape(row["title"]), f"{row['temperature']:.2f}", f"{row['ece']:.4f}",
            f"{row['ece_scaled']:.4f}", f"{row['log_loss']:.3f}", f"{row['log_loss_scaled']:.3f}",
            f"{row['brier']:.3f}", f"{row['brier_scaled']:.3f}",
        ]
        for row in _sorted(audit)
    ]  # fmt: skip
    head = "Kind|Name|Temperature|ECE|scaled|Log-loss|scaled|Brier|scaled"
    return (
        f"### Calibration before and after temperature scaling\n\nTemperatures were fitted on {val}, those of "
        f"ensembles on what they say of images held out of the fit.\n\n{table(head, body, right=set(range(2, 9)))}"
    )


def _curve(curve: LearningCurve, results: Results) -> str:
    _, val, test = split_names(results)
    curves = {val: curve["val"], test: curve["test"]}
    body = [
        [size, *(_with_spread(split, place) for split in curves.values())]
        for place, size in enumerate(curve["members"])
        if size <= EVERY_SIZE or size % EVERY_SIZE == 0 or size == curve["members"][-1]
    ]
    text = (
        "### What more members would bring\n\nThe uniform average of k members drawn at random: mean accuracy in per "
        f"cent, and its spread over {curve['orders']} random orders.\n\n"
        + table("k|" + "|".join(curves), body, right={0, 1, 2})
    )
    beyond = [
        f"{name} {percent(ahead['twice'])} % with twice the members, {percent(ahead['limit'])} % in the limit"
        for name, split in curves.items()
        if (ahead := split["extrapolation"])
    ]
    if not beyond:
        return text
    return f"{text}\n\nExtrapolation, not a measurement (accuracy = limit - slope / k): {'; '.join(beyond)}."


def _with_spread(split: Curve, place: int) -> str:
    return f"{percent(split['mean'][place])} ± {100 * split['spread'][place]:.2f}"


def _sorted(audit: Audit) -> list[AuditRow]:
    return sorted(audit["rows"], key=lambda row: -row["accuracy"])


def _difference(accuracy: float | None, other: float) -> float | None:
    return None if accuracy is None else accuracy - other
