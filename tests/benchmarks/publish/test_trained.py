"""Members whose network no file holds as the member is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.publish.trained import WeightsMissing, load_trained
from benchmarks.store.identity import Configuration
from benchmarks.store.predictions import Predictions
from zoo import registry
from zoo.member import Member


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (replace(registry.get("mlp"), name="mlp_xgboost", features_of="mlp"), "its trees are not kept"),
        (registry.get("vgg_fer@aligned"), "sees faces that the landmarks of another network have moved"),
    ],
)
def test_they_are_refused(member: Member, reason: str, tmp_path: Path):
    logits = np.zeros((2, 7), np.float16)
    predictions = Predictions(Configuration(member, 0, "0" * 12, 7), logits, logits, {})
    with pytest.raises(WeightsMissing, match=reason):
        load_trained(tmp_path, predictions, member.name)
