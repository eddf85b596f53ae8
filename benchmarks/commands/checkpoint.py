"""Predict with weights that an author published: `python benchmark.py checkpoint resnet18 theirs.pth --data DIR`.

What they say of val and test is written as a file that `check` judges and `add` takes; no code of theirs runs.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from benchmarks.commands.options import suite_arguments

NOTE = "a published checkpoint, scored with the zoo's network; its training is not known"


def arguments(parser: ArgumentParser) -> None:
    """Add whose network it is, the weights, and what the author's columns mean."""
    parser.add_argument("member", metavar="MEMBER", help="the zoo's name of the network")
    parser.add_argument("file", metavar="FILE", type=Path, help="the author's weights: a state dict of torch")
    parser.add_argument(
        "--class-order", metavar="A,B,...", help="classes of the author's columns (default: the suite's)"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="where to write (default: FILE with .npz for its ending)"
    )
    suite_arguments(parser, "--device")


def execute(arguments: Namespace) -> None:
    """Match the weights, predict, write, and say what comes next."""
    import numpy as np

    from benchmarks.execution.batch_mates import check_batch_mates
    from benchmarks.results import CHECKPOINT
    from benchmarks.session import Session, options_from
    from zoo import registry
    from zoo.inference.predict import predict
    from zoo.pretrained.authors import as_ours
    from zoo.pretrained.checkpoints import matched, read_checkpoint

    if not arguments.file.is_file():
        raise ValueError(f"{arguments.file}: there is no such file")
    session = Session(options_from(arguments))
    member, device = registry.get(arguments.member), session.device
    with session.folds[0].images() as dataset:
        classes = _classes(arguments.class_order, dataset.classes)
        network = member.build(len(classes), dataset.train.images.shape[1])
        theirs = read_checkpoint(arguments.file)
        try:
            weights = matched(as_ours(member.name, theirs), network.state_dict())
        except ValueError as error:
            raise ValueError(f"{arguments.file.name} does not fit {member.name}: {error}") from error
        arrays: dict[str, Any] = {}
        for name, split in (("val", dataset.val), ("test", dataset.test)):
            arrays[name] = predict(member, weights, split.images, len(classes), device)
            if split.rows is not None:
                arrays[f"{name}_ids"] = split.rows
        check_batch_mates(member, weights, dataset.val.images, arrays["val"], device)
    out = arguments.out or arguments.file.with_suffix(".npz")
    with out.open("wb") as file:
        np.savez(file, classes=np.array(classes), row_class=np.array([CHECKPOINT.name]), **arrays)
    print(f"{out}: next, python benchmark.py add {out} {session.selection} --name NAME --notes '{NOTE}'")


def _classes(given: str | None, known: tuple[str, ...]) -> list[str]:
    """Return the classes of the columns; raise ValueError where they are not the suite's in some order."""
    classes = given.split(",") if given else list(known)
    if sorted(classes) != sorted(known):
        raise ValueError(f"--class-order {given} must name the suite's classes, each once: {', '.join(known)}")
    return classes
