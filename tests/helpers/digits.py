"""Runs of the digits suite, which trains in seconds, and what they leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.store.file_names import member_files
from tests.helpers.runs import Outcome, cli
from zoo import registry

DIGITS = ("linear", "mlp", "lenet", "resnet_digits")
EPOCHS = registry.get("mlp").recipe.epochs
SIMPLE = ("--ensemblers", "uniform", "best_single")


def digits(results: Path, *options: object) -> Outcome:
    return cli("--suite", "digits", "--results", results, "--device", "cpu", *options)


def read(results: Path, suite: str = "digits") -> Any:
    return json.loads((results / suite / "results.json").read_text())


def leaderboard(results: Path, suite: str = "digits") -> str:
    return (results / suite / "leaderboard.md").read_text()


def stored(results: Path, member: str, suite: str = "digits") -> Path:
    (path,) = member_files(results / suite / "predictions", member, 0)
    return path


def names(results: Path) -> list[str]:
    return [member["name"] for member in read(results)["members"]]


def stored_weights(results: Path, member: str) -> Path:
    (path,) = (results / "digits" / "checkpoints").glob(f"{member}.s0.*.weights.safetensors")
    return path
