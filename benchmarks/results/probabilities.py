"""What results.json holds of probabilities: paired scores, recalibration, prediction sets, selective accuracy."""

from typing import TypedDict

from benchmarks.results.analyses import Interval


class PairedScore(TypedDict):
    """A mean over test images, and its differences to the best single member on val and to the average of all members.

    Each with its interval, from the same draws of images.
    """

    value: float
    interval: Interval
    single: float
    single_interval: Interval
    uniform: float | None
    uniform_interval: Interval | None


class Recalibrated(TypedDict):
    """Test scores after recalibration on val: one temperature, or a scale and a bias for each class (vector scaling).

    `gain` is what the vector changes the log-loss by, beyond the temperature.
    """

    ece: dict[str, float]  # by kind: none, temperature, vector
    classwise_ece: dict[str, float]
    log_loss: dict[str, float]
    class_errors: dict[str, list[float]]  # calibration error of each class
    gain: float
    gain_interval: Interval


class PredictionSets(TypedDict):
    """Conformal sets on test: how many hold the right class, how many classes they have, how many have just one."""

    covered: float
    covered_interval: Interval
    size: float
    size_interval: Interval
    size_single: float  # difference to the best single member's
    size_single_interval: Interval
    alone: float
    class_covered: list[float | None]
    sizes: list[float]  # share of the sets with 1, 2, ... classes


class Selective(TypedDict):
    """What is answered on test where val says that the share `asked` of the answers is right; None where it never is.

    `right` is the share that is right of what is answered.
    """

    asked: float
    answered: float | None
    answered_interval: Interval | None
    right: float | None
    right_interval: Interval | None


class CrossFitted(TypedDict):
    """Scores on val, of ensembles on images held out of the fit."""

    log_loss: float
    ece: float


class ProbabilityRow(TypedDict):
    kind: str
    name: str
    title: str
    cross_fitted: CrossFitted
    scores: dict[str, PairedScore]
    recalibrated: Recalibrated
    sets: PredictionSets
    class_sets: PredictionSets  # with a quantile for each class
    selective: list[Selective]


class RiskCurve(TypedDict):
    """Share of errors among the surest images, by hundredths of the images."""

    kind: str
    name: str
    title: str
    risk: list[float]


class Probabilities(TypedDict):
    """`coverage` is what sets were asked for; `rows` are all members and fitted ensemblers, `curves` a few of them."""

    single: str
    coverage: float
    rows: list[ProbabilityRow]
    curves: list[RiskCurve]
