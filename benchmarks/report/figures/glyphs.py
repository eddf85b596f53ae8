"""Which characters the figures can show, and what stands for those that no font of this machine has.

DejaVu Sans comes with matplotlib and knows Latin, Greek, Cyrillic, Arabic and Hebrew. Names of classes in other scripts
need a font that is installed; a box in place of every character would make all of them look the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from benchmarks.text import texts_in

MAIN = "DejaVu Sans"
FALLBACKS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR",
    "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "PingFang SC", "Hiragino Sans", "Microsoft YaHei",
    "Yu Gothic", "Malgun Gothic", "Apple SD Gothic Neo", "Noto Sans Devanagari", "Lohit Devanagari", "Nirmala UI",
    "Kohinoor Devanagari", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Thai", "Leelawadee UI", "Noto Emoji",
    "Segoe UI Symbol", "Symbola", "Arial Unicode MS", "Unifont",
)  # fmt: skip
"""Families that systems bring for other scripts, the usual ones first."""

Part = TypeVar("Part")


@cache
def families() -> tuple[str, ...]:
    """Return the font families that text is drawn with: each is asked for what those before it lack."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return (MAIN, *(name for name in FALLBACKS if name in installed))


def missing(value: Any) -> set[str]:
    """Return the characters anywhere in nested lists and dicts of results that no family has."""
    return {character for text in texts_in(value) for character in text if not _known(character)}


def drawable(value: Part) -> Part:
    """Return results with every character that no family has written as its code point, such as <9AD8>."""
    if isinstance(value, str):
        if value.isascii():
            return value
        shown = "".join(character if _known(character) else f"<{ord(character):X}>" for character in value)
        return shown  # type: ignore[return-value]
    if isinstance(value, dict):
        return {drawable(key): drawable(part) for key, part in value.items()}  # type: ignore[return-value]
    if isinstance(value, list):
        return [drawable(part) for part in value]  # type: ignore[return-value]
    return value


def _known(character: str) -> bool:
    return character.isascii() or any(ord(character) in _characters(family) for family in families())


@cache
def _characters(family: str) -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family=family))).get_charmap())
