"""What there is, and what a run would do, as text or JSON; imports no torch."""

from __future__ import annotations

import ast
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ensembles
from benchmarks import suites
from benchmarks.evaluation.models import member_labels
from benchmarks.formats import columns, duration
from zoo import recipes, registry
from zoo.variants import VARIANTS

if TYPE_CHECKING:
    from benchmarks.session import Session


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
        return json.dumps(everything, indent=1)
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
            "recipe": asdict(member.recipe),
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
        {"name": key, "summary": texts.get(names.get(id(recipe), ""), ""), "recipe": asdict(recipe)}
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
    kinds = [ensembles.get(name) for name in ensembles.names()]
    return [{"name": kind.name, "reference": kind.reference, "summary": kind.title} for kind in kinds]


def schedule(session: Session) -> str:
    """What a run would load, train and leave out, with estimates."""
    from benchmarks.execution.tasks import schedule as scheduled  # with it comes all that a run needs

    tasks, notes = scheduled(session)
    external, unusable = session.external_members()
    rows: list[dict[str, Any]] = []
    total = 0.0
    for task in itertools.chain.from_iterable(tasks):
        step = task.step
        action = "load" if step.stored else "train" if step.train else "leave out"
        detail = "stored predictions" if step.stored else step.reason
        estimate = "" if step.stored else duration(step.seconds)
        steps = str(step.execution) if step.train else ""
        rows.append({"member": task.label, "action": action, "estimate": estimate, "steps": steps, "why": detail})
        total += step.seconds if step.train else 0.0
    for label in member_labels(external):
        rows.append(
            {"member": label, "action": "load", "estimate": "", "steps": "", "why": "predictions from elsewhere"}
        )
    what = f"members to train, each in {session.folds} folds" if session.folds > 1 else "members to train"
    count = sum(any(task.step.train for task in row) for row in tasks)
    end = f"{len(session.ensemblers)} ensemblers; {count} {what}, about {duration(total)} by estimate"
    return "\n".join([columns(rows), "", end, *(f"not used: {note}" for note in [*notes, *unusable])])
