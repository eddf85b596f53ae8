"""An ONNX file says what the project says, however its weights are stored, and nothing of where it was made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.publish import onnx_file, static
from benchmarks.publish.check import agreement, crops_of_other_sizes, in_batches, made_up_images
from benchmarks.publish.graph import Model
from benchmarks.publish.spec import ModelSpec, crops_of
from tests.helpers.random_models import CLASSES, SHAPE, model_of, need_onnx, random_member
from tests.helpers.runs import ROOT
from zoo.use.bundle import OPSET, Bundle, Facts, session

torch.set_num_threads(1)

IMAGES = made_up_images(SHAPE, 64)
FACTS = Facts(CLASSES, "digits", "Three members", "", members=({"label": "lenet", "hash": "0a1b"},))


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    need_onnx()
    members = [
        random_member("lenet", "recipe.normalise=image", "recipe.tta=scale", weights_of="one training"),
        random_member("lenet", "recipe.normalise=image", "recipe.tta=flip", weights_of="one training"),
        random_member("resnet_digits", "recipe.preprocess=equalise", "image_size=12", seed=1),
    ]
    return model_of(members, "stack_logistic")


@pytest.fixture(scope="module")
def graph(spec: ModelSpec) -> Any:
    return onnx_file.to_onnx(Model(spec))


def opened(graph: Any, folder: Path) -> Bundle:
    path = folder / "model.onnx"
    path.write_bytes(onnx_file.with_facts(graph, replace(FACTS, weights_sha256=onnx_file.digest(graph))))
    return Bundle(path, threads=1)


def copied(graph: Any) -> Any:
    copy = type(graph)()
    copy.CopyFrom(graph)
    return copy


def test_a_file_says_what_the_project_says(spec: ModelSpec, graph: Any, tmp_path: Path):
    bundle = opened(graph, tmp_path)
    found = bundle(crops_of(IMAGES))
    assert np.abs(found - spec.probabilities(IMAGES)).max() < 1e-5
    one_by_one = np.concatenate([bundle(crops_of(IMAGES[index : index + 1])) for index in range(len(IMAGES))])
    assert np.abs(found - one_by_one).max() < 1e-5


def test_a_file_resizes_crops_as_the_module_does(spec: ModelSpec, graph: Any, tmp_path: Path):
    bundle, model = opened(graph, tmp_path), Model(spec)
    for crops in (*crops_of_other_sizes(), np.zeros((1, 400, 399, 3), dtype=np.uint8)):
        with torch.no_grad():
            assert np.abs(bundle(crops) - model(torch.from_numpy(crops)).numpy()).max() < 1e-5


def test_a_file_says_everything_of_itself(graph: Any, tmp_path: Path):
    bundle = opened(graph, tmp_path)
    assert replace(bundle.facts, weights_sha256="") == replace(FACTS, thresholds={}, conformal={}, accuracy={})
    assert [part.version for part in graph.opset_import if part.domain in ("", "ai.onnx")] == [OPSET]
    assert bundle.session.get_inputs()[0].shape == ["batch", "height", "width", 3]
    assert bundle.session.get_outputs()[0].shape == ["batch", 3]


def test_a_file_names_no_folder_of_the_machine_it_was_made_on(graph: Any):
    content = graph.SerializeToString()
    assert str(ROOT).encode() not in content and b"site-packages" not in content and b".py" not in content


@pytest.mark.parametrize(("store", "most", "least_saved"), [("half", 2e-3, 0.4), ("int8", 0.02, 0.6)])
def test_stored_smaller_it_says_nearly_the_same(
    spec: ModelSpec, graph: Any, tmp_path: Path, store: str, most: float, least_saved: float
):
    smaller = copied(graph)
    getattr(onnx_file, f"store_{store}")(smaller)
    found = agreement(spec.probabilities(IMAGES), opened(smaller, tmp_path)(crops_of(IMAGES)))
    assert 0 < found.difference < most
    weights = sum(part.numel() for one in spec.members for part in one.weights.values()) * 4
    assert graph.ByteSize() - smaller.ByteSize() > least_saved * weights / 2, (
        "members that share weights store them once"
    )
    assert "DequantizeLinear" not in {node.op_type for node in smaller.graph.node}


def test_only_weights_of_networks_are_stored_smaller(graph: Any):
    smaller = copied(graph)
    onnx_file.store_int8(smaller)
    whole = [tensor.name for tensor in smaller.graph.initializer if tensor.name.endswith(".stored")]
    assert whole and all(".networks." in name for name in whole), whole


def test_static_int8_computes_in_int8_and_says_much_the_same(spec: ModelSpec, graph: Any, tmp_path: Path):
    quantised = static.quantised(graph, crops_of(IMAGES))
    kinds = [node.op_type for node in quantised.graph.node]
    assert "QuantizeLinear" in kinds and "DequantizeLinear" in kinds
    found = agreement(spec.probabilities(IMAGES), in_batches(opened(quantised, tmp_path), crops_of(IMAGES)))
    assert found.same_class > 0.85 and 1e-5 < found.difference < 0.3


@pytest.mark.parametrize(("slopes", "left"), [(6, 0), (1, 2)])
def test_prelu_is_convolved_to_the_same_bits(slopes: int, left: int):
    need_onnx()
    activation = torch.nn.PReLU(slopes)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3), activation, torch.nn.Conv2d(6, 6, 3), activation, torch.nn.Flatten()
    ).eval()
    with torch.no_grad():
        activation.weight.uniform_(-0.5, 1.5)
    images = torch.randn(4, 3, 9, 9)
    program = torch.onnx.export(network, (images,), input_names=["images"], verbose=False)
    assert program is not None
    proto = program.model_proto
    expected = session(proto.SerializeToString(), "as exported", threads=1).run(None, {"images": images.numpy()})[0]
    onnx_file.convolve_prelu(proto)
    content = proto.SerializeToString()
    found = session(content, "convolved", threads=1).run(None, {"images": images.numpy()})[0]
    np.testing.assert_array_equal(found, expected)
    assert sum(node.op_type == "PRelu" for node in proto.graph.node) == left
    onnx = pytest.importorskip("onnx")
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)


@pytest.mark.parametrize("weights", ["fp16", "int8", "int8-static"])
def test_a_network_with_prelu_keeps_its_answers_however_it_is_stored(weights: str, tmp_path: Path):
    need_onnx()
    members = [random_member("face_mobilenet_mid", "image_size=24")]
    spec = model_of(members, None)
    graph = onnx_file.to_onnx(Model(spec))
    assert not [node for node in graph.graph.node if node.op_type == "PRelu"]
    expected = opened(graph, tmp_path)(crops_of(IMAGES))
    if weights == "fp16":
        onnx_file.store_half(graph)
    elif weights == "int8":
        onnx_file.store_int8(graph)
    else:
        graph = static.quantised(graph, crops_of(IMAGES))
    assert np.abs(opened(graph, tmp_path)(crops_of(IMAGES)) - expected).max() < 0.05
