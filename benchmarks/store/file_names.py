"""What the names of a store's files say.

Predictions are `member.s0.<hash>.safetensors`, those of an external model `name.external.<hash>.safetensors`. Beside
them lie `targets.<data>.safetensors`, `votes.<data>.safetensors`, `folds.<data>.json` and, of a member on its training
images, `member.s0.<hash>.train.safetensors`.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import EXTERNAL


def prediction_files(folder: Path) -> list[Path]:
    """List every file of a store that is named as predictions are, fitting or not, by name."""
    return sorted(path for path in folder.glob("*.*.*.safetensors") if is_external(path) or seed_in(path) is not None)


def model_in(path: Path) -> str:
    """Return the name of the model whose predictions a file is named after."""
    return path.name.partition(".")[0]


def seed_in(path: Path) -> int | None:
    """Return the seed in `member.s0.0123456789ab.safetensors`; None for the name of another kind of file."""
    parts = path.name.split(".")
    return int(parts[1][1:]) if len(parts) == 4 and parts[1][1:].isdigit() else None


def is_external(path: Path) -> bool:
    """Say whether a file is named as predictions of an external model are."""
    parts = path.name.split(".")
    return len(parts) == 4 and parts[1] == EXTERNAL


def member_files(folder: Path, member: str, seed: int | None = None) -> list[Path]:
    """List the files of a member's predictions, of one seed or of all, fitting or not, by name."""
    seeds = "s*" if seed is None else f"s{seed}"
    return sorted(path for path in folder.glob(f"{member}.{seeds}.*.safetensors") if seed_in(path) is not None)
