"""The page's scripts and the Python package cut out the same faces, and show the same to the face detector."""

from __future__ import annotations

import base64
import json
import math
import shutil
import subprocess
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from benchmarks.publish.documents import PAGE
from tests.helpers.pictures import patches
from zoo.use import crops, detections
from zoo.use.bundle import Crop
from zoo.use.detections import Detection

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
SCRIPT = f"""
import {{ readFileSync }} from "node:fs";
import {{ cut, doubts, isCrop, roll }} from "{PAGE.as_uri()}/crops.js";
import {{ letterboxed }} from "{PAGE.as_uri()}/blazeface.js";
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const text = (data) => Buffer.from(data.buffer).toString("base64");
const answers = JSON.parse(readFileSync(0)).map(({{ width, height, data, face, rule }}) => {{
  const picture = {{ width, height, channels: 3, data: bytes(data) }};
  const crop = cut(picture, face, rule);
  return {{ crop: text(crop.data), roll: roll(face), doubts: doubts(crop, Math.max(face.box[2], face.box[3]), face),
    isCrop: isCrop(picture), letterbox: text(letterboxed(picture).input) }};
}});
console.log(JSON.stringify(answers));
"""
SIZES = ((60, 60), (90, 300), (333, 500), (480, 640), (700, 500), (128, 128), (97, 97))  # height and width


def face(width: int, height: int, random: np.random.Generator) -> Detection:
    """Somewhere in a picture, also at its edge, of any size, leaning to either side, its nose aside or not."""
    side = float(random.uniform(12, 1.2 * max(width, height)))
    left, top = float(random.uniform(-0.3 * side, width)), float(random.uniform(-0.3 * side, height))
    angle = float(random.uniform(-0.9, 0.9))
    eye = (left + 0.3 * side, top + 0.4 * side)
    other = (eye[0] + 0.4 * side * math.cos(angle), eye[1] + 0.4 * side * math.sin(angle))
    nose = (left + float(random.uniform(0.3, 0.7)) * side, top + 0.6 * side)
    return Detection((left, top, side, 0.9 * side), 0.9, (eye, other, nose, (left + 0.5 * side, top + 0.8 * side)))


@pytest.fixture(scope="module")
def cases() -> list[tuple[np.ndarray, Detection, Crop]]:
    random = np.random.default_rng(0)
    made = []
    for number, (height, width) in enumerate(SIZES * 2):
        rgb = np.moveaxis(patches(3, height, width), 0, 2)
        rgb = np.repeat(rgb[:, :, :1], 3, axis=2) if number % 3 == 2 else rgb
        rule = Crop(size=(48, 64)[number % 2], colour=("grey", "rgb")[number % 4 == 3])
        made.append((np.ascontiguousarray(rgb // (1 + 7 * (number % 5 == 4))), face(width, height, random), rule))
    return made


@pytest.fixture(scope="module")
def answers(cases: list[tuple[np.ndarray, Detection, Crop]]) -> list[dict[str, Any]]:
    jobs = [
        {
            "width": rgb.shape[1],
            "height": rgb.shape[0],
            "data": base64.b64encode(rgb.tobytes()).decode(),
            "face": {"box": found.box, "points": found.keypoints},
            "rule": asdict(rule),
        }
        for rgb, found, rule in cases
    ]
    command = ["node", "--input-type=module", "--eval", SCRIPT]
    done = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_crops_are_equal_to_the_level(cases: list[tuple[np.ndarray, Detection, Crop]], answers: list[dict[str, Any]]):
    for (rgb, found, rule), answer in zip(cases, answers, strict=True):
        expected = crops.cut(rgb, found, rule)
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(answer["crop"]), np.uint8), expected.ravel())


def test_doubts_and_roll_are_equal(cases: list[tuple[np.ndarray, Detection, Crop]], answers: list[dict[str, Any]]):
    for (rgb, found, rule), answer in zip(cases, answers, strict=True):
        assert answer["roll"] == pytest.approx(crops.roll(found))
        assert tuple(answer["doubts"]) == crops.doubts(crops.cut(rgb, found, rule), max(found.box[2:]), found)
    assert {doubt for answer in answers for doubt in answer["doubts"]} >= {"small", "turned", "dark"}


def test_what_is_taken_for_a_crop(cases: list[tuple[np.ndarray, Detection, Crop]], answers: list[dict[str, Any]]):
    recognizer = pytest.importorskip("zoo.use.recognizer")
    expected = [recognizer.is_crop(rgb) for rgb, _, _ in cases]
    assert [answer["isCrop"] for answer in answers] == expected and len(set(expected)) == 2


def test_the_detector_sees_the_same(cases: list[tuple[np.ndarray, Detection, Crop]], answers: list[dict[str, Any]]):
    for (rgb, _, _), answer in zip(cases, answers, strict=True):
        square, _ = detections.letterboxed(rgb, 192)
        found = np.frombuffer(base64.b64decode(answer["letterbox"]), np.float32)
        levels = (found + 1) * 127.5 - square.ravel()
        assert (
            np.abs(levels).max() < 1.01
        )  # Pillow turns very tall pictures on their side first, and rounds differently
        assert (np.abs(levels) > 0.01).mean() < 0.1
