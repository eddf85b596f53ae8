"""The summary's part on ensembles: what one buys, and what selection on the test set would have claimed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.formats import escape, interval, p_value, percent, points, table
from benchmarks.report.sections.probabilities import beside_accuracy
from benchmarks.results import (
    BEST_SINGLE,
    Results,
    by_accuracy,
    ensemble_rows,
    headline_row,
    published_rows,
    split_names,
)
from benchmarks.results.summary import Rival

SIZES = (1, 2, 3, 5, 8, 12, 20, 40)  # of the averages shown, and that of all members


def ensemble_section(results: Results) -> str:
    """Compare the headline with each rival, and accuracies by the number of members; empty without a headline."""
    headline, rivals = headline_row(results), results["summary"]["rivals"]
    if headline is None or not rivals:
        return ""
    _, val, test = split_names(results)
    alone = headline.name == BEST_SINGLE
    what = f"*{escape(headline.title)}* of {_models(headline.models)}"
    if alone:
        what = f"the best single member {escape(rivals[0]['title'])}"
    body = [
        [
            *_named(rival, results), percent(rival["accuracy"]), points(rival["difference"], 2),
            _bounds(rival["difference_interval"]), p_value(rival["p"]),
        ]
        for rival in rivals
        if not (alone and rival["part"] == "single_on_val")
    ]  # fmt: skip
    return (
        f"## What an ensemble buys\n\nThe headline, {what}, was chosen on {val} "
        f"and has {percent(headline.accuracy)} % {interval(headline.ci_low, headline.ci_high)} on {test}. Beside "
        "it, on the same images, what else could have been quoted:\n\n"
        + table(f"Rival|Chosen on|{test}|Headline above it, points|95 %|McNemar p", body, right={2, 3, 4, 5})
        + _sizes(results, val, test)
        + beside_accuracy(results)
    )


def _models(count: int | None) -> str:
    return f"{count} member{'' if count == 1 else 's'}"


def _named(rival: Rival, results: Results) -> tuple[str, str]:
    """Say what a rival is, and which split chose it."""
    _, val, test = split_names(results)
    best, title = results["audit"]["best_subset_on_test"], escape(rival["title"])
    methods = sum(row.accuracy is not None for row in ensemble_rows(results))
    everyone = results["audit"]["learning_curve"]["members"][-1]
    averages = f"the {best['subsets']:,} averages of {_models(best['candidates'])} (it has {len(best['members'])})"
    return {
        "single_on_val": (f"Best single member, {title}", val),
        "uniform": (f"Average of all {_models(everyone)}", "nothing"),
        "single_on_test": (f"Best single member, {title}", f"**{test}**"),
        "method_on_test": (f"Best of {methods} methods, {title}", f"**{test}**"),
        "subset_on_test": (f"Best of {averages}", f"**{test}**"),
    }[rival["part"]]


def _bounds(bounds: Sequence[float]) -> str:
    return f"[{points(bounds[0], 2)}, {points(bounds[1], 2)}]"


def _sizes(results: Results, val: str, test: str) -> str:
    """Tabulate accuracy by the number of members averaged, picked on val or at random; empty below two members."""
    path, curve = results["charts"]["greedy_path"], results["audit"]["learning_curve"]
    sizes = sorted({size for size in (*SIZES, len(path["test"])) if size <= len(path["test"])})
    if len(sizes) < 2:
        return ""
    random = curve["test"]
    spread = [f"{percent(random['mean'][size - 1])} ± {100 * random['spread'][size - 1]:.2f}" for size in sizes]
    body: list[list[str | None]] = [
        [f"picked on {val}", *(percent(path["test"][size - 1]) for size in sizes)],
        [f"at random (± s.d. of {curve['orders']} orders)", *spread],
    ]
    head = f"{test} by the number of members averaged|" + "|".join(map(str, sizes))
    return f"\n\n{table(head, body, right=set(range(1, len(sizes) + 1)))}"


def selection_section(results: Results) -> str:
    """Say what rivals chosen on test would claim, beside the gaps between published results."""
    rivals = {rival["part"]: rival for rival in results["summary"]["rivals"]}
    headline = headline_row(results)
    if headline is None or not rivals:
        return ""
    _, val, test = split_names(results)
    mine = headline.accuracy or 0.0
    best = rivals["single_on_test"]
    single = best["accuracy"] - rivals["single_on_val"]["accuracy"]
    bounds = next(member["difference_interval"] for member in results["members"] if member["label"] == best["title"])
    method, subset = (rivals[part]["accuracy"] - mine for part in ("method_on_test", "subset_on_test"))
    return (
        f"## What selection on {test} would have claimed\n\nRows chosen on {test} are no results: the images that "
        f"score them chose them. The single member chosen there instead of on {val} would claim {points(single, 2)} "
        f"{_bounds(bounds)} points; against the headline the best method would claim {points(method, 2)}, the best "
        f"average {points(subset, 2)}, with the intervals above, signs turned. Epochs chosen there could add to this; "
        "the stored predictions do not tell how much."
        f"{_published_gaps(results, max(single, method, subset))}"
    )


def _published_gaps(results: Results, claim: float) -> str:
    """Count the gaps between comparable published results that are smaller than such a claim, or than noise."""
    rows = [row for row in by_accuracy(published_rows(results)) if row.comparable and row.accuracy is not None]
    headline = headline_row(results)
    if len(rows) < 2 or headline is None or headline.ci_low is None or headline.ci_high is None:
        return ""
    gaps = [(above.accuracy or 0.0) - (below.accuracy or 0.0) for above, below in pairwise(rows)]
    noise = (headline.ci_high - headline.ci_low) / 2
    within, drowned = (sum(gap < size for gap in gaps) for size in (claim, noise))
    return (
        f" Of the {len(gaps)} gaps between neighbours among the {len(rows)} comparable published results below, "
        f"{within} are smaller than the largest of these claims ({100 * claim:.2f} points), {drowned} smaller than "
        f"half the headline's interval ({100 * noise:.2f})."
    )
