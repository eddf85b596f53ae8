"""The same images under another protocol: what the other suite reports for the same members, and why they differ."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import UnreadableResults, headline_row, read_results
from benchmarks.results.schema import ContrastRow, OtherProtocol, Results
from benchmarks.suites.suite import Contrast


def contrast(meant: Contrast, folder: Path) -> OtherProtocol:
    """Read what the other suite, a sibling in the results `folder`, has reported: `contrast` of the results.

    No rows where it has not run, nor where its results cannot be read, of which `problem` says why.

    Two such suites read each other, so that one's outdated results must not keep the other from being written.
    """
    path = folder / meant.suite / "results.json"
    known: OtherProtocol = {
        "suite": meant.suite,
        "difference": meant.difference,
        "split": None,
        "rows": [],
        "problem": None,
    }
    if path.is_file():
        try:
            other = read_results(path)
            known |= {"split": other["splits"]["test"]["name"], "rows": _rows(other)}
        except UnreadableResults as error:
            known["problem"] = f"{meant.suite}/results.json {error.reason}"
    return known


def _rows(other: Results) -> list[ContrastRow]:
    rows: list[ContrastRow] = [
        {
            "name": member["name"],
            "seed": member["seed"],
            "recipe": member["recipe"],
            "image_size": member["image_size"],
            "init": member["init"],
            "accuracy": member["test_accuracy"],
            "interval": member["test_interval"],
        }
        for member in other["members"]
    ]
    headline = headline_row(other)
    if headline is not None and headline.ci_low is not None and headline.ci_high is not None:
        bounds = [headline.ci_low, headline.ci_high]
        rows.append({"name": None, "title": headline.title, "accuracy": headline.accuracy, "interval": bounds})
    return rows
