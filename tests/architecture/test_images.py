"""Images are opened in one place alone, which names the formats that it takes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.test_imports import ROOT, SOURCES, name_of, parse

HOME = ROOT / "zoo" / "use" / "encoded.py"
OPENERS = ("Image.open", "ImageFile.Parser", ".imread", ".imdecode")


def calls(tree: ast.AST) -> list[ast.Call]:
    """Calls of what decodes an image."""
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call for call in found if ast.unparse(call.func).endswith(OPENERS)]


@pytest.mark.parametrize("path", sorted(set(SOURCES) - {HOME}), ids=name_of)
def test_no_other_file_opens_images(path: Path):
    assert calls(parse(path)) == []


def test_the_one_place_names_its_formats():
    (call,) = calls(parse(HOME))
    assert "formats" in {keyword.arg for keyword in call.keywords}


def test_the_scan_sees_a_bare_open():
    assert calls(ast.parse("import PIL.Image\nwith PIL.Image.open(path) as image:\n    pass\n"))


@pytest.mark.parametrize("kind", ["FILES", "PICTURES"])
def test_no_reader_takes_a_format_that_starts_a_program(kind: str):
    from zoo.use import encoded

    assert not {"EPS", "PS", "PDF", "WMF", "EMF"} & set(getattr(encoded, kind))
