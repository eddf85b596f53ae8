"""Predictions of models that ship inside packages, as rows of the class *tools*."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.external.alignment import in_store_order
from benchmarks.external.importer import Details, Examined, expected_of, judged
from benchmarks.results import TOOLS
from ensembles import log_softmax

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchmarks.data import Dataset
    from benchmarks.session import Session
    from zoo.tools.catalog import Tool

AT_ONCE = 64  # images in a batch


def details_of(tool: Tool, replace: bool) -> Details:
    """Return what is stated of a tool: its release and licence, and what is doubtful."""
    release = f"{tool.archive.registry} {tool.archive.name} {tool.archive.version}, {tool.archive.licence}"
    return Details(tool.name, tool.reference, f"{release}: {tool.doubts}", replace=replace)


def predicted(session: Session, tool: Tool, details: Details, archives: Path | None) -> Examined:
    """Predict val and test by a tool as its package does, and judge that as predictions of any other source.

    `archives` is a folder with the package's archive; without, the cache, into which it is fetched. Raises ValueError.
    """
    import torch

    from zoo.pretrained.archives import contents, fetch
    from zoo.profile import count

    expected = expected_of(session)
    archive = fetch(tool.archive, archives)
    network = tool.network(contents(archive, tool.files))
    facts = count(lambda: network, tool.image_size, tool.channels)
    with session.folds[0].images() as dataset, torch.no_grad():
        values = {split: _logits(network, tool, dataset, split) for split in ("val", "test")}
    aligned = in_store_order(values, tool.classes, expected)
    source = {"file": archive.name, "sha256": tool.archive.sha256, "given": aligned.given}
    more = {"row_class": TOOLS.name, "params": facts.params, "macs": facts.macs, "tta": "none"}
    return judged(session, aligned, details, source, more)


def _logits(network: nn.Module, tool: Tool, dataset: Dataset, split: str) -> np.ndarray:
    """Return log-probabilities float64 [N, classes] of a split in the tool's own order of classes."""
    import torch

    images = torch.as_tensor(np.asarray(getattr(dataset, split).images))
    answers: list[Tensor] = [network(tool.prepare(batch)) for batch in images.split(AT_ONCE)]
    return log_softmax(torch.cat(answers).double().numpy())
