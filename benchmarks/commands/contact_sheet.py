"""Draw the hardest and the most doubtful test images: `python benchmark.py contact-sheet --data DIR`.

Two sheets: the hardest images, whose label the members find least probable, and the most doubtful labels, where most
members agree on one other class. They show people, so they are written to results/<suite>/local, which git ignores.
"""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.commands.options import positive, suite_arguments
from benchmarks.execution.tasks import external_members, schedule
from benchmarks.report.figures.style import MARGIN, SMALL, WIDTH, Chart, panel, plural, save, sheet
from benchmarks.session import Session, options_from
from benchmarks.store.predictions import Predictions
from ensembles import softmax

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOCAL = "local"  # the folder under results/<suite>
COLUMNS, MOST = 8, 48
CAPTION = 0.28  # inches below an image


def arguments(parser: ArgumentParser) -> None:
    """Add how many images, and whose opinions of them."""
    images = f"on each sheet (default: {MOST})"
    parser.add_argument("--images", metavar="N", type=positive, default=MOST, help=images)
    suite_arguments(parser, "--members", "--seeds")


def execute(arguments: Namespace) -> None:
    """Write the sheets, and print where they are."""
    session = Session(replace(options_from(arguments), train="never"))
    print("\n".join(str(path) for path in write(session, arguments.images)))


@dataclass(frozen=True, eq=False)
class Opinions:
    """What the members say of every image, [N] each: the class most of them predict, how many do, the mean probability
    of that class, and of the given label."""

    agreed: np.ndarray
    votes: np.ndarray
    agreed_probability: np.ndarray
    label_probability: np.ndarray

    @classmethod
    def of(cls, logits: np.ndarray, targets: np.ndarray) -> Opinions:
        """Those of logits [M, N, C] of images with the labels `targets` [N]; ties in votes go to the first class."""
        mean, images = softmax(logits).mean(axis=0), np.arange(len(targets))
        votes = (logits.argmax(axis=2)[:, :, None] == np.arange(logits.shape[2])).sum(axis=0)
        agreed = votes.argmax(axis=1)
        return cls(agreed, votes[images, agreed], mean[images, agreed], mean[images, targets])


def hardest(opinions: Opinions, most: int) -> np.ndarray:
    """The images whose label is least probable, that one first."""
    return np.argsort(opinions.label_probability, kind="stable")[:most]


def doubtful(opinions: Opinions, targets: np.ndarray, members: int, most: int) -> np.ndarray:
    """The images on which more than half of the members agree on another class: most votes first, then the surest."""
    candidates = np.flatnonzero((opinions.agreed != targets) & (2 * opinions.votes > members))
    keys = (-opinions.agreed_probability[candidates], -opinions.votes[candidates])
    return candidates[np.lexsort(keys)][:most]


def write(session: Session, most: int = MOST) -> list[Path]:
    """Draw both sheets of the stored members' opinions on the test images; returns the paths.

    Raises DataError without images, and ValueError where they are not those of the predictions or there are none.
    """
    members = _members(session)
    fold = session.folds[0]
    targets = fold.targets
    with fold.images() as data:
        test_images = data.test.images
    if data.fingerprint != targets.fingerprint:
        raise ValueError("the images found are not those the stored predictions are of; name theirs with --data DIR")
    opinions = Opinions.of(np.stack([one.test for one in members]), targets.test)
    sheets = {
        "hardest": (hardest(opinions, most), "test images whose label the members find least probable"),
        "doubtful": (doubtful(opinions, targets.test, len(members), most), "test labels that most members doubt"),
    }
    folder, paths = session.folder / LOCAL, []
    folder.mkdir(parents=True, exist_ok=True)
    for name, (chosen, words) in sheets.items():
        captions = [
            (
                targets.classes[targets.test[image]],
                f"{targets.classes[opinions.agreed[image]]} {opinions.votes[image]}",
            )
            for image in chosen
        ]
        title = f"The {len(chosen)} {words}"
        note = f"Above: the given label; below: what most of {plural(len(members), 'member')} say, and how many do."
        draw = partial(draw_images, title, note, test_images[chosen], captions)
        paths += save(Chart(title, title, draw), folder / f"contact_sheet_{name}")
    return paths


def _members(session: Session) -> list[Predictions]:
    rows, _ = schedule(session)
    external, _ = external_members(session)
    found = [*(row[0].step.stored for row in rows if row[0].step.stored is not None), *external[0]]
    if not found:
        raise ValueError(f"no member of {session.suite.name} has predictions; run benchmark.py first")
    return found


def draw_images(title: str, note: str, images: np.ndarray, captions: Sequence[tuple[str, str]]) -> Figure:
    """Draw images uint8 [n, channels, height, width], grey or colour, COLUMNS a line, with two lines of text below."""
    size = (WIDTH - 2 * MARGIN) / COLUMNS
    lines = math.ceil(len(images) / COLUMNS)
    high = max(1, lines) * (size + CAPTION)
    figure = sheet(title, note, high + MARGIN)
    axes = panel(figure, MARGIN, MARGIN, WIDTH - 2 * MARGIN, high)
    axes.set(xlim=(0, COLUMNS * size), ylim=(high, 0))
    axes.set_axis_off()
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        line, column = divmod(index, COLUMNS)
        left, top = column * size, line * (size + CAPTION)
        picture = np.repeat(image, 3, axis=0) if len(image) == 1 else image
        axes.imshow(picture.transpose(1, 2, 0), extent=(left, left + 0.95 * size, top + 0.95 * size, top), zorder=1)
        for below, text in zip((0.09, 0.21), caption, strict=True):
            axes.text(left, top + size + below, text, fontsize=SMALL - 0.5)
    axes.set(xlim=(0, COLUMNS * size), ylim=(high, 0), aspect="auto")
    return figure
