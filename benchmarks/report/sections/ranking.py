"""The leaderboard's tables of rows: the ranking, all metrics, and what validation and paired tests say of each row."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.formats import (
    count,
    duration,
    escape,
    fraction,
    interval,
    linked,
    milliseconds,
    p_value,
    percent,
    points,
    table,
)
from benchmarks.results import (
    COSTLY,
    EXTRA_LABELS,
    ROW_CLASSES,
    SHORT_BUDGET,
    TOOLS,
    LeaderboardRow,
    Results,
    RowClass,
    below_uniform,
    extra_labels,
    is_headline,
    leaderboard_rows,
    looks_leaked,
    member_rows,
    metric_columns,
    metric_text,
    no_gain,
    odd_gap,
    split_names,
)


def ranking_section(results: Results) -> str:
    """Rank members, ensembles and published results, best first, one line each."""
    test, val = results["splits"]["test"], results["splits"]["val"]
    metrics = metric_columns(results, "ranking")
    titles = "|".join(column["title"] for column in metrics)
    head = f"Rank|Kind|Name|Test|95 % interval|Val|Gap|{titles}|Models|Parameters|FLOPs|Training|Init|TTA"
    body = [
        [
            row.rank, row.category, name_cell(row, results), percent(row.accuracy), interval(row.ci_low, row.ci_high),
            percent(row.cross_fit_accuracy if row.kind == "ensemble" else row.val_accuracy), points(row.gap),
            *(metric_text(row, column) for column in metrics), row.models, count(row.params), count(row.flops),
            duration(row.train_seconds), row.init, row.tta,
        ]
        for row in leaderboard_rows(results)
        if row.kind != "published" or (row.comparable and row.chart)
    ]  # fmt: skip
    return (
        "## Ranking\n\n"
        f"Accuracy in per cent on {test['name']} ({test['size']:,} images), best first. A rank spans all places that "
        "the paired tests leave possible (McNemar, Holm-adjusted over all pairs, p < 0.05 tells two rows apart). *Val* "
        f"is the accuracy on {val['name']}, cross-fitted for ensembles{_again(results)}; *gap* is what the accuracy "
        "there that chose weights or epoch loses on test, in points. Published results (in italics) come without "
        "predictions, and so without rank and interval; here are those that the chart shows, all are "
        "[below](#published-and-what-we-know-of-it).\n\n"
        + table(head, body, right={3, *range(5, 11 + len(metrics))})
        + row_class_notes(results)
    )


def _again(results: Results) -> str:
    """Say which ensembles were cross-fitted more often than others; empty where all were as often, or nobody knows."""
    times = [ensemble["cross_fits"] for ensemble in results["ensembles"] if "cross_fits" in ensemble]
    if len(set(times)) < 2:
        return ""
    often = sum(time == max(times) for time in times)
    return f" ({often} of {len(times)} again with other folds: those within two standard errors of the best log-loss)"


def row_class_notes(results: Results, shown: Sequence[LeaderboardRow] | None = None) -> str:
    """Explain the classes of rows that stand apart, a paragraph each; empty where there are none.

    Those of the rows `shown`, by default of all members.
    """
    members = member_rows(results)
    rows = members if shown is None else shown
    notes = [
        f"{row_class.mark} *{row_class.name.capitalize()}*: {_about(row_class, results, rows)} "
        + _ensembles_of(row_class, members)
        for row_class in ROW_CLASSES.values()
        if any(row_class in row.row_classes for row in rows)
    ]
    return "".join(f"\n\n{note}" for note in notes)


def _about(row_class: RowClass, results: Results, members: Sequence[LeaderboardRow]) -> str:
    """Say what the rows of a class are."""
    if row_class is EXTRA_LABELS:
        names = escape(", ".join(extra_labels(members)))
        title = escape(results["title"])
        return f"also learnt from the {names} of the training images, which are not {title}'s own labels."
    if row_class is COSTLY:
        return "what an image takes by the member alone is above the limit of this run, or not known."
    if row_class is SHORT_BUDGET:
        val = escape(results["splits"]["val"]["name"])
        return (
            f"trained for so few epochs that accuracy on {val} still rose at the end, more than 4 points below the "
            "best member's there. Such a row says what its budget is worth, and not what its architecture could reach."
        )
    rows = "; ".join(
        f"{escape(row.title.removesuffix(f' {row_class.mark}'))}: {escape(row.extra_data)}"
        for row in members
        if row_class in row.row_classes and row.kind != "ensemble"
    )
    what = (
        "models that ship inside packages and that people use today, by the packages' own weights, preprocessing and "
        "order of classes"
        if row_class is TOOLS
        else "weights that an author published, scored by the zoo's network; how they were trained and chosen is not "
        "known here"
    )
    return f"{what}. {rows}."


def _ensembles_of(row_class: RowClass, members: list[LeaderboardRow]) -> str:
    if not all(row.row_classes for row in members):
        return "They are a class of their own: no ensemble has them as members, nor are they the best single member."
    if row_class is EXTRA_LABELS:
        return "Here all members did, and so their ensembles."
    return "Here no other members are shown: ensembles are made of them, and mean as little."


def metrics_section(results: Results) -> str:
    """Tabulate every metric of every row that has predictions; empty where none has."""
    rows, metrics = _scored(results), metric_columns(results)
    if not rows:
        return ""
    body = [
        [name_cell(row, results), percent(row.accuracy), *(metric_text(row, column) for column in metrics)]
        for row in rows
    ]
    heads = [f"{column['title']}, %" if column["percent"] else column["title"] for column in metrics]
    about = "; ".join(f"{column['title']}: {column['about']}" for column in metrics)
    return (
        f"## All metrics\n\nOn {split_names(results)[2]}. {about}. Precision and recall by class: "
        "[classification_report.md](classification_report.md); training epoch by epoch: [epochs.csv](epochs.csv).\n\n"
        + table("|".join(["Name", "Accuracy, %", *heads]), body, right=set(range(1, 2 + len(metrics))))
    )


def tests_section(results: Results) -> str:
    """Tabulate how far rows can be told apart, how far val was too rosy, and what an image costs."""
    rows = _scored(results)
    if not rows:
        return ""
    body = [
        [
            name_cell(row, results), row.letters, percent(row.seen_accuracy), percent(row.cross_fit_accuracy),
            fraction(row.cross_fit_log_loss), p_value(row.p_best_single_holm), p_value(row.p_uniform_holm),
            milliseconds(row.ms_per_image), "yes" if row.pareto else None, linked(row.reference),
        ]
        for row in rows
    ]  # fmt: skip
    head = "Name|Letters|Val, as fitted|Val, cross-fitted|Val, log-loss|p, best single|p, uniform|ms/image|Front|Source"
    return (
        "## Paired tests and cost\n\nRows that share a letter are not separated by McNemar's test after Holm's "
        "correction over all pairs of rows. *No gain on val* marks ensembles that are above the better floor (best "
        "single member, uniform average) neither in accuracy nor in log-loss, on images of val held out of their fit. "
        "The p values, against the best single member and the uniform average, are "
        f"Holm-adjusted over all rows. *Val, as fitted* is the accuracy on {results['splits']['val']['name']} that "
        "chose the weights or the epoch, *Val, log-loss* is cross-fitted. FLOPs are those of an image with all views "
        "at test time; *front* marks the rows that none beats in accuracy at as few.\n\n"
        + table(head, body, right=set(range(2, 8)))
    )


def _scored(results: Results) -> list[LeaderboardRow]:
    return [row for row in leaderboard_rows(results) if row.kind != "published" and row.accuracy is not None]


def name_cell(row: LeaderboardRow, results: Results) -> str:
    """Return the row's title, in words, as tables show it: headline bold, published in italics, remarks behind."""
    name = escape(row.display or row.title)
    if row.error:
        return f"{name}: failed, {escape(row.error)}"
    if row.kind == "published":
        name = f"*{name}*"
    if is_headline(row, results):
        name = f"**{name}**"
    limit = results["leak_above"]
    if limit is not None and looks_leaked(row, results):
        name += f" (**above {100 * limit:.0f} %: treat as a leak until shown otherwise**)"
    if odd_gap(row, results):
        name += " (**val and test too far apart**)"
    if below_uniform(row, results):
        name += " (below uniform)"
    if no_gain(row, results):
        name += " (no gain on val)"
    return name
