"""Data sets that are known by their content: what a fingerprint in the store or in results is of."""

from __future__ import annotations

KNOWN = {
    "e2d7d5bc46584b4acaff33651bcdb536": "FER2013",
    "b279ccba54477dfff5fc806628228a54": "FER2013 with PublicTest and PrivateTest swapped",
    "6198963ac498645516786a57398cb8f2": "FER2013, classes balanced by leaving out",
    "0606020be4babe735dd82908fdf1137a": "FER2013, three classes",
    "3717c2ff9472d5c38943c91f88591d60": "FER2013 without duplicates in test",
    "7678c3fa3f2dbf60b789e35a750877b5": "FER+",
    "5c945d8e713dc6c0e42768ea87b4b556": "FER+ by the majority rule",
    "02f94b5ef5045e72528f025099e67294": "FER+ by the cross-entropy rule",
    "33ad3cdec7e9ad60ef9a4101b4a4e7b2": "FER+ by the multi-target rule",
    "e5b32c86875af6b6a8d10f52dcfb61e6": "scikit-learn's digits",
}
"""Names by fingerprint, of the original files and of what the suites make of them."""


def named(fingerprint: str) -> str:
    """Name what a fingerprint is of, where that is known; else return its beginning."""
    return KNOWN.get(fingerprint, f"data {fingerprint[:12]}")
