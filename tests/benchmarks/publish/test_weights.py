"""Weights for others: in half precision, or in int8 where they would be too large, and back in a network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.publish.weights import in_int8, save_weights
from tests.helpers.random_models import CLASSES, random_member
from zoo.pretrained.packages import WeightsUnavailable
from zoo.pretrained.released import choose, in_float, load_released, released
from zoo.sealed import seal


def saved(results: Path, suite: str, classes: tuple[str, ...] = CLASSES, limit: int | None = None) -> Path:
    path = results / suite / "model" / "model.safetensors"
    path.parent.mkdir(parents=True)
    save_weights(path, random_member("lenet"), suite, classes, 1, limit)
    return path


def test_a_file_says_of_what_it_is(tmp_path: Path):
    path = saved(tmp_path, "fer2013")
    (one,) = released(tmp_path)
    assert (one.path, one.member, one.suite, one.classes, one.channels) == (path, "lenet", "fer2013", CLASSES, 1)


@pytest.mark.parametrize(("limit", "most"), [(None, 1e-3), (1000, 0.005)])
def test_a_network_gets_nearly_the_weights_that_were_trained(tmp_path: Path, limit: int | None, most: float):
    path, member = saved(tmp_path, "fer2013", limit=limit), random_member("lenet")
    network = member.member.build(len(CLASSES), 1)
    load_released(network, released(tmp_path)[0], len(CLASSES), 1)
    for name, value in network.state_dict().items():
        scale = float(member.weights[name].abs().max()) or 1.0
        assert torch.allclose(value, member.weights[name], rtol=0, atol=most * scale), name
    parameters = sum(value.numel() for value in member.weights.values())
    assert path.stat().st_size < (2.2 if limit is None else 1.4) * parameters


def test_int8_keeps_what_has_one_axis_and_counts():
    weights = {"kernel": torch.randn(4, 3), "bias": torch.randn(4), "count": torch.tensor(3), "none": torch.zeros(2, 2)}
    stored = in_int8(weights)
    assert {name: value.dtype for name, value in stored.items()} == {
        "kernel": torch.int8,
        "kernel.scale": torch.float32,
        "bias": torch.float16,
        "count": torch.int64,
        "none": torch.int8,
        "none.scale": torch.float32,
    }
    back = in_float(stored)
    assert back.keys() == weights.keys() and torch.equal(back["none"], weights["none"])
    assert torch.allclose(back["kernel"], weights["kernel"], atol=float(weights["kernel"].abs().max()) / 127)


def test_of_several_suites_the_one_with_as_many_classes_then_the_first(tmp_path: Path):
    saved(tmp_path, "ferplus", (*CLASSES, "contempt"))
    saved(tmp_path, "fer2013")
    saved(tmp_path, "fer2013-dedup")
    found = released(tmp_path)
    assert choose(found, 3).suite == "fer2013" and choose(found, 4).suite == "ferplus"
    assert choose(found, 9).suite == "fer2013"


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path):
    path = saved(tmp_path, "fer2013")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(WeightsUnavailable, match=r"model\.safetensors is damaged or no safetensors file"):
        released(tmp_path)
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsUnavailable, match="it has no digests, or has lost them"):
        released(tmp_path)
    path.write_bytes(seal(path.read_bytes()))
    with pytest.raises(WeightsUnavailable, match="has no 'fer-ensembles/weights/1' in its header"):
        released(tmp_path)


def test_without_results_there_are_none(tmp_path: Path):
    assert released(tmp_path / "nowhere") == []
