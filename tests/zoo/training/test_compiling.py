"""Compiling is decided by what it costs and saves, and a compiled training is the same training."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch._dynamo import config
from torch._dynamo.exc import TorchDynamoException

from benchmarks.data import Split
from benchmarks.execution.hardware import Hardware
from benchmarks.execution.plan import estimate, images_seen
from benchmarks.store.file_names import member_files
from benchmarks.store.identity import Configuration
from tests.helpers.generated import FACES
from tests.helpers.runs import Outcome, cli
from zoo import registry
from zoo.recipes import Recipe, Transfer
from zoo.training import compiling
from zoo.training.compiling import COMPILE_SECONDS, SAVED, Choice, execution, lacking_for_gpu_code, versions
from zoo.training.cross_validation import train_folds
from zoo.training.job import Splits, TrainContext, TrainJob
from zoo.training.loop import train
from zoo.training.soups import train_soup

RECIPE = Recipe(epochs=20)
CARD = Hardware("cuda", 8)
EVEN = COMPILE_SECONDS["cuda"] / SAVED["cuda"]
"""Seconds of training that a GPU must save a share of to earn the cost of one compilation."""


# The decision


@pytest.mark.parametrize(
    ("choice", "device", "seconds", "lacking", "compiled", "reason"),
    [
        ("auto", "cuda", EVEN + 1, None, True, "saves 40 s, costs 40 s"),
        ("auto", "cuda", EVEN - 1, None, False, "saves 40 s, costs 40 s"),
        ("auto", "cuda", 15.0, None, False, "saves 3 s, costs 40 s"),
        ("auto", "cuda", 20_000.0, None, True, "saves 4,000 s, costs 40 s"),
        ("auto", "cuda", 20_000.0, "Triton", False, "Triton is missing; saves 4,000 s, costs 40 s"),
        ("auto", "cuda", 15.0, "Triton", False, "saves 3 s, costs 40 s"),
        ("auto", "cpu", 1e9, None, False, "saves nothing on cpu"),
        ("always", "cpu", 1.0, None, True, "--compile always; saves nothing on cpu"),
        ("always", "cuda", 15.0, "Triton", True, "--compile always; saves 3 s, costs 40 s"),
        ("never", "cuda", 20_000.0, None, False, "--compile never; saves 4,000 s, costs 40 s"),
    ],
)
def test_it_is_decided_by_what_compiling_saves_and_costs(
    choice: Choice, device: str, seconds: float, lacking: str | None, compiled: bool, reason: str
):
    found = execution(choice, device, RECIPE, 48, seconds, lacking)
    assert (found.compiled, found.reason) == (compiled, reason)
    assert str(found) == f"{'compiled' if compiled else 'eager'}: {reason}"


def test_the_estimate_is_that_of_the_way_it_is_trained():
    assert execution("never", "cuda", RECIPE, 48, 1000.0).seconds == 1000.0
    assert execution("always", "cuda", RECIPE, 48, 1000.0).seconds == pytest.approx(1000 - 200 + 40)
    assert execution("always", "cpu", RECIPE, 48, 1000.0).seconds == pytest.approx(1000 + 40)


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 1),
        ({"start_size": 2 / 3}, 3),
        ({"sam": 0.05}, 2),
        ({"transfer": Transfer(head_epochs=2)}, 2),
        ({"transfer": Transfer(head_epochs=20)}, 1),
        ({"start_size": 2 / 3, "transfer": Transfer(head_epochs=2), "sam": 0.05}, 8),
        ({"folds": 5}, 1),
        ({"soup": "greedy"}, 1),
    ],
)
def test_each_image_size_phase_and_pass_is_compiled_once_for_all_networks(changes: dict[str, Any], count: int):
    recipe = replace(RECIPE, **changes)
    assert versions(recipe, 48) == count
    assert execution("auto", "cuda", recipe, 48, count * EVEN + 1).compiled
    assert not execution("auto", "cuda", recipe, 48, count * EVEN - 1).compiled


@pytest.mark.parametrize(
    ("changes", "images"),
    [
        ({}, 20 * 1000),
        ({"folds": 5}, 5 * 20 * 800),
        ({"soup": "uniform", "ingredients": 3}, 3 * 20 * 1000),
        ({"ingredients": 3}, 20 * 1000),
        ({"epoch_images": 300}, 20 * 300),
        ({"epoch_images": 900, "folds": 5}, 5 * 20 * 800),
    ],
)
def test_the_steps_of_all_networks_and_epochs_count(changes: dict[str, Any], images: int):
    assert images_seen(replace(RECIPE, **changes), 1000) == images


def test_a_recorded_speed_of_compiled_code_counts_as_what_it_would_be_without():
    member = registry.get("vgg_fer")
    known = {"device_kind": "cuda", "images_per_second": 1000.0}
    configuration = Configuration(member, 0, "f" * 32, len(FACES))
    eager = estimate(configuration, 10_000, CARD, known)
    assert eager == 10 * member.recipe.epochs
    assert estimate(configuration, 10_000, CARD, {**known, "compiled": False}) == eager
    assert estimate(configuration, 10_000, CARD, {**known, "compiled": True}) == pytest.approx(eager / 0.8)


def test_what_a_gpu_needs_to_compile_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: name)
    monkeypatch.setattr(compiling.sysconfig, "get_path", lambda name: str(Path(__file__).parent))
    assert lacking_for_gpu_code() == "Python.h"
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    assert lacking_for_gpu_code() == "a C compiler"
    monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda name: None)
    assert lacking_for_gpu_code() == "Triton"


# The training


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Calls of `torch.compile` and its options, which hands networks back as they are; each of their passes is a 1."""
    calls: list[int] = []

    def compiled(network: nn.Module, *, dynamic: bool) -> Callable[[Tensor], Tensor]:
        assert not dynamic
        calls.append(0)
        return lambda inputs: calls.append(1) or network(inputs)  # type: ignore[func-returns-value]

    monkeypatch.setattr(torch, "compile", compiled)
    return calls


@pytest.fixture(autouse=True)
def limits_as_they_were() -> Iterator[None]:
    before = config.cache_size_limit
    yield
    config.cache_size_limit = before


def noise() -> Split:
    random = np.random.default_rng(0)
    return Split(random.integers(0, 256, (32, 1, 8, 8), dtype=np.uint8), np.arange(32) % 10, np.arange(32))


def linear(**recipe: Any) -> registry.Member:
    member = registry.get("linear")
    return replace(member, recipe=replace(member.recipe, epochs=1, batch_size=8, **recipe))


def test_a_compiled_training_takes_its_steps_through_the_compiled_network(tmp_path: Path, compilations: list[int]):
    weights, data = [], noise()
    for name, compile_it in (("plain", False), ("compiled", True)):
        job = TrainJob(linear(), Splits(data, data), num_classes=10, name=name)
        weights.append(train(job, TrainContext(tmp_path, compiled=compile_it)).weights)
        assert compilations == ([0, 1, 1, 1, 1] if compile_it else [])
    assert all(torch.equal(weights[1][key], value) for key, value in weights[0].items())


@pytest.mark.parametrize(
    ("training", "recipe", "networks"),
    [(train_folds, {"folds": 2}, 2), (train_soup, {"soup": "uniform", "ingredients": 3}, 3)],
)
def test_each_network_of_a_member_is_trained_compiled(
    tmp_path: Path, compilations: list[int], training: Callable[..., Any], recipe: dict[str, Any], networks: int
):
    data = replace(noise(), targets=np.arange(32) % 2)
    training(TrainJob(linear(**recipe), Splits(data, data), num_classes=2), TrainContext(tmp_path, compiled=True))
    assert compilations.count(0) == networks and 1 in compilations


def test_networks_of_one_class_share_their_compiled_code():
    torch.compiler.reset()
    graphs = []

    def counted(graph: Any, inputs: Any) -> Any:
        graphs.append(1)
        return graph.forward

    member = registry.get("lenet")
    inputs = torch.zeros(2, 1, member.image_size, member.image_size)
    for _ in range(3):
        torch.compile(member.build(10, 1), backend=counted, dynamic=False)(inputs)
    assert len(graphs) == 1


# The command line


def digits(results: Path, *more: str) -> Outcome:
    return cli("--suite", "digits", "--results", results, "--device", "cpu", "--members", "linear", *more)


def trained(results: Path, *more: str) -> tuple[Outcome, dict[str, Any]]:
    """What a run of one epoch said, and the provenance of the predictions."""
    done = digits(results, "--train", "missing", "--epochs", "1", "--ensemblers", "best_single", *more)
    (path,) = member_files(results / "digits" / "predictions", "linear")
    with safe_open(path, framework="numpy") as file:
        return done, json.loads(file.metadata()["json"])


@pytest.mark.usefixtures("no_figures")
def test_the_predictions_say_whether_they_come_from_compiled_code(tmp_path: Path, compilations: list[int]):
    done, provenance = trained(tmp_path)
    assert (done.code, provenance["compiled"], compilations) == (0, False, [])
    done, provenance = trained(tmp_path / "compiled", "--compile", "always")
    assert (done.code, provenance["compiled"]) == (0, True)
    assert compilations[0] == 0 and 1 in compilations


@pytest.mark.usefixtures("no_figures")
def test_what_the_compiler_cannot_deal_with_is_said_and_trained_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(inputs: Tensor) -> Tensor:
        raise TorchDynamoException("no such instruction\nand much more")

    monkeypatch.setattr(torch, "compile", lambda network, **options: broken)
    done, provenance = trained(tmp_path, "--compile", "always")
    assert (done.code, provenance["compiled"]) == (0, False)
    assert "linear: torch.compile failed (no such instruction); it is trained as it is\n" in done.out


@pytest.mark.usefixtures("no_figures")
def test_another_error_of_a_compiled_training_is_the_members_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(inputs: Tensor) -> Tensor:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(torch, "compile", lambda network, **options: broken)
    done = digits(tmp_path, "--train", "missing", "--compile", "always")
    assert (done.code, done.out.count("trained as it is")) == (2, 0)
    assert "failed with RuntimeError: out of memory" in done.err


def test_the_plan_says_how_each_member_is_trained_and_why(tmp_path: Path):
    assert plan(tmp_path) == ["linear", "train", "0 s", "eager: saves nothing on cpu", "no stored predictions"]
    assert plan(tmp_path, "--compile", "never")[2:4] == ["0 s", "eager: --compile never; saves nothing on cpu"]
    assert plan(tmp_path, "--compile", "always")[2:4] == ["40 s", "compiled: --compile always; saves nothing on cpu"]


def plan(results: Path, *more: str) -> list[str]:
    """The cells of the member."""
    heads, line, *_ = digits(results, "--plan", "--train", "missing", *more).out.splitlines()
    assert heads.split() == ["member", "action", "estimate", "steps", "why"]
    return re.split(" {2,}", line)


def test_an_unknown_way_to_compile_is_refused(tmp_path: Path):
    done = digits(tmp_path, "--compile", "sometimes")
    assert (done.code, done.out) == (2, "")
    assert "--compile: invalid choice: 'sometimes'" in done.err
