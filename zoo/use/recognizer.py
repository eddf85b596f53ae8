"""The recogniser: pictures in, faces with expressions out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from zoo.use import crops, detectors, sources
from zoo.use.bundle import Bundle
from zoo.use.detections import Detection, Detector, Say, resized
from zoo.use.errors import NoModel
from zoo.use.explain import occlusion
from zoo.use.face import NO_FACE, Answer, Face, Judge, Located
from zoo.use.pictures import from_array
from zoo.use.search import search
from zoo.use.second_look import look_again
from zoo.use.sources import Picture, PictureLike, Reading
from zoo.use.tracks import Trackers

if TYPE_CHECKING:
    import pandas as pd

RELEASED = Path("results") / "fer2013" / "model" / "expression.onnx"
CROP_SIDE, GREY_CROP_SIDE = 96, 128  # up to these sides a picture is taken for a crop: any, a square grey one
LARGEST_CROP = 256  # pixels a side; what is larger is made smaller before the model sees it
BATCH = 64
KEPT_BYTES = 2**26  # of the pictures of one batch, where they are kept to be drawn upon
AUTO, CROPPED = "auto", "cropped"


class Recognizer:
    """Finds faces in pictures and says their expressions. Threads may share one.

    model        a model file; by default the released one, `results/fer2013/model/expression.onnx`
    faces        `auto`: small pictures are taken as crops, faces are looked for in all others; `blazeface`, `mtcnn`; a
                 file of YuNet; `cropped`: every picture is one face
    sure         the share of answers that are to be right, above 0.5; the model abstains from the others
    threads      of one call; by default one for each core
    small_faces  look for small faces, too, in parts of the picture; takes some ten times as long
    say          takes lines for the user; by default they go to the standard error stream
    """

    def __init__(
        self,
        model: str | Path | None = None,
        faces: str = AUTO,
        sure: float | None = None,
        threads: int | None = None,
        small_faces: bool = False,
        say: Say | None = None,
    ) -> None:
        """Open the model; raise NoModel, ValueError for a share `sure` that it cannot promise."""
        self.bundle = Bundle(released() if model is None else model, threads)
        self.judge = Judge(self.bundle.facts, None if sure is None else self.bundle.facts.threshold(sure))
        self.faces, self.small_faces, self.threads = faces, small_faces, threads
        self.say: Say = say or _to_stderr
        self._found: Detector | None = None
        self._finding = Lock()
        if faces not in (AUTO, CROPPED):
            self._found = detectors.find(faces, self.say, threads)

    @property
    def classes(self) -> tuple[str, ...]:
        """The expressions, in the order of every array of probabilities."""
        return self.bundle.facts.classes

    def __call__(self, picture: PictureLike, colour: str = "rgb") -> list[Face]:
        """Return the faces of one picture, left to right: a path, bytes, an array, or one of Pillow's images.

        Arrays are RGB uint8 [H,W,3], grey [H,W], or floats from 0 to 1; `colour="bgr"` for OpenCV's order. Raises
        NoSource where there is no such picture, and Unreadable where it is none.
        """
        (answer,) = self._answered([self._located(sources.one_picture(picture, Reading(colour)))])
        return answer.faces

    def many(
        self,
        pictures: PictureLike | Iterable[PictureLike],
        batch: int = BATCH,
        reading: Reading | None = None,
        smooth: float = 0.0,
        keep: bool = False,
    ) -> Iterator[Answer]:
        """Yield the answer to each picture and frame in turn; `for name, faces in recognise.many(...)`.

        Beside what a call takes: folders, patterns, videos. What cannot be read is an answer with an `error`. Faces of
        several pictures are shown to the model together, `batch` of them at most. `smooth` is over how many seconds
        answers of a video are averaged along a face; `keep` keeps the pixels of each picture in its answer.
        """
        one = isinstance(pictures, str | PathLike | bytes | np.ndarray) or not isinstance(pictures, Iterable)
        wanted = [pictures] if one else pictures
        yield from self.answers(sources.expanded(wanted, reading or Reading()), batch, smooth, keep)  # type: ignore[arg-type]

    def answers(
        self, wanted: Iterable[sources.Source], batch: int = BATCH, smooth: float = 0.0, keep: bool = False
    ) -> Iterator[Answer]:
        """Yield the answers to sources that are expanded already; see `many`."""
        opened = ((source, picture) for source in wanted for picture in source.pictures())
        trackers = Trackers(smooth)
        waiting: list[tuple[Picture, str, list[Located]]] = []
        for source, picture in sources.ahead(opened):
            waiting.append(self._located(picture))
            enough = source.live or sum(len(found) for _, _, found in waiting) >= batch or len(waiting) >= batch
            if enough or (keep and sum(_bytes(one) for one, _, _ in waiting) > KEPT_BYTES):
                yield from self._answered(waiting, trackers, keep)
                waiting = []
        yield from self._answered(waiting, trackers, keep)

    def table(self, pictures: PictureLike | Iterable[PictureLike]) -> pd.DataFrame:
        """Return a pandas table of the faces of many pictures, with the columns of `benchmark.py predict --out`."""
        from zoo.use.rows import columns, rows

        try:
            import pandas as pd
        except ImportError as error:
            raise ValueError("a table needs pandas: pip install pandas; many() needs none") from error
        found = [row for answer in self.many(pictures) for row in rows(answer, self.classes)]
        return pd.DataFrame(found, columns=columns(self.classes))

    def cropped(self, pictures: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Return probabilities [N, classes] of crops of one face each, any sizes, grey or RGB: the model alone.

        An array of uint8 [N,H,W] or [N,H,W,3], or a list of arrays as a call takes them; raises Unreadable.
        """
        return self._probabilities([from_array(np.asarray(one)) for one in pictures])

    def explain(self, face: Face) -> np.ndarray:
        """Return [height, width] of a face's crop: how much less probable its answer is where a pixel is hidden."""
        return occlusion(self.bundle, face.crop)

    # From pictures to answers

    def detector(self) -> Detector:
        """Return the face detector; it is looked for when it is first needed, and raises NoDetector."""
        with self._finding:
            if self._found is None:
                self._found = detectors.best(self.say, self.threads)
            return self._found

    def _located(self, picture: Picture) -> tuple[Picture, str, list[Located]]:
        """The faces of a picture, cut out, left to right, and the name of what found them."""
        rgb = picture.rgb
        if rgb is None:
            return picture, "", []
        if self.faces == CROPPED or (self.faces == AUTO and is_crop(rgb)):
            return picture, CROPPED, [_whole(rgb)]
        detector = self.detector()
        found = [look_again(detector, rgb, face) for face in search(detector, rgb, self.small_faces)]
        found.sort(key=lambda face: face.box[0] + face.box[2] / 2)
        return picture, detector.name, [self._cut(rgb, face) for face in found]

    def _cut(self, rgb: np.ndarray, face: Detection) -> Located:
        crop = crops.cut(rgb, face, self.bundle.facts.crop)
        pixels = max(face.box[2:])
        return Located(face.box, crop, pixels, crops.doubts(crop, pixels, face), face, crops.roll(face))

    def _answered(
        self,
        waiting: Sequence[tuple[Picture, str, list[Located]]],
        trackers: Trackers | None = None,
        keep: bool = False,
    ) -> Iterator[Answer]:
        """The answers to pictures whose faces are cut out; all faces are shown to the model together."""
        probabilities = self._probabilities([one.crop for _, _, found in waiting for one in found])
        start = 0
        for picture, detector, found in waiting:
            its, start = probabilities[start : start + len(found)], start + len(found)
            numbers: Sequence[int | None] = [None] * len(found)
            if trackers is not None and picture.seconds is not None:
                boxes = np.array([one.box for one in found]).reshape(-1, 4)
                numbers, its = trackers.of(picture.source).follow(picture.seconds, boxes, its)
            triples = zip(found, its, numbers, strict=True)
            faces = [self.judge(one, values, detector, number) for one, values, number in triples]
            error = picture.error or ("" if faces else NO_FACE)
            rgb = picture.rgb if keep else None
            yield Answer(picture.source, faces, error, picture.frame, picture.seconds, rgb, picture.note, detector)

    def _probabilities(self, crops_of_all: Sequence[np.ndarray]) -> np.ndarray:
        """Those of crops [H,W,3] of any sizes; the model sees those of one size together."""
        probabilities = np.empty((len(crops_of_all), len(self.classes)), dtype=np.float32)
        by_size: dict[tuple[int, ...], list[int]] = {}
        for number, crop in enumerate(crops_of_all):
            by_size.setdefault(crop.shape, []).append(number)
        for numbers in by_size.values():
            for start in range(0, len(numbers), BATCH):
                chosen = numbers[start : start + BATCH]
                probabilities[chosen] = self.bundle(np.stack([crops_of_all[one] for one in chosen]))
        return probabilities


def released() -> Path:
    """Return where the released model is: in the source tree, else below the working folder; raise NoModel."""
    tree = Path(__file__).resolve().parents[2]
    for folder in (tree, Path()):
        if (folder / RELEASED).is_file():
            return folder / RELEASED
    raise NoModel(
        f"there is no model: {RELEASED} is missing; `benchmark.py export` makes it, --model names another file"
    )


def is_crop(rgb: np.ndarray) -> bool:
    """Whether `auto` takes a picture for a face that is cut out already: it is small, or square, grey and not large."""
    height, width = rgb.shape[:2]
    if max(height, width) <= CROP_SIDE:
        return True
    return height == width <= GREY_CROP_SIDE and bool((rgb[:, :, :1] == rgb).all())


def _whole(rgb: np.ndarray) -> Located:
    crop = rgb
    if max(rgb.shape[:2]) > LARGEST_CROP:
        height, width = (min(side, LARGEST_CROP) for side in rgb.shape[:2])
        crop = resized(rgb, width, height)
    pixels = float(min(rgb.shape[:2]))
    return Located((0.0, 0.0, float(rgb.shape[1]), float(rgb.shape[0])), crop, pixels, crops.doubts(crop, pixels))


def _bytes(picture: Picture) -> int:
    return 0 if picture.rgb is None else picture.rgb.nbytes


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)
