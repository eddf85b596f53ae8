"""The order of an epoch, and oversampling."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from zoo.errors import UnknownName
from zoo.training.sampling import epoch_order, oversample

torch.set_num_threads(1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# The order of an epoch

COUNTS = (400, 30, 0, 170)
TARGETS = torch.arange(4).repeat_interleave(torch.tensor(COUNTS))[torch.randperm(600, generator=seeded(1))]


def test_a_shuffled_epoch_is_the_permutation_it_always_was():
    assert torch.equal(epoch_order(TARGETS, "shuffle", 0, seeded(3)), torch.randperm(600, generator=seeded(3)))


@pytest.mark.parametrize("sampling", ["shuffle", "balanced"])
@pytest.mark.parametrize(("bound", "expected"), [(0, 600), (64, 64), (10_000, 600)])
def test_an_epoch_has_as_many_images_as_its_bound_and_others_each_time(sampling: str, bound: int, expected: int):
    first, second = (epoch_order(TARGETS, sampling, bound, seeded(seed)) for seed in (0, 1))
    assert first.shape == second.shape == (expected,)
    assert first.dtype == torch.int64
    assert torch.equal(epoch_order(TARGETS, sampling, bound, seeded(0)), first)
    assert not torch.equal(first, second)
    if sampling == "shuffle":
        assert len(first.unique()) == expected


def test_a_balanced_epoch_shows_classes_equally_often_in_any_order():
    order = epoch_order(TARGETS, "balanced", 0, seeded(0))
    seen = TARGETS[order]
    assert seen.bincount(minlength=4).tolist() == [200, 200, 0, 200]
    assert seen[:300].bincount(minlength=4)[[0, 1, 3]].min() > 75, "throughout the epoch"
    assert TARGETS[epoch_order(TARGETS, "balanced", 100, seeded(0))].bincount()[[0, 1, 3]].tolist() in (
        [34, 33, 33], [33, 34, 33], [33, 33, 34])  # fmt: skip


def test_a_balanced_epoch_draws_the_images_of_a_class_alike():
    drawn = torch.cat([epoch_order(TARGETS, "balanced", 0, seeded(seed)) for seed in range(60)])
    times = drawn.bincount(minlength=600).float()
    for label in (0, 1, 3):
        own = times[label == TARGETS]
        assert own.min() > 0
        assert (own / own.mean() - 1).abs().max() < 6 / own.mean().sqrt(), "six standard deviations of a Poisson count"


def test_an_unknown_kind_gets_near_matches():
    with pytest.raises(UnknownName, match="sampling matches 'balance': did you mean balanced"):
        epoch_order(TARGETS, "balance", 0, seeded(0))
    with pytest.raises(UnknownName, match="oversampling matches 'smot': did you mean smote"):
        oversample(*blobs(), "smot", 0)


# Oversampling

needs_imblearn = pytest.mark.skipif(
    find_spec("imblearn") is None, reason="imbalanced-learn is not installed: pip install -e '.[oversample]'"
)


def blobs(*counts: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images [N,1,4,4] of overlapping classes, brighter from class to class."""
    targets = np.repeat(np.arange(3), counts or (60, 20, 35))
    random = np.random.default_rng(0)
    images = random.normal(90 + 25 * targets[:, None, None, None], 30, (len(targets), 1, 4, 4))
    return np.clip(images, 0, 255).astype(np.uint8), targets


@needs_imblearn
@pytest.mark.parametrize("how", ["random", "smote", "adasyn"])
def test_oversampling_fills_every_class_up(how: str):
    images, targets = blobs()
    more, labels = oversample(images, targets, how, seed=1)
    assert more.dtype == np.uint8 and labels.dtype == np.int64 and more.shape[1:] == (1, 4, 4)
    assert np.array_equal(more[:115], images) and np.array_equal(labels[:115], targets)
    np.testing.assert_allclose(np.bincount(labels), 60, atol=8 if how == "adasyn" else 0)
    again, other = (oversample(images, targets, how, seed)[0] for seed in (1, 2))
    assert np.array_equal(again, more)
    assert other.shape != more.shape or not np.array_equal(other, more)


@needs_imblearn
@pytest.mark.parametrize("how", ["smote", "adasyn"])
def test_new_images_lie_between_two_of_their_class(how: str):
    images, targets = blobs()
    more, labels = oversample(images, targets, how, seed=1)
    for new, label in zip(more[115:], labels[115:], strict=True):
        own = images[targets == label].reshape(-1, 16).astype(float)
        to_own, across = new.ravel() - own, own[None] - own[:, None]
        length = (across**2).sum(2)
        step = np.einsum("ak,abk->ab", to_own, across) / np.maximum(length, 1)
        beside = np.abs(to_own[:, None] - step[..., None] * across).max(2)
        between = (length > 0) & (step > -0.01) & (step < 1.01)
        assert beside[between].min() <= 0.75, "within rounding of a line between two"
    assert len(np.unique(more[115:], axis=0)) > 0.9 * len(more[115:])


@needs_imblearn
def test_random_oversampling_repeats_images_of_their_class():
    images, targets = blobs()
    more, labels = oversample(images, targets, "random", seed=1)
    known = {(image.tobytes(), label) for image, label in zip(images, targets, strict=True)}
    assert {(image.tobytes(), label) for image, label in zip(more, labels, strict=True)} == known


@needs_imblearn
@pytest.mark.parametrize("how", ["random", "smote", "adasyn"])
def test_equal_classes_are_left_as_they_are(how: str):
    images, targets = blobs(20, 20, 20)
    more, labels = oversample(images, targets, how, seed=1)
    assert np.array_equal(more, images) and np.array_equal(labels, targets)


@needs_imblearn
def test_a_class_that_gives_no_new_images_is_named():
    images, targets = blobs(30, 20, 30)
    images[targets == 1] //= 16  # far from the others: no neighbour is of another class
    with pytest.raises(ValueError, match=r"ADASYN makes no images of class 1: .* use smote or random"):
        oversample(images, targets, "adasyn", seed=0)
    with pytest.raises(ValueError, match=r"SMOTE needs more than 5 images a class; class 2 has 4: use random"):
        oversample(*blobs(30, 30, 4), "smote", seed=0)


def test_no_oversampling_needs_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "imblearn", None)
    images, targets = blobs()
    assert oversample(images, targets, "none", 0) == (images, targets)
    with pytest.raises(ValueError, match=r"Oversampling needs imbalanced-learn: pip install -e \"\.\[oversample\]\""):
        oversample(images, targets, "smote", 0)
