"""The files that register members, and hashes that tell whether one has changed since the catalogue was recorded."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

FOLDER = Path(__file__).parent


def sources() -> dict[str, str]:
    """Return a hash by module name, of all that its members depend on: the file, the recipes, networks it imports."""
    files = [FOLDER / "backbones.py", *sorted((FOLDER / "networks").glob("[!_]*.py"))]
    return {
        ".".join(file.relative_to(FOLDER.parent).with_suffix("").parts): hashlib.sha256(_text(file)).hexdigest()[:16]
        for file in files
    }


def _text(file: Path) -> bytes:
    """Return the text of the file and of the recipes and networks that it imports, and so on."""
    text = file.read_bytes()
    imported_here = re.findall(rb"^from zoo\.(recipes|networks\.\w+) import", text, re.MULTILINE)
    return text + b"".join(
        _text((FOLDER / name.decode().replace(".", "/")).with_suffix(".py")) for name in imported_here
    )
