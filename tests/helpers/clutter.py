"""What systems and archive tools strew among images: every reader has to see what it saw before."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

FOLDERS = (
    "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "System Volume Information", "__MACOSX", ".Trash", "FOUND.001",
)  # fmt: skip
FILES = (".DS_Store", "Thumbs.db", "desktop.ini", "Icon\r")


def strew(root: Path, endings: tuple[str, ...] = (".jpg", ".png", ".npy")) -> int:
    """Puts them into every folder below `root`: copies of an image of that folder under the names that systems give.

    Returns how many of the files that it made have the name of an image.
    """
    made = 0
    for parent, _, names in list(os.walk(root)):
        here = Path(parent)
        for name in FILES:
            (here / name).write_bytes(b"of the system")
        own = sorted(name for name in names if name.lower().endswith(endings))
        for folder in FOLDERS:
            (here / folder / "angry").mkdir(parents=True)
            for name in own[:1]:
                shutil.copy(here / name, here / folder / "angry" / name)
        for name in own[:2]:
            (here / f"._{name}").write_bytes(b"\x00\x05\x16\x07 attributes of macOS")
        images = [name for name in own if not name.endswith(".npy")]
        made += len(FOLDERS) * len(images[:1]) + sum(name in images for name in own[:2])
    return made
