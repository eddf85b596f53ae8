"""What results.json holds: the type of every part, and the version of them all.

Accuracies and other shares are fractions, times seconds, costs of one image; what is not known is None. A key that is
not there in every file is NotRequired. (No `from __future__ import annotations`: it would hide which keys are.)
"""

from typing import Any, NotRequired, TypedDict

from benchmarks.results.analyses import (
    Ablation,
    Affect,
    Audit,
    Budget,
    Confusion,
    CrossValidated,
    Diversity,
    Failed,
    FigureData,
    FoldsOfTrain,
    Interval,
    LeftOut,
    Quantised,
    Views,
)
from benchmarks.results.probabilities import Probabilities
from benchmarks.results.summary import Summary

FORMAT = "fer-ensembles/results/1"


class Split(TypedDict):
    """What a split is called in the data set's papers, and how many images it has."""

    name: str
    size: int


class Splits(TypedDict):
    train: Split
    val: Split
    test: Split


class MetricColumn(TypedDict):
    """A metric beside accuracy, as reports show it; see `benchmarks.evaluation.metrics.metric`."""

    name: str
    title: str
    about: str
    better: str  # higher, lower
    percent: bool
    digits: int
    shown: list[str]  # reports that have a column for it, of those that do not have all


class Effort(TypedDict):
    """How many members were trained and how many models are external, for how long in all, on which devices."""

    members: int
    external: int
    seconds: float | None
    devices: list[str]


class Scores(TypedDict):
    """How a member or ensemble does on test, beside the best single member on val and the average of all members."""

    test_accuracy: float
    test_interval: Interval
    test_metrics: dict[str, float | None]
    test_class_f1: list[float | None]
    difference: float
    difference_interval: Interval
    rank: str
    letters: str
    p_best_single: float
    p_best_single_holm: float
    p_uniform: float | None
    p_uniform_holm: float | None
    pareto: bool | None


class Model(TypedDict):
    """What members and ensembles alike have without a look at test."""

    name: str
    reference: str | None
    params: float | None
    flops: float | None
    ms_per_image: float | None
    train_seconds: float | None
    extra_labels: NotRequired[str]  # learnt from, beside the suite's own
    row_classes: NotRequired[list[str]]  # see benchmarks.results.row_classes; extra labels have a key of their own


class ExternalSource(TypedDict):
    """The file that an external model's predictions came in, and what its values were."""

    file: str
    sha256: str
    given: str


class MemberFacts(Model):
    """A trained network, or a model of which nothing is known but its predictions."""

    kind: str
    label: str
    seed: int | None
    init: str
    epochs: int | None
    image_size: int | None
    recipe: dict[str, Any] | None  # what differs from the defaults
    hash: str
    display: NotRequired[str]  # the name as people are shown it, where that is another
    folds: NotRequired[list[str]]  # hashes
    weights_of: NotRequired[str]  # whose training this is
    folds_of_train: NotRequired[FoldsOfTrain]
    extra_data: str
    source: ExternalSource | None
    images_per_second: float | None
    device: str | None
    tta: str | None
    best_epoch: float | None
    code: str | None
    val_accuracy: float
    val_metrics: dict[str, float | None]


class Member(MemberFacts, Scores):
    """A member and how it does on test."""


class EnsembleFacts(Model):
    """A fitted ensembler."""

    title: str
    fitted_on: str
    fit_accuracy: float
    cross_fit_accuracy: float
    cross_fit_log_loss: NotRequired[float]  # in nats
    cross_fits: NotRequired[int]  # how often it was cross-fitted, each time with other folds
    members_used: list[str]
    models: NotRequired[float]  # mean over folds
    library: NotRequired[str]  # package and release without which the numbers are others: xgboost 3.2.0
    weights: dict[str, Any] | None  # a number a member, or one a class
    left_out: list[LeftOut]


class Ensemble(EnsembleFacts, Scores):
    """An ensemble and how it does on test."""


class Published(TypedDict):
    """A result of a paper or repository; see `benchmarks.suites.published_results`."""

    method: str
    kind: str
    year: int
    accuracy: float
    split: str
    selection: str
    n_models: int | None
    extra_data: str
    tta: str
    pretraining: str
    source: str
    seen: str
    comparable: bool
    why_not: str
    doubt: str
    doubt_source: str
    chart: bool


class NotRun(TypedDict):
    """A member without predictions, and the command that trains it."""

    name: str
    seed: int | None
    reason: str
    command: str | None


class Protocol(TypedDict):
    folds: int
    unit: str
    units: int | None


class ContrastRow(TypedDict):
    """A member of the other suite, or its headline, which has no name."""

    name: str | None
    title: NotRequired[str]
    seed: NotRequired[int | None]
    recipe: NotRequired[dict[str, Any] | None]
    image_size: NotRequired[int | None]
    init: NotRequired[str]
    accuracy: float | None
    interval: Interval | None


class OtherProtocol(TypedDict):
    """What a suite of the same images under another protocol reports; `problem` says why nothing is known of it."""

    suite: str
    difference: str
    split: str | None
    rows: list[ContrastRow]
    problem: str | None


class Results(TypedDict):
    """The whole of results.json."""

    format: str
    suite: str
    selection: NotRequired[str]  # how the command line asks for a folder of one's own
    title: str
    classes: list[str]
    splits: Splits
    data_fingerprint: str
    headline: str | None
    leak_above: float | None
    human_accuracy: list[float] | None
    rehearsal: bool
    metrics: list[MetricColumn]
    effort: Effort
    members: list[Member]
    ensembles: list[Ensemble]
    failed: list[Failed]
    affect: NotRequired[Affect]
    diversity: Diversity
    ablations: list[Ablation]
    views: list[Views]
    audit: Audit
    probabilities: Probabilities
    charts: FigureData
    confusions: list[Confusion]
    summary: NotRequired[Summary]
    quantised: NotRequired[Quantised]
    protocol: NotRequired[Protocol]
    cross_validated: NotRequired[CrossValidated]
    budgets: NotRequired[list[Budget]]
    limits: NotRequired[dict[str, float]]  # what an image may cost for the headline, by unit: flops, ms
    contrast: NotRequired[OtherProtocol]
    published: list[Published]
    not_run: list[NotRun]
    notes: list[str]
