"""What can be seen of a GPU's training without one: flags of its library, reads that wait for it, breaks of graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.backends import cudnn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.data import Dataset
from zoo import registry
from zoo.gpu import convolutions_tried, full_precision
from zoo.inference import predict as prediction
from zoo.member import Member
from zoo.overrides import override
from zoo.training import loop
from zoo.training.job import TrainContext, TrainJob

torch.set_num_threads(1)

WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique", "_unique2"}
"""Operators whose result the host must know before it goes on: on a GPU, it waits until all steps before are done."""


class Reads(TorchDispatchMode):
    """Counts the operators that make the host wait, but for those that read a number of `on_host`."""

    def __init__(self, on_host: Sequence[torch.Tensor] = ()) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self._on_host = {id(number) for number in on_host}

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masked = name == "index" and any(getattr(index, "dtype", None) == torch.bool for index in args[1])
        if (name in WAITING or masked) and id(args[0]) not in self._on_host:
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


def member(*changes: str) -> Member:
    small = registry.get("vgg_fer")
    whole = ("recipe.epochs=1", "recipe.batch_size=48", *changes)
    return override(replace(small, image_size=16), whole)


@pytest.fixture
def during(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, bool]]:
    """The flags while a network is in training and while it predicts: algorithms tried, TF32 allowed."""
    seen = list[tuple[bool, bool]]()
    step, scores = loop._Run._step, prediction.scores

    def noted(function: Any) -> Any:
        def noting(*arguments: Any, **options: Any) -> Any:
            seen.append((cudnn.benchmark, cudnn.allow_tf32))
            return function(*arguments, **options)

        return noting

    monkeypatch.setattr(loop._Run, "_step", noted(step))
    monkeypatch.setattr(prediction, "scores", noted(scores))
    return seen


def test_training_tries_algorithms_and_predictions_are_in_float32(
    dataset: Dataset, tmp_path: Path, during: list[tuple[bool, bool]]
):
    before = cudnn.benchmark, cudnn.allow_tf32
    job = TrainJob(member(), dataset, 3)
    weights = loop.train(job, TrainContext(tmp_path)).weights
    assert set(during) == {(True, before[1])}
    del during[:]
    prediction.predict(job.member, weights, dataset.val.images, 3, "cpu")
    assert set(during) == {(before[0], False)}
    assert (cudnn.benchmark, cudnn.allow_tf32) == before


@pytest.mark.parametrize("flags", [convolutions_tried, full_precision])
def test_flags_are_back_after_an_error(flags: Any):
    before = cudnn.benchmark, cudnn.allow_tf32
    with pytest.raises(RuntimeError), flags():
        assert (cudnn.benchmark, cudnn.allow_tf32) != before
        raise RuntimeError
    assert (cudnn.benchmark, cudnn.allow_tf32) == before


@pytest.mark.parametrize("flags", [convolutions_tried, full_precision])
def test_flags_are_kept_until_the_last_thread_leaves_and_then_are_back(flags: Any):
    before = cudnn.benchmark, cudnn.allow_tf32
    first, second = flags(), flags()
    first.__enter__()
    within = cudnn.benchmark, cudnn.allow_tf32
    second.__enter__()
    first.__exit__(None, None, None)
    assert (cudnn.benchmark, cudnn.allow_tf32) == within != before
    second.__exit__(None, None, None)
    assert (cudnn.benchmark, cudnn.allow_tf32) == before


@contextmanager
def reads_of_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Counter[str]]]:
    """Count what makes the host wait, step by step."""
    steps, step = list[Counter[str]](), loop._Run._step

    def counted(self: Any, *arguments: Any) -> Any:
        counts = [state["step"] for state in self.optimizer.state.values() if "step" in state]
        with Reads([count for count in counts if isinstance(count, torch.Tensor)]) as reads:  # torch keeps them there
            found = step(self, *arguments)
        steps.append(reads.found)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "_step", counted)
        yield steps


@pytest.mark.parametrize(
    "changes",
    [
        (),
        ("recipe.optimizer=muon",),
        ("recipe.optimizer=adamw", "recipe.clip_norm=1.0"),
        ("recipe.mixup=0.4", "recipe.mix_probability=0.5"),
        ("recipe.cutmix=1.0", "recipe.augment.erase=0.5"),
        ("recipe.l1=1e-6", "recipe.dropout=0.1"),
        ("recipe.loss.kind=focal",),
        ("recipe.accumulate=2",),
    ],
    ids="+".join,
)
def test_no_step_of_a_training_waits_for_the_card(
    changes: tuple[str, ...], dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with reads_of_steps(monkeypatch) as steps:
        loop.train(TrainJob(member(*changes), dataset, 3), TrainContext(tmp_path))
    later = steps[1:]  # the first sets up what the optimizer keeps
    assert later and not any(later), steps


def test_reads_are_seen():
    with Reads() as reads:
        values = torch.arange(4.0)
        values.sum().item()
        values[values > 1]
        values[torch.tensor([0, 1])]
    assert set(reads.found) >= {"_local_scalar_dense"} and sum(reads.found.values()) >= 2


@pytest.mark.parametrize("name", ["vgg_fer", "resnet_fer", "ferplus_vgg13", "mini_xception"])
def test_a_network_is_one_graph(name: str):
    """Where Python is needed in between, compiled code returns to it at each step."""
    network = registry.get(name).build(7, 1).train()
    torch._dynamo.reset()
    size = registry.get(name).image_size
    explained = torch._dynamo.explain(network)(torch.from_numpy(np.zeros((2, 1, size, size), dtype=np.float32)))
    assert explained.graph_break_count == 0, explained.break_reasons
    torch._dynamo.reset()
