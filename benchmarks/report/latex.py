"""The leaderboard for papers: its short table in LaTeX, and the BibTeX entries of all that the leaderboard cites.

The table is a document of its own, or input with the docmute package. Titles and authors of entries come from
references.csv, which holds them as far as they were read somewhere; an entry without them has its id and address, and
nothing made up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import quote

from benchmarks.files import CsvRow, read_csv
from benchmarks.formats import Source, cited, count, percent
from benchmarks.report.sections.headline import seen_warning
from benchmarks.results import (
    EXTRA_LABELS,
    ROW_CLASSES,
    LeaderboardRow,
    Results,
    RowClass,
    extra_labels,
    is_headline,
    leaderboard_rows,
    metric_columns,
    metric_text,
    short_list,
)

ENSEMBLES, MEMBERS, PUBLISHED = 6, 8, 6
REFERENCES = Path(__file__).with_name("references.csv")
SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"$\pm$", "≥": r"$\ge$", "≤": r"$\le$", "κ": r"$\kappa$", "…": r"\ldots{}",
    "†": r"\textdagger{}", "‡": r"\textdaggerdbl{}", "§": r"\S{}", "¶": r"\P{}",
}  # fmt: skip
KNOWN = frozenset(map(chr, (*range(0x20, 0x7F), *range(0xA1, 0x180)))) | set("€‰™") - {"\N{SOFT HYPHEN}"}
"""Letters that LaTeX knows with the encodings of the preamble."""
PREAMBLE = r"""% Compiles by itself: pdflatex, bibtex, pdflatex, pdflatex.
% In a paper: \usepackage{booktabs,docmute}, then \input this file.
\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{url}
\begin{document}
"""
END = r"""\bibliographystyle{plain}
\bibliography{references}
\end{document}
"""


def escape_tex(text: str) -> str:
    """Return text that LaTeX prints as it is; line breaks become spaces, and what its fonts lack question marks."""
    return "".join(SPECIAL.get(letter, letter if letter in KNOWN else "?") for letter in " ".join(text.split()))


def escape_bibtex(text: str) -> str:
    """Return text for a field of BibTeX, which counts also those braces that LaTeX is told to print."""
    return escape_tex(text).replace(r"\{", r"\textbraceleft{}").replace(r"\}", r"\textbraceright{}")


def _address(text: str) -> str:
    """Return an address that ends no field, comments nothing out and needs no escape."""
    return quote(text, safe=":/?[]@!'()*+,;=")


def columns(results: Results) -> list[str]:
    """Return the heads of the table."""
    metrics = [escape_tex(column["title"]) for column in metric_columns(results, "latex")]
    return ["Method", r"Acc. (\%)", r"95\,\% CI", *metrics, "Models", "Params", "Source"]


def tex_table(results: Results) -> str:
    """Return the whole document: headline and floors, best members, best comparable published results, by group."""
    rows = short_list(results, ENSEMBLES, MEMBERS, PUBLISHED)
    models = [row for row in rows if row.kind in ("member", "external")]
    groups = [
        ("Ensembles", [row for row in rows if row.kind == "ensemble"]),
        ("Members", [row for row in models if not row.row_classes]),
        *(
            (_heading(row_class, models), [row for row in models if row_class in row.row_classes])
            for row_class in ROW_CLASSES.values()
        ),
        ("Published, as reported", [row for row in rows if row.kind == "published"]),
    ]
    body = [line for heading, group in groups if group for line in _group(heading, group, results)]
    test = results["splits"]["test"]
    caption = (
        f"{escape_tex(results['title'])}: accuracy on {escape_tex(test['name'])} ({test['size']:,} images). Bold: the "
        "ensemble chosen on validation data. Published results are single numbers without predictions. "
        f"{escape_tex(seen_warning(results))}"
    ).rstrip()
    lines = [
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{re.sub('[^A-Za-z0-9-]', '-', results['suite'])}-leaderboard}}",
        rf"\begin{{tabular}}{{lrl{'r' * len(metric_columns(results, 'latex'))}rrl}}",
        r"\toprule",
        _line(columns(results)),
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return PREAMBLE + "\n".join(lines) + "\n" + END


def _heading(row_class: RowClass, models: list[LeaderboardRow]) -> str:
    if row_class is EXTRA_LABELS:
        return f"{row_class.heading} ({', '.join(extra_labels(models))})"
    return row_class.heading


def _group(heading: str, rows: Iterable[LeaderboardRow], results: Results) -> list[str]:
    title = rf"\multicolumn{{{len(columns(results))}}}{{l}}{{\emph{{{heading}}}}} \\"
    return [r"\midrule", title, *(_line(_cells(row, results)) for row in rows)]


def _cells(row: LeaderboardRow, results: Results) -> list[str | None]:
    name = escape_tex(row.name if row.kind == "published" else row.title)
    if is_headline(row, results):
        name = rf"\textbf{{{name}}}"
    bounds = None if row.ci_low is None or row.ci_high is None else f"{100 * row.ci_low:.1f}--{100 * row.ci_high:.1f}"
    models = None if row.models is None else str(row.models)
    return [
        name, percent(row.accuracy), bounds, *(metric_text(row, column) for column in metric_columns(results, "latex")),
        models, count(row.params), _cite(row),
    ]  # fmt: skip


def _cite(row: LeaderboardRow) -> str | None:
    keys = ",".join(source.key for source in cited(row.reference))
    return rf"\cite{{{keys}}}" if keys else None


def _line(cells: Iterable[str | None]) -> str:
    return " & ".join(cell or "--" for cell in cells) + r" \\"


def bibliography(results: Results) -> str:
    """Return BibTeX, sorted by key, of every source that a row or a doubt names."""
    sources = {source for row in leaderboard_rows(results) for source in _of(row)}
    return "\n".join(_entry(source) for source in sorted(sources, key=lambda source: source.key))


def _of(row: LeaderboardRow) -> Iterable[Source]:
    return [*cited(row.reference), *cited(row.doubt_source)]


def _entry(source: Source) -> str:
    known = _known().get(f"{source.kind}:{source.id}".lower(), {})
    fields = {
        "title": f"{{{escape_bibtex(known['title'])}}}" if known.get("title") else _title(source),
        "author": known.get("authors"),
        "key": None if known.get("authors") else escape_bibtex(known.get("title") or source.id),
        "year": known.get("year") or (f"20{source.id[:2]}" if source.kind == "arXiv" else None),
        "journal" if known.get("venue") else "howpublished": known.get("venue") or _where(source),
        **({"eprint": source.id, "archivePrefix": "arXiv"} if source.kind == "arXiv" else {}),
        **({"doi": _address(source.id)} if source.kind == "doi" else {}),
        "url": _address(source.address),
    }
    kind = "article" if known.get("venue") else "misc"
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{source.key},", *lines, "}", ""])


def _title(source: Source) -> str | None:
    return f"{{{escape_bibtex(source.id)}}}" if source.kind == "github" else None


def _where(source: Source) -> str:
    if source.kind == "github":
        return rf"\url{{{_address(source.address)}}}"
    named = {"arXiv": "arXiv:{}", "doi": "doi:{}", "ieee": "IEEE Xplore document {}"}
    return escape_bibtex(named[source.kind].format(source.id))


@cache
def _known() -> dict[str, CsvRow]:
    return {row["id"].lower(): row for row in read_csv(REFERENCES)}
