"""Models for others, damaged at random: refused by name before any parser of another language sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from benchmarks.publish.measure import load_probabilities, save_probabilities
from tests.helpers.bundles import write_bundle
from tests.helpers.damage import TRIALS, damaged_copies
from zoo.pretrained.packages import WeightsUnavailable
from zoo.pretrained.released import FILE, FORMAT, load_released, released
from zoo.sealed import seal
from zoo.use.bundle import Bundle
from zoo.use.errors import NoModel

CROPS = np.random.default_rng(0).integers(0, 256, (5, 9, 8, 3), dtype=np.uint8)


def bundle(folder: Path) -> tuple[Path, Callable[[], Any]]:
    path = write_bundle(folder / "faces.onnx")

    def read() -> Any:
        model = Bundle(path, threads=1)
        return model.facts, model(CROPS).tobytes()

    return path, read


def released_weights(folder: Path) -> tuple[Path, Callable[[], Any]]:
    network, path = torch.nn.Linear(6, 2), folder / "faces" / FILE
    about = {"format": FORMAT, "member": "net", "suite": "faces", "classes": json.dumps(["a", "b"]), "channels": "1"}
    path.parent.mkdir(parents=True)
    path.write_bytes(seal(save(network.state_dict(), about)))

    def read() -> Any:
        (one,) = released(folder)
        with torch.no_grad():
            network.weight.zero_()
        load_released(network, one, 2, 1)
        return one, {name: value.tolist() for name, value in network.state_dict().items()}

    return path, read


def probabilities(folder: Path) -> tuple[Path, Callable[[], Any]]:
    path, random = folder / "probabilities.safetensors", np.random.default_rng(0)
    save_probabilities(path, {split: random.random((30, 7)) for split in ("val", "test")})
    return path, lambda: {split: array.tobytes() for split, array in load_probabilities(path).items()}


@pytest.mark.parametrize("make", [bundle, released_weights, probabilities])
def test_a_damaged_model_is_refused_by_name_or_read_as_it_was(
    make: Callable[[Path], tuple[Path, Callable[[], Any]]], tmp_path: Path
):
    path, read = make(tmp_path)
    content, expected, refused = path.read_bytes(), read(), 0
    for what, damaged in damaged_copies(content):
        path.write_bytes(damaged)
        try:
            found = read()
        except (NoModel, WeightsUnavailable, ValueError) as error:
            assert path.name in str(error) and str(error).isprintable() and len(str(error)) < 1000, what
            refused += 1
        else:
            assert found == expected, what
    assert refused > TRIALS // 2
