"""What operating systems, file servers and archive tools leave beside a user's files. No reader takes it for data."""

from __future__ import annotations

import re

FOLDERS = frozenset(
    {
        "__macosx",  # archives that macOS made: a file of attributes for each real one
        "network trash folder", "temporary items",  # macOS on file servers
        "$recycle.bin", "recycler", "recycled", "system volume information",  # Windows
        "lost+found",  # Linux, after a check of the disk
        "lost.dir",  # Android, likewise
        "@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@sharesnap",  # Synology; @eaDir holds thumbnails
        "@recycle", "@recently-snapshot", "@__thumb",  # QNAP
        "~snapshot",  # NetApp
    }
)  # fmt: skip
"""Names of folders, in lower case."""

FILES = frozenset(
    {
        "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini",  # Windows
        "icon\r",  # macOS
        "picasa.ini",
    }
)  # fmt: skip
"""Names of files, in lower case."""

NUMBERED = re.compile(r"found\.\d{3}")  # folders of Windows' check of a disk
DOWNLOADED = ":zone.identifier"  # behind the name of a file that Windows downloaded, where Linux reads its disk


def is_leftover(name: str) -> bool:
    """Tell whether a file or folder of this name is none of the user's: hidden (`.DS_Store`, `._1.jpg`) or listed
    above."""
    lowered = name.lower()
    known = lowered in FOLDERS or lowered in FILES or NUMBERED.fullmatch(lowered) is not None
    return known or lowered.startswith(".") or lowered.endswith(DOWNLOADED)
