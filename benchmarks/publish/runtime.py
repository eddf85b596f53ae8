"""onnxruntime-web, which runs models in a browser: the two files of it that the page needs, from its npm package."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.pretrained import npm
from zoo.pretrained.packages import cache_folder

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
ARCHIVE = npm.Archive(PACKAGE, VERSION, "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71")
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
NAMED = {SCRIPT: "ort.wasm.bundle.min.js", WASM: WASM}  # not every host knows that .mjs is a script
ADVICE = f"get it where npm is ({ARCHIVE.command}), and hand the archive over: --runtime FILE"


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
    with tempfile.TemporaryDirectory() as folder:
        try:
            archive = npm.fetched(ARCHIVE, cache_folder()) if source is None else source
            npm.unpack(archive, {*NAMED, "package.json"}.__contains__, Path(folder) / "package")
        except npm.CannotFetch as error:
            raise NoRuntime(f"{error}; or hand the archive over: --runtime FILE") from error
        yield Path(folder) / "package"
