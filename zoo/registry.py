"""Members by name. A network file registers itself; listing the zoo reads recorded facts and imports no torch.

Importing a network file costs an import of torch (seconds), so what the registrations say is recorded in
`catalog.json` together with a hash of each file. A file that still has its recorded hash is not imported until one of
its members is built; a new or edited file is imported and speaks for itself. A stale catalogue therefore costs time,
never truth, and a test asks that the committed one is fresh (`python -m zoo.catalog` records it anew).
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.recipes import NAMED, Recipe

if TYPE_CHECKING:
    from torch import nn

FOLDER = Path(__file__).parent
CATALOG = FOLDER / "catalog.json"
RECIPE_OF_PAPER = "paper"


class UnknownName(ValueError):
    """A name or pattern that matches nothing; the message lists the nearest ones."""

    def __init__(self, kind: str, wanted: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(wanted, names, n=4, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"no {kind} matches {wanted!r}: {hint}")


@dataclass(frozen=True)
class Member:
    """One trained network of the zoo, but for its seed: architecture, recipe and initialisation.

    `params` and `macs` (multiply-adds an image) are counted at 7 classes and one input channel.
    """

    name: str
    builder: str  # "module:function", imported when the network is built
    recipe: Recipe
    image_size: int
    init: str
    reference: str  # id of the paper the network comes from
    summary: str
    params: int | None = None
    macs: int | None = None

    def build(self, num_classes: int, in_chans: int) -> nn.Module:
        """The network: float [B, in_chans, image_size, image_size] to logits [B, num_classes]."""
        module = importlib.import_module(self.builder.partition(":")[0])
        build: Callable[..., nn.Module] = getattr(module, self.builder.partition(":")[2])
        return build(num_classes, in_chans, self.image_size)

    def identity(self) -> dict[str, Any]:
        """What makes this member this member; with seed and data it decides the configuration hash."""
        facts = asdict(self)
        return {key: facts[key] for key in ("name", "recipe", "image_size", "init", "params")}

    def with_recipe(self, name: str) -> Member:
        """The same network by another recipe: `house`, `paper`, or a named one of zoo/recipes.py; UnknownName."""
        base = self.name.partition("@")[0]
        return get(base if name == "house" else f"{base}@{name}")


Builder = TypeVar("Builder", bound=Callable[..., Any])
_registered: dict[str, Member] = {}


def register(
    *,
    recipe: Recipe,
    image_size: int,
    reference: str,
    init: str = "scratch",
    paper: Recipe | None = None,
    paper_size: int | None = None,
) -> Callable[[Builder], Builder]:
    """Decorator for `build(num_classes, in_chans, image_size) -> nn.Module`; the docstring's first line is the summary.

    `recipe` and `image_size` are this project's; with `paper`, a second member `name@paper` follows the recipe and the
    input size of the network's own publication. Raises ValueError where two members share a name.
    """

    def add(builder: Builder) -> Builder:
        key = builder.__name__
        summary = (builder.__doc__ or "").strip().partition("\n")[0]
        target = f"{builder.__module__}:{builder.__name__}"
        entries = [Member(key, target, recipe, image_size, init, reference, summary)]
        if paper is not None:
            own = f"{summary}, by its paper's recipe"
            entries.append(
                Member(f"{key}@{RECIPE_OF_PAPER}", target, paper, paper_size or image_size, init, reference, own)
            )
        for entry in entries:
            if entry.name in _registered:
                raise ValueError(_twice(entry.name, _registered[entry.name].builder, builder.__module__))
            _registered[entry.name] = entry
        return builder

    return add


def sources() -> dict[str, str]:
    """Module name to a hash of all that its registrations depend on: the file, the recipes, and what it imports."""
    files = [FOLDER / "backbones.py", *sorted((FOLDER / "networks").glob("[!_]*.py"))]
    return {
        ".".join(file.relative_to(FOLDER.parent).with_suffix("").parts): hashlib.sha256(_text(file)).hexdigest()[:16]
        for file in files
    }


def _text(file: Path) -> bytes:
    """The file and, after it, the recipes and networks that it imports, and so on."""
    text = file.read_bytes()
    imported_here = re.findall(rb"^from zoo\.(recipes|networks\.\w+) import", text, re.MULTILINE)
    return text + b"".join(
        _text((FOLDER / name.decode().replace(".", "/")).with_suffix(".py")) for name in imported_here
    )


@cache
def members() -> dict[str, Member]:
    """Every member by name, in registry order: by module, then as the file has them."""
    recorded = json.loads(CATALOG.read_text()) if CATALOG.exists() else {"sources": {}, "members": []}
    found: dict[str, Member] = {}
    for module, fingerprint in sources().items():
        if recorded["sources"].get(module) == fingerprint:
            entries = [entry for entry in recorded["members"] if entry["builder"].startswith(module + ":")]
            here = [Member(**{**entry, "recipe": Recipe.from_dict(entry["recipe"])}) for entry in entries]
        else:
            here = [_counted_if_it_builds(member) for member in imported(module)]
        for member in here:
            if member.name in found:
                raise ValueError(_twice(member.name, found[member.name].builder, module))
            found[member.name] = member
    return found


def _twice(name: str, first: str, second: str) -> str:
    return f"two members are named {name!r}: one in {first.partition(':')[0]}, one in {second}"


def imported(module: str) -> list[Member]:
    """The members a network file registers, by importing it (and with it, torch).

    Raises ValueError naming the file where it cannot be imported.
    """
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever a new file does wrong
        where = (FOLDER.parent / module.replace(".", "/")).with_suffix(".py")
        raise ValueError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
    return [member for member in _registered.values() if member.builder.startswith(module + ":")]


def counted(member: Member) -> Member:
    """The member with parameters and multiply-adds, by building its network."""
    from zoo.facts import count

    params, macs = count(member.build(num_classes=7, in_chans=1), member.image_size)
    return replace(member, params=params, macs=macs)


def _counted_if_it_builds(member: Member) -> Member:
    try:
        return counted(member)
    except Exception:  # its training will fail as well, and say why beside the other members' results
        return member


def get(name: str) -> Member:
    """The member of that name, or of `member@recipe` for a named recipe; raises UnknownName with near matches."""
    known = members()
    base, _, recipe = name.partition("@")
    if name in known:
        return known[name]
    if recipe and base in known:
        if recipe not in NAMED:
            own = [RECIPE_OF_PAPER] if f"{base}@{RECIPE_OF_PAPER}" in known else []
            raise UnknownName(f"recipe of {base}", recipe, [*own, *NAMED])
        return replace(known[base], name=name, recipe=NAMED[recipe])
    raise UnknownName("member", name, known)


def is_known(name: str) -> bool:
    """Whether `get` has a member of that name."""
    try:
        get(name)
    except UnknownName:
        return False
    return True


def select(kind: str, patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """The names that match any pattern (shell wildcards), in their own order; UnknownName where a pattern has none."""
    names, patterns = list(names), list(patterns)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UnknownName(kind, pattern, names)
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
