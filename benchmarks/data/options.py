"""What a user may say of the data: where it is, and how to make images and splits where that is open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataOptions:
    """`path` a file or folder (None: the usual places), `side` the stored images' side in pixels (None: the suite's),
    `groups` what keeps images together in one split, `seed` of splits that no one has published."""

    path: Path | None = None
    side: int | None = None
    groups: str = ""
    seed: int = 0

    def flags(self) -> dict[str, str]:
        """What was asked for beside the path, by the command line's name of it."""
        return {
            flag: str(getattr(self, field))
            for field, flag in FLAGS.items()
            if getattr(self, field) != getattr(DataOptions, field)
        }


FLAGS = {"side": "--image-side", "groups": "--groups", "seed": "--split-seed"}
"""The command line's name of each option that not every suite has."""
