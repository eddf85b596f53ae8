"""What a leaderboard says before its tables: the result, the effort behind it, and a warning where one is due."""

from __future__ import annotations

from benchmarks.formats import duration, escape, interval, p_value, percent
from benchmarks.results import (
    BEST_SINGLE,
    LeaderboardRow,
    Results,
    best_single,
    headline_row,
    leaderboard_rows,
    looks_leaked,
    split_names,
)


def headline(results: Results) -> str:
    """Say what the ensemble chosen on val reaches on test, and against which best single member."""
    ensemble, single = headline_row(results), best_single(results)
    _, val, test = split_names(results)
    if ensemble is None:
        if single is None:
            return "No result yet."
        return f"Best single member: **{single.title}**, {_score(single)} on {test}. No ensemble was chosen."
    of = f" ({escape(single.title)})" if single is not None and ensemble.name == BEST_SINGLE else _members(ensemble)
    sentence = (
        f"**{_score(ensemble)}** on {test}: *{escape(ensemble.title)}*{of}, chosen by cross-fitted accuracy "
        f"on {val} ({percent(ensemble.cross_fit_accuracy)} %) under the one-standard-error rule."
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
    devices = escape(" and ".join(known["devices"]))
    trained = f"{count}, trained in {duration(known['seconds'])} in all on {devices} (wall clock)."
    return f"{trained} {externals} external model{'s' if externals != 1 else ''}." if externals else trained


def leak_warning(results: Results) -> str:
    """Name the rows of our own that are too good to be true on this suite; empty where there are none."""
    limit = results["leak_above"]
    leaks = [row for row in leaderboard_rows(results) if row.kind != "published" and looks_leaked(row, results)]
    if limit is None or not leaks:
        return ""
    names = ", ".join(escape(row.title) for row in leaks)
    return f"> **Warning.** Above {100 * limit:.0f} %: treat as a leak until shown otherwise: {names}."


def _members(row: LeaderboardRow) -> str:
    if row.models is None or row.name == BEST_SINGLE:
        return ""
    return f" with {row.models} member{'s' if row.models != 1 else ''}"


def _score(row: LeaderboardRow) -> str:
    bounds = interval(row.ci_low, row.ci_high)
    return f"{percent(row.accuracy)} %" + (f" {bounds}" if bounds else "")
