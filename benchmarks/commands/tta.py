"""Compare kinds of test-time augmentation on val: `python benchmark.py tta --members 'vgg*' --data DIR`.

The trained weights of members, where they lie, answer val with every kind of zoo/inference/tta.py; test is not looked
at. Rows go to results/<suite>/tta.csv as they come, and what is there is not computed again.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from itertools import product
from pathlib import Path

from benchmarks.commands.options import suite_arguments
from benchmarks.data import Split
from benchmarks.evaluation.metrics import accuracy, log_loss
from benchmarks.evaluation.tta import FILE, of_other_weights, views_worth
from benchmarks.files import CsvRow, csv_text_of, read_csv, write_atomic
from benchmarks.report.sections.ablations import views_table
from benchmarks.session import Session, options_from
from benchmarks.store.identity import Configuration
from benchmarks.store.weights import read_weights, weights_path
from ensembles import softmax
from zoo import registry
from zoo.overrides import override


def arguments(parser: ArgumentParser) -> None:
    """Add which members, and what computes."""
    suite_arguments(parser, "--members", "--seeds", "--device")


def execute(arguments: Namespace) -> None:
    """Write results/<suite>/tta.csv, and print the means."""
    session = Session(options_from(arguments))
    print(views_table(views_worth(run(session, session.device))))


def measured(checkpoints: Path, val: Split, configuration: Configuration, kind: str, device: str) -> CsvRow:
    """A member's accuracy and log-loss on val by one kind; raises SafetensorError where its weights are damaged."""
    from zoo.inference.predict import predict

    member = override(configuration.member, [f"recipe.tta={kind}"])
    weights, _, _ = read_weights(weights_path(checkpoints, configuration))
    began = time.perf_counter()
    logits = predict(member, weights, val.images, configuration.num_classes, device)
    seconds = time.perf_counter() - began
    return {
        "stem": configuration.stem,
        "tta": kind,
        "val_accuracy": f"{accuracy(logits, val.targets):.6f}",
        "val_log_loss": f"{log_loss(softmax(logits), val.targets):.6f}",
        "seconds": f"{seconds:.1f}",
    }


def run(session: Session, device: str) -> list[CsvRow]:
    """Every kind of every member whose weights lie there; raises ValueError where there are none."""
    from zoo.inference.views import VIEWS

    path, checkpoints, fold = session.folder / FILE, session.checkpoints, session.folds[0]
    own = [one for one in session.configurations(fold) if registry.trained_as(one.member) == one.member]
    trained = [one for one in own if weights_path(checkpoints, one).exists()]
    if not trained:
        raise ValueError(f"no trained weights in {checkpoints}: train members first, with --train missing")
    stored = [model for one in trained if (model := session.store.load(one, fold.targets)) is not None]
    known = {model.configuration.stem for model in stored}
    old = known.intersection(of_other_weights(read_csv(path), stored, fold.targets))
    with fold.images() as dataset:
        for configuration, kind in product(trained, VIEWS):
            rows = [row for row in read_csv(path) if row["stem"] not in old]
            old.discard(configuration.stem)
            if not any((row["stem"], row["tta"]) == (configuration.stem, kind) for row in rows):
                row = measured(checkpoints, dataset.val, configuration, kind, device)
                ordered: list[CsvRow] = sorted([*rows, row], key=lambda known: known["stem"])
                write_atomic(path, csv_text_of(ordered))
                print(", ".join(row.values()), flush=True)
    return read_csv(path)
