"""Answers as rows of a table: one for each face, with the same columns in every format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.use.face import Answer, Face

BEFORE = (
    "source", "frame", "seconds", "face", "track", "left", "top", "width", "height", "score", "roll", "pixels",
    "faces", "expression", "probability",
)  # fmt: skip
AFTER = ("plausible", "abstained", "doubts", "error")
Row = dict[str, Any]


def columns(classes: Sequence[str]) -> list[str]:
    """Return the names of the columns, in order; between BEFORE and AFTER stands one for each class."""
    return [*BEFORE, *classes, *AFTER]


def rows(answer: Answer, classes: Sequence[str]) -> list[Row]:
    """Return a row for each face of an answer, else one that says why there is none; all have all columns."""
    same = dict.fromkeys(columns(classes)) | {
        "source": answer.source,
        "frame": answer.frame,
        "seconds": _rounded(answer.seconds, 3),
        "faces": answer.detector or None,
        "error": answer.error or None,
    }
    if not answer.faces:
        return [same]
    return [same | _of_face(face, number) for number, face in enumerate(answer.faces, start=1)]


def _of_face(face: Face, number: int) -> Row:
    places = dict(zip(("left", "top", "width", "height"), (_rounded(value, 1) for value in face.box), strict=True))
    return places | {
        "face": number,
        "track": face.track,
        "score": _rounded(face.score, 4),
        "roll": _rounded(face.roll, 1),
        "pixels": _rounded(face.pixels, 1),
        "expression": face.expression,
        "probability": _rounded(face.probability, 6),
        **{name: _rounded(value, 6) for name, value in face.probabilities.items()},
        "plausible": list(face.plausible),
        "abstained": face.abstained,
        "doubts": list(face.doubts),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


def line(row: Row) -> str:
    """Return a row as a line for people."""
    name = row["source"] if row["seconds"] is None else f"{row['source']} {row['seconds']:.2f} s"
    start = name if len(name) <= 40 else f"...{name[-37:]}"
    if row["face"] is None:
        return f"{start:40}  {row['error']}"
    answer = row["expression"] or "not sure"
    place = f"{row['width']:.0f}x{row['height']:.0f} at {row['left']:.0f},{row['top']:.0f}"
    number = f"face {row['face']}" if row["track"] is None else f"track {row['track']}"
    doubts = f"  {', '.join(row['doubts'])}" if row["doubts"] else ""
    return f"{start:40}  {number:8}  {answer:10} {row['probability']:4.0%}  {place:18}{doubts}".rstrip()
