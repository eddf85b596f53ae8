"""A face in a picture, and what a model says of its expression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from zoo.use.bundle import Facts
from zoo.use.detections import KEYPOINTS, Detection

UNSURE = "unsure"


@dataclass(frozen=True)
class Face:
    """What is known of one face; places are in pixels of the picture as it is seen, EXIF orientation applied.

    expression     the most probable class, None where the model abstains (only where it was asked to be sure)
    probability    that of the most probable class, also where it abstains
    probabilities  of every class, calibrated; they sum to 1
    plausible      the classes that cannot be ruled out: on images like val, the right one is among them in 90 %
    box            left, top, width, height; of a picture that is a crop, the whole picture
    score          of the detector; None of a crop
    keypoints      x, y of left_eye, right_eye, nose and mouth, left as seen in the picture; none of a crop
    roll           by how many degrees the head leans to the right; None of a crop
    pixels         side of the face in the picture
    doubts         why the answer may be worth little: small, turned, dark, flat, unsure
    detector       what found it: blazeface, mtcnn, yunet, cropped
    track          its number along a video
    crop           what the model saw, uint8 [H,W,3]
    """

    expression: str | None
    probability: float
    probabilities: Mapping[str, float]
    plausible: tuple[str, ...]
    box: tuple[float, float, float, float]
    score: float | None
    keypoints: Mapping[str, tuple[float, float]]
    roll: float | None
    pixels: float
    doubts: tuple[str, ...]
    detector: str
    track: int | None = None
    crop: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 3), np.uint8), repr=False, compare=False)

    @property
    def abstained(self) -> bool:
        """Whether the model was asked to be sure, and is not."""
        return self.expression is None

    def __str__(self) -> str:
        left, top, width, height = (round(value) for value in self.box)
        doubts = f", {', '.join(self.doubts)}" if self.doubts else ""
        answer = f"{self.expression or 'not sure'} {self.probability:.2f}"
        return f"{answer} ({width}x{height} pixels at {left}, {top}{doubts})"


@dataclass(frozen=True, eq=False)
class Answer:
    """The faces of one picture or frame, left to right, or why there are none: `no_face`, or what could not be read.

    `for name, faces in ...` takes it apart.
    """

    source: str
    faces: list[Face]
    error: str = ""
    frame: int | None = None
    seconds: float | None = None
    rgb: np.ndarray | None = None  # the picture, where the caller asked to keep it
    note: str = ""
    detector: str = ""  # what looked for faces; empty where nothing could be read

    def __iter__(self) -> Iterator[str | list[Face]]:
        return iter((self.source, self.faces))


NO_FACE = "no_face"


@dataclass(frozen=True, eq=False)
class Located:
    """A face that was cut out of a picture; a picture that is itself a crop has no detection."""

    box: tuple[float, float, float, float]
    crop: np.ndarray
    pixels: float
    doubts: tuple[str, ...]
    detection: Detection | None = None
    roll: float | None = None


@dataclass(frozen=True)
class Judge:
    """Turns probabilities into answers: abstains where they are below `least`, or where anything is doubtful."""

    facts: Facts
    least: float | None = None  # the least top probability, where the model is to be sure

    def __call__(self, located: Located, probabilities: np.ndarray, detector: str, track: int | None = None) -> Face:
        """Return the face whose probabilities [classes] a model gave."""
        classes, top = self.facts.classes, int(probabilities.argmax())
        doubts = located.doubts
        if self.least is not None and probabilities[top] < self.least:
            doubts = (*doubts, UNSURE)
        abstains = self.least is not None and bool(doubts)
        found = located.detection
        return Face(
            expression=None if abstains else classes[top],
            probability=float(probabilities[top]),
            probabilities={name: float(value) for name, value in zip(classes, probabilities, strict=True)},
            plausible=self._plausible(probabilities, top),
            box=located.box,
            score=None if found is None else found.score,
            keypoints={} if found is None else dict(zip(KEYPOINTS, found.keypoints, strict=True)),
            roll=located.roll,
            pixels=located.pixels,
            doubts=doubts,
            detector=detector,
            track=track,
            crop=located.crop,
        )

    def _plausible(self, probabilities: np.ndarray, top: int) -> tuple[str, ...]:
        """The conformal set, most probable first; all classes where the model does not know, never none."""
        quantile = (self.facts.conformal or {}).get("quantile", 1.0)
        order = np.argsort(-probabilities, kind="stable")
        return tuple(self.facts.classes[k] for k in order if k == top or probabilities[k] >= 1 - quantile)
