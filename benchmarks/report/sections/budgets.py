"""What an image may cost, and what is best then: averages of members by budget, as `budget` has chosen them on val."""

from __future__ import annotations

from benchmarks.formats import count, escape, interval, milliseconds, percent, table
from benchmarks.results import Results, command_for, split_names
from benchmarks.results.analyses import BUDGET_UNITS

PRINTED = {"flops": count, "ms": milliseconds}


def budgets_section(results: Results) -> str:
    """Tabulate the best averages within budgets, cheapest first; empty where none were chosen."""
    rows = results.get("budgets", [])
    if not rows:
        return ""
    _, val, test = split_names(results)
    body = [
        [
            _amount(row["budget"], row["unit"]), _amount(row["cost"], row["unit"]), percent(row["cross_fitted"]),
            percent(row["accuracy"]), interval(*row["interval"]), escape(row["members"]),
        ]
        for row in rows
    ]  # fmt: skip
    command = command_for(results)
    return (
        f"## Within a budget\n\nThe best average of members at so much an image, chosen by log-loss on {val} alone; "
        f"*val* is cross-fitted, *test* is {test}. Each line was scored once, and the lines are no competition: which "
        "budget holds is the reader's to say. Times are those of the device that timed the members. "
        f"`{command} --budget-flops 2e9` chooses the headline among ensembles within a limit; "
        "`python benchmark.py budget` makes this table anew.\n\n"
        + table("Budget|Takes|Val|Test|95 % interval|Members", body, right={1, 2, 3})
    )


def within_limits(results: Results) -> str:
    """Say what limits the headline was chosen under; empty without any."""
    limits = [_amount(limit, unit) for unit, limit in results.get("limits", {}).items()]
    return f", of the ensembles that take at most {' and '.join(limits)} an image" if limits else ""


def _amount(number: float, unit: str) -> str:
    """Print 4.06e7 `flops` as 40.6M FLOPs, 0.776 `ms` as 0.78 ms."""
    return f"{PRINTED[unit](number)} {BUDGET_UNITS[unit]}"
