"""Probe what members' features know of the classes: `python benchmark.py embeddings --members 'vgg*' --data DIR`.

The penultimate features of each network whose trained weights lie there are frozen; a linear probe and the nearest
neighbours are fitted on them on train, and scored on val; test is not looked at. With --start, the features are those
of the weights that a member starts from, before it has seen the data. Rows go to results/<suite>/embeddings.csv as they
come, and what is there is not computed again.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from benchmarks.commands.options import suite_arguments, switch
from benchmarks.data import Dataset
from benchmarks.evaluation.metrics import accuracy
from benchmarks.evaluation.probes import linear_probe, nearest_neighbours
from benchmarks.files import CsvRow, csv_text_of, read_csv, write_atomic
from benchmarks.formats import columns, percent
from benchmarks.session import Session, options_from
from benchmarks.store.identity import Configuration
from benchmarks.store.weights import read_weights, weights_path
from zoo import registry

FILE = "embeddings.csv"


def arguments(parser: ArgumentParser) -> None:
    """Add which members, whose weights, and what computes."""
    parser.add_argument("--start", **switch("features of the weights that members start from, untrained here"))
    suite_arguments(parser, "--members", "--seeds", "--device")


def execute(arguments: Namespace) -> None:
    """Write results/<suite>/embeddings.csv, and print the table."""
    session = Session(options_from(arguments))
    print(table(run(session, session.device, start=arguments.start)))


def run(session: Session, device: str, *, start: bool) -> list[CsvRow]:
    """Every member whose weights are at hand; raises ValueError where there is none."""
    path, fold = session.folder / FILE, session.folds[0]
    chosen = _starting(session) if start else _trained(session)
    with fold.images() as dataset:
        for configuration in chosen:
            rows, weights = read_csv(path), "start" if start else "trained"
            if not any((row["stem"], row["weights"]) == (configuration.stem, weights) for row in rows):
                row = measured(session, dataset, configuration, device, start=start)
                ordered: list[CsvRow] = sorted([*rows, row], key=lambda known: (known["stem"], known["weights"]))
                write_atomic(path, csv_text_of(ordered))
                print(", ".join(row.values()), flush=True)
    return read_csv(path)


def _trained(session: Session) -> list[Configuration]:
    own = [one for one in session.configurations(session.folds[0]) if registry.trained_as(one.member) == one.member]
    trained = [one for one in own if weights_path(session.checkpoints, one).exists()]
    if not trained:
        raise ValueError(f"no trained weights in {session.checkpoints}: train members first, with --train missing")
    return trained


def _starting(session: Session) -> list[Configuration]:
    found = [one for one in session.configurations(session.folds[0]) if one.member.init != "scratch"]
    if not found:
        raise ValueError("--start needs members that start from trained weights, such as --members '*_imagenet'")
    return found


def measured(session: Session, dataset: Dataset, configuration: Configuration, device: str, *, start: bool) -> CsvRow:
    """Accuracy on val of both probes and of the network's own classifier, which start weights do not have."""
    from zoo.inference.predict import predict, predict_features

    member, classes = configuration.member, configuration.num_classes
    if start:
        weights = _start_weights(configuration, dataset.train.images.shape[1])
    else:
        weights = read_weights(weights_path(session.checkpoints, configuration))[0]
    train, val = (
        predict_features(member, weights, split.images, classes, device) for split in (dataset.train, dataset.val)
    )
    linear, near = (probe(train, dataset.train.targets, val) for probe in (linear_probe, nearest_neighbours))
    own = None if start else predict(member, weights, dataset.val.images, classes, device)
    return {
        "stem": configuration.stem,
        "weights": "start" if start else "trained",
        "features": str(train.shape[1]),
        "val_linear": f"{(linear == dataset.val.targets).mean():.6f}",
        "val_neighbours": f"{(near == dataset.val.targets).mean():.6f}",
        "val_own": "" if own is None else f"{accuracy(own, dataset.val.targets):.6f}",
    }


def _start_weights(configuration: Configuration, channels: int) -> dict[str, Any]:
    from zoo.pretrained.initialise import initialise

    network = configuration.member.build(configuration.num_classes, channels)
    initialise(network, configuration.member, configuration.num_classes, channels)
    return dict(network.state_dict())


def table(rows: Sequence[CsvRow]) -> str:
    """The rows as text, the best linear probe first."""
    return columns(
        [
            {
                "member": row["stem"].rpartition(".")[0],
                "weights": row["weights"],
                "features": row["features"],
                "linear probe": percent(float(row["val_linear"])),
                "20 neighbours": percent(float(row["val_neighbours"])),
                "own classifier": percent(float(row["val_own"])) if row["val_own"] else None,
            }
            for row in sorted(rows, key=lambda row: -float(row["val_linear"]))
        ]
    )
