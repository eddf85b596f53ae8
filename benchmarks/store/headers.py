"""What headers of the store's files hold: `read_header` and `read_file` refuse a file whose header departs from it.

(No `from __future__ import annotations`: it would hide which keys may be missing.)
"""

from typing import Any, NotRequired, TypedDict

from benchmarks.shapes import Amount, Count


class ModelFacts(TypedDict):
    """What identifies predictions; see `benchmarks.store.identity`."""

    name: str
    data: str
    num_classes: Count
    init: str
    seed: NotRequired[Count]
    image_size: NotRequired[Count]
    recipe: NotRequired[dict[str, Any]]
    logits: NotRequired[str]


class SourceFile(TypedDict):
    """The file that predictions of an external model came in."""

    file: str
    sha256: str
    given: str


class Provenance(TypedDict, total=False):
    """How a member came to be, as far as reports and plans read it; older files lack some of it."""

    train_seconds: Amount | None
    inference_seconds: Amount | None
    images_per_second: Amount | None
    best_epoch: Amount | None
    params: Count | None
    macs: Count | None
    cpu_cores: Count
    compiled: bool
    device: str
    device_kind: str
    tta: str | None
    reference: str | None
    code: str | None
    created: str
    extra_data: str
    row_class: str
    fold_accuracies: list[Amount]
    source: SourceFile
    accepted_suspicious: bool
    weights_of: str
    image_shape: list[Count]
    remarks: list[str]
    libraries: dict[str, str]
    taught_by: dict[str, dict[str, str]]
    judged_by: dict[str, dict[str, str]]
    annotated_by: dict[str, str]
    started_from: dict[str, str]


class PredictionsHeader(Provenance):
    configuration: ModelFacts


class TrainLogitsHeader(TypedDict):
    configuration: ModelFacts
    weights: NotRequired[str]


class TargetsHeader(TypedDict):
    fingerprint: str
    classes: list[str]
    train_size: Count
    notes: NotRequired[list[str]]
    near_by: NotRequired[str]  # the version of the detector of near copies


class VotesHeader(TypedDict):
    fingerprint: str
    answers: list[str]
    source: str
