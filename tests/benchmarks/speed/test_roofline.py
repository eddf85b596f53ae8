"""The roofline: counts against those by hand, bounds of made-up ceilings, and a whole run at a size of no account."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.speed import ceilings, inference, input_pipeline, roofline, training
from benchmarks.speed.ceilings import Ceilings
from benchmarks.speed.operators import OTHER, Operator, Operators, groups
from benchmarks.speed.records import Record
from benchmarks.speed.timing import Rate
from zoo import registry

FLOAT, INT64 = 4, 8  # bytes


def by_name(noted: Operators) -> dict[str, Operator]:
    return {operator.name: operator for operator in noted.found}


def test_the_counts_of_a_tiny_network_are_those_by_hand():
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.ReLU(), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(32, 5)
    )
    images = torch.ones(3, 1, 4, 4)
    with torch.no_grad(), Operators() as noted:
        network(images)
    found, maps = by_name(noted), 3 * 2 * 4 * 4
    assert set(found) == {"convolution", "relu", "relu_", "addmm"}, "a view moves nothing"
    seen = (4 * 3 - 2) ** 2  # of 3 weights a side, the padding takes one from the first pixel and from the last
    assert found["convolution"].operations == 2 * 3 * 2 * seen
    assert found["convolution"].moved == found["convolution"].touched == FLOAT * (3 * 16 + 2 * 9 + maps)
    assert found["relu"].operations == 0 and found["relu"].moved == found["relu"].touched == FLOAT * 2 * maps
    assert found["relu_"].moved == FLOAT * 2 * maps and found["relu_"].touched == FLOAT * maps, "in place"
    assert found["addmm"].operations == 2 * 3 * 32 * 5
    assert found["addmm"].moved == FLOAT * (maps + 32 * 5 + 5 + 3 * 5)


def test_inference_mode_and_bf16_autocast_are_seen_through():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.MaxPool2d(2)).eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), Operators() as noted:
        network(torch.ones(1, 1, 6, 6))
    convolution = by_name(noted)["convolution"]
    assert convolution.dtype == torch.bfloat16 and convolution.operations == 2 * 2 * 16 * 9
    assert convolution.moved == 2 * (36 + 2 * 9 + 2 + 2 * 16), "two bytes a number"
    assert set(groups(noted.found)) == {"convolutions", "norm, activation, pooling", OTHER}


@pytest.mark.parametrize(("channels", "in_groups"), [(4, 1), (4, 4)])
@pytest.mark.parametrize("inputs_too", [False, True])
def test_a_convolution_takes_its_operations_again_for_each_gradient(channels: int, in_groups: int, inputs_too: bool):
    convolution = nn.Conv2d(channels, 4, 3, padding=1, bias=False, groups=in_groups)
    images = torch.ones(2, channels, 5, 5, requires_grad=inputs_too)
    with Operators() as noted:
        convolution(images).sum().backward()
    found, once = by_name(noted), 2 * (2 * 4 * (5 * 3 - 2) ** 2) * (channels // in_groups)
    assert found["convolution"].operations == once
    assert found["convolution_backward"].operations == once * (2 if inputs_too else 1)


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (2, 2, 2), (3, 4, 1)])
def test_the_zeros_of_the_padding_are_not_multiplied(stride: int, padding: int, dilation: int):
    images, weight = torch.ones(2, 4, 9, 7), torch.ones(6, 2, 3, 5)
    with Operators() as noted:
        pairs = F.conv2d(images, weight, None, stride, padding, dilation, groups=2)
    assert noted.found[0].operations == 2 * pairs.sum().item(), "of ones, each pair adds one"


def test_a_transposed_convolution_counts_by_its_inputs():
    with torch.no_grad(), Operators() as noted:
        nn.ConvTranspose2d(3, 2, 2, stride=2, bias=False)(torch.ones(1, 3, 4, 4))
        pairs = F.conv_transpose2d(torch.ones(1, 4, 5, 5), torch.ones(4, 1, 3, 3), None, 2, 1, groups=2)
    simple, padded = (operator.operations for operator in noted.found if operator.name == "convolution")
    assert simple == 2 * (3 * 16) * (2 * 4) and padded == 2 * pairs.sum().item()


def test_only_what_must_move_is_counted():
    table, rows = torch.ones(100, 8), torch.tensor([1, 5, 7])
    with Operators() as noted:
        picked = table[rows]
        torch.empty(50)
        picked.t()[1:]
        torch.zeros_like(picked)
        table.copy_(torch.ones(1).expand(100, 8))
    found = by_name(noted)
    assert found["index"].moved == FLOAT * 2 * 24 + INT64 * 3, "the rows that are taken, and not the table"
    assert found["zeros_like"].moved == FLOAT * 24, "written alone"
    assert found["copy_"].moved == FLOAT * (800 + 1), "the target is not read, and one number is read once"
    assert "empty" not in found and "t" not in found


def test_a_grid_sample_is_counted_by_its_formula():
    images, grid = torch.ones(2, 3, 8, 8), torch.zeros(2, 4, 4, 2)
    with Operators() as noted:
        F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    (sample,) = noted.found
    assert sample.operations == 2 * 16 * (36 + 3 * 7) and sample.group == "grid sample"
    assert sample.moved == FLOAT * (images.numel() + grid.numel() + 2 * 3 * 16)


MADE_UP = Ceilings({torch.bfloat16: 400.0, torch.float32: 100.0}, {10: 40.0, 100: 50.0, 1000: 5.0})
BY_ARITHMETIC = Operator("convolution", torch.float32, operations=1000, moved=60, touched=60)
BY_MEMORY = Operator("relu_", torch.float32, operations=0, moved=4000, touched=2000)


def test_the_larger_of_arithmetic_and_memory_bounds_an_operator():
    assert MADE_UP.arithmetic(BY_ARITHMETIC) == 10.0 and MADE_UP.memory(BY_ARITHMETIC) == 60 / 50
    assert MADE_UP.arithmetic(replace(BY_ARITHMETIC, dtype=torch.bfloat16)) == 2.5
    assert MADE_UP.memory(BY_MEMORY) == 800.0, "what no cache holds moves at the speed of the memory"
    assert MADE_UP.memory(replace(BY_MEMORY, touched=1)) == 80.0, "the smallest has the fastest ceiling of all"
    bound = roofline.Bound.of([BY_ARITHMETIC, BY_MEMORY], MADE_UP)
    assert (bound.arithmetic, bound.memory, bound.products) == (10.0, 800.0, 10.0)
    assert str(bound) == "memory 99 %, arithmetic 1 %"


def test_ceilings_are_measured_and_the_best_is_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ceilings, "SIDES", {"cpu": (16,)})
    monkeypatch.setattr(ceilings, "CHANNELS", 4)
    monkeypatch.setattr(ceilings, "SIZES", (64, 256))
    monkeypatch.setattr(ceilings, "ONE_ROUND", {"cpu": 1024})
    found = ceilings.measure("cpu", rounds=1)
    assert set(found.bytes) == {64, 128, 256, 512} and set(found.operations) == {torch.bfloat16, torch.float32}
    faster = Ceilings(dict.fromkeys(found.operations, 1000000000000000.0), dict.fromkeys(found.bytes, 1.0))
    assert found.raised_by(faster) == Ceilings(faster.operations, found.bytes)
    assert [row.unit for row in found.comparisons()] == ["GFLOP/s", "GFLOP/s", "GB/s", "GB/s"]


def test_the_operations_of_the_products_that_are_timed_are_those_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ceilings, "SIDES", {"cpu": (16,)})
    monkeypatch.setattr(ceilings, "CHANNELS", 4)
    for operations, call in ceilings.products(torch.float32, "cpu"):
        with torch.no_grad(), Operators() as noted:
            call()
        assert sum(operator.operations for operator in noted.found) == operations


def test_a_step_counts_forward_and_both_gradients_of_every_layer():
    member = training.prepared(registry.get("resnet_digits"), 16)
    network, expected = member.build(training.CLASSES, 1), list[int]()

    def note(layer: nn.Conv2d | nn.Linear, inputs: tuple[Tensor], outputs: Tensor) -> None:
        with torch.no_grad():
            layer.weight.fill_(1)
            if layer.bias is not None:
                layer.bias.fill_(0)
            layer_of_ones = layer.forward(torch.ones_like(inputs[0]))
        expected.append(2 * int(layer_of_ones.sum()))

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(note)
    network(torch.zeros(16, 1, member.image_size, member.image_size))
    found = groups(roofline.operators_of_a_step(member, "cpu"))
    products = sum(operator.operations for name in ("convolutions", "matrix products") for operator in found[name])
    assert products == 3 * sum(expected) - expected[0], "the images have no gradient"
    assert sum(operator.name == "grid_sampler_2d" for operator in found["grid sample"]) == 1, "one step"


SMALL = ["--members", "resnet_digits", "--batch-size", "16", "--cores", "1", "--rounds", "1", "--seconds", "0.01"]


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """The record of a run whose ceilings are made up."""
    monkeypatch.setattr(roofline, "measure", lambda device: Ceilings({torch.float32: 1e15}, {1: 1e15}))
    roofline.main([*SMALL, "--images", "128", "--json", str(tmp_path / "roofline.json")])
    return Record.read(tmp_path / "roofline.json")


def test_every_workload_is_a_share_of_its_bound(left: Record):
    kinds = ("a training step", "inference", "augmentation")
    found = [row for row in left.comparisons if row.peer]
    assert [row.peer for row in found] == [f"{what} of {kind}" for kind in kinds for what in ("bound", "arithmetic")]
    assert all(row.ratio is not None and 0 < row.ratio < 1 for row in found), "nothing reaches such ceilings"
    bounds = [row for row in found if row.bounded_by]
    assert [row.peer.partition(" ")[0] for row in bounds] == ["bound"] * 3


def test_figures_have_the_names_that_other_scripts_give_them(
    left: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """By these names the report finds what bounds a figure."""
    path, sides = tmp_path / "other.json", {"ours": Rate((1.0,)), "peer": Rate((1.0,))}
    ours = {row.what for row in left.comparisons if row.peer}
    for script, name in ((training, "in_turns"), (input_pipeline, "rates"), (inference, "measure")):
        monkeypatch.setattr(script, name, lambda *_: sides)
    monkeypatch.setattr(input_pipeline, "pil_loader", lambda *_: None)
    monkeypatch.setattr(input_pipeline, "kornia", lambda *_: None)
    monkeypatch.setattr(inference, "runners", lambda *_: {})
    theirs = set()
    small = ["--cores", "1", "--json", str(path)]
    member = ["--members", "resnet_digits"]
    for run, arguments in (
        (training.main, [*member, "--batch-size", "16", "--images", "32"]),
        (inference.main, [*member, "--batch-sizes", "64"]),
        (input_pipeline.main, ["--images", "32"]),
    ):
        run([*arguments, *small])
        theirs |= {row.what for row in Record.read(path).comparisons}
    assert ours == theirs


def test_a_known_card_is_asked_for_its_nominal_peak(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(roofline, "device_name", lambda device: "NVIDIA H200")
    step = roofline.Work("a training step", "x, cuda", 10, [BY_ARITHMETIC], Rate((989e12 / 1000 * 10 / 4,)), mfu=0.3)
    (row,) = roofline.beside_the_nominal_peak(step)
    assert row.ratio == pytest.approx(0.25) and row.reached is False and row.peer == "nominal peak of H200"
    monkeypatch.setattr(roofline, "device_name", lambda device: "another card")
    assert not roofline.beside_the_nominal_peak(step)
