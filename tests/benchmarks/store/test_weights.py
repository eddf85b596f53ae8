"""Trained weights: what goes in comes out, and their digest is of nothing else."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.store.weights import read_weights, weights_digest, write_weights

WEIGHTS = {"kernel": torch.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last)}


def test_weights_come_back_with_what_is_known_of_them(tmp_path: Path):
    path = tmp_path / "a.weights.safetensors"
    write_weights(path, WEIGHTS, {"train_seconds": 3.5}, [{"epoch": 1.0}])
    weights, provenance, history = read_weights(path)
    assert torch.equal(weights["kernel"], WEIGHTS["kernel"])
    assert (provenance, history) == ({"train_seconds": 3.5}, [{"epoch": 1.0}])


def test_the_digest_is_that_of_the_weights_alone(tmp_path: Path):
    digests = []
    for number, (weights, seconds) in enumerate(
        ((WEIGHTS, 1.0), (WEIGHTS, 1234.5), ({"kernel": WEIGHTS["kernel"] + 1}, 1.0))
    ):
        path = tmp_path / f"{number}.safetensors"
        write_weights(path, weights, {"train_seconds": seconds}, [])
        digests.append(weights_digest(path))
    assert digests[0] == digests[1] != digests[2]


def test_weights_are_kept_in_half_precision_where_that_holds_them(tmp_path: Path):
    path = tmp_path / "a.weights.safetensors"
    kept = {"usual": torch.linspace(-2, 2, 101), "count": torch.tensor(7), "none": torch.zeros(2)}
    too_small, too_large, no_number = torch.full((3,), 1e-6), torch.tensor([1e6, 1.0]), torch.tensor([float("nan")])
    write_weights(path, {**kept, "small": too_small, "large": too_large, "nan": no_number}, {}, [])
    weights, _, _ = read_weights(path)
    assert weights["usual"].dtype == torch.float16
    assert torch.allclose(weights["usual"].float(), kept["usual"], atol=5e-4)
    assert weights["count"].dtype == torch.int64 and weights["none"].dtype == torch.float16
    assert torch.equal(weights["small"], too_small) and torch.equal(weights["large"], too_large)
    assert weights["nan"].dtype == torch.float32
