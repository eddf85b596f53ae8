"""Markdown as a page in the project's look: the card of a model, the story of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

PAGE = Path(__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"
)
REPLACED = {
    "<table>": '<div class="scroll" tabindex="0"><table>',  # wide ones scroll, also by keys
    "</table>": "</table></div>",
    ' style="text-align:right"': ' class="number"',  # the policy allows no styles in tags
    ' style="text-align:left"': "",
    ' style="text-align:center"': "",
}


@dataclass(frozen=True)
class Link:
    """A way to another page."""

    name: str
    to: str


def document(title: str, markdown: str, links: Sequence[Link] = (), root: str = "") -> str:
    """Return markdown as a whole page; `root` is the way to the folder that holds style.css and theme.js.

    What hubs read at the top of a card, between two lines of ---, is left out; HTML in the markdown is shown as text.
    """
    if markdown.startswith("---\n"):
        markdown = markdown.partition("\n---\n")[2]
    content = MarkdownIt("commonmark", {"html": False}).enable("table").render(_without_comments(markdown))
    for shown, instead in REPLACED.items():
        content = content.replace(shown, instead)
    return fill("document.html", title=title, content=Markup(content), links=links, root=root, policy=POLICY)


def _without_comments(markdown: str) -> str:
    return "\n".join(line for line in markdown.splitlines() if not line.startswith("<!--"))


def fill(template: str, **context: object) -> str:
    """Return a file of the folder page/ with its placeholders filled in; what is no Markup is escaped in HTML."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
