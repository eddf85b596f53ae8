"""The files that register members, and what tells whether one has changed since the catalogue was recorded."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

FOLDER = Path(__file__).parent


def sources() -> dict[str, str]:
    """Module name to a hash of all that its registrations depend on: the file, the recipes, and what it imports."""
    files = [FOLDER / "backbones.py", *sorted((FOLDER / "networks").glob("[!_]*.py"))]
    return {
        ".".join(file.relative_to(FOLDER.parent).with_suffix("").parts): hashlib.sha256(_text(file)).hexdigest()[:16]
        for file in files
    }


def _text(file: Path) -> bytes:
    """The file and, after it, the recipes and networks that it imports, and so on."""
    text = file.read_bytes()
    imported_here = re.findall(rb"^from zoo\.(recipes|networks\.\w+) import", text, re.MULTILINE)
    return text + b"".join(
        _text((FOLDER / name.decode().replace(".", "/")).with_suffix(".py")) for name in imported_here
    )
