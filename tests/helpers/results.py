"""Made-up results, for reports."""

from __future__ import annotations

from typing import Any


def blank_results(**parts: Any) -> dict[str, Any]:
    """Results that have every part, with nothing in those that are not given."""
    return {
        "suite": "faces",
        "title": "Faces",
        "classes": ["angry", "happy", "neutral"],
        "splits": {split: {"name": f"{split} split", "size": 1000} for split in ("train", "val", "test")},
        "data_fingerprint": "f" * 32,
        "headline": None,
        "leak_above": None,
        "rehearsal": False,
        "effort": {"members": 0, "external": 0, "seconds": None, "devices": []},
        "members": [],
        "ensembles": [],
        "ablations": [],
        "views": [],
        "published": [],
        "not_run": [],
        "notes": [],
        **parts,
    }
