"""What the service answers: the types of its JSON, and how a face and an error become them."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel, Field

from benchmarks.publish.service.refusals import Refused
from zoo.use.face import NO_FACE, UNSURE, Answer, Face


class FaceAnswer(BaseModel):
    """One face; places are in pixels of the upright picture."""

    face: int = Field(description="its number on the picture, from the left")
    expression: str | None = Field(description="the most probable expression, null where the model abstains")
    probability: float = Field(description="of the most probable expression, calibrated")
    probabilities: dict[str, float]
    plausible: list[str] = Field(description="expressions that cannot be ruled out, the most probable first")
    abstained: bool = Field(description="whether `sure` was asked for, and the model is not")
    doubts: list[str] = Field(description="why the answer may be worth little: small, turned, dark, flat, unsure")
    box: dict[str, float] = Field(description="left, top, width, height")
    score: float | None = Field(description="of the face detector; null of a crop")
    roll: float | None = Field(description="degrees by which the head leans to the right; null of a crop")
    pixels: float = Field(description="side of the face")


class PictureAnswer(BaseModel):
    """One picture: its faces from left to right, or why there are none."""

    picture: int = Field(description="its number in the request, from 1")
    detector: str = Field(description="what looked for faces; cropped: the picture was taken as one face")
    faces: list[FaceAnswer]
    error: str | None = Field(description="no_face, or why the picture could not be read")


class Answers(BaseModel):
    """The answer to a request."""

    request_id: str
    model: str = Field(description="sha256 of the weights")
    pictures: list[PictureAnswer]


class Failure(BaseModel):
    """Why there is no answer."""

    request_id: str
    error: str


def answered(answers: list[Answer], least: float | None, megapixels: float) -> list[PictureAnswer]:
    """Return the answers to the pictures of a request; raise Refused where none of them could be read.

    `least` is the top probability below which the model abstains, None where it always answers.
    """
    failures = [_failure(answer, megapixels) for answer in answers]
    refused = [failure for failure in failures if failure is not None]
    if len(refused) == len(answers):
        raise refused[0]
    return [
        PictureAnswer(
            picture=number,
            detector=answer.detector,
            faces=[_face(face, place, least) for place, face in enumerate(answer.faces, start=1)],
            error=failure.reason if failure else answer.error or None,
        )
        for number, (answer, failure) in enumerate(zip(answers, failures, strict=True), start=1)
    ]


def _failure(answer: Answer, megapixels: float) -> Refused | None:
    """Why a picture could not be read, without what Pillow says of it: that may name objects in our memory."""
    if answer.error in ("", NO_FACE):
        return None
    reason = answer.error.removeprefix("unreadable: ").partition(":")[0]
    if reason == "is too large":
        return Refused(413, f"the picture is too large: more than {megapixels:g} megapixels")
    return Refused(415, f"the picture {reason}")


def _face(face: Face, number: int, least: float | None) -> FaceAnswer:
    judged = _asked_to_be_sure(face, least)
    return FaceAnswer(
        face=number,
        expression=judged.expression,
        probability=judged.probability,
        probabilities=dict(judged.probabilities),
        plausible=list(judged.plausible),
        abstained=judged.abstained,
        doubts=list(judged.doubts),
        box=dict(zip(("left", "top", "width", "height"), judged.box, strict=True)),
        score=judged.score,
        roll=judged.roll,
        pixels=judged.pixels,
    )


def _asked_to_be_sure(face: Face, least: float | None) -> Face:
    """The face as a recogniser answers that was asked to be sure from the beginning."""
    if least is None:
        return face
    doubts = (*face.doubts, UNSURE) if face.probability < least else face.doubts
    return replace(face, doubts=doubts, expression=None if doubts else face.expression)
