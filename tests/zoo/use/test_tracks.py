"""Tracks along a video, and smoothed answers."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.use.tracks import Tracker, Trackers

SURE, OTHER = np.array([[0.9, 0.1]]), np.array([[0.1, 0.9]])


def at(*places: float) -> np.ndarray:
    """Boxes of 100 pixels, from left to right."""
    return np.array([[place, 50, 100, 100] for place in places], dtype=float).reshape(-1, 4)


def follow(tracker: Tracker, seconds: float, *places: float) -> list[int]:
    return tracker.follow(seconds, at(*places), np.full((len(places), 2), 0.5))[0]


def test_faces_keep_their_number_while_they_move_and_others_come():
    tracker = Tracker()
    assert follow(tracker, 0.0, 0, 300) == [1, 2]
    assert follow(tracker, 0.1, 20, 310) == [1, 2]
    assert follow(tracker, 0.2, 40, 150, 320) == [1, 3, 2]


def test_a_face_out_of_sight_for_a_moment_is_found_again():
    tracker = Tracker()
    assert follow(tracker, 0.0, 0) == [1]
    assert follow(tracker, 0.5) == []
    assert follow(tracker, 0.9, 10) == [1]
    assert follow(tracker, 2.5, 10) == [2], "after more than a second it is another face"


def test_two_faces_never_share_a_track():
    tracker = Tracker()
    follow(tracker, 0.0, 0)
    assert follow(tracker, 0.1, 5, 15) == [1, 2]


def test_without_smoothing_nothing_changes():
    tracker = Tracker()
    tracker.follow(0.0, at(0), SURE)
    assert tracker.follow(0.1, at(0), OTHER)[1] is OTHER


def test_smoothing_is_the_mean_of_log_probabilities():
    tracker = Tracker(smooth=0.5)
    tracker.follow(0.0, at(0), SURE)
    numbers, found = tracker.follow(0.25, at(0), OTHER)
    kept = np.exp(-0.25 / 0.5)
    expected = np.exp(kept * np.log(SURE) + (1 - kept) * np.log(OTHER))
    assert numbers == [1]
    np.testing.assert_allclose(found, expected / expected.sum())
    np.testing.assert_allclose(found.sum(), 1)


def test_a_new_face_starts_with_its_own_answer():
    tracker = Tracker(smooth=10)
    tracker.follow(0.0, at(0), SURE)
    np.testing.assert_allclose(tracker.follow(0.1, at(0, 500), np.concatenate([SURE, OTHER]))[1][1], OTHER[0])


def test_smoothed_zeros_stay_numbers():
    tracker = Tracker(smooth=1)
    for seconds in (0.0, 0.1, 0.2):
        _, found = tracker.follow(seconds, at(0), np.array([[1.0, 0.0]]))
    assert np.isfinite(found).all() and found[0, 0] == pytest.approx(1)


def test_another_video_has_other_tracks():
    trackers = Trackers()
    first = trackers.of("a.mp4")
    assert trackers.of("a.mp4") is first
    assert trackers.of("b.mp4") is not first
