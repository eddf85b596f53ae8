"""The tables of ensembles/README.md, from the registry and the aliases: `python -m ensembles.readme` rewrites them."""

from __future__ import annotations

import re
from pathlib import Path

from ensembles.aliases import ALIASES
from ensembles.base import Ensembler
from ensembles.registry import get, names

README = Path(__file__).with_name("README.md")
PAPERS = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}


def methods() -> str:
    """Return the table of registered ensemblers, the simplest first."""
    rows = [_row(get(name)) for name in names()]
    return "\n".join(["| Name | Method | Cost | When to use | Paper |", "|---|---|---|---|---|", *rows])


def aliases() -> str:
    """Return the table of other names, with a row for each ensembler that has some."""
    others: dict[str, list[str]] = {name: [] for name in names()}
    for alias, meant in ALIASES.items():
        for name in meant:
            others[name].append(f"`{alias}`")
    rows = [f"| `{name}` | {', '.join(known)} |" for name, known in others.items() if known]
    return "\n".join(["| Here | Elsewhere |", "|---|---|", *rows])


def rewritten(text: str) -> str:
    """Return the README's text with the tables of today's code; ValueError where the marks of a table are missing."""
    for mark, table in (("methods", methods()), ("aliases", aliases())):
        pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"{README} has no table between <!-- {mark} --> and <!-- /{mark} -->")
        text = pattern.sub(lambda marks, table=table: f"{marks[1]}{table}\n{marks[2]}", text)  # type: ignore[misc]
    return text


def _row(kind: type[Ensembler]) -> str:
    source, _, paper = kind.reference.partition(":")
    link = f"[{paper}]({PAPERS[source]}{paper})"
    return f"| `{kind.name}` | {kind.title} (`{kind.__name__}`) | {kind.cost} | {kind.use_when} | {link} |"


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
