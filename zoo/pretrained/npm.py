"""Fetch packages of npm: `npm pack` brings the archive, which is used only if its hash is the recorded one."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = "package"  # the folder that npm puts everything of an archive into


class CannotFetch(ValueError):
    """An archive cannot be had, or is not what it should be; the message says why and what to do."""


@dataclass(frozen=True)
class Archive:
    """A version of an npm package, and the hash of its archive."""

    name: str  # "@vladmandic/human"
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """What `npm pack` calls the archive: `vladmandic-human-3.3.6.tgz`."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def command(self) -> str:
        return f"npm pack {self.name}@{self.version}"


def fetched(archive: Archive, folder: Path, patience: int | None = None) -> Path:
    """Return the path of the archive in a folder, after npm has fetched it where it is not there yet.

    `patience` is after how many seconds without an answer to give up; by default npm tries again, for minutes. Raises
    CannotFetch.
    """
    path = folder / archive.file
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as draft:
            os.replace(_pack(archive, Path(draft), path, patience), path)
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != archive.sha256:
        raise CannotFetch(f"{path} is not used: its sha256 is {found}, recorded is {archive.sha256}. Remove it")
    return path


def _pack(archive: Archive, draft: Path, path: Path, patience: int | None) -> Path:
    advice = f"where npm is: {archive.command}; then put {archive.file} into {path.parent}"
    npm = shutil.which("npm")
    if npm is None:
        raise CannotFetch(f"{archive.name} is fetched by npm, which is not here; {advice}")
    options = [] if patience is None else [f"--fetch-timeout={1000 * patience}", "--fetch-retries=0"]
    command = [npm, "pack", "--silent", *options, f"{archive.name}@{archive.version}"]
    done = subprocess.run(command, cwd=draft, capture_output=True, text=True)
    packed = draft / archive.file
    if done.returncode or not packed.is_file():
        reason = (done.stderr.strip() or "no archive was left").splitlines()[-1]
        raise CannotFetch(f"npm cannot fetch {archive.name} {archive.version}: {reason}; {advice}")
    return packed


def unpack(path: Path, wanted: Callable[[str], bool], folder: Path) -> None:
    """Unpack those files of an archive of whose names, without folders, `wanted` says so, into the new `folder`.

    They keep their places within the package. `folder` is there whole or not at all. Raises CannotFetch.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        try:
            with tarfile.open(path) as packed:
                files = [one for one in packed if one.isfile() and wanted(Path(one.name).name)]
                packed.extractall(draft, files, filter="data")
        except (OSError, EOFError, tarfile.TarError) as error:
            raise CannotFetch(f"{path}: is no archive of npm ({str(error).splitlines()[0]})") from error
        if not (found := Path(draft) / ROOT).is_dir():
            raise CannotFetch(f"{path}: is no archive of npm with what is needed")
        shutil.rmtree(folder, ignore_errors=True)  # an unfinished one
        os.replace(found, folder)
