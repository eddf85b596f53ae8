"""Made-up results, for reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.evaluation import metrics
from benchmarks.results import FORMAT


def blank_results(**parts: Any) -> Any:
    """Results that have every part, with nothing in those that are not given; as untyped as what JSON gives."""
    return {
        "format": FORMAT,
        "suite": "faces",
        "title": "Faces",
        "classes": ["angry", "happy", "neutral"],
        "splits": {split: {"name": f"{split} split", "size": 1000} for split in ("train", "val", "test")},
        "data_fingerprint": "f" * 32,
        "headline": None,
        "leak_above": None,
        "human_accuracy": None,
        "rehearsal": False,
        "metrics": metrics.columns(),
        "effort": {"members": 0, "external": 0, "seconds": None, "devices": []},
        "members": [],
        "ensembles": [],
        "failed": [],
        "diversity": {"members": [], "val": _diversity(), "test": _diversity()},
        "ablations": [],
        "views": [],
        "audit": audit(),
        "probabilities": {"single": "", "coverage": 0.9, "rows": [], "curves": []},
        "charts": {"shown": [], "greedy_path": {"members": [], "val": [], "test": []}},
        "confusions": [],
        "published": [],
        "not_run": [],
        "notes": [],
        **parts,
    }


def audit(rows: Sequence[dict[str, Any]] = (), members: int = 0) -> dict[str, Any]:
    """An audit of these rows, each of `audit_row`, with a learning curve of so many members."""
    rise = [0.6 + 0.1 * size / members for size in range(members)]
    curve = {"mean": rise, "spread": [0.02] * members, "extrapolation": {"twice": 0.71, "limit": 0.72}}
    return {
        "best_subset_on_test": {"accuracy": 0.74, "members": ["tiny"], "subsets": 7, "candidates": 3},
        "overlap": {"val_in_train": 3, "test_in_train": 40, "test_in_val": 1} if rows else None,
        "rows": list(rows),
        "learning_curve": {"members": list(range(1, members + 1)), "orders": 40, "val": curve, "test": curve},
    }


def audit_row(kind: str, name: str, accuracy: float) -> dict[str, Any]:
    """A row of the audit, made up around its accuracy."""
    numbers = dict.fromkeys(("ece", "ece_scaled", "log_loss", "log_loss_scaled", "brier", "brier_scaled"), 0.1)
    parts = {"accuracy": accuracy, "unseen_accuracy": accuracy - 0.01, "overlap_accuracy": 0.9}
    return {"kind": kind, "name": name, "title": name, "temperature": 1.1, **parts, **numbers}


def _diversity() -> dict[str, Any]:
    loss = {"ensemble": 0.0, "members": 0.0, "ambiguity": 0.0}
    measures = ("disagreement", "q", "double_fault", "kappa", "error")
    pairs: dict[str, list[Any]] = {name: [] for name in ("first", "second", *measures)}
    mean = dict.fromkeys(measures)
    return {"oracle_accuracy": 0.0, "brier": loss, "log_loss": loss, "mean": mean, "pairs": pairs}


def scores(accuracy: float, **others: Any) -> dict[str, Any]:
    """Test scores of a row, made up around its accuracy; `others` are further keys of the row."""
    return {
        "test_accuracy": accuracy,
        "test_interval": [round(accuracy - 0.0143, 4), round(accuracy + 0.0143, 4)],
        "test_metrics": {
            "macro_f1": accuracy - 0.02, "balanced_accuracy": accuracy - 0.03, "kappa": accuracy - 0.1, "auroc": 0.93,
            "auprc": 0.75, "log_loss": 1.5 - accuracy, "brier": 0.4, "ece": 0.04,
            "classwise_ece": 0.0123, "aurc": 0.1024,
        },
        "test_class_f1": [accuracy] * 3,
        "difference": -0.01,
        "difference_interval": [-0.02, 0.01],
        "rank": "1-2",
        "letters": "ab",
        "p_best_single": 0.0004,
        "p_best_single_holm": 0.03,
        "p_uniform": 0.21,
        "p_uniform_holm": 0.4,
        "params": 3_000_000,
        "flops": 2_000_000,
        "ms_per_image": 1.5,
        "train_seconds": 600.0,
        "pareto": True,
        "reference": None,
        **others,
    }  # fmt: skip


def member(name: str, seed: int | None, accuracy: float, **others: Any) -> dict[str, Any]:
    """A member with made-up facts; a model from elsewhere has `kind` external and no seed."""
    return scores(
        accuracy,
        **{
            "kind": "member", "name": name, "label": name, "seed": seed, "init": "scratch", "epochs": 3,
            "image_size": 48, "recipe": {}, "hash": "0a1b2c3d4e5f", "extra_data": "none", "source": None,
            "images_per_second": 500.0, "device": "abacus", "tta": "flip", "best_epoch": 2, "code": "0123456789ab",
            "reference": "arXiv:1409.1556", "val_accuracy": accuracy - 0.02,
            "val_metrics": {"macro_f1": accuracy - 0.03, "log_loss": 0.9, "ece": 0.03},
            **others,
        },
    )  # fmt: skip


def ensemble(name: str, title: str, accuracy: float, used: list[str], **others: Any) -> dict[str, Any]:
    """A fitted ensembler that takes the mean of these members, by their labels."""
    return scores(
        accuracy,
        **{
            "name": name, "title": title, "fitted_on": "val", "fit_accuracy": accuracy,
            "cross_fit_accuracy": accuracy - 0.01, "members_used": used,
            "weights": dict.fromkeys(used, 1 / len(used)), "left_out": [],
            "reference": "doi:10.1016/0893-6080(92)90001-5",
            **others,
        },
    )  # fmt: skip
