"""The zoo's own layout: which of its rooms may import which, and that no modules import each other in a circle."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "zoo").rglob("*.py"))
}

MAY_IMPORT = {
    # what a member is; none of it needs torch before a network is built
    "errors": set(),
    "recipes": set(),
    "variants": set(),
    "sources": set(),
    "plugins": {"errors"},
    "member": {"recipes", "multitask"},
    "overrides": {"errors", "member", "recipes"},
    "effective": {"member", "recipes", "training"},
    "registry": {"effective", "errors", "member", "overrides", "plugins", "profile", "recipes", "sources", "variants"},
    "catalog": {"member", "registry", "sources"},
    # networks, and what is known of any of them
    "outputs": set(),
    "structure": {"outputs"},
    "state_dicts": set(),
    "sealed": set(),
    "multitask": {"outputs", "structure"},
    "profile": set(),
    "networks": {"member", "outputs", "pretrained", "recipes", "registry"},
    "backbones": {"member", "recipes", "registry"},
    # what is done with them: training evaluates by inference, and starts from trained weights
    "cpu": set(),
    "gpu": set(),
    "winograd": set(),
    "inference": {
        "cpu",
        "errors",
        "gpu",
        "member",
        "outputs",
        "recipes",
        "state_dicts",
        "structure",
        "use",
        "winograd",
    },
    "pretrained": {"errors", "member", "multitask", "sealed", "state_dicts", "structure"},
    "training": {
        "cpu",
        "gpu",
        "errors",
        "inference",
        "member",
        "outputs",
        "pretrained",
        "recipes",
        "sealed",
        "state_dicts",
        "structure",
        "winograd",
    },
    # models inside packages of others
    "tools": {"networks", "pretrained"},
    "models": {"member", "pretrained", "registry"},
    # the released model on pictures: numpy, Pillow and onnxruntime alone
    "use": {"pretrained"},
    # trees on features of a trained network; the one kind of member whose classifier torch does not train
    "feature_boosting": set(),
}
"""A room is a folder of zoo/ or a module at its top; imports inside functions and for types count, too."""


def imports(module: str) -> set[str]:
    """The modules of the zoo that one imports anywhere, also inside functions and for types alone."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            named |= inner & FILES.keys() or {node.module}
    return named & FILES.keys() - {module}


def room(module: str) -> str:
    """`training` of `zoo.training.loop`, `registry` of `zoo.registry`."""
    return module.split(".")[1]


GRAPH = {module: imports(module) for module in FILES if module != "zoo"}


@pytest.mark.parametrize("module", GRAPH)
def test_a_room_imports_what_the_table_allows(module: str):
    own = room(module)
    assert {room(other) for other in GRAPH[module] if other != "zoo"} - {own} <= MAY_IMPORT[own]


def test_the_table_names_every_room_and_allows_nothing_that_is_not_used():
    used: dict[str, set[str]] = {room(module): set() for module in GRAPH}
    for module, others in GRAPH.items():
        used[room(module)] |= {room(other) for other in others} - {room(module)}
    assert used == MAY_IMPORT


def test_neither_rooms_nor_modules_import_each_other_in_a_circle():
    TopologicalSorter(MAY_IMPORT).prepare()  # raises CycleError, which names the circle
    TopologicalSorter(GRAPH).prepare()


TORCH_FREE = (
    "models",
    "errors",
    "recipes",
    "variants",
    "sources",
    "plugins",
    "member",
    "overrides",
    "effective",
    "registry",
)


@pytest.mark.parametrize("module", TORCH_FREE)
def test_what_lists_members_imports_no_torch_at_once(module: str):
    assert not imported_at_once(f"zoo.{module}") & {"torch", "timm", "torchvision"}


@pytest.mark.parametrize("module", [module for module in GRAPH if room(module) != "networks"])
def test_what_trains_a_network_without_timm_imports_none_at_once(module: str):
    """Its import takes half as long as torch's; scikit-learn's is for folds alone."""
    assert not imported_at_once(module) & {"timm", "torchvision", "sklearn"}


def imported_at_once(module: str) -> set[str]:
    """Top packages that importing the module imports."""
    return {
        name.partition(".")[0]
        for node in ast.parse(FILES[module].read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
