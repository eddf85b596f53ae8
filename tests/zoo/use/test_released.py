"""The released model, where it is: what its card says of it is so."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.photographs import path
from tests.helpers.runs import ROOT, cli
from tests.helpers.thorough import THOROUGH
from zoo.pretrained import packages
from zoo.pretrained.packages import DETECTORS
from zoo.use.recognizer import RELEASED, Recognizer

MODEL = ROOT / RELEASED
FER2013 = next(
    (Path(place) / "fer2013" / "fer2013.parquet" for place in (os.environ.get("BENCHMARK_DATA", ""),)
     if place and (Path(place) / "fer2013" / "fer2013.parquet").is_file()),
    None,
)  # fmt: skip
DETECTED = any(packages.find(package) is not None for package in DETECTORS.values())

pytestmark = pytest.mark.skipif(not MODEL.is_file(), reason=f"{RELEASED} was not released yet")


@pytest.mark.skipif(not DETECTED, reason="no face detector is installed")
def test_an_astronaut_smiles():
    (face,) = Recognizer(threads=1)(path("astronaut"))
    assert face.expression == "happy" and face.probability > 0.8


def test_a_first_answer_needs_no_detector():
    (face,) = Recognizer(threads=1)(np.full((48, 48), 120, np.uint8))
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-4)


@pytest.fixture(scope="module")
def test_images() -> tuple[list[np.ndarray], np.ndarray]:
    """PrivateTest: pictures uint8 [48,48] and their labels."""
    if FER2013 is None:
        pytest.skip("needs FER2013 as parquet below $BENCHMARK_DATA")
    import pyarrow.parquet as pq

    table = pq.read_table(FER2013).filter(
        pq.ParquetFile(FER2013).read(columns=["Usage"])["Usage"].to_numpy() == "PrivateTest"
    )
    images = [np.asarray(Image.open(io.BytesIO(one["bytes"])).convert("L")) for one in table["image"].to_pylist()]
    return images, table["emotion"].to_numpy()


def test_the_file_scores_what_it_says_to_the_image(test_images: tuple[list[np.ndarray], np.ndarray]):
    """`make test` looks at every eighth image: accuracy is then known to so many standard errors."""
    images, labels = test_images
    every = 1 if THOROUGH else 8
    recognise = Recognizer(threads=1)
    right = recognise.cropped(images[::every]).argmax(axis=1) == labels[::every]
    said = (recognise.bundle.facts.accuracy or {})["test"]
    if every == 1:
        assert right.sum() == round(said * len(images))
    assert abs(right.mean() - said) <= 3 * math.sqrt(said * (1 - said) / len(right))


def test_files_of_crops_get_the_same_answers(test_images: tuple[list[np.ndarray], np.ndarray], tmp_path: Path):
    import csv

    images = test_images[0][:300]
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number:04}.png")
    out = tmp_path / "faces.csv"
    assert cli("predict", tmp_path, "--faces", "cropped", "--out", out, "--quiet", "--threads", 1).code == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    recognise = Recognizer(threads=1)
    found = np.array([[float(row[name]) for name in recognise.classes] for row in rows])
    np.testing.assert_allclose(found, recognise.cropped(images), atol=1e-5)
