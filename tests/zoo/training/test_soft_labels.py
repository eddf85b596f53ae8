"""What members learn from: votes, teachers, cleaned and proposed labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.data import Split
from zoo.recipes import Labels, Recipe
from zoo.training.job import PeerPredictions
from zoo.training.soft_labels import sample_class, self_confidence, training_targets

TARGETS = np.array([0, 1, 2, 1], dtype=np.int64)
IMAGES = np.arange(4, dtype=np.uint8).repeat(4).reshape(4, 1, 2, 2)
VOTES = np.array([[8, 1, 1], [0, 10, 0], [5, 0, 5], [2, 6, 2]], dtype=np.int64)
SPLIT = Split(IMAGES, TARGETS, list("abcd"), votes=VOTES)
OUT_OF_FOLD = np.array([[0.9, 0.05, 0.05], [0.95, 0.03, 0.02], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]])
HARD = np.eye(3)[TARGETS]


def taught(labels: Labels, peers: PeerPredictions = PeerPredictions(), split: Split = SPLIT):  # noqa: B008, frozen
    return training_targets(split, 3, Recipe(labels=labels), peers, seed=0)


def test_without_options_the_targets_are_one_hot_and_all_images_take_part():
    plain = taught(Labels())
    assert np.array_equal(plain.targets, HARD)
    assert plain.targets.dtype == np.float32
    assert np.array_equal(plain.images, IMAGES)
    assert plain.affect is None


def test_votes_become_shares():
    assert taught(Labels(votes=True)).targets[0] == pytest.approx([0.8, 0.1, 0.1])


def test_votes_get_their_share_and_the_label_the_rest():
    mixed = taught(Labels(votes=True, votes_weight=0.25))
    np.testing.assert_allclose(mixed.targets, 0.75 * HARD + 0.25 * VOTES / 10, rtol=1e-6)
    assert mixed.targets.dtype == np.float32


def test_votes_come_first_and_a_teacher_gets_its_share_of_what_they_make():
    labels = Labels(votes=True, votes_weight=0.5, teacher="any", teacher_weight=0.25, temperature=1.0)
    found = taught(labels, PeerPredictions(teacher=OUT_OF_FOLD.copy())).targets
    np.testing.assert_allclose(found, 0.75 * (0.5 * HARD + 0.5 * VOTES / 10) + 0.25 * OUT_OF_FOLD, rtol=1e-6)


@pytest.mark.parametrize("labels", [Labels(votes=True, votes_weight=0.0), Labels(votes=True, votes_weight=1.5)])
def test_the_weight_of_votes_is_a_share(labels: Labels):
    with pytest.raises(ValueError, match=r"votes_weight .* is a share"):
        Recipe(labels=labels)


def test_a_weight_of_votes_without_votes_is_refused_and_the_neutral_one_identifies_nothing():
    with pytest.raises(ValueError, match="of votes=true"):
        Recipe(labels=Labels(votes_weight=0.5))
    assert Recipe(labels=Labels(votes=True)).changes() == {"labels": {"votes": True}}


def test_a_class_is_drawn_by_its_share_of_the_votes():
    shares = torch.tensor([[0.8, 0.2, 0.0], [0.0, 1.0, 0.0]]).repeat_interleave(2000, dim=0)
    once, again = (sample_class(shares, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(once, again) and once.dtype == shares.dtype
    assert once.sum(1).eq(1).all() and once.max(1).values.eq(1).all()
    assert once[:2000].mean(0).tolist() == pytest.approx([0.8, 0.2, 0.0], abs=0.03)
    assert once[2000:, 1].eq(1).all()


def test_votes_are_asked_for_where_there_are_none():
    with pytest.raises(ValueError, match=r"labels\.votes needs annotators' votes"):
        taught(Labels(votes=True), split=replace(SPLIT, votes=None))


def test_a_teacher_gets_its_share_after_softening():
    labels = Labels(teacher="any", teacher_weight=0.25, temperature=2.0)
    softened = np.sqrt(OUT_OF_FOLD) / np.sqrt(OUT_OF_FOLD).sum(1, keepdims=True)
    found = taught(labels, PeerPredictions(teacher=OUT_OF_FOLD)).targets
    np.testing.assert_allclose(found, 0.75 * HARD + 0.25 * softened, rtol=1e-6)
    assert found.sum(1) == pytest.approx(np.ones(4))


def test_a_teacher_that_is_missing_is_named():
    with pytest.raises(ValueError, match="teacher"):
        taught(Labels(teacher="any"))


def test_cleaning_leaves_out_the_least_confident_labels():
    assert self_confidence(OUT_OF_FOLD, TARGETS) == pytest.approx([0.9, 0.03, 0.8, 0.3])
    kept = taught(Labels(judge="any", clean=0.5), PeerPredictions(judge=OUT_OF_FOLD))
    assert kept.images[:, 0, 0, 0].tolist() == [0, 2]
    assert np.array_equal(kept.targets, HARD[[0, 2]])


def test_doubtful_images_come_back_with_a_label_that_is_sure():
    labels = Labels(judge="any", clean=0.5, pseudo=0.9)
    kept = taught(labels, PeerPredictions(judge=OUT_OF_FOLD))
    assert kept.images[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert kept.targets.argmax(1).tolist() == [0, 0, 2], "the second image was labelled 1"


def test_affect_follows_its_images():
    affect = np.linspace(-1, 1, 8).reshape(4, 2)
    kept = taught(Labels(judge="any", clean=0.5), PeerPredictions(judge=OUT_OF_FOLD), replace(SPLIT, affect=affect))
    assert kept.affect is not None
    assert kept.affect == pytest.approx(affect[[0, 2]])


def test_made_up_images_have_no_votes_and_no_teacher():
    with pytest.raises(ValueError, match="oversample"):
        Recipe(oversample="smote", labels=Labels(votes=True))
