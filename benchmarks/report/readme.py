"""What a README says of a suite, between markers: its short leaderboard, or its result in a paragraph."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from benchmarks.files import write_atomic
from benchmarks.formats import count, duration, escaped, interval, percent, table
from benchmarks.report.sections.headline import effort, headline, leak_warning
from benchmarks.report.sections.ranking import name_cell, row_class_notes
from benchmarks.results import Results, short_list

ENSEMBLES, MEMBERS, PUBLISHED = 4, 8, 4


def embed(readme: Path, results: Results) -> bool:
    """Put what is asked for between this suite's markers in `readme`; return whether the file changed.

    The markers are `<!-- leaderboard:SUITE -->` and `<!-- /leaderboard -->` for the compact leaderboard, `headline` in
    both for the result alone; a README without them stays as it is.
    """
    text = replaced = readme.read_text(encoding="utf-8")
    for kind, write in {"leaderboard": compact, "headline": result}.items():
        marker = f"<!-- {kind}:{results['suite']} -->"
        block = re.compile(re.escape(marker) + rf".*?(?=<!-- /{kind} -->)", re.DOTALL)
        replaced = block.sub(partial(_filled, marker, write(results)), replaced)
    if replaced == text:
        return False
    write_atomic(readme, replaced)
    return True


def _filled(marker: str, text: str, found: re.Match[str]) -> str:
    return f"{marker}\n{text}\n"


def result(results: Results) -> str:
    """Return the headline in a paragraph, and where the rest is."""
    results = escaped(results)
    more = f"All of it: [leaderboard.md](results/{results['suite']}/leaderboard.md)."
    return " ".join(part for part in (f"{results['title']}:", headline(results), more) if part)


def compact(results: Results) -> str:
    """Return headline, figure and one table: headline ensemble and floors, best members, best published results."""
    results = escaped(results)
    folder = f"results/{results['suite']}"
    rows = short_list(results, ENSEMBLES, MEMBERS, PUBLISHED)
    body = [
        [
            row.rank, row.category, name_cell(row, results), percent(row.accuracy), interval(row.ci_low, row.ci_high),
            row.models, count(row.params), duration(row.train_seconds), row.init, row.tta,
        ]
        for row in rows
    ]  # fmt: skip
    ranking = table("Rank|Kind|Name|Test|95 % interval|Models|Parameters|Training|Init|TTA", body, right={3, 5, 6, 7})
    parts = [
        headline(results),
        effort(results),
        leak_warning(results),
        f"![{results['title']} benchmark chart]({folder}/figures/benchmark.png)",
        ranking + row_class_notes(results, rows),
        f"All rows, all metrics, and what is known of published results: [leaderboard.md]({folder}/leaderboard.md).",
    ]
    return "\n\n".join(part for part in parts if part)
