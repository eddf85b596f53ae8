"""The rules of the layout: imports run one way, heavy libraries are imported late, and nothing unpickles a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
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
ROOMS = {
    "text": (),
    "files": (),
    "digests": (),
    "formats": ("text",),
    "provenance": (),
    "processes": (),
    "shapes": ("files",),
    "results": ("formats", "files", "shapes"),
    "data": ("text", "files", "provenance", "zoo", "ensembles"),
    "suites": ("data", "results", "zoo"),
    "store": ("data", "results", "files", "shapes", "zoo"),
    "report": ("results", "formats", "files", "digests", "processes"),
    "fold": ("suites", "store"),
    "session": ("fold", "suites", "store", "zoo", "ensembles"),
    "evaluation": ("store", "suites", "results", "digests", "processes", "ensembles"),
    "external": ("session", "store", "evaluation"),
    "execution": ("session", "store", "zoo", "digests"),
    "publish": ("evaluation", "store", "suites", "results", "report", "files", "zoo", "ensembles"),
    "rerun": ("session", "evaluation", "results", "files", "digests"),
    "pipeline": ("session", "external", "execution", "evaluation", "report", "rerun"),
    "commands": ("pipeline", "publish"),
    "speed": ("pipeline", "publish"),
    "__init__": ("pipeline",),
}
"""A room of benchmarks/ (a file or a folder) and the rooms and packages it may import, with all that those may."""


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


def module_of(path: Path) -> str:
    """The dotted name that imports the file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in SOURCES}


@cache
def graph() -> dict[str, set[str]]:
    """For each module the modules of ours that it imports: at once, inside functions or for type checking."""
    return {module: set(imported_modules(parse(path))) - {module} for module, path in MODULES.items()}


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Modules of ours imported anywhere below a node; `from package import module` is an import of the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in MODULES else node.module for name in names)


def room_of(module: str) -> str:
    """The room of a module of benchmarks; of other modules the package."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] or "__init__" if package == "benchmarks" else package


def allowed(room: str) -> set[str]:
    """All that a room may import, directly or by what it imports."""
    return {further for name in ROOMS.get(room, ()) for further in {name, *allowed(name)}}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_run_one_way(path: Path):
    top = {name.partition(".")[0] for name in imported(parse(path))}
    package = path.relative_to(ROOT).parts[0]
    assert not top & FORBIDDEN.get(package, set())


def test_rooms_import_only_the_rooms_below_them():
    found = {
        f"{module} -> {other}"
        for module, others in graph().items()
        for other in others
        if module.startswith("benchmarks") and room_of(other) not in {room_of(module), *allowed(room_of(module))}
    }
    assert found == set()


def test_every_room_is_in_the_table_and_the_table_has_no_circle():
    assert {room_of(module) for module in MODULES if module.startswith("benchmarks")} <= set(ROOMS)
    assert all(room not in allowed(room) for room in ROOMS)


def test_no_modules_import_each_other():
    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            new = graph()[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    reach = {module: reached(module) for module in MODULES}
    circles = {
        frozenset(other for other in reach if other in reach[module] and module in reach[other]) for module in reach
    }
    assert not {circle for circle in circles if circle}


@pytest.mark.parametrize("path", [ROOT / "benchmark.py"], ids=name_of)
def test_the_command_line_imports_only_the_standard_library_at_once(path: Path):
    assert imported_at_once(parse(path)) <= {"__future__", "os", "sys"}


TIMERS = ("input_pipeline", "training", "inference", "side_by_side", "roofline", "ceilings", "operators", "designs")
TIMES_TORCH = {ROOT / "benchmarks" / "speed" / f"{name}.py" for name in TIMERS}
"""Programs of their own, which time what torch does; nothing but each other imports them."""
MODULES_OF_TORCH = {ROOT / "benchmarks" / "publish" / f"{name}.py" for name in ("graph", "combination")}
"""What an exported file computes, as torch modules; the rest of the project imports them inside functions."""


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in SOURCES
        if path.relative_to(ROOT).parts[0] != "zoo" and path not in TIMES_TORCH | MODULES_OF_TORCH
    ],
    ids=name_of,
)
def test_torch_is_imported_at_once_in_the_zoo_alone(path: Path):
    assert not imported_at_once(parse(path)) & HEAVY


@pytest.mark.parametrize("path", sorted(set(SOURCES) - MODULES_OF_TORCH), ids=name_of)
def test_torch_modules_of_exported_files_are_imported_late(path: Path):
    tree = parse(path)
    at_once = ast.Module([node for node in tree.body if not _deferred(node)], [])
    assert not {module_of(late) for late in MODULES_OF_TORCH} & set(imported(at_once))


@pytest.mark.parametrize(
    "module",
    [
        "zoo/registry.py",
        "zoo/plugins.py",
        "zoo/sources.py",
        "zoo/recipes.py",
        "zoo/training/schedule.py",
        "zoo/training/job.py",
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


def test_the_graph_sees_modules_behind_from_imports_and_type_checking():
    tree = ast.parse("if TYPE_CHECKING:\n    from benchmarks import pipeline\nfrom benchmarks.session import Session\n")
    assert set(imported_modules(tree)) == {"benchmarks.pipeline", "benchmarks.session"}
    assert "benchmarks.session" in graph()["benchmarks.pipeline"]
    assert allowed("report") == {"results", "formats", "files", "digests", "processes", "shapes", "text"}
