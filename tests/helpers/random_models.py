"""Members with random weights, and models made of them, as small as a check of an exported file allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

import ensembles
from benchmarks.publish.check import made_up_images
from benchmarks.publish.export import CannotExport, check_job
from benchmarks.publish.spec import ModelSpec
from benchmarks.publish.thresholds import Calibration
from benchmarks.publish.trained import TrainedMember
from benchmarks.store.identity import Configuration
from zoo import registry
from zoo.inference.predict import predict
from zoo.overrides import override
from zoo.state_dicts import join

CLASSES = ("angry", "happy", "neutral")
SHAPE = (1, 16, 16)
CALIBRATION = Calibration(0.8, {"0.80": 0.55, "0.90": 0.7}, 0.9, 0.75)


def need_onnx() -> None:
    """Skip where ONNX files cannot be written."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    try:
        check_job("onnx", "fp32")
    except CannotExport as reason:
        pytest.skip(str(reason))


def random_member(
    name: str = "lenet",
    *changes: str,
    seed: int = 0,
    weights_of: str = "",
    networks: int = 1,
    shape: tuple[int, int, int] = SHAPE,
) -> TrainedMember:
    """A member of 16 pixels with random weights and statistics; of one `weights_of` and seed they are the same."""
    member = override(registry.get(name), [f"image_size={shape[1]}", *changes])
    random = torch.Generator().manual_seed(seed)
    parts = []
    for _ in range(networks):
        network = member.build(len(CLASSES), shape[0])
        for key, value in network.state_dict().items():
            if key.endswith("running_var"):
                value.uniform_(0.5, 2, generator=random)
            elif value.is_floating_point():
                value.normal_(0, 1.5 / value[0].numel() ** 0.5 if value.dim() > 1 else 0.3, generator=random)
        parts.append(network.state_dict())
    label = "/".join([name, *changes, str(seed)])
    weights = parts[0] if networks == 1 else join(parts)
    configuration = Configuration(member, seed, "f" * 32, len(CLASSES))
    return TrainedMember(label, configuration, weights, weights_of or label, shape)


def model_of(members: Sequence[TrainedMember], ensembler: str | None = None) -> ModelSpec:
    """A model of one member, or of an ensembler that is fitted on made-up images with random targets."""
    shape = members[0].image_shape
    assert shape is not None
    if ensembler is None:
        return ModelSpec("model", "A model", CLASSES, members, None, CALIBRATION, shape)
    images = made_up_images(shape, 120)
    logits = np.stack([predict(one.member, dict(one.weights), images, len(CLASSES), "cpu") for one in members])
    agreed = logits.mean(0).argmax(1)
    targets = np.where(np.random.default_rng(0).random(120) < 0.3, np.arange(120) % len(CLASSES), agreed)
    fitted = ensembles.create(ensembler).fit(logits, targets)
    used = [members[index] for index in fitted.members_used_]
    return ModelSpec(ensembler, fitted.title, CLASSES, used, fitted, CALIBRATION, shape)
