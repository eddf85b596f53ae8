"""Our own trained weights, where a suite's results hold a released model: `results/SUITE/model/model.safetensors`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from zoo.pretrained.packages import WeightsUnavailable
from zoo.sealed import Damaged, read, read_facts

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = "fer-ensembles/weights/1"
SCALE = ".scale"  # behind the name of an int8 tensor: what it is to be multiplied by
FOLDER = Path(__file__).resolve().parents[2] / "results"
FILE = Path("model") / "model.safetensors"


@dataclass(frozen=True)
class Released:
    """A file of weights: of which member, trained on which suite with which classes, for how many channels.

    `hash` ends the name of the predictions that were made with them; empty where the file does not say.
    """

    path: Path
    member: str
    suite: str
    classes: tuple[str, ...]
    channels: int
    hash: str

    def read(self) -> tuple[dict[str, Tensor], str]:
        """Read the weights by name, int8 ones as floats, and the SHA-256 of the arrays in the file.

        Raises WeightsUnavailable where the file is damaged.
        """
        from safetensors.torch import load

        try:
            found = read(self.path, always_sealed=True)
            return in_float(load(found.content)), found.arrays
        except (Damaged, SafetensorError, OSError) as error:
            raise WeightsUnavailable(f"{self.path} is damaged or no safetensors file ({error})") from error


def released(results: Path | None = None) -> list[Released]:
    """List the released weights of a folder of results, by suite; none where it holds none.

    Raises WeightsUnavailable where a file is damaged or was not written by this project.
    """
    return [_read(path) for path in sorted((results or FOLDER).glob(f"*/{FILE}"))]


def released_in(folder: Path) -> Released | None:
    """Return the released weights of one suite's folder of results, if it holds any; raise as `released` does."""
    path = folder / FILE
    return _read(path) if path.exists() else None


def _read(path: Path) -> Released:
    try:
        about = read_facts(path, always_sealed=True)
    except (Damaged, OSError) as error:
        raise WeightsUnavailable(f"{path} is damaged or no safetensors file ({error})") from error
    if about.get("format") != FORMAT:
        raise WeightsUnavailable(f"{path} has no {FORMAT!r} in its header: it was not written by this version")
    try:
        classes = tuple(map(str, json.loads(about["classes"])))
        return Released(path, about["member"], about["suite"], classes, int(about["channels"]), about.get("hash", ""))
    except (KeyError, ValueError, TypeError) as error:
        raise WeightsUnavailable(f"{path} is damaged: its header does not say what it is of ({error!r})") from error


def choose(found: list[Released], num_classes: int) -> Released:
    """Choose among released weights of one member: of as many classes, of the first suite by name."""
    return min(found, key=lambda one: (len(one.classes) != num_classes, one.suite))


def load_released(network: nn.Module, one: Released, num_classes: int, in_chans: int) -> None:
    """Put released weights into a network of the same member.

    The classifier keeps its random weights where the network has another number of classes. Raises ValueError for
    another number of channels, WeightsUnavailable where the file is damaged.
    """
    from zoo.pretrained.warm_start import WarmStart, start_from

    if in_chans != one.channels:
        raise ValueError(f"the released weights of {one.member} are for {one.channels} channels, not {in_chans}")
    trained = len(one.classes)
    classes = list(range(trained)) if num_classes == trained else [None] * num_classes
    start_from(network, WarmStart(one.read()[0], classes, trained))


def in_float(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as floats: int8 ones multiplied by their scales."""
    return {
        name: value.float() * stored[name + SCALE] if name + SCALE in stored else value
        for name, value in stored.items()
        if not name.endswith(SCALE)
    }
