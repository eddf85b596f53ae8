"""Templates filled in, all data escaped, style and scripts put inside: one file that asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmarks.formats import bounds, count, duration, interval, linked, milliseconds, p_value, percent, points
from benchmarks.text import printable

TEMPLATES = Path(__file__).parent / "templates"
LINK = re.compile(r"\[([^\]]+)\]\((https://\S+?)\)(?=[\s;,]|$)")  # as `linked` writes them; a DOI may hold brackets


def render(template: str, *scripts: str, **context: Any) -> str:
    """Return a whole page.

    `scripts` are files run at its end; the one that sets the theme runs before anything is drawn.
    """
    theme, *rest = (_asset(name) for name in ("theme.js", *scripts))
    style, policy = _asset("frame.css") + _asset("style.css"), _policy(theme, *rest)
    return fill(template, style=style, theme=theme, scripts=rest, policy=policy, **context)


def fill(template: str, **context: Any) -> str:
    """Return a part of a page, or all of it. What is no Markup is escaped, and what is not seen is spelled out: a
    letter that turns the direction of reading would turn all that follows."""
    return _environment().get_template(template).render(**context)


def _policy(*scripts: str) -> str:
    """Return a content security policy: these scripts run and no other, nothing is loaded from outside."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}; "
        "base-uri 'none'; form-action 'none'"
    )


def links(source: str) -> Markup:
    """Return a reference with its arXiv, DOI and GitHub ids as links, all else escaped."""
    pieces = LINK.split(printable(linked(source) or ""))
    texts, labels, targets = pieces[::3], pieces[1::3], pieces[2::3]
    whole = escape(texts[0])
    for label, target, text in zip(labels, targets, texts[1:], strict=True):
        whole += Markup('<a href="{}" rel="noreferrer">{}</a>{}').format(target, label, text)
    return whole


def _seen(value: Any) -> Any:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _asset(name: str) -> Markup:
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_seen,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for shown in (bounds, count, duration, interval, milliseconds, p_value, percent, points, links):
        environment.filters[shown.__name__] = shown
    return environment
