"""What a training is called: its states lie where those of earlier versions lie, so that a stopped one goes on."""

from __future__ import annotations

from pathlib import Path

from zoo import registry
from zoo.training.job import Splits, TrainContext, TrainJob


def test_states_of_several_networks_lie_beside_each_other(tmp_path: Path):
    data = Splits(None, None)  # type: ignore[arg-type]
    job = TrainJob(registry.get("linear"), data, num_classes=3, name="linear.s0.0123456789ab")
    context = TrainContext(tmp_path)
    assert context.checkpoint(job).name == "linear.s0.0123456789ab.pt"
    assert context.checkpoint(job.network(2)).name == "linear.s0.0123456789ab.part2.pt"
    assert job.network(2).member is job.member
