"""Convolutions as matrix products are the library's convolutions, in whichever way they are computed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.data import Dataset
from tests.helpers.convolutions import gradients
from zoo import registry
from zoo.training import loop, products
from zoo.training.job import TrainContext, TrainJob
from zoo.training.products import (
    ALL,
    LIBRARY,
    OTHERS,
    WITHOUT_AMX,
    Limits,
    ProductConv2d,
    Ways,
    by_library,
    use_products,
)

torch.set_num_threads(1)

WEIGHTS = Ways(False, False, True)
BY_TYPE = {torch.float32: 2e-6, torch.bfloat16: 2**-7}  # of the largest number: two units of the last place


@pytest.mark.parametrize("dtype", list(BY_TYPE))
@pytest.mark.parametrize("ways", [ALL, WEIGHTS, Ways(True, False, False), Ways(False, True, False)], ids=str)
@pytest.mark.parametrize(
    ("channels", "side", "kernel", "stride", "padding"),
    [
        ((3, 5), 6, 3, 1, 1),
        ((3, 5), 7, 3, 2, 1),
        ((4, 2), 8, 3, 2, 0),
        ((5, 7), 4, 1, 1, 0),
        ((5, 7), 5, 1, 2, 0),
        ((2, 3), 5, 5, 1, 2),
        ((2, 3), 9, (3, 1), (2, 1), (1, 0)),
        ((2, 3), 1, 3, 1, 1),
        ((2, 3), 6, 2, 2, 0),
    ],
)
def test_outputs_and_gradients_are_those_of_a_convolution_in_float64(
    channels: tuple[int, int],
    side: int,
    kernel: Any,
    stride: Any,
    padding: Any,
    ways: Ways,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
):
    torch.manual_seed(0)
    exact = nn.Conv2d(*channels, kernel, stride, padding).double()
    layer = nn.Conv2d(*channels, kernel, stride, padding)
    layer.load_state_dict(exact.state_dict())
    images = torch.randn(4, channels[0], side, side + 1).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        usual = gradients(layer, images)
        layer.zero_grad()
        use_products(layer)
        monkeypatch.setattr(ProductConv2d, "ways", lambda self, images: ways)
        found = gradients(layer, images)
    assert found[0].dtype == dtype and [one.dtype for one in found[1:]] == [torch.float32] * 3
    for ours, library, theirs in zip(found, usual, gradients(exact, images.double()), strict=True):
        assert ours.shape == theirs.shape
        off = (library - theirs).abs().max()  # where bfloat16 is emulated, the library rounds more often
        assert (ours - theirs).abs().max() <= max(BY_TYPE[dtype] * theirs.abs().max(), off)


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU is not one with AVX-512 and without AMX."""
    monkeypatch.setattr(products, "_limits", lambda: OTHERS)


@pytest.mark.parametrize(
    ("capability", "amx", "expected"),
    [
        ("AVX512", False, WITHOUT_AMX),
        ("AVX512_VNNI", False, WITHOUT_AMX),
        ("AVX512", True, OTHERS),
        ("AVX2", False, OTHERS),
    ],
)
def test_what_gains_depends_on_the_cpu(capability: str, amx: bool, expected: Limits, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert products._limits.__wrapped__() == expected


@pytest.mark.parametrize(
    ("limits", "layer", "side", "dtype", "expected"),
    [
        (OTHERS, nn.Conv2d(256, 256, 3, padding=1), 6, torch.bfloat16, WEIGHTS),
        (OTHERS, nn.Conv2d(256, 256, 3, padding=1), 7, torch.bfloat16, LIBRARY),
        (OTHERS, nn.Conv2d(256, 256, 3, padding=1), 6, torch.float32, LIBRARY),
        (OTHERS, nn.Conv2d(512, 512, 3, padding=1), 3, torch.bfloat16, ALL),
        (OTHERS, nn.Conv2d(512, 512, 3, padding=1), 3, torch.float32, ALL),
        (OTHERS, nn.Conv2d(512, 512, 3, padding=1), 3, torch.float64, LIBRARY),
        (OTHERS, nn.Conv2d(256, 512, 3, 2, 1), 6, torch.float32, ALL),
        (OTHERS, nn.Conv2d(256, 128, 1), 24, torch.float32, ALL),
        (OTHERS, nn.Conv2d(16, 32, 1), 24, torch.float32, LIBRARY),
        (OTHERS, nn.Conv2d(256, 128, 1, 2), 24, torch.float32, LIBRARY),
        (WITHOUT_AMX, nn.Conv2d(256, 256, 3, padding=1), 6, torch.bfloat16, LIBRARY),
        (WITHOUT_AMX, nn.Conv2d(256, 256, 3, padding=1), 4, torch.bfloat16, WEIGHTS),
        (WITHOUT_AMX, nn.Conv2d(256, 256, 3, padding=1), 4, torch.float32, LIBRARY),
        (WITHOUT_AMX, nn.Conv2d(512, 512, 3, padding=1), 3, torch.bfloat16, WEIGHTS),
        (WITHOUT_AMX, nn.Conv2d(1024, 1024, 3, padding=1), 3, torch.bfloat16, ALL),
        (WITHOUT_AMX, nn.Conv2d(1024, 1024, 3, padding=1), 3, torch.float32, ALL),
        (WITHOUT_AMX, nn.Conv2d(256, 512, 3, 2, 1), 6, torch.bfloat16, WEIGHTS),
        (WITHOUT_AMX, nn.Conv2d(256, 128, 1), 24, torch.bfloat16, LIBRARY),
        (WITHOUT_AMX, nn.Conv2d(256, 128, 1), 4, torch.bfloat16, ALL),
        (WITHOUT_AMX, nn.Conv2d(16, 32, 1), 4, torch.bfloat16, LIBRARY),
    ],
)
def test_a_layer_chooses_by_its_map_and_its_channels(
    limits: Limits, layer: nn.Module, side: int, dtype: torch.dtype, expected: Ways, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(products, "_limits", lambda: limits)
    use_products(layer)
    assert isinstance(layer, ProductConv2d)
    assert layer.ways(torch.zeros(1, layer.in_channels, side, side, dtype=dtype)) == expected


@pytest.mark.usefixtures("others")
def test_who_counts_operators_gets_those_of_the_library():
    layer = nn.Conv2d(512, 512, 3, padding=1)
    use_products(layer)
    assert isinstance(layer, ProductConv2d)
    with by_library():
        assert layer.ways(torch.zeros(1, 512, 2, 2)) == LIBRARY
    assert layer.ways(torch.zeros(1, 512, 2, 2)) == ALL


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, dilation=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv1d(4, 4, 3),
        nn.ConvTranspose2d(4, 4, 3),
        type("Own", (nn.Conv2d,), {})(4, 4, 3),
    ],
    ids=repr,
)
def test_other_convolutions_stay_as_they_are(layer: nn.Module):
    before = type(layer)
    use_products(nn.Sequential(layer))
    assert type(layer) is before


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("name", ["resnet18", "vgg_fer", "resemotenet"])
def test_a_network_learns_as_it_would(name: str):
    member = registry.get(name)
    torch.manual_seed(0)
    network = member.build(7, 1).to(memory_format=torch.channels_last).eval()  # without dropout
    ours = copy.deepcopy(network)
    use_products(ours)
    assert any(isinstance(layer, ProductConv2d) for layer in ours.modules())
    assert ours.state_dict().keys() == network.state_dict().keys()
    images = torch.randn(3, 1, member.image_size, member.image_size)
    for one in (network, ours):
        logits = one(images)
        (logits if isinstance(logits, Tensor) else logits.logits).log_softmax(1)[:, 0].sum().backward()
    pairs = zip(network.parameters(), ours.parameters(), strict=True)
    for theirs, our in ((theirs.grad, our.grad) for theirs, our in pairs if theirs.grad is not None):
        assert our is not None and (our - theirs).abs().max() <= 1e-4 * theirs.abs().max() + 1e-9


@pytest.mark.parametrize(("compiled", "expected"), [(False, True), (True, False)])
def test_training_on_a_cpu_uses_them_unless_it_is_compiled(
    compiled: bool, expected: bool, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loop, "compiled_passes", lambda network: network)
    run = loop._Run(TrainJob(registry.get("lenet"), dataset, 3), TrainContext(tmp_path, compiled=compiled), fresh=True)
    for network in (run.network, run.average.module):
        assert any(isinstance(layer, ProductConv2d) for layer in network.modules()) == expected


@pytest.mark.parametrize("ways", [ALL, WEIGHTS], ids=str)
def test_what_follows_may_overwrite_the_output(ways: Ways, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ProductConv2d, "ways", lambda self, images: ways)
    layer = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    exact = nn.Sequential(copy.deepcopy(layer).double(), nn.ReLU())
    use_products(layer)
    images = torch.randn(2, 3, 5, 5)
    for ours, theirs in zip(
        gradients(nn.Sequential(layer, nn.ReLU(inplace=True)), images), gradients(exact, images.double()), strict=True
    ):
        torch.testing.assert_close(ours.double(), theirs, atol=1e-5, rtol=1e-5)


def test_the_library_is_asked_for_what_no_product_gives(monkeypatch: pytest.MonkeyPatch):
    """A layer that is told to make no product is the library's convolution to the bit."""
    monkeypatch.setattr(ProductConv2d, "ways", lambda self, images: LIBRARY)
    monkeypatch.setattr(products._Convolution, "apply", None)
    layer, images = nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 5, 5)
    expected = layer(images)
    use_products(layer)
    assert torch.equal(layer(images), expected)
