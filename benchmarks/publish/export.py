"""Write a model in a format, check it against the project, and leave it only where it agrees."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import ensembles
from benchmarks.data import Dataset
from benchmarks.files import json_text, write_atomic
from benchmarks.publish import check
from benchmarks.publish.check import Agreement, Recogniser
from benchmarks.publish.formats import FORMATS
from benchmarks.publish.spec import ModelSpec, crops_of
from zoo.use.bundle import Facts

if TYPE_CHECKING:
    from benchmarks.publish.graph import Model

INSTALL = 'pip install -e ".[export]"'
TORCH = (2, 8)  # the first with the exporter that ONNX files are made by


class CannotExport(ValueError):
    """What was asked for cannot be exported, or not here; the message says why and what can."""


@dataclass(frozen=True)
class Job:
    """A model to be written: in which format, with weights stored how, and what the file is to say of itself.

    `facts` lack the hash of the weights, which the graph decides. With `dataset`, its images check the file and its
    accuracy on val is measured; without, made-up images check it.
    """

    spec: ModelSpec
    format: str
    weights: str
    facts: Facts
    dataset: Dataset | None = None

    @property
    def stem(self) -> str:
        """Name of the file: of the model, with the storage of its weights where that is not float32."""
        return self.spec.name if self.weights == "fp32" else f"{self.spec.name}.{self.weights}"


@dataclass(frozen=True)
class Written:
    """What an export left: its main file, what the file says of itself, and how it agreed with the project."""

    path: Path
    facts: Facts
    agreement: Agreement
    val_accuracy: float | None  # of the file itself
    size: int  # bytes
    passes: int  # of networks, for one crop

    def __str__(self) -> str:
        accuracy = (
            "" if self.val_accuracy is None else f"\naccuracy of the file on val: {100 * self.val_accuracy:.2f} %"
        )
        return f"{self.path}, {self.size / 1e6:.2f} MB\nchecked on {self.agreement}{accuracy}"


def check_job(format_name: str, weights: str) -> None:
    """Raise CannotExport where a format does not exist, has no such weights, or needs packages that are missing."""
    if format_name not in FORMATS:
        raise CannotExport(f"there is no format {format_name!r}: {', '.join(FORMATS)}")
    form = FORMATS[format_name]
    if weights not in form.weights:
        raise CannotExport(f"{format_name} has no {weights} weights: {', '.join(form.weights)}")
    if "onnxscript" in form.needs and not _torch_is_new_enough():
        raise CannotExport(f"{format_name} needs torch {'.'.join(map(str, TORCH))} or newer: its exporter of graphs")
    missing = [name for name in form.needs if importlib.util.find_spec(name) is None]
    if missing:
        how = "pip install openvino" if missing == ["openvino"] else INSTALL
        raise CannotExport(f"{format_name} needs {' and '.join(missing)}: {how}")


def _torch_is_new_enough() -> bool:
    return tuple(int(part) for part in version("torch").split(".")[:2]) >= TORCH


def export(job: Job, folder: Path) -> Written:
    """Write a model into a folder, which is made; the files are put there once the check is passed.

    Beside the model lies the fitted ensembler (`ensembles.load` reads it), and as JSON its facts, the check, and the
    SHA-256 of every file: OpenVINO's and TorchScript's prove themselves by it alone. Raises CannotExport and
    ExportFailed, and leaves nothing then.
    """
    with staged(folder) as draft:
        written = write_checked(job, draft / f"{job.stem}{FORMATS[job.format].suffix}")
        if job.dataset is not None:
            found = check.in_batches(FORMATS[job.format].open(written.path), crops_of(job.dataset.val.images))
            accuracy = float((found.argmax(axis=1) == job.dataset.val.targets).mean())
            written = with_accuracy(job, written, accuracy)
        if job.spec.fitted is not None:
            ensembles.save(job.spec.fitted, draft / f"{job.spec.name}.ensembler.safetensors")
        facts = {**described(job, written), "files": described_files(draft)}
        write_atomic(draft / f"{job.stem}.json", json_text(facts))
    return replace(written, path=folder / written.path.name)


def write_checked(job: Job, path: Path) -> Written:
    """Write a model and check it; raises CannotExport and ExportFailed, and may leave the file then."""
    from benchmarks.publish.graph import Model

    check_job(job.format, job.weights)
    if job.weights == "int8-static" and job.dataset is None:
        raise CannotExport("int8-static is calibrated on training images, and none are at hand: --data DIR")
    form, model = FORMATS[job.format], Model(job.spec)
    facts = form.write(model, path, job.weights, job.facts, None if job.dataset is None else job.dataset.train.images)
    agreed = check_file(job, model, form.open(path), path.name)
    return Written(path, facts, agreed, None, _size(path.parent), model.passes)


def with_accuracy(job: Job, written: Written, val: float, **more: Any) -> Written:
    """Make a file say its own accuracy on val, and `more` of it; raises ExportFailed where it lost too much there."""
    before = written.facts.accuracy or {}
    if before:
        check.check_accuracy(before["val"], val, written.path.name)
    facts = replace(written.facts, accuracy={**before, "val": round(val, 6), **more})
    FORMATS[job.format].restate(written.path, facts)
    return replace(written, facts=facts, val_accuracy=val)


def check_file(job: Job, model: Model, recognise: Recogniser, name: str) -> Agreement:
    """Compare a file with the project's own path, and on crops of other sizes with the module that it was made of.

    Raises ExportFailed.
    """
    import torch

    images = check.made_up_images(job.spec.image_shape) if job.dataset is None else _some(job.dataset.val.images)
    agreed = check.agreement(job.spec.probabilities(images), check.in_batches(recognise, crops_of(images)))
    check.check_agreement(agreed, job.weights, name)
    for crops in check.crops_of_other_sizes():
        with torch.no_grad():
            expected = model(torch.from_numpy(crops)).numpy()
        resized = check.agreement(expected, recognise(crops))
        size = f"{crops.shape[1]} x {crops.shape[2]}"
        check.check_agreement(replace(resized, same_class=1.0), job.weights, f"{name}, with crops of {size},")
    return agreed


def _some(images: np.ndarray) -> np.ndarray:
    """Return the images of a check, spread over all: stored ones are sorted."""
    return images[np.linspace(0, len(images) - 1, min(check.IMAGES, len(images))).astype(int)]


def described(job: Job, written: Written) -> dict[str, Any]:
    """Return what the JSON beside a file says: the facts of the file, its form, and the check."""
    return {
        **asdict(written.facts),
        "file": written.path.name,
        "stored": job.weights,
        "check": {
            "images": written.agreement.images,
            "of": "made-up images" if job.dataset is None else "val",
            "largest_difference": float(f"{written.agreement.difference:.2g}"),
            "same_class": round(written.agreement.same_class, 6),
        },
    }


def described_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return bytes and SHA-256 of each file of a folder by name, as `benchmark.py check` compares them again."""
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return {name: {"bytes": len(one), "sha256": hashlib.sha256(one).hexdigest()} for name, one in contents.items()}


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give an empty folder whose files are put into `folder` at the end, each on the disk before it takes its name;
    after an error nothing is left of them."""
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".export-", dir=folder))
    try:
        yield draft
        for path in sorted(draft.iterdir()):
            with path.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(path, folder / path.name)
    except BaseException:
        shutil.rmtree(draft)
        for parent in made:
            parent.rmdir()
        raise
    draft.rmdir()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
