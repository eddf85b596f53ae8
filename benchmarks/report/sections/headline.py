"""What a leaderboard says before its tables: the result, the effort behind it, and a warning where one is due."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.formats import duration, escape, fraction, interval, p_value, percent
from benchmarks.report.sections.budgets import within_limits
from benchmarks.report.sections.probabilities import separation
from benchmarks.results import (
    BEST_SINGLE,
    MOST_ERRORS,
    LeaderboardRow,
    Results,
    best_single,
    cheaper_than_headline,
    headline_row,
    leaderboard_rows,
    looks_leaked,
    member_rows,
    mostly_seen,
    odd_gap,
    split_names,
)


def headline(results: Results) -> str:
    """Say what the ensemble chosen on val reaches on test, and against which best single member.

    Where most test images stand in another split, that comes first; where another row is as accurate and cheaper, last.
    """
    warning = seen_warning(results)
    parts = [f"**{warning}**" if warning else "", _result(results), separation(results)]
    parts += [copies(results), cheaper(results)]
    return " ".join(part for part in parts if part)


def seen_warning(results: Results) -> str:
    """Say that most test images also stand in another split, and what the headline has on the others; else nothing."""
    seen = mostly_seen(results)
    if seen is None:
        return ""
    (split, count), size, test = seen, results["splits"]["test"]["size"], results["splits"]["test"]["name"]
    rows = {(row["kind"], row["name"]): row["unseen_accuracy"] for row in results["audit"]["rows"]}
    unseen = rows.get(("ensemble", results["headline"] or ""))
    others = ""
    if split == results["splits"]["train"]["name"] and unseen is not None:
        others = f" On the other {size - count:,} it has {percent(unseen)} %."
    return f"No result on unseen images: {count:,} of the {size:,} images of {test} also stand in {split}.{others}"


def copies(results: Results) -> str:
    """Say how many test images show a photograph of train, and what the headline has on the others; else nothing."""
    near, size = (results["audit"]["overlap"] or {}).get("test_near_train", 0), results["splits"]["test"]["size"]
    row = next((row for row in results["audit"]["rows"] if row["name"] == results["headline"]), None)
    if not near or 2 * near > size:
        return ""
    train, _, test = split_names(results)
    unlike = None if row is None else row.get("unlike_accuracy")
    without = "" if unlike is None else f"; on the others the headline has {percent(unlike)} %"
    return f"{near:,} of the {size:,} images of {test} show photographs that also stand in {train}{without}."


def cheaper(results: Results) -> str:
    """Name the cheapest row that is as accurate as the headline at fewer FLOPs, or more accurate; else nothing."""
    row, chosen = cheaper_than_headline(results), headline_row(results)
    if row is None or chosen is None:
        return ""
    share = (row.flops or 0.0) / (chosen.flops or 1.0)
    return (
        f"The headline is not on the front of accuracy and FLOPs: {escape(row.title)} reaches "
        f"{percent(row.accuracy)} % with {share:.2f} times its FLOPs."
    )


def cross_fitted(row: LeaderboardRow) -> str:
    """Return what chose an ensemble, its scores on val while held out, as far as they are known."""
    log_loss = fraction(row.cross_fit_log_loss)
    accuracy = f"accuracy {percent(row.cross_fit_accuracy)} %"
    return accuracy if log_loss is None else f"{log_loss}; {accuracy}"


def _result(results: Results) -> str:
    ensemble, single = headline_row(results), best_single(results)
    _, val, test = split_names(results)
    if ensemble is None:
        if single is None:
            return "No result yet."
        return f"Best single member: **{single.title}**, {_score(single)} on {test}. No ensemble was chosen."
    of = f" ({escape(single.title)})" if single is not None and ensemble.name == BEST_SINGLE else _members(ensemble)
    sentence = (
        f"**{_score(ensemble)}** on {test}: *{escape(ensemble.title)}*{of}, chosen on {val} by cross-fitted "
        f"log-loss ({cross_fitted(ensemble)}) under the one-standard-error rule{within_limits(results)}."
    )
    if single is None or ensemble.name == BEST_SINGLE:
        return sentence
    difference = f"{100.0 * ((ensemble.accuracy or 0.0) - (single.accuracy or 0.0)):+.2f}"
    p = p_value(ensemble.p_best_single)
    mcnemar = "McNemar p not known" if p is None else f"McNemar p {p}" if p.startswith("<") else f"McNemar p = {p}"
    return (
        f"{sentence} The best single member on {val}, {escape(single.title)}, reaches {_score(single)}: a difference "
        f"of {difference} points ({mcnemar})."
    )


def effort(results: Results) -> str:
    """Say how many members were trained, for how long in all, on what; empty where that is not known."""
    known = results["effort"]
    if known["seconds"] is None or not known["devices"]:
        return ""
    members, externals = known["members"], known["external"]
    count = f"{members} member{'s' if members != 1 else ''}"
    devices = escape("; ".join(known["devices"]))  # each has a comma of its own
    trained = f"{count}, trained in {duration(known['seconds'])} in all on {devices} (wall clock)."
    return f"{trained} {externals} external model{'s' if externals != 1 else ''}." if externals else trained


def leak_warning(results: Results) -> str:
    """Name the rows of our own that are too good to be true on this suite; empty where there are none."""
    limit = results["leak_above"]
    own = [row for row in leaderboard_rows(results) if row.kind != "published"]
    leaks = [row for row in own if looks_leaked(row, results)]
    lines = [gap_warning(results, own)]
    if limit is not None and leaks:
        names = ", ".join(escape(row.title) for row in leaks)
        lines.insert(0, f"> **Warning.** Above {100 * limit:.0f} %: treat as a leak until shown otherwise: {names}.")
    return "\n>\n".join(line for line in lines if line)


def gap_warning(results: Results, rows: Sequence[LeaderboardRow]) -> str:
    """Name rows whose accuracies on val and test are too far apart for chance, and whether the headline uses any."""
    odd = [row for row in rows if odd_gap(row, results)]
    if not odd:
        return ""
    _, val, test = split_names(results)
    used = next((row["members_used"] for row in results["ensembles"] if row["name"] == results["headline"]), [])
    members = zip(results["members"], member_rows(results), strict=True)
    uses = [row.title for member, row in members if member["label"] in used and odd_gap(row, results)]
    names = ", ".join(escape(row.title) for row in odd)
    tail = f" The headline is made of {escape(', '.join(uses))}." if uses else ""
    return (
        f"> **Warning.** Accuracies on {val} and {test} are more than {MOST_ERRORS:g} standard errors apart, which "
        f"chance does not explain; was one of the two trained or tuned on? {names}.{tail}"
    )


def _members(row: LeaderboardRow) -> str:
    if row.models is None or row.name == BEST_SINGLE:
        return ""
    return f" with {row.models} member{'s' if row.models != 1 else ''}"


def _score(row: LeaderboardRow) -> str:
    bounds = interval(row.ci_low, row.ci_high)
    return f"{percent(row.accuracy)} %" + (f" {bounds}" if bounds else "")
