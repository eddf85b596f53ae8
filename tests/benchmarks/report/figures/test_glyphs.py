"""Names in any script: no mathematics in dollars, no boxes, no warnings, and two names never look the same."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.report import figures
from benchmarks.report.figures import glyphs
from benchmarks.report.figures.style import styled
from benchmarks.store.targets import Targets
from tests.helpers.evaluated import evaluated
from tests.helpers.results import blank_results

CHINESE = ("高兴", "悲伤")
NAMES = ("$x^2$", "costs $5 or $6", r"$\frac{", "a_b^c", *CHINESE, "\N{GRINNING FACE}")


@pytest.fixture
def only_dejavu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without fonts for other scripts."""
    monkeypatch.setattr(glyphs, "FALLBACKS", ())
    glyphs.families.cache_clear()
    yield
    glyphs.families.cache_clear()


def test_what_matplotlib_brings_is_drawn_as_it_is(only_dejavu: None):
    names = ["Fröhlich", "злость", "χαρά", "غضب", "a…b", "±"]
    assert glyphs.drawable(names) == names
    assert glyphs.missing(names) == set()


def test_characters_without_a_font_are_told_apart(only_dejavu: None):
    assert glyphs.drawable({"classes": ["高", "兴"], "n": 3}) == {"classes": ["<9AD8>", "<5174>"], "n": 3}
    assert glyphs.drawable("\N{GRINNING FACE}") == "\N{GRINNING FACE}" or glyphs.missing("\N{GRINNING FACE}")
    assert glyphs.missing([{"高": "a"}]) == {"高"}


def test_an_installed_font_is_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(glyphs, "FALLBACKS", ("Not There", "STIXGeneral"))  # the second comes with matplotlib
    glyphs.families.cache_clear()
    try:
        assert glyphs.families() == (glyphs.MAIN, "STIXGeneral")
    finally:
        glyphs.families.cache_clear()


def test_the_note_says_what_is_not_shown_and_what_helps(only_dejavu: None):
    found = figures.lacking_fonts(blank_results(classes=["happy", *CHINESE]))
    assert found is not None and "4 characters" in found and "Noto Sans" in found
    assert figures.lacking_fonts(blank_results(classes=["happy", "$x$"])) is None


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Results of classes with names of every kind."""
    random = np.random.default_rng(0)
    targets = Targets(random.integers(0, 7, 120), random.integers(0, 7, 150), "c" * 32, NAMES, train_size=200)
    return evaluated(tmp_path_factory.mktemp("named"), targets, ("vgg_fer", 0, 2.0), ("resnet18", 0, 1.5))


def test_every_figure_is_drawn_without_a_warning(named: Any, only_dejavu: None, tmp_path: Path):
    results = copy.deepcopy(named)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert figures.draw(results, tmp_path)


def test_dollars_stand_in_the_figure_as_they_are_typed(named: Any):
    from matplotlib.text import Text

    chart = figures.charts(glyphs.drawable(named))["class_scores"]
    assert chart is not None
    with styled():
        texts = {text.get_text(): text for text in chart.draw().findobj(Text) if isinstance(text, Text)}
    assert {"$x^2$", "costs $5 or $6"} <= set(texts)
    assert not texts["$x^2$"].get_parse_math()
