"""Show suites, members, recipes, variants and ensemblers: `python benchmark.py list --json`.

It imports no torch: the members are those of the recorded catalogue.
"""

from __future__ import annotations

import ast
import itertools
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ensembles
from benchmarks import suites
from benchmarks.commands.options import add_options
from benchmarks.formats import columns
from benchmarks.results.gains import evidence, gain
from benchmarks.session import usual_results
from zoo import recipes, registry
from zoo.variants import VARIANTS


def arguments(parser: ArgumentParser) -> None:
    """Add what a list takes."""
    add_options(parser, ("--zoo", "--json"))


def execute(arguments: Namespace) -> None:
    """Print the list."""
    print(catalogue(as_json=arguments.json, zoo=vars(arguments).get("zoo", ())))


def catalogue(as_json: bool, zoo: Sequence[str] = ()) -> str:
    """Suites, members (`zoo` names files with further ones), named recipes, variants and ensemblers.

    The JSON has all facts; what does not fit into a line, such as a member's recipe, is left out of the text.
    """
    registry.include(zoo)
    everything = {
        "suites": _suites(),
        "members": _members(),
        "recipes": _recipes(),
        "variants": _variants(),
        "ensemblers": _ensemblers(),
    }
    if as_json:
        return json.dumps(everything, indent=1, default=asdict)  # of a recipe
    tables = (f"{title}\n{columns([_short(row) for row in rows])}" for title, rows in everything.items())
    return "\n\n".join(tables)


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("recipe", "weights")}


def _suites() -> list[dict[str, Any]]:
    return [
        {"name": suite.name, "members": len(suite.members), "summary": suite.summary}
        for suite in suites.suites().values()
    ]


def _members() -> list[dict[str, Any]]:
    """Parameters and multiply-adds at 7 classes and one input channel."""
    return [
        {
            "name": member.name,
            "params": member.params,
            "macs": member.macs,
            "init": member.init,
            "weights": member.weights or "random",
            "image_size": member.image_size,
            "batch": member.recipe.batch_size,
            "recipe": member.recipe,
            "reference": member.reference,
            "summary": member.summary,
        }
        for member in registry.members().values()
    ]


def _recipes() -> list[dict[str, Any]]:
    """The named recipes; each is summed up by the first line of the text below it in zoo/recipes.py."""
    texts = _texts_of_constants(Path(recipes.__file__).read_text())
    names = {id(value): name for name, value in vars(recipes).items() if isinstance(value, recipes.Recipe)}
    return [
        {"name": key, "summary": texts.get(names.get(id(recipe), ""), ""), "recipe": recipe}
        for key, recipe in recipes.NAMED.items()
    ]


def _variants() -> list[dict[str, Any]]:
    """What may stand behind the @ of a member beside a recipe's name, and what it changes."""
    return [{"name": name, "changes": " ".join(changes)} for name, changes in VARIANTS.items()]


def _texts_of_constants(source: str) -> dict[str, str]:
    """For each `NAME = ...` that a string follows, as documentation tools read it, the string's first line."""
    found = {}
    for before, after in itertools.pairwise(ast.parse(source).body):
        match before, after:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = text.partition("\n")[0].rstrip(".")
    return found


def _ensemblers() -> list[dict[str, Any]]:
    """`evidence` is the largest gain over the floors on any suite here, held out on val, or that there is none."""
    kinds, known = [ensembles.get(name) for name in ensembles.names()], _known_results()
    return [
        {"name": kind.name, "reference": kind.reference, "summary": kind.title, "evidence": _evidence(kind.name, known)}
        for kind in kinds
    ]


def _evidence(name: str, known: Sequence[Any]) -> str:
    gains = {results["suite"]: found for results in known if (found := gain(name, results)) is not None}
    return evidence(gains)


def _known_results() -> list[Any]:
    """Read what suites have reported here, but for rehearsals; what cannot be read is passed over.

    The types of the whole are not checked, which takes ten times as long as reading: gains are asked for once instead.
    """
    found = []
    for path in sorted(usual_results().glob("*/results.json")):
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
            if not results["rehearsal"]:
                found += [results] if [gain(row["name"], results) for row in results["ensembles"]] else []
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return found
