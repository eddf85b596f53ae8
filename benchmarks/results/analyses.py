"""What results.json holds beside the rows of the leaderboard: the type of every analysis."""

from typing import NotRequired, TypedDict

Interval = list[float]  # lower and upper bound, 95 %


BUDGET_UNITS = {"flops": "FLOPs", "ms": "ms"}
"""What a budget is counted in, an image: as code names it, and as people are shown it."""


class Budget(TypedDict):
    """The best average of members within a budget an image, `unit` flops or ms, as labels joined by ` + `."""

    unit: str
    budget: float
    cost: float
    cross_fitted: float
    accuracy: float
    interval: Interval
    members: str


class CrossValidatedRow(TypedDict):
    """A row's accuracy on the test images of each fold, and the 95 % intervals of their mean."""

    kind: str
    name: str
    title: str
    accuracies: list[float]
    mean: float
    fold_interval: Interval
    interval: Interval  # over people where they are known, else over images


class CrossValidated(TypedDict):
    """Every row fold by fold; `sizes` are test images a fold, `people` how many are known."""

    sizes: list[int]
    people: int | None
    rows: list[CrossValidatedRow]


class FoldsOfTrain(TypedDict):
    """A member that was trained in folds: accuracy on what each of its networks was not shown."""

    accuracies: list[float]
    mean: float
    interval: Interval


class Failed(TypedDict):
    """An ensembler that could not be fitted."""

    name: str
    title: str
    error: str


class LeftOut(TypedDict):
    """A member that an ensemble gives no weight, and why not, from val alone."""

    member: str
    val_log_loss_change: float
    val_accuracy_change: float
    nearest: str
    agreement: float
    reason: str


class AffectDimension(TypedDict):
    rmse: float | None
    corr: float | None
    sagr: float | None
    ccc: float
    ccc_interval: Interval


class AffectRow(TypedDict):
    """A member or combination in valence and arousal; `ccc` are means of both."""

    kind: str
    name: str
    title: str
    models: int
    valence: AffectDimension
    arousal: AffectDimension
    ccc: float
    ccc_interval: Interval
    difference_interval: Interval
    val_ccc: float
    cross_fit_ccc: float | None
    weights: dict[str, list[float]] | None


class PublishedAffect(TypedDict):
    """Valence and arousal of a paper or repository; see `benchmarks.suites.published_results`."""

    method: str
    year: int
    split: str
    valence_rmse: float | None
    valence_corr: float | None
    valence_sagr: float | None
    valence_ccc: float | None
    arousal_rmse: float | None
    arousal_corr: float | None
    arousal_sagr: float | None
    arousal_ccc: float | None
    source: str
    seen: str
    remark: str


class Affect(TypedDict):
    rated: dict[str, int]  # images of val and test
    best_single: str
    headline: str | None
    members: list[AffectRow]
    ensembles: list[AffectRow]
    failed: list[Failed]
    published: list[PublishedAffect]


class Ambiguity(TypedDict):
    """A loss of an ensemble: that of its members less their ambiguity."""

    ensemble: float
    members: float
    ambiguity: float


class Pairs(TypedDict):
    """An entry a pair of members, `first` < `second`."""

    first: list[int]
    second: list[int]
    disagreement: list[float]
    q: list[float | None]
    double_fault: list[float]
    kappa: list[float | None]
    error: list[float]


class SplitDiversity(TypedDict):
    oracle_accuracy: float
    brier: Ambiguity
    log_loss: Ambiguity
    mean: dict[str, float | None]
    pairs: Pairs


class Diversity(TypedDict):
    members: list[str]
    val: SplitDiversity
    test: SplitDiversity


class Ablation(TypedDict):
    """A variant beside its network on val, over the seeds that both have."""

    name: str
    variant: str
    network: str
    changes: list[str]
    seeds: list[int]
    val_accuracy: float
    difference: float
    p: float
    log_loss: float
    log_loss_difference: float
    train_seconds: float
    network_seconds: float


class Views(TypedDict):
    """One kind of views at test time, on val; `gain` is over no views."""

    tta: str
    members: list[str]
    val_accuracy: float
    gain: float
    log_loss: float
    seconds: float


class BestSubset(TypedDict):
    accuracy: float
    members: list[str]
    subsets: int
    candidates: int


class OverlapScores(TypedDict):
    """Accuracy on all test images, on those whose pixels do not stand in train, and on those that do."""

    accuracy: float
    unseen_accuracy: float | None
    overlap_accuracy: float | None
    unlike_accuracy: NotRequired[float | None]  # on images that show no photograph of train, in whatever pixels


class Calibration(TypedDict):
    """Test scores as they are, and after one temperature, fitted on val."""

    temperature: float
    ece: float
    log_loss: float
    brier: float
    ece_scaled: float
    log_loss_scaled: float
    brier_scaled: float


class AuditRow(OverlapScores, Calibration):
    kind: str
    name: str
    title: str


class Extrapolation(TypedDict):
    twice: float
    limit: float


class Curve(TypedDict):
    mean: list[float]
    spread: list[float]
    extrapolation: Extrapolation | None


class LearningCurve(TypedDict):
    """The uniform average of k random members."""

    members: list[int]
    orders: int
    val: Curve
    test: Curve


class Audit(TypedDict):
    best_subset_on_test: BestSubset
    overlap: dict[str, int] | None
    rows: list[AuditRow]
    learning_curve: LearningCurve


class Reliability(TypedDict):
    """An entry a bin that holds an image."""

    count: list[int]
    confidence: list[float]
    accuracy: list[float]


class ShownModel(TypedDict):
    kind: str
    name: str
    title: str
    confusion: list[list[int]]
    reliability: Reliability
    reliability_scaled: Reliability


class GreedyPath(TypedDict):
    members: list[str]
    val: list[float]
    test: list[float]


class FigureData(TypedDict):
    shown: list[ShownModel]
    greedy_path: GreedyPath


class QuantisedFile(TypedDict):
    """A file of a released model: how its weights are stored, and how it does beside the row in float32."""

    stored: str  # int8, int8-static
    bytes: int
    val_accuracy: float
    test_accuracy: float
    test_interval: Interval
    same_class: float  # as the row, on test
    p: float  # McNemar, against the row
    milliseconds: float  # of one image
    device: str


class Quantised(TypedDict):
    """The files of a suite's released model, and the label of the member that they are of."""

    row: str
    files: list[QuantisedFile]


class Confusion(TypedDict):
    kind: str
    name: str
    title: str
    counts: list[list[int]]
