"""From a session to what is exported: predictions, weights and images of the model that is named."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks.data import DataError, DataOptions, Dataset
from benchmarks.evaluation.row_classes import split_row_classes
from benchmarks.execution.tasks import complete_members, external_members, schedule
from benchmarks.formats import duration
from benchmarks.publish.export import Job
from benchmarks.publish.facts import facts_of
from benchmarks.publish.release import Board, small_enough
from benchmarks.publish.selection import Chosen, StoredModels, choose
from benchmarks.publish.spec import ModelSpec
from benchmarks.publish.thresholds import calibrate
from benchmarks.publish.trained import TrainedMember, WeightsMissing, load_trained
from benchmarks.results import Results, read_results
from benchmarks.session import Session
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions
from ensembles import softmax
from zoo.overrides import override
from zoo.registry import trained_as

AS_TRAINED = "as-trained"


def stored_models(session: Session) -> StoredModels:
    """Return the models of a suite that have stored predictions, in the order in which ensembles are made of them.

    Raises ValueError for a suite in folds, each of which trains members of its own.
    """
    if len(session.folds) > 1:
        raise ValueError(
            f"{session.suite.title} is scored in {len(session.folds)} folds, each with members of its own: "
            "there is no one model to export"
        )
    rows, _ = schedule(session)
    done = {task.stem: task.step.stored for row in rows for task in row if task.step.stored is not None}
    external, _ = external_members(session)
    everyone, targets = [*complete_members(rows, done, 1)[0], *external[0]], session.folds[0].targets
    predictions, excluded = split_row_classes(everyone, session.suite.extra_labels, targets.val)
    return StoredModels(predictions, excluded, targets)


def trained_members(session: Session, chosen: Chosen) -> list[TrainedMember]:
    """Load the weights of all members of a model.

    Raises WeightsMissing, which names all that are missing, what trains them and for how long.
    """
    found, reasons, missing = [], [], []
    for label, predictions in chosen.models.items():
        try:
            found.append(load_trained(session.checkpoints, predictions, label))
        except WeightsMissing as error:
            reasons.append(str(error))
            missing.append(predictions)
    if reasons:
        raise WeightsMissing("; ".join(reasons) + _how_to_train(session, missing))
    return found


def _how_to_train(session: Session, missing: list[Predictions]) -> str:
    """Say which command trains members anew, and how long that took before; empty where none does."""
    own = {model.configuration: model for model in missing if isinstance(model.configuration, Configuration)}
    if len(own) < len(missing):
        return ""
    owners = {trained_as(configuration.member).name: model for configuration, model in own.items()}
    seconds = sum(float(model.provenance.get("train_seconds") or 0) for model in owners.values())
    seeds = sorted({str(configuration.seed) for configuration in own if configuration.seed})
    options = ["--members", *map(shlex.quote, owners), *(["--seeds", *seeds] if seeds else []), "--train", "always"]
    return (
        f". Train anew, which replaces the predictions, too: python benchmark.py {session.selection} "
        f"{' '.join(options)} (it took {duration(seconds)})"
    )


def images(session: Session, stack: ExitStack, *, needed: bool = False) -> Dataset | None:
    """Open the suite's images until the stack is left; None where there are none, unless they were named or `needed`.

    Raises DataError then, and ValueError where they are not those that the predictions are of.
    """
    fold = session.folds[0]
    try:
        dataset = stack.enter_context(fold.images())
    except DataError:
        if needed or session.options.data != DataOptions():
            raise
        return None
    if dataset.fingerprint != fold.targets.fingerprint:
        raise ValueError(f"the images found are not those that the predictions of {session.suite.title} are of")
    return dataset


def image_shape(members: list[TrainedMember], dataset: Dataset | None) -> tuple[int, int, int]:
    """Return [channels, height, width] of the stored images, of which a file has to make crops.

    Raises ValueError where neither images nor weights say it.
    """
    if dataset is not None:
        channels, height, width = dataset.val.images.shape[1:]
        return channels, height, width
    known = next((one.image_shape for one in members if one.image_shape is not None), None)
    if known is None:
        raise ValueError("the size of the images that the weights were trained on is not known: --data DIR")
    return known


def with_views(
    chosen: Chosen, members: list[TrainedMember], views: str, dataset: Dataset | None
) -> tuple[Chosen, list[TrainedMember]]:
    """Return a member with other views at test time, and what val says of it then.

    Raises ValueError for an ensemble, whose weights are fitted on the views that it has, and without images.
    """
    if chosen.kind == "ensemble":
        raise ValueError(f"--views is for single members: {chosen.title} was fitted on the views of its members")
    if dataset is None:
        raise ValueError("--views needs the images, since calibration is of the views: --data DIR")
    from zoo.inference.predict import predict

    (one,) = members
    changed = override(one.member, [f"recipe.tta={views}"])
    seen = replace(one, configuration=replace(one.configuration, member=changed))
    logits = predict(changed, dict(one.weights), dataset.val.images, one.classes, "cpu")
    title, name = f"{chosen.title}, views: {views}", f"{chosen.name}.{views}"
    return replace(chosen, name=name, title=title, val=softmax(logits)), [seen]


@dataclass(frozen=True)
class Wanted:
    """A model that was chosen, and how it is to be written."""

    job: Job
    chosen: Chosen


def prepare(
    session: Session,
    stack: ExitStack,
    name: str | None,
    form: str,
    weights: str,
    views: str = AS_TRAINED,
    *,
    images_needed: bool = False,
) -> Wanted:
    """Return what is to be written: the model by its name with its weights, and, where they are at hand, the images.

    Raises ValueError and its kinds where the model cannot be had.
    """
    stored = stored_models(session)
    chosen = choose(name, stored, results_of(session))
    members, dataset = trained_members(session, chosen), images(session, stack, needed=images_needed)
    as_measured = views in (AS_TRAINED, members[0].member.recipe.tta)
    if not as_measured:
        chosen, members = with_views(chosen, members, views, dataset)
    targets = stored.targets
    calibration, shape = calibrate(chosen.val, targets.val), image_shape(members, dataset)
    spec = ModelSpec(chosen.name, chosen.title, targets.classes, members, chosen.fitted, calibration, shape)
    facts = facts_of(spec, chosen, session.suite, as_measured=as_measured)
    return Wanted(Job(spec, form, weights, facts, dataset), chosen)


def results_of(session: Session) -> Results:
    """Read what the board says; raises ValueError, with the command that writes it, where there is nothing."""
    return read_results(session.folder / "results.json")


def board_of(session: Session) -> Board:
    """Return what a card reports beside what its model says."""
    origin = session.suite.origin or f"the images of {session.suite.title}"
    return Board(results_of(session), session.folds[0].targets, origin)


def best_small_member(session: Session) -> str:
    """Return the label of the member to be released: of those whose file is small enough, the best on val."""
    rows = small_enough(results_of(session))
    if not rows:
        raise ValueError(f"{session.suite.title} has no member whose file is small enough for a repository: name one")
    return rows[0]["label"]
