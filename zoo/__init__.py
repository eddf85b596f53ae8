"""The model zoo: networks for facial expressions, the recipes they are trained by, their training and prediction.

    import zoo

    zoo.list_models("vgg_fer*")  # names of members
    network = zoo.create_model("vgg_fer", num_classes=7)  # a torch.nn.Module
    member = zoo.get("vgg_fer@muon")  # what is known of a member: recipe, image size, parameters

`zoo.register` makes a function that builds a network a member; zoo/README.md shows how.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.member import Member
    from zoo.models import create_model, list_models
    from zoo.recipes import Recipe
    from zoo.registry import get, register

__all__ = ["Member", "Recipe", "create_model", "get", "list_models", "register"]

_HOME = {
    "Member": "member",
    "Recipe": "recipes",
    "create_model": "models",
    "get": "registry",
    "list_models": "models",
    "register": "registry",
}
"""The module of each name; it is imported when the name is first used, so that `import zoo` costs nothing."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"zoo.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
