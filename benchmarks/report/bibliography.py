"""The BibTeX file of what a leaderboard cites: one entry for every id in its members, ensembles and published results.

Titles and authors come from references.csv, which holds them as far as they were read somewhere; an entry without them
has its id and address, and nothing made up.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from benchmarks.report.citations import Source, cited
from benchmarks.report.latex import escape_tex
from benchmarks.results import Results, Standing, standings

REFERENCES = Path(__file__).with_name("references.csv")


def bibliography(results: Results) -> str:
    """BibTeX, sorted by key, of every source that a row or a doubt names."""
    sources = {source for row in standings(results) for source in _of(row)}
    return "\n".join(_entry(source) for source in sorted(sources, key=lambda source: source.key))


def _of(row: Standing) -> Iterable[Source]:
    return [*cited(row.reference), *cited(row.doubt_source)]


def _entry(source: Source) -> str:
    known = _known().get(f"{source.kind}:{source.id}".lower(), {})
    fields = {
        "title": f"{{{escape_tex(known['title'])}}}" if known.get("title") else _title(source),
        "author": known.get("authors"),
        "key": None if known.get("authors") else escape_tex(known.get("title") or source.id),
        "year": known.get("year") or (f"20{source.id[:2]}" if source.kind == "arXiv" else None),
        "journal" if known.get("venue") else "howpublished": known.get("venue") or _where(source),
        **({"eprint": source.id, "archivePrefix": "arXiv"} if source.kind == "arXiv" else {}),
        **({"doi": source.id} if source.kind == "doi" else {}),
        "url": source.address,
    }
    kind = "article" if known.get("venue") else "misc"
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{source.key},", *lines, "}", ""])


def _title(source: Source) -> str | None:
    return f"{{{escape_tex(source.id)}}}" if source.kind == "github" else None


def _where(source: Source) -> str:
    if source.kind == "github":
        return rf"\url{{{source.address}}}"
    named = {"arXiv": "arXiv:{}", "doi": "doi:{}", "ieee": "IEEE Xplore document {}"}
    return escape_tex(named[source.kind].format(source.id))


@cache
def _known() -> dict[str, dict[str, str]]:
    with REFERENCES.open(newline="", encoding="utf-8") as file:
        return {row["id"].lower(): row for row in csv.DictReader(file)}
