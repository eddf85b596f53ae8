"""Markdown as a page in the project's look: the card of a model, the story of a suite."""

from __future__ import annotations

import re
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
    "&lt;br&gt;": "<br>",
}


@dataclass(frozen=True)
class Link:
    """A way to another page."""

    name: str
    to: str


def document(title: str, markdown: str, links: Sequence[Link] = (), root: str = "") -> str:
    """Return markdown as a whole page; `root` is the way to the folder that holds style.css and theme.js.

    Headings have ids as on hosts of repositories; links to README.md and NAME.md lead to story.html and NAME.html.
    What hubs read at the top of a card, between two lines of ---, is left out; HTML in the markdown is shown as text.
    """
    if markdown.startswith("---\n"):
        markdown = markdown.partition("\n---\n")[2]
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(_without_comments(markdown))
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(tokens[place + 1].content))
        for part in token.children or ():
            if part.type == "link_open":
                part.attrSet("href", page_name(str(part.attrGet("href"))))
    content = parser.renderer.render(tokens, parser.options, {})
    for shown, instead in REPLACED.items():
        content = content.replace(shown, instead)
    return fill("document.html", title=title, content=Markup(content), links=links, root=root, policy=POLICY)


def anchor(heading: str) -> str:
    """Return what a link to a heading ends in."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def page_name(target: str) -> str:
    """Return the page that a link to a file of markdown beside it leads to; any other link as it is."""
    file, mark, rest = target.partition("#")
    if "://" in target or not file.endswith(".md"):
        return target
    folder, slash, name = file.rpartition("/")
    page = "story.html" if name == "README.md" else f"{name.removesuffix('.md')}.html"
    return f"{folder}{slash}{page}{mark}{rest}"


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
