"""onnxruntime-web, which runs models in a browser: the two files of it that the page needs, from its npm package."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.pretrained.packages import cache_folder

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
NAMED = {SCRIPT: "ort.wasm.bundle.min.js", WASM: WASM}  # not every host knows that .mjs is a script
ADVICE = f"get it where npm is (npm pack {PACKAGE}@{VERSION}), and hand the archive over: --runtime FILE"


class NoRuntime(ValueError):
    """onnxruntime-web cannot be had, or is not what it should be; the message says what to do."""


def files(source: Path | None) -> dict[str, bytes]:
    """Return the files that the page needs by their names there; raise NoRuntime.

    `source` is the archive of the npm package, or a folder that it was unpacked to; without, npm fetches it.
    """
    with _unpacked(source) as folder:
        return {NAMED[name]: _file(folder, name).read_bytes() for name in NAMED}


def version(source: Path | None) -> str:
    """Return the version of the package, as far as it says one."""
    if source is None:
        return VERSION
    with _unpacked(source) as folder:
        described = [path for path in (folder / "package.json", folder.parent / "package.json") if path.is_file()]
        return json.loads(described[0].read_text(encoding="utf-8"))["version"] if described else "version not known"


def _file(folder: Path, name: str) -> Path:
    places = [folder / name, folder / "dist" / name]
    for path in places:
        if path.is_file():
            return path
    raise NoRuntime(f"{folder}: has no {name}; {PACKAGE} {VERSION} is needed: {ADVICE}")


@contextmanager
def _unpacked(source: Path | None) -> Iterator[Path]:
    """A folder of the package, of which an archive needs a place for a while."""
    if source is not None and source.is_dir():
        yield source
        return
    archive = _fetched() if source is None else source
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(archive) as packed:
                wanted = [one for one in packed if Path(one.name).name in (*NAMED, "package.json") and one.isfile()]
                packed.extractall(folder, wanted, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise NoRuntime(f"{archive}: is no archive of {PACKAGE}: {error}; {ADVICE}") from error
        yield Path(folder) / "package"


def _fetched() -> Path:
    """The archive in the cache, after npm has fetched it where it is not there yet."""
    archive = cache_folder() / f"{PACKAGE}-{VERSION}.tgz"
    if not archive.is_file():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent) as draft:
            _pack(Path(draft)).replace(archive)
    if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != SHA256:
        raise NoRuntime(f"{archive}: its sha256 is {found} and should be {SHA256}; remove it, and try again")
    return archive


def _pack(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise NoRuntime(f"{PACKAGE} is not here, and neither is npm to fetch it: {ADVICE}")
    done = subprocess.run([npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=folder, capture_output=True, text=True)
    packed = folder / f"{PACKAGE}-{VERSION}.tgz"
    if done.returncode or not packed.is_file():
        reason = (done.stderr.strip() or "no archive was left").splitlines()[-1]
        raise NoRuntime(f"npm could not fetch {PACKAGE} {VERSION}: {reason}; {ADVICE}")
    return packed
