"""Weights of TensorFlow.js: what each way to keep numbers means, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from zoo.pretrained.tfjs import UnreadableShards, read_tensors, shard_names

RANDOM = np.random.default_rng(3)


def entry(name: str, shape: tuple[float, ...], dtype: str = "float32", quantization: Any = None) -> dict[str, Any]:
    return {"name": name, "shape": list(shape), "dtype": dtype} | (
        {"quantization": quantization} if quantization else {}
    )


def manifest(*entries: dict[str, Any], paths: tuple[str, ...] = ("a.bin",)) -> bytes:
    return json.dumps([{"paths": paths, "weights": entries}]).encode()


def test_plain_numbers_come_back_as_they_are():
    kernel = RANDOM.normal(size=(3, 2, 4)).astype(np.float32)
    steps, flags = np.array([-7, 2**31 - 1], dtype=np.int32), np.array([True, False, True])
    content = kernel.tobytes() + steps.tobytes() + flags.tobytes()
    read = read_tensors(
        manifest(entry("kernel", (3, 2, 4)), entry("steps", (2,), "int32"), entry("flags", (3,), "bool")),
        {"a.bin": content},
    )
    for name, expected in (("kernel", kernel), ("steps", steps), ("flags", flags)):
        assert read[name].dtype == expected.dtype and np.array_equal(read[name], expected)
    assert list(read) == ["kernel", "steps", "flags"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_integers_stand_for_steps_above_the_least(dtype: str):
    stored = RANDOM.integers(0, np.iinfo(dtype).max, size=(5, 3), endpoint=True).astype(dtype)
    read = read_tensors(
        manifest(entry("w", (5, 3), quantization={"dtype": dtype, "scale": 0.0125, "min": -0.4})),
        {"a.bin": stored.tobytes()},
    )
    expected = np.array([[float(np.float32(0.0125 * int(q) - 0.4)) for q in row] for row in stored])
    assert read["w"].dtype == np.float32 and np.array_equal(read["w"], expected.astype(np.float32))


def test_rounded_integers_become_integers_again():
    rounding = {"dtype": "uint8", "scale": 2.0, "min": -5.0}
    read = read_tensors(manifest(entry("w", (3,), "int32", rounding)), {"a.bin": bytes([0, 1, 255])})
    assert read["w"].dtype == np.int32 and read["w"].tolist() == [-5, -3, 505]


def test_half_precision_becomes_single():
    values = np.array([0.5, -65504.0, 6e-8], dtype=np.float16)
    half = {"dtype": "float16", "original_dtype": "float32"}
    read = read_tensors(
        manifest(entry("w", (3,), quantization=half), entry("none", (0, 4))), {"a.bin": values.tobytes()}
    )
    assert read["w"].dtype == np.float32 and np.array_equal(read["w"], values.astype(np.float32))
    assert read["none"].shape == (0, 4)


def test_a_tensor_may_go_on_in_the_next_shard_and_a_scalar_is_one_number():
    values = RANDOM.normal(size=9).astype(np.float32)
    content = values.tobytes()
    model = {
        "format": "graph-model",
        "weightsManifest": [
            {"paths": ["x-1of2", "x-2of2"], "weights": [entry("w", (2, 4)), entry("six", ())]},
            {"paths": ["y"], "weights": [entry("v", (1,))]},
        ],
    }
    text = json.dumps(model).encode()
    assert shard_names(text) == ["x-1of2", "x-2of2", "y"]
    read = read_tensors(text, {"x-1of2": content[:13], "x-2of2": content[13:], "y": content[:4]})
    assert np.array_equal(read["w"].ravel(), values[:8]) and read["six"] == values[8] and read["v"] == values[:1]
    assert read["six"].shape == ()


@pytest.mark.parametrize(
    ("text", "shards", "reason"),
    [
        (b"{", {}, "no manifest of TensorFlow.js: JSONDecodeError"),
        (b"{}", {}, "no manifest of TensorFlow.js: KeyError: 'weightsManifest'"),
        (b'[{"paths": [1], "weights": []}]', {}, "paths are no names"),
        (manifest(entry("w", (2,))), {}, r"the shard a\.bin is not here"),
        (manifest(entry("w", (2,))), {"a.bin": b"1234567"}, "it ends at byte 8, and its shards have 7: .*'w'"),
        (manifest(entry("w", (2,))), {"a.bin": bytes(9)}, r"a\.bin: 9 bytes, of which tensors take 8"),
        (manifest(entry("w", (1,)), entry("w", (1,))), {"a.bin": bytes(8)}, "two tensors named w"),
        (manifest(entry("w", (1,), "complex64")), {"a.bin": bytes(8)}, "cannot be read: KeyError: 'complex64'"),
        (
            manifest(entry("w", (1,), quantization={"dtype": "int4"})),
            {"a.bin": bytes(8)},
            "cannot be read: KeyError: 'int4'",
        ),
        (
            manifest(entry("w", (1,), quantization={"dtype": "uint8", "scale": "x"})),
            {"a.bin": b"1"},
            "ValueError: could",
        ),
        (manifest(entry("w", (-1, -4))), {"a.bin": bytes(16)}, r"its shape is \(-1, -4\)"),
        (manifest(entry("w", (1.5,))), {"a.bin": bytes(8)}, "its shape is"),
        (manifest({"name": "w"}), {"a.bin": b""}, "cannot be read: KeyError: 'shape'"),
        (manifest(entry("w", (2**40, 2**40))), {"a.bin": b""}, "it ends at byte"),
    ],
)
def test_what_is_no_such_file_is_refused(text: bytes, shards: dict[str, bytes], reason: str):
    with pytest.raises(UnreadableShards, match=reason):
        read_tensors(text, shards)
