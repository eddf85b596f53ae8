"""Reading the results of another run: all of it is there, or one error says what is missing and what rebuilds it."""

import json
from pathlib import Path
from typing import cast

from benchmarks.files import DamagedFile
from benchmarks.results.schema import FORMAT, Results
from benchmarks.shapes import departures
from benchmarks.shapes import told as named
from benchmarks.text import told

LONGEST = 100  # characters of a format that is another


class UnreadableResults(DamagedFile):
    """Results that cannot be used; the message names the file, `reason` is without it, for reports of any machine."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.reason = reason


def read_results(path: Path) -> Results:
    """Read the results in a results.json.

    Raises UnreadableResults naming the file, what is wrong with it, and the command that writes it anew, where it is
    damaged, of another version, or lacks anything that every file of this version has, or has it of another kind.
    """
    rebuild = f"write it anew from the stored predictions: {_command(path)}"
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise UnreadableResults(path, f"cannot be read ({type(error).__name__}); {rebuild}") from error
    version = results.get("format") if isinstance(results, dict) else None
    if version != FORMAT:
        raise UnreadableResults(path, f"has the format {told(repr(version), LONGEST)}, not {FORMAT!r}; {rebuild}")
    if lacking := named(departures(results, Results)):
        raise UnreadableResults(path, f"lacks {lacking}; {rebuild}")
    return cast(Results, results)


def _command(path: Path) -> str:
    """Return the command that writes this results.json anew."""
    folder = path.parent.parent
    elsewhere = "" if folder.name == "results" else f" --results {folder}"
    return f"python benchmark.py --suite {path.parent.name}{elsewhere}"
