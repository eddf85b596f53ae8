"""One flat row for everything that has an accuracy: members, ensembles and published results.

The leaderboard, its CSV and the figures are drawn from these rows, so they cannot disagree. All functions are pure
functions of one results dict (`results/<suite>/results.json`); accuracies are fractions, missing values None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.formats import labels
from benchmarks.results.names import KINDS
from benchmarks.results.row_classes import RowClass, row_classes
from benchmarks.results.schema import Ensemble, Failed, Member, Model, Published, Results


@dataclass(frozen=True, kw_only=True)
class LeaderboardRow:
    """A row of the leaderboard. The order of the fields is the order of the columns of leaderboard.csv."""

    kind: str
    name: str
    title: str
    seed: int | None = None
    year: int | None = None
    split: str | None = None
    accuracy: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    rank: str | None = None
    letters: str | None = None
    val_accuracy: float | None = None
    fit_accuracy: float | None = None
    cross_fit_accuracy: float | None = None
    cross_fit_log_loss: float | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict, hash=False)  # a column each, by name
    p_best_single: float | None = None
    p_best_single_holm: float | None = None
    p_uniform: float | None = None
    p_uniform_holm: float | None = None
    models: int | None = None
    params: float | None = None
    flops: float | None = None
    ms_per_image: float | None = None
    pareto: bool | None = None
    epochs: int | None = None
    train_seconds: float | None = None
    images_per_second: float | None = None
    device: str | None = None
    init: str | None = None
    tta: str | None = None
    selection: str | None = None
    extra_data: str | None = None
    seen: str | None = None
    comparable: bool = True
    why_not: str | None = None
    doubt: str | None = None
    doubt_source: str | None = None
    reference: str | None = None
    hash: str | None = None
    error: str | None = None
    chart: bool = field(default=True, repr=False)
    extra_labels: str | None = field(default=None, repr=False)  # learnt from, beside the suite's own; in extra_data
    row_classes: tuple[RowClass, ...] = field(default=(), repr=False)
    display: str | None = field(default=None, repr=False)  # the title in words: `vgg_fer (Muon, 40 epochs)`

    @property
    def category(self) -> str:
        """Return the kind, and the classes that set the row apart."""
        return ", ".join([self.kind, *(row_class.name for row_class in self.row_classes)])

    @property
    def seen_accuracy(self) -> float | None:
        """Return the accuracy on val that chose the row's own epoch or weights."""
        return self.fit_accuracy if self.kind == "ensemble" else self.val_accuracy

    @property
    def gap(self) -> float | None:
        """Return how far that accuracy was too optimistic: seen minus test."""
        if self.seen_accuracy is None or self.accuracy is None:
            return None
        return self.seen_accuracy - self.accuracy


def leaderboard_rows(results: Results) -> list[LeaderboardRow]:
    """Return all rows, best test accuracy first, those without one last; ties by kind, then in the order of results."""
    return by_accuracy([*ensemble_rows(results), *member_rows(results), *published_rows(results)])


def by_accuracy(rows: Sequence[LeaderboardRow]) -> list[LeaderboardRow]:
    """Sort rows by test accuracy, best first, those without one last; ties by kind, then as they came."""
    return sorted(rows, key=lambda row: (row.accuracy is None, -(row.accuracy or 0.0), KINDS.index(row.kind)))


def member_rows(results: Results) -> list[LeaderboardRow]:
    """Return one row per member and seed, or external model; titles have the seed where it tells rows apart."""
    titles = labels((member["name"], member["seed"]) for member in results["members"])
    return [_member_row(member, results, title) for member, title in zip(results["members"], titles, strict=True)]


def _member_row(member: Member, results: Results, title: str) -> LeaderboardRow:
    return LeaderboardRow(
        kind=member["kind"],
        name=member["name"],
        title=_marked(title, member),
        display=_marked(_in_words(member, title), member),
        seed=member["seed"],
        val_accuracy=member["val_accuracy"],
        models=1,
        epochs=member["epochs"],
        images_per_second=member["images_per_second"],
        device=member["device"],
        init=member["init"],
        tta=member["tta"],
        extra_data=_extra_data(member.get("extra_labels"), member["extra_data"]),
        hash=member["hash"],
        **_scores(member, results),
    )


def ensemble_rows(results: Results) -> list[LeaderboardRow]:
    """Return one row per fitted ensembler, then one per failed one, whose `error` says why it has no scores."""
    fitted = [_ensemble_row(ensemble, results) for ensemble in results["ensembles"]]
    return [*fitted, *(_failed_row(failed, results) for failed in results["failed"])]


def _ensemble_row(ensemble: Ensemble, results: Results) -> LeaderboardRow:
    return LeaderboardRow(
        kind="ensemble",
        name=ensemble["name"],
        title=_marked(ensemble["title"], ensemble),
        fit_accuracy=ensemble["fit_accuracy"],
        cross_fit_accuracy=ensemble["cross_fit_accuracy"],
        cross_fit_log_loss=ensemble.get("cross_fit_log_loss"),
        models=round(ensemble.get("models", len(ensemble["members_used"]))) or None,
        extra_data=_extra_data(ensemble.get("extra_labels")),
        **_scores(ensemble, results),
    )


def _failed_row(failed: Failed, results: Results) -> LeaderboardRow:
    return LeaderboardRow(
        kind="ensemble",
        name=failed["name"],
        title=failed["title"],
        split=results["splits"]["test"]["name"],
        extra_data=_extra_data(None),
        error=failed["error"],
    )


def _scores(row: Member | Ensemble, results: Results) -> dict[str, Any]:
    """Return what members and ensembles have in common."""
    low, high = row["test_interval"]
    return {
        "split": results["splits"]["test"]["name"],
        "accuracy": row["test_accuracy"],
        "ci_low": low,
        "ci_high": high,
        "rank": row["rank"],
        "letters": row["letters"],
        "metrics": row["test_metrics"],
        "p_best_single": row["p_best_single"],
        "p_best_single_holm": row["p_best_single_holm"],
        "p_uniform": row["p_uniform"],
        "p_uniform_holm": row["p_uniform_holm"],
        "params": row["params"],
        "flops": row["flops"],
        "ms_per_image": row["ms_per_image"],
        "train_seconds": row["train_seconds"],
        "pareto": row["pareto"],
        "reference": row["reference"],
        "extra_labels": row.get("extra_labels"),
        "row_classes": row_classes(row),
    }


def published_rows(results: Results) -> list[LeaderboardRow]:
    """Return one row per published result, comparable or not."""
    return [_published_row(row) for row in results["published"]]


def _published_row(row: Published) -> LeaderboardRow:
    return LeaderboardRow(
        kind="published",
        name=row["method"],
        title=f"{row['method']}, {row['year']}",
        year=row["year"],
        split=row["split"],
        accuracy=row["accuracy"],
        models=row["n_models"],
        init=row["pretraining"],
        tta=row["tta"],
        selection=row["selection"],
        extra_data=row["extra_data"],
        seen=row["seen"],
        comparable=row["comparable"],
        why_not=row["why_not"] or None,
        doubt=row["doubt"] or None,
        doubt_source=row["doubt_source"] or None,
        reference=row["source"],
        chart=row["chart"],
    )


def _in_words(member: Member, title: str) -> str:
    """Return a member's title in words, with its seed where the title has it."""
    display, seed = member.get("display", member["name"]), title.removeprefix(member["name"]).strip(" ()")
    if not seed:
        return display
    return f"{display[:-1]}, {seed})" if display.endswith(")") else f"{display} ({seed})"


def _marked(title: str, model: Model) -> str:
    return " ".join([title, *(row_class.mark for row_class in row_classes(model))])


def _extra_data(extra_labels: str | None, data: str = "none") -> str:
    """Name the data and labels that are not the suite's own."""
    return "; ".join([*([data] if data != "none" else []), *([extra_labels] if extra_labels else [])]) or "none"
