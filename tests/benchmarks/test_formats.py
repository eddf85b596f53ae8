"""Text of reports: tables of text, and sources found, called and linked by one table of kinds."""

from __future__ import annotations

import pytest

from benchmarks.formats import ADDRESSES, aligned, cited, columns, linked


def test_every_source_that_is_cited_is_also_linked():
    text = "arXiv:1307.0414; DOI:10.1109/a.2017,277; IEEE 9411919; github a-b/C.d; github a/b issue 6"
    sources = cited(text)
    assert [source.kind for source in sources] == [*ADDRESSES, "github"]
    written = linked(text) or ""
    assert all(f"]({source.address}" in written for source in sources)
    assert "[b issue 6](https://github.com/a/b/issues/6)" in written and "[DOI:10.1109/a.2017](" in written


@pytest.mark.parametrize("words", ["CVPRW 2016", "arXiv 2016", "github", ""])
def test_words_without_an_id_stay_words(words: str):
    assert cited(words) == [] and linked(words) == words


def test_columns_of_text_are_aligned_and_end_without_spaces():
    assert aligned([("name", "images"), ("a", 12345), ("longer", None)], right={1}) == (
        "name    images\na       12,345\nlonger       -"
    )
    assert columns([{"x": "a", "y": "b"}, {"x": "cc", "y": ""}]) == "x   y\na   b\ncc"
