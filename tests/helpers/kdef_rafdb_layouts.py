"""Layouts of KDEF and RAF-DB on disk, of any size, made of `portraits`; also by hand: `python -m
tests.helpers.kdef_rafdb_layouts kdef DIR 20` writes 20 people, `... rafdb DIR 300` so many images of each class."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers.portraits import portraits

KDEF_CLASSES = {
    "fear": "AF", "anger": "AN", "disgust": "DI", "happiness": "HA", "neutral": "NE", "sadness": "SA", "surprise": "SU",
}  # fmt: skip
ANGLES = ("S", "HL", "HR", "FL", "FR")
RAF_LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
WIDE, HIGH = 62, 84  # a KDEF photograph has 562 x 762 pixels


def write_kdef(
    folder: Path, people: int, sessions: str = "AB", angles: tuple[str, ...] = ANGLES, flat: bool = False
) -> Path:
    """Photographs of so many people, women and men in turn: each person has a colour of shirt, every expression a face.

    Returns the folder.
    """
    each = people * len(sessions) * len(angles)
    faces = portraits(each, tuple(KDEF_CLASSES))
    shots = iter(faces.images)
    for person in range(people):
        shirt = np.random.default_rng(person).integers(40, 220, 3).tolist()
        for session in sessions:
            for angle in angles:
                for code in KDEF_CLASSES.values():
                    name = f"{session}{'FM'[person % 2]}{person // 2 + 1:02d}"
                    place = folder if flat else folder / "KDEF" / name
                    place.mkdir(parents=True, exist_ok=True)
                    photograph = Image.new("RGB", (WIDE, HIGH), tuple(shirt))
                    photograph.paste(Image.fromarray(next(shots)).convert("RGB"), ((WIDE - 48) // 2, (HIGH - 48) // 2))
                    photograph.save(place / f"{name}{code}{angle}.JPG", quality=90)
    return folder


def write_rafdb(folder: Path, train: int, test: int, flat: bool = False) -> Path:
    """So many training and test images of each class, 100 x 100 in colour, with their list; returns the folder."""
    faces = portraits(train + test, RAF_LABELS)
    listing = folder if flat else folder / "basic" / "EmoLabel"
    images = folder if flat else folder / "basic" / "Image" / "aligned"
    for place in (listing, images):
        place.mkdir(parents=True, exist_ok=True)
    lines = []
    for row, face in enumerate(faces.images):
        split, digits = ("train", 5) if row < train * len(RAF_LABELS) else ("test", 4)
        number = row + 1 if split == "train" else row + 1 - train * len(RAF_LABELS)
        name = f"{split}_{number:0{digits}d}"
        grey = np.asarray(Image.fromarray(face).resize((100, 100)))
        tinted = np.stack([grey, grey * 0.9, grey * 0.8], axis=-1).astype(np.uint8)
        Image.fromarray(tinted).save(images / f"{name}_aligned.jpg", quality=90)
        lines.append(f"{name}.jpg {row % len(RAF_LABELS) + 1}\n")
    (listing / "list_patition_label.txt").write_text("".join(lines))
    return folder


if __name__ == "__main__":
    kind, where, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    print(write_kdef(where, size) if kind == "kdef" else write_rafdb(where, size, max(1, size // 4)))
