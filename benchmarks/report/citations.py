"""The ids by which references name their sources, and how BibTeX and links call them."""

from __future__ import annotations

import re
from dataclasses import dataclass

ADDRESSES = {
    "arXiv": "https://arxiv.org/abs/{}",
    "doi": "https://doi.org/{}",
    "ieee": "https://ieeexplore.ieee.org/document/{}",
    "github": "https://github.com/{}",
}
IDS = re.compile(
    r"(?P<arXiv>(?<=arXiv:)\d{4}\.\d{4,5})|(?P<doi>(?<=doi:)[^\s;,]+|(?<=DOI:)[^\s;,]+)|(?P<ieee>(?<=IEEE )\d{5,})"
    r"|(?P<github>(?<=github )[\w.-]+/[\w.-]+)"
)


@dataclass(frozen=True, order=True)
class Source:
    """What can be cited: an id of one of ADDRESSES's kinds."""

    kind: str
    id: str

    @property
    def key(self) -> str:
        """The name of its entry: letters, digits, dots and hyphens."""
        return re.sub(r"[^A-Za-z0-9.]+", "-", f"{self.kind}-{self.id}").strip("-")

    @property
    def address(self) -> str:
        """Where it leads."""
        return ADDRESSES[self.kind].format(self.id)


def cited(text: str | None) -> list[Source]:
    """The sources that a reference names, in its order; none for None and for words without an id."""
    found = IDS.finditer(text or "")
    return list(dict.fromkeys(Source(match.lastgroup or "", match.group()) for match in found))
