"""YuNet from a file of one's own: `--faces face_detection_yunet_2023mar.onnx`, as OpenCV's model zoo offers it.

Wu et al. 2023 (doi:10.1007/s11633-023-1423-y). Each cell of three grids answers whether it sees a face, where, and its
eyes, nose and corners of the mouth.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.use.bundle import session
from zoo.use.detections import Detection, groups, letterboxed
from zoo.use.errors import NoDetector, NoModel
from zoo.use.mtcnn import DOWN, TO_SQUARE

STRIDES = (8, 16, 32)
PARTS = ("cls", "obj", "bbox", "kps")
SIDE = 640  # of the input, where the file leaves it open
LEAST_SCORE = 0.7


class YuNet:
    """The detector; threads may share one. Its boxes are taken to be as MTCNN's: both learnt from the same faces."""

    name = "yunet"

    def __init__(self, path: str, threads: int | None = None) -> None:
        """Open a file; raise NoDetector where it is none of YuNet."""
        if Path(path).exists() and not Path(path).is_file():
            raise NoDetector(f"{path}: is no regular file")
        try:
            self.session = session(Path(path).read_bytes(), path, threads)
        except OSError as error:
            raise NoDetector(f"{path}: there is no face detector to be read ({error.strerror})") from error
        except NoModel as error:
            raise NoDetector(str(error)) from error
        outputs = {output.name for output in self.session.get_outputs()}
        if outputs != {f"{part}_{stride}" for part in PARTS for stride in STRIDES}:
            raise NoDetector(f"{path} is no YuNet: its outputs are {', '.join(sorted(outputs))}")
        (self.input,) = self.session.get_inputs()
        self.side = self.input.shape[-1] if isinstance(self.input.shape[-1], int) else SIDE

    def __call__(self, rgb: np.ndarray) -> list[Detection]:
        """Return the faces of a picture, uint8 [H,W,3]."""
        square, scale = letterboxed(rgb, self.side)
        bgr = np.ascontiguousarray(square.transpose(2, 0, 1)[None, ::-1], dtype=np.float32)
        names = [output.name for output in self.session.get_outputs()]
        outputs = dict(zip(names, self.session.run(names, {self.input.name: bgr}), strict=True))
        grids = [self._decoded(outputs, stride) for stride in STRIDES]
        boxes, scores, points = (np.concatenate(parts) for parts in zip(*grids, strict=True))
        best = [group[0] for group in groups(boxes, scores)]
        return [_detection(boxes[one] * scale, float(scores[one]), points[one] * scale) for one in best]

    def _decoded(self, outputs: dict[str, np.ndarray], stride: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes [N,4], scores [N] and points [N,5,2] of the cells of one grid that see a face."""
        judged, seen, box, points = (outputs[f"{part}_{stride}"][0] for part in PARTS)
        scores = np.sqrt(np.clip(judged[:, 0], 0, 1) * np.clip(seen[:, 0], 0, 1))
        cells = np.flatnonzero(scores > LEAST_SCORE)
        corner = np.stack([cells % (self.side // stride), cells // (self.side // stride)], axis=1)
        centre, size = (box[cells, :2] + corner) * stride, np.exp(box[cells, 2:]) * stride
        places = (points[cells].reshape(-1, 5, 2) + corner[:, None]) * stride
        return np.concatenate([centre - size / 2, size], axis=1), scores[cells], places


def _detection(box: np.ndarray, score: float, points: np.ndarray) -> Detection:
    side = TO_SQUARE * box[3]
    x, y = box[0] + box[2] / 2 - side / 2, box[1] + (0.5 + DOWN) * box[3] - side / 2
    places = [*points[:3], (points[3] + points[4]) / 2]
    square = (float(x), float(y), float(side), float(side))
    return Detection(square, score, tuple((float(one), float(other)) for one, other in places))
