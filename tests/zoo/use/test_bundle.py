"""Model files: what they say, what they compute, and what is no such file."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.bundles import CLASSES, FACTS, expected, write_bundle
from zoo.use import bundle
from zoo.use.bundle import FORMAT, Bundle, Crop, Facts
from zoo.use.errors import NoModel
from zoo.use.onnx_file import _seal_of, is_sealed, seal, weights_sha256


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "model.onnx")


def test_a_file_says_what_it_was_given(path: Path):
    facts = Bundle(path).facts
    assert facts == replace(FACTS, weights_sha256=facts.weights_sha256)
    assert facts.classes == CLASSES
    assert facts.crop == Crop(0.88, 0.04, 5, 48, "grey")


def test_facts_without_measurements_are_empty_and_not_missing(tmp_path: Path):
    bare = replace(FACTS, thresholds={}, conformal={}, accuracy={}, members=())
    assert bare.metadata()["thresholds"] == "{}"
    assert bare.metadata()["members"] == "[]"
    assert Bundle(write_bundle(tmp_path / "model.onnx", bare)).facts.thresholds == {}


def test_every_value_in_the_metadata_is_text():
    texts = FACTS.metadata()
    assert next(iter(texts)) == "format" and texts["format"] == FORMAT
    assert texts["restricted"] == "false" and json.loads(texts["classes"]) == list(CLASSES)
    assert all(isinstance(text, str) for text in texts.values())
    assert texts.keys() == {"format", *(field.name for field in fields(Facts))}


@pytest.mark.parametrize("side", [16, 48, 400])
def test_crops_of_any_size_get_probabilities(path: Path, side: int):
    crops = np.random.default_rng(0).integers(0, 256, (5, side, side + 1, 3), dtype=np.uint8)
    found = Bundle(path, threads=1)(crops)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(crops), atol=1e-4)


def test_no_crops_get_no_probabilities(path: Path):
    assert Bundle(path)(np.empty((0, 48, 48, 3), dtype=np.uint8)).shape == (0, 7)


# What is asked of it


def test_the_threshold_is_that_of_the_next_share_that_was_measured():
    assert (FACTS.threshold(0.8), FACTS.threshold(0.75), FACTS.threshold(0.85)) == (0.3, 0.3, 0.5)


@pytest.mark.parametrize("share", [0.5, 1.0, 0.0, -1.0, float("nan")])
def test_a_share_that_cannot_be_asked_for(share: float):
    with pytest.raises(ValueError, match=r"sure must lie between 0\.5 and 1, not "):
        FACTS.threshold(share)


def test_a_share_that_nobody_measured():
    with pytest.raises(ValueError, match=r"brightness is never known to be 0\.95 sure: .* are for 0\.8, 0\.9"):
        FACTS.threshold(0.95)
    with pytest.raises(ValueError, match="its file has no thresholds"):
        replace(FACTS, thresholds={}).threshold(0.8)


# What is no model


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(NoModel, match=r"none\.onnx: there is no model to be read"):
        Bundle(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"no model", bytes(1000), b"\x08\x09:\x05abc"])
def test_a_file_that_is_no_onnx(tmp_path: Path, content: bytes):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(NoModel, match=r"model\.onnx is no "):
        Bundle(tmp_path / "model.onnx")


@pytest.mark.parametrize("key", ["format", *(field.name for field in fields(Facts))])
def test_a_foreign_file_is_refused_with_the_key_that_it_lacks(tmp_path: Path, key: str):
    write_bundle(tmp_path / "model.onnx", metadata={key: None})
    with pytest.raises(NoModel, match=rf"model\.onnx is no model of this project: its metadata lacks the key '{key}'"):
        Bundle(tmp_path / "model.onnx")


def test_a_newer_format_is_refused_with_a_sentence(tmp_path: Path):
    write_bundle(tmp_path / "model.onnx", metadata={"format": "fer-ensembles/model/2"})
    with pytest.raises(NoModel, match=r"has the format fer-ensembles/model/2, .* reads fer-ensembles/model/1: update"):
        Bundle(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("classes", "angry, happy"),
        ("classes", '["happy"]'),
        ("classes", '["happy", "\\u001b[31msad"]'),
        ("classes", "[" * 10_000),
        ("title", "\x1b]0;title\x07"),
        ("suite", "x" * 5_000),
        ("crop", '{"side": 2}'),
        ("temperature", "warm"),
        ("temperature", "0"),
        ("thresholds", "[1]"),
        ("restricted", "perhaps"),
    ],
)
def test_facts_that_cannot_be_read(tmp_path: Path, key: str, text: str):
    write_bundle(tmp_path / "model.onnx", metadata={key: text})
    with pytest.raises(NoModel, match=rf"model\.onnx: its metadata has a '{key}' that cannot be read"):
        Bundle(tmp_path / "model.onnx")


def test_weights_that_were_changed(path: Path, tmp_path: Path):
    content = path.read_bytes()
    centre = np.float32(1 / 6).tobytes()
    assert content.count(centre) == 1
    changed = content.replace(centre, np.float32(0.5).tobytes())
    path.write_bytes(changed)
    with pytest.raises(NoModel, match=r"model\.onnx .* is damaged, .*: it does not end in the SHA-256 of its bytes"):
        Bundle(path)
    path.write_bytes(seal(changed[: -len(_seal_of(b""))]))
    with pytest.raises(NoModel, match=r"model\.onnx is damaged: the sha256 of its weights is "):
        Bundle(path)


def test_a_file_that_lost_the_digest_of_its_bytes_is_refused(path: Path):
    content = path.read_bytes()
    path.write_bytes(content[: -len(_seal_of(b""))])
    assert not is_sealed(path.read_bytes()) and is_sealed(content)
    with pytest.raises(NoModel, match="it does not end in the SHA-256 of its bytes; copy or export it again"):
        Bundle(path)


def test_the_hash_is_that_of_the_initializers_in_order(path: Path):
    onnx = pytest.importorskip("onnx")
    digest = hashlib.sha256()
    for tensor in onnx.load(path).graph.initializer:
        digest.update(onnx.numpy_helper.to_array(tensor).tobytes())
    assert weights_sha256(path.read_bytes()) == digest.hexdigest()


@pytest.mark.parametrize("torch", [True, False])
def test_without_onnxruntime_it_is_said_how_to_get_it(path: Path, monkeypatch: pytest.MonkeyPatch, torch: bool):
    there = {"torch"} if torch else set()
    monkeypatch.setattr(bundle.importlib.util, "find_spec", lambda name: object() if name in there else None)
    with pytest.raises(NoModel, match=r'onnxruntime is missing: pip install -e "\.\[use\]"') as failure:
        Bundle(path)
    assert ("torch is here" in str(failure.value)) == torch


def test_a_graph_with_another_input(tmp_path: Path):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(write_bundle(tmp_path / "model.onnx"))
    model.graph.node[0].input[0] = model.graph.input[0].name = "pixels"
    del model.metadata_props[-1]  # the digest of its bytes
    (tmp_path / "model.onnx").write_bytes(seal(model.SerializeToString()))
    with pytest.raises(NoModel, match="does not lead from crops"):
        Bundle(tmp_path / "model.onnx")


def test_a_process_that_is_kept_to_one_core_starts_no_more_threads(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3}, raising=False)
    assert Bundle(path).session.get_session_options().intra_op_num_threads == 1
    assert Bundle(path, threads=2).session.get_session_options().intra_op_num_threads == 2
