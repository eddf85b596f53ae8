"""Which face of a frame is which of the frames before, and how answers along a face are smoothed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from zoo.use.detections import iou

LEAST_OVERLAP = 0.3  # of the boxes of one face in two frames that follow
PATIENCE = 1.0  # seconds for which a face may be out of sight


@dataclass(eq=False)
class Track:
    """A face along a video: where it was last, when, and the mean of its log-probabilities."""

    number: int
    box: np.ndarray
    seconds: float
    logs: np.ndarray


@dataclass(eq=False)
class Tracker:
    """Follows the faces of one video; `smooth` is after how many seconds an answer counts for a third (0: at once)."""

    smooth: float = 0.0
    tracks: list[Track] = field(default_factory=list)
    count: int = 0

    def follow(self, seconds: float, boxes: np.ndarray, probabilities: np.ndarray) -> tuple[list[int], np.ndarray]:
        """Return the number of the track of each face of a frame, and its smoothed probabilities [n, classes].

        `boxes` are [n,4]: left, top, width, height. Faces that were lately out of sight are found again.
        """
        self.tracks = [track for track in self.tracks if seconds - track.seconds <= PATIENCE]
        logs = np.log(np.maximum(probabilities, 1e-9))
        matched = self._matched(boxes)
        for face in range(len(boxes)):
            track = matched.get(face)
            if track is None:
                self.count += 1
                matched[face] = track = Track(self.count, boxes[face], seconds, logs[face])
                self.tracks.append(track)
            else:
                kept = math.exp(-(seconds - track.seconds) / self.smooth) if self.smooth else 0.0
                track.logs = kept * track.logs + (1 - kept) * logs[face]
                track.box, track.seconds = boxes[face], seconds
        if not self.smooth:
            return [matched[face].number for face in range(len(boxes))], probabilities
        means = np.exp([matched[face].logs for face in range(len(boxes))])
        shares = means.reshape(probabilities.shape) / np.maximum(means.sum(axis=-1, keepdims=True), 1e-30)
        return [matched[face].number for face in range(len(boxes))], shares

    def _matched(self, boxes: np.ndarray) -> dict[int, Track]:
        """The track of each face that has one, the best overlaps first, each track once."""
        if not len(boxes) or not self.tracks:
            return {}
        overlaps = np.stack([iou(track.box, boxes) for track in self.tracks])  # [tracks, faces]
        matched: dict[int, Track] = {}
        for place in np.argsort(-overlaps, axis=None, kind="stable"):
            track, face = divmod(int(place), len(boxes))
            if overlaps[track, face] < LEAST_OVERLAP:
                break
            if face not in matched and self.tracks[track] not in matched.values():
                matched[face] = self.tracks[track]
        return matched


@dataclass(eq=False)
class Trackers:
    """The tracker of each video in turn; of videos that are over nothing is kept."""

    smooth: float = 0.0
    source: str | None = None
    current: Tracker = field(default_factory=Tracker)

    def of(self, source: str) -> Tracker:
        """Return the tracker of a video, a new one where it is not the one before."""
        if source != self.source:
            self.source, self.current = source, Tracker(self.smooth)
        return self.current
