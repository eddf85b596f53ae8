"""Members by name: network files register them, and listing them imports no torch.

Importing a network file imports torch, which takes seconds. So what the files register is recorded in `catalog.json`
together with a hash of each file. A file that still has its recorded hash is imported only when one of its members is
built; a new or edited file is imported at once. A stale catalogue therefore costs time and never gives a wrong answer;
a test asks that the committed one is fresh (`python -m zoo.catalog` writes it).

Members from outside the package (`include`, and entry points of installed packages) are not in the catalogue: their
modules are imported whenever members are asked for.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from zoo import plugins
from zoo.effective import effective, without_effect
from zoo.errors import ChangesNothing, UnknownName
from zoo.member import Member, Pretrained, load_builder
from zoo.overrides import override
from zoo.recipes import NAMED, Recipe
from zoo.sources import FOLDER, sources
from zoo.variants import FROM_SUITE, VARIANTS, start_part, started_from

if TYPE_CHECKING:
    from zoo.profile import Facts

CATALOG = FOLDER / "catalog.json"
RECIPE_OF_PAPER = "paper"
MOST_PARTS = 20  # of a name behind an @


Builder = TypeVar("Builder", bound=Callable[..., Any])
_registered: dict[tuple[str, str], Member] = {}  # by module and name; two modules may use one name here
_outside: tuple[str, ...] = ()


def register(
    *,
    recipe: Recipe,
    image_size: int,
    reference: str,
    init: str = "scratch",
    paper: Recipe | None = None,
    paper_size: int | None = None,
    pretrained: Pretrained | None = None,
    trees: bool = False,
) -> Callable[[Builder], Builder]:
    """Make the decorated function `build(num_classes, in_chans, image_size) -> nn.Module` a member of the zoo.

    The member has the function's name, and the first line of its docstring as summary. `recipe` and `image_size` are
    this project's own choice. Further members come with it: with `paper`, `name@paper` follows the recipe and the input
    size of the network's publication; with `pretrained`, `name_imagenet` or the like starts from trained weights; with
    `trees`, each of these has a companion `name_xgboost`, which is XGBoost on the features of the same trained network
    (doi:10.3390/math11030776). Raises ValueError where two members share a name.
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
        if pretrained is not None:
            own = f"{summary}, from {pretrained.weights}"
            start = (pretrained.recipe, pretrained.image_size, pretrained.init, reference, own)
            entries.append(Member(key + pretrained.suffix, target, *start, weights=pretrained.weights))
            entries += _as_published(entries[-1], pretrained)
        if trees:
            entries += [_on_features(entry) for entry in entries]
        for entry in entries:
            place = (builder.__module__, entry.name)
            if place in _registered:
                raise ValueError(_twice(entry.name, _registered[place].builder, builder.__module__))
            _registered[place] = entry
        return builder

    return add


def _as_published(member: Member, start: Pretrained) -> list[Member]:
    """Return the fine-tuned member by a publication's recipe and input size; an empty list where there is none."""
    if start.paper is None:
        return []
    name, size = f"{member.name}@{RECIPE_OF_PAPER}", start.paper_size or member.image_size
    summary = f"{member.summary}, by a paper's recipe at {size} pixels"
    return [replace(member, name=name, recipe=start.paper, image_size=size, summary=summary)]


def _on_features(member: Member) -> Member:
    own = f"{member.summary}; XGBoost on its features"
    source = "doi:10.3390/math11030776"
    return replace(member, name=f"{member.name}_xgboost", features_of=member.name, reference=source, summary=own)


def include(sources: Iterable[str]) -> None:
    """Set which files and modules outside the package have members, too; earlier ones are forgotten.

    A source is the path of a .py file or the name of an importable module. It is imported when members are next asked
    for; ValueError comes then where it cannot be.
    """
    global _outside
    if tuple(sources) != _outside:
        _outside = tuple(sources)
        members.cache_clear()


@cache
def members() -> dict[str, Member]:
    """Return every member by name, in registry order: by module, then by place in the file, those from outside last.

    Raises ValueError where two members share a name, a file cannot be imported, or one from outside has no member.
    """
    by_name = _of_the_package()
    for source in dict.fromkeys((*plugins.entry_points(), *_outside)):
        module = plugins.load(source)
        registered = _registered_in(module)
        if not registered:
            advice = "decorate a builder with zoo.registry.register, or call zoo.backbones.backbone"
            raise ValueError(f"{source} registers no member: {advice}")
        for member in registered:
            code = plugins.fingerprint(member.builder.partition(":")[0])
            _add(by_name, _counted_if_it_builds(replace(member, code=code)), source)
    return by_name


def _of_the_package() -> dict[str, Member]:
    recorded = json.loads(CATALOG.read_text()) if CATALOG.exists() else {"sources": {}, "members": []}
    by_name: dict[str, Member] = {}
    for module, fingerprint in sources().items():
        if recorded["sources"].get(module) == fingerprint:
            entries = [entry for entry in recorded["members"] if entry["builder"].startswith(module + ":")]
            registered = [Member(**{**entry, "recipe": Recipe.from_dict(entry["recipe"])}) for entry in entries]
        else:
            registered = [_counted_if_it_builds(member) for member in imported(module)]
        for member in registered:
            _add(by_name, member, module)
    return by_name


def _add(by_name: dict[str, Member], member: Member, source: str) -> None:
    if member.name in by_name:
        raise ValueError(_twice(member.name, by_name[member.name].builder, source))
    by_name[member.name] = member


def _registered_in(module: str) -> list[Member]:
    """Return the members of the module or of a module below it, in the order they were registered."""
    return [member for (place, _), member in _registered.items() if f"{place}.".startswith(f"{module}.")]


def _twice(name: str, first: str, second: str) -> str:
    return f"two members are named {name!r}: one in {first.partition(':')[0]}, one in {second}"


def imported(module: str) -> list[Member]:
    """Import a network file (and with it torch) and return the members it registers.

    Raises ValueError, which names the file, where it cannot be imported.
    """
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever a new file does wrong
        where = (FOLDER.parent / module.replace(".", "/")).with_suffix(".py")
        raise ValueError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
    return _registered_in(module)


def counted(member: Member, note: Callable[[str], None] = lambda text: None) -> Member:
    """Return the member with its parameters and multiply-adds counted.

    `note` is called with the reason where shapes alone did not suffice and the network was built with real weights.
    """
    params, macs, why_real = _facts(member.builder, member.image_size)
    if why_real:
        note(f"{member.name} was counted on a real build, the meta device failed: {why_real}")
    return replace(member, params=params, macs=macs)


@cache
def _facts(builder: str, image_size: int) -> Facts:
    """Count a network once for all members that differ in recipe or initialisation alone."""
    from zoo.profile import count

    return count(lambda: load_builder(builder)(7, 1, image_size), image_size)


def _counted_if_it_builds(member: Member) -> Member:
    try:
        return counted(member)
    except (Exception, SystemExit):  # its training will fail as well, and say why beside the other members' results
        return member


def get(name: str) -> Member:
    """Return the member of that name, such as `vgg_fer` or `vgg_fer@muon@mixup`.

    Behind an @ stands a named recipe (zoo/recipes.py), a variant (zoo/variants.py), or `from_SUITE`, which starts from
    what the member has learnt on another suite (`from_SUITE--OTHER`: what another member has); they are applied from
    left to right. Raises UnknownName with near matches, also for a variant that changes nothing.
    """
    known = members()
    base, _, last = name.rpartition("@")
    if name in known:
        return known[name]
    if not base or name.count("@") > MOST_PARTS:
        raise UnknownName("member", name, known)
    if last in base.split("@")[1:]:
        raise ChangesNothing(name, base, [])
    member = get(base)
    if last in NAMED:
        return replace(member, name=name, recipe=NAMED[last])
    if last in VARIANTS:
        return _varied(member, name)
    if last.startswith(FROM_SUITE) and (start := _started(last, base)):
        return replace(member.starting_from(*start), name=name)
    own = [RECIPE_OF_PAPER] if f"{base}@{RECIPE_OF_PAPER}" in known else []
    raise UnknownName(f"recipe of {base}", last, [*own, *NAMED, *VARIANTS])


def _started(part: str, base: str) -> tuple[str, str] | None:
    """Return the suite and the member that `from_SUITE` of a name means; None for another way to write one, or none."""
    suite, other = started_from(part)
    if not suite or other == base or (other and not is_known(other.partition(":")[0])):
        return None
    return (suite, other or base) if start_part(suite, other) == part else None


def _varied(member: Member, name: str) -> Member:
    """Return the variant of a member that the last part of the name asks for; raise ChangesNothing where it is none."""
    changed = replace(override(member, VARIANTS[name.rpartition("@")[2]]), name=name)
    if effective(changed) == replace(effective(member), name=name):
        idle = without_effect(changed).items()
        raise ChangesNothing(name, member.name, (f"{setting} has no effect, {why}" for setting, why in idle))
    return changed


def with_recipe(member: Member, name: str) -> Member:
    """Return the member of the same network that is trained by another recipe.

    `house` is this project's own, `paper` the publication's; others are the named ones of zoo/recipes.py. Raises
    UnknownName.
    """
    base = member.name.partition("@")[0]
    return get(base if name == "house" else f"{base}@{name}")


def without_one(name: str) -> Iterator[tuple[str, str]]:
    """Yield each part of a name behind an @, the last first, with the name that is left without it."""
    parts = name.split("@")
    for place in range(len(parts) - 1, 0, -1):
        yield parts[place], "@".join(parts[:place] + parts[place + 1 :])


def trained_as(member: Member) -> Member:
    """Return the member whose trained weights this one uses.

    That is itself, unless it differs from another member in `recipe.tta` alone: test-time augmentation has no part in
    training. What a suite or the command line changed in this member is changed in the other, too.
    """
    for _, name in without_one(member.name) if is_known(member.name) else ():
        if is_known(name):
            mine, other = get(member.name), get(name)
            if replace(other, name=mine.name, recipe=replace(other.recipe, tta=mine.recipe.tta)) == mine:
                tta = other.recipe.tta if member.recipe.tta == mine.recipe.tta else member.recipe.tta
                return trained_as(replace(member, name=name, recipe=replace(member.recipe, tta=tta)))
    return member


def is_known(name: str) -> bool:
    """Return whether `get` has a member of that name."""
    try:
        get(name)
    except UnknownName:
        return False
    return True


def select(kind: str, patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the names that match any of the shell wildcards, in their own order.

    Raises UnknownName, with `kind` as the word for what is looked for, where a pattern matches none.
    """
    names, patterns = list(names), list(patterns)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UnknownName(kind, pattern, names)
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
