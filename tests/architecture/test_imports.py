"""The rules of the layout: imports run one way, heavy libraries are imported late, and nothing unpickles a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("zoo", "ensembles", "benchmarks")
SOURCES = [ROOT / "benchmark.py", *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))]
FORBIDDEN = {
    "zoo": {"ensembles", "benchmarks", "benchmark"},
    "ensembles": {"zoo", "benchmarks", "benchmark", "torch", "timm", "torchvision"},
    "benchmarks": {"benchmark"},
}
HEAVY = {"torch", "timm", "torchvision", "pytorch_optimizer"}


def imported(tree: ast.AST) -> Iterator[str]:
    """Modules imported anywhere below a node, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import hides where it leads"
            yield node.module or ""


def imported_at_once(tree: ast.Module) -> set[str]:
    """Top packages that importing the file imports: neither in functions nor under TYPE_CHECKING."""
    return {name.partition(".")[0] for node in tree.body if not _deferred(node) for name in imported(node)}


def _deferred(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.dump(node.test)
    return isinstance(node, ast.FunctionDef | ast.ClassDef)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_run_one_way(path: Path):
    top = {name.partition(".")[0] for name in imported(parse(path))}
    package = path.relative_to(ROOT).parts[0]
    assert not top & FORBIDDEN.get(package, set())


@pytest.mark.parametrize("path", [ROOT / "benchmark.py"], ids=name_of)
def test_the_command_line_imports_only_the_standard_library_at_once(path: Path):
    assert imported_at_once(parse(path)) <= {"__future__", "argparse", "sys", "pathlib"}


TIMERS = ("input_pipeline", "training", "inference", "side_by_side", "roofline", "ceilings", "operators", "designs")
TIMES_TORCH = {ROOT / "benchmarks" / "speed" / f"{name}.py" for name in TIMERS}
"""Programs of their own, which time what torch does; nothing but each other imports them."""


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.relative_to(ROOT).parts[0] != "zoo" and path not in TIMES_TORCH],
    ids=name_of,
)
def test_torch_is_imported_at_once_in_the_zoo_alone(path: Path):
    assert not imported_at_once(parse(path)) & HEAVY


@pytest.mark.parametrize(
    "module",
    [
        "zoo/registry.py",
        "zoo/plugins.py",
        "zoo/sources.py",
        "zoo/recipes.py",
        "zoo/training/schedule.py",
        "zoo/__init__.py",
    ],
)
def test_what_lists_the_zoo_imports_no_torch(module: str):
    assert not imported_at_once(parse(ROOT / module)) & HEAVY


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_unpickles(path: Path):
    tree = parse(path)
    assert not {"pickle", "cPickle", "dill", "cloudpickle", "shelve"} & set(imported(tree))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called, options = ast.unparse(call.func), {key.arg: ast.unparse(key.value) for key in call.keywords}
        assert called not in {"joblib.load", "joblib.dump", "pd.read_pickle", "pandas.read_pickle"}
        assert options.get("allow_pickle", "False") == "False"
        if called == "torch.load":
            assert options.get("weights_only") == "True"


def test_the_scan_sees_an_import_inside_a_function_and_a_bare_load():
    tree = ast.parse("def f():\n    from benchmarks.data import Split\n    import torch.nn\n")
    assert set(imported(tree)) == {"benchmarks.data", "torch.nn"}
    assert imported_at_once(tree) == set()
