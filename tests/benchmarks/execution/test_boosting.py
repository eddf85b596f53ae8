"""Trees of a member whose fit is stopped, and goes on from its checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.data.digits import load
from benchmarks.execution import boosting
from benchmarks.execution.boosting import fit_boosting
from benchmarks.store.identity import Configuration
from zoo import registry
from zoo.recipes import Trees
from zoo.training.job import Progress, TrainContext
from zoo.training.loop import Stopped

ROUNDS = 30


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[np.ndarray, np.ndarray, Any]]:
    """Fits trees on the pixels in place of a network's features."""
    plain = registry.get("mlp")
    member = replace(plain, name="mlp_xgboost", features_of="mlp", recipe=replace(plain.recipe, trees=Trees(ROUNDS)))
    data = load()
    configuration = Configuration(member, 0, "0" * 12, 10)

    def pixels(configuration: Configuration, weights: Any, images: np.ndarray, device: str) -> np.ndarray:
        return images.reshape(len(images), -1).astype(np.float32)

    monkeypatch.setattr(boosting, "_features", pixels)

    def fit(network: str = "one", **context: Any) -> tuple[np.ndarray, np.ndarray, Any]:
        return fit_boosting(configuration, {}, network, data, TrainContext(tmp_path, **context))

    return fit


def stop_after(rounds: int) -> Callable[[], str | None]:
    """Asks to stop when it is asked for the so manieth time."""
    asked = iter(range(1, 10**6))
    return lambda: "enough" if next(asked) == rounds else None


def test_a_fit_goes_on_from_where_it_was_stopped(fitted: Callable[..., Any], tmp_path: Path):
    told: list[Progress] = []
    with pytest.raises(Stopped, match="enough"):
        fitted(stop=stop_after(17), checkpoint_every=1e9)
    val, test, about = fitted(progress=told.append)
    assert told[0].epoch == 11 and told[0].unit == "round"
    for path in tmp_path.glob("*.pt"):
        path.unlink()
    whole_val, whole_test, whole_about = fitted()
    assert about["rounds"] == whole_about["rounds"]
    assert val.tobytes() == whole_val.tobytes() and test.tobytes() == whole_test.tobytes()


def test_rounds_on_the_features_of_other_weights_are_set_aside(fitted: Callable[..., Any], tmp_path: Path):
    with pytest.raises(Stopped):
        fitted(stop=stop_after(17))
    told: list[Progress] = []
    fitted("other", progress=told.append)
    assert told[0].epoch == 1
    assert list(tmp_path.glob("*.unreadable"))
