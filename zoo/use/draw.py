"""Pictures with the answers drawn on them, clips of them, and pictures of where a model looks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.use.face import Answer, Face

COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#f0e442", "#56b4e9", "#e69f00", "#ffffff", "#0072b2")
NOT_SURE = "#bbbbbb"
INK = "#111111"
EVEN = 0.18  # luminance of a ground on which black and white letters are read equally well
SMALLEST = 480  # pixels of the longer side: what is smaller is enlarged, so that words fit
TEXT = 1 / 30  # height of letters, in sides of a square as large as the picture
LEAST_TEXT = 15  # pixels
JPEG_QUALITY = 92
MILLISECOND = Fraction(1, 1000)
Box = tuple[float, float, float, float]  # left, top, right, bottom


def draw(rgb: np.ndarray, faces: Sequence[Face]) -> Image.Image:
    """Return a picture, uint8 [H,W,3], with a box and a label for each face; a small picture is enlarged."""
    scale = max(1.0, SMALLEST / max(rgb.shape[:2]))
    image = Image.fromarray(rgb)
    if scale > 1:
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    size = max(LEAST_TEXT, round(math.sqrt(image.width * image.height) * TEXT))
    if len(faces) == 1 and faces[0].score is None:
        return _captioned(image, faces[0], size)
    pen = ImageDraw.Draw(image)
    boxes = [_corners(face, scale) for face in faces]
    for face, box in zip(faces, boxes, strict=True):
        _outline(pen, box, colour(face), max(2, size // 7))
    taken = list(boxes)
    for face, box in zip(faces, boxes, strict=True):
        taken.append(_label(pen, image.size, face, box, taken, size))
    return image


def colour(face: Face) -> str:
    """Return the colour of an answer: one for each class, grey where the model abstains."""
    if face.expression is None:
        return NOT_SURE
    return COLOURS[list(face.probabilities).index(face.expression) % len(COLOURS)]


def words(face: Face) -> str:
    """Return the label of a face."""
    answer = "not sure" if face.expression is None else f"{face.expression} {face.probability:.0%}"
    return answer if face.track is None else f"{face.track}: {answer}"


def _corners(face: Face, scale: float) -> Box:
    left, top, width, height = (value * scale for value in face.box)
    return (left, top, left + width, top + height)


def _outline(pen: ImageDraw.ImageDraw, box: Box, ink: str, thick: int) -> None:
    """A line in a colour within a dark one, so that it is seen on any picture."""
    left, top, right, bottom = (round(value) for value in box)
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=INK, width=thick + 2)
    pen.rectangle((left, top, right, bottom), outline=ink, width=thick)


def _label(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], face: Face, box: Box, taken: Sequence[Box], height: int
) -> Box:
    """Write a label where it hides least of faces and other labels: above its box, below, or beside it."""
    font = ImageFont.load_default(height)
    pad = height // 3
    wide = pen.textlength(words(face), font) + 2 * pad
    high = height + 2 * pad
    left, top, right, bottom = box
    middle = (left + right - wide) / 2
    places = [(middle, top - high), (middle, bottom), (left, top - high), (right - wide, top - high),
              (left, bottom), (right - wide, bottom), (right, top), (left - wide, top)]  # fmt: skip
    inside = [_inside((x, y, x + wide, y + high), size) for x, y in places]
    chosen = min(inside, key=lambda place: sum(_common(place, other) for other in taken))
    pen.rectangle(chosen, fill=colour(face), outline=INK)
    pen.text(((chosen[0] + chosen[2]) / 2, (chosen[1] + chosen[3]) / 2), words(face), _ink(face), font, "mm")
    return chosen


def _inside(place: Box, size: tuple[int, int]) -> Box:
    """A place moved into the picture."""
    left = min(max(0.0, place[0]), max(0.0, size[0] - 1 - (place[2] - place[0])))
    top = min(max(0.0, place[1]), max(0.0, size[1] - 1 - (place[3] - place[1])))
    return (left, top, left + place[2] - place[0], top + place[3] - place[1])


def _common(place: Box, other: Box) -> float:
    """The area that two places share."""
    wide = min(place[2], other[2]) - max(place[0], other[0])
    high = min(place[3], other[3]) - max(place[1], other[1])
    return max(0.0, wide) * max(0.0, high)


def _ink(face: Face) -> str:
    """Black or white letters, whichever stands out from the label's colour."""
    red, green, blue = ((int(colour(face)[place : place + 2], 16) / 255) ** 2.2 for place in (1, 3, 5))
    return INK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > EVEN else "#ffffff"


def _captioned(image: Image.Image, face: Face, size: int) -> Image.Image:
    """A picture that is a face, with its label below it."""
    high = 2 * size
    sheet = Image.new("RGB", (image.width, image.height + high), colour(face))
    sheet.paste(image, (0, 0))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(sheet).text((image.width / 2, image.height + high / 2), words(face), _ink(face), font, "mm")
    return sheet


def heat(face: Face, less_probable: np.ndarray) -> Image.Image:
    """Return the crop of a face beside the same under colours: orange where hiding makes the answer less probable, blue
    where it makes it more so, as strong as [height, width] says."""
    crop = Image.fromarray(face.crop)
    scale = SMALLEST / 2 / max(crop.size)
    size = (round(crop.width * scale), round(crop.height * scale))
    strength = less_probable / max(float(np.abs(less_probable).max()), 1e-9)
    tint = np.where(strength[:, :, None] > 0, (255, 120, 0), (0, 110, 255))
    share = 0.7 * np.abs(strength)[:, :, None]
    coloured = Image.fromarray((face.crop * (1 - share) + tint * share).astype(np.uint8))
    text = LEAST_TEXT
    sheet = Image.new("RGB", (2 * size[0], size[1] + 2 * text), colour(face))
    for left, part in ((0, crop), (size[0], coloured)):
        sheet.paste(part.resize(size, Image.Resampling.BICUBIC), (left, 0))
    place = (sheet.width / 2, size[1] + text)
    ImageDraw.Draw(sheet).text(place, words(face), _ink(face), ImageFont.load_default(text), "mm")
    return sheet


class Folder:
    """A folder of drawn pictures, named like their sources; frames of a video become one clip."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._used: set[str] = set()
        self._clip: Clip | None = None

    def add(self, answer: Answer) -> None:
        """Draw the answer to a picture that was kept."""
        if answer.rgb is None:
            return
        image = draw(answer.rgb, answer.faces)
        if answer.frame is None:
            self._end_clip()
            image.save(self.name(answer.source, _suffix(answer.source)), quality=JPEG_QUALITY)
            return
        if self._clip is None or self._clip.source != answer.source:
            self._end_clip()
            self._clip = Clip(answer.source, self.name(answer.source, ".mp4"), image.size)
        self._clip.add(image, answer.seconds or 0.0)

    def name(self, source: str, suffix: str, more: str = "") -> Path:
        """Return a file for a source that no other source has."""
        stem = re.sub(r"[^\w.-]+", "_", Path(source).stem) or "picture"
        base = name = f"{stem}{more}"
        count = 1
        while name + suffix in self._used:
            count += 1
            name = f"{base}-{count}"
        self._used.add(name + suffix)
        return self.path / f"{name}{suffix}"

    def _end_clip(self) -> None:
        if self._clip is not None:
            self._clip.close()
            self._clip = None

    def close(self) -> None:
        """End the clip that is being written."""
        self._end_clip()


def _suffix(source: str) -> str:
    return ".jpg" if Path(source).suffix.lower() in (".jpg", ".jpeg") else ".png"


class Clip:
    """A video file that frames are added to."""

    def __init__(self, source: str, path: Path, size: tuple[int, int]) -> None:
        import av

        self.source = source
        self.file = cast(Any, av.open(str(path), "w"))
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        self.stream = self.file.add_stream(codec, rate=30)
        self.stream.width, self.stream.height = (side - side % 2 for side in size)  # its codecs take no odd ones
        self.stream.pix_fmt = "yuv420p"
        self.stream.codec_context.time_base = MILLISECOND
        self.last = -1

    def add(self, image: Image.Image, seconds: float) -> None:
        """Add a frame at its time."""
        import av

        frame = av.VideoFrame.from_image(image.crop((0, 0, self.stream.width, self.stream.height)))
        frame.time_base = MILLISECOND
        self.last = frame.pts = max(self.last + 1, round(seconds * 1000))
        self.file.mux(self.stream.encode(frame))

    def close(self) -> None:
        """End the file."""
        self.file.mux(self.stream.encode())
        self.file.close()
