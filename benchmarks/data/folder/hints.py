"""Data sets that a folder's file names are known from: what these names say, and what reads them better."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

MOST = 0.9  # of the files, which have to be named so


@dataclass(frozen=True)
class Named:
    """A data set whose files have names of a form (without their ending), with advice to whom splits them otherwise.

    `people` is the pattern for --groups that keeps each person's images together; "" where names say no person.
    """

    title: str
    form: re.Pattern[str]
    advice: str = ""
    people: str = ""


NAMED = (
    Named(
        "KDEF",
        re.compile(r"[AB][FM]\d\d(AF|AN|DI|HA|NE|SA|SU)(S|HL|HR|FL|FR)", re.IGNORECASE),
        "--suite kdef splits it by person",
        r"/[AB]([FM]\d\d)",
    ),
    Named(
        "RAF-DB",
        re.compile(r"(train|test)_\d+(_aligned)?"),
        "the names say the official split, by which --suite rafdb reads these folders",
    ),
    Named(
        "FER2013",
        re.compile(r"(Training|PublicTest|PrivateTest)_\d+"),
        "the names say the official split, by which --suite fer2013 reads these folders",
    ),
    Named("CK+", re.compile(r"S\d{3}_\d{3}_\d{8}"), people=r"(S\d{3})_\d{3}_"),
    Named("JAFFE", re.compile(r"[A-Z]{2}\.[A-Z]{2}\d\.\d+"), people=r"/([A-Z]{2})\."),
)


def hints(files: Sequence[str], groups: str) -> list[str]:
    """Write a note where most files (paths below the folder) are named as those of a known data set. `groups` are as
    the user gave them."""
    stems = [PurePosixPath(file).stem for file in files]
    for known in NAMED:
        if sum(known.form.fullmatch(stem) is not None for stem in stems) < MOST * len(stems):
            continue
        advice = [known.advice] if known.advice else []
        if known.people and not groups:
            advice.append(
                "a person in train and in test is known by the face, and --groups "
                f"'{known.people}' keeps each in one split"
            )
        return [f"Files are named as {known.title}'s: {'; '.join(advice)}."] if advice else []
    return []
