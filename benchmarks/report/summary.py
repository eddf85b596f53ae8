"""One page on what a suite's results say: results/<suite>/README.md, a pure function of the results.

Figures first, then short paragraphs whose numbers all follow from the results, then the commands that give them.
"""

from __future__ import annotations

from benchmarks.formats import escape, escaped
from benchmarks.report import figures
from benchmarks.report.sections.ensembles import ensemble_section, selection_section
from benchmarks.report.sections.headline import effort, headline, leak_warning
from benchmarks.report.sections.label_noise import duplicates_section, noise_section
from benchmarks.report.sections.published import comparability_section
from benchmarks.results import VOTES_COMMAND, Results

FILE = "README.md"
FIGURES = ("benchmark", "size", "scores", "risk_coverage", "agreement", "cost")
ELSEWHERE = "Everything else: [leaderboard](leaderboard.md), [page to sort and search](index.html)."
ABLATIONS = "Measured on val alone: [what one change is worth](leaderboard.md#what-one-change-is-worth)."
INTERVALS = (
    "Intervals are 95 %: percentile bootstrap over test images for accuracies and paired differences, Wilson's for "
    "parts of the test images, normal for means over annotators. P values are exact two-sided McNemar tests, not "
    "adjusted for their number."
)


def summary_page(results: Results) -> str:
    """Return the page as markdown; empty for a suite without a summary."""
    if "summary" not in results:
        return ""
    results = escaped(results)
    measured = ABLATIONS if results["ablations"] or results["views"] else ""
    sections = [
        f"# {results['title']} on one page",
        headline(results),
        " ".join(part for part in (effort(results), ELSEWHERE, measured, INTERVALS) if part),
        leak_warning(results),
        *_figures(results),
        ensemble_section(results),
        selection_section(results),
        duplicates_section(results),
        noise_section(results),
        comparability_section(results),
        _commands(results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _figures(results: Results) -> list[str]:
    return [f"![{entry.alt}]({entry.file})<br>*{escape(entry.title)}.*" for entry in figures.index(results, FIGURES)]


def _commands(results: Results) -> str:
    run = f"python benchmark.py --suite {results['suite']}"
    own = "--name my_model --reference arXiv:0000.00000"
    lines = {
        run: "this page, leaderboard and figures from the stored predictions",
        f"{run} --train missing --data DIR": "trains what has no predictions yet; with --plan says how long",
        f"{run} --train always --data DIR": "trains every member anew",
        VOTES_COMMAND: "keeps the votes of FER+, once, from fer2013new.csv",
        f"{run} --check mine.npz && {run} --add-predictions mine.npz {own}": "adds predictions of your own",
    }
    text = "\n".join(f"{command}  # {comment}" for command, comment in lines.items())
    return f"## How to get these numbers\n\n```sh\n{text}\n```"
