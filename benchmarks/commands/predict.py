"""Say the expressions of faces on pictures: `python benchmark.py predict party.jpg --draw drawn`.

Pictures, folders, patterns, videos, cameras; by the released model or any other model file. What it does is in zoo/use.
"""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from benchmarks.commands.options import folder, positive
from benchmarks.publish.limits import IN_ONE_LINE


def arguments(parser: ArgumentParser) -> None:
    """Add sources, outputs, and how faces are found."""
    sources = "a picture, folder, 'pattern*', http(s) address, video, camera, camera:1, or - (picture on stdin)"
    parser.add_argument("sources", metavar="SOURCE", nargs="+", help=sources)
    parser.add_argument("--recursive", action="store_true", help="look into the folders below a folder, too")
    parser.add_argument("--max-pixels", metavar="N", type=above_zero, help="megapixels of a picture (default: 24)")
    _add_outputs(parser.add_argument_group("output"))
    model = parser.add_argument_group("model and faces")
    model.add_argument("--model", metavar="FILE", type=Path, help="a model file (default: the released one)")
    faces = "auto (default: small pictures are crops, others searched), blazeface, mtcnn, cropped, or a file of YuNet"
    model.add_argument("--faces", metavar="HOW", default="auto", help=faces)
    model.add_argument("--small-faces", action="store_true", help="search parts of the picture, too; slower")
    sure = "answer only where answers are right in this share of cases, on images like those of val: 0.8, 0.9"
    model.add_argument("--sure", metavar="SHARE", type=share, help=sure)
    model.add_argument("--threads", metavar="N", type=positive, help="processor cores (default: all)")
    video = parser.add_argument_group("video")
    pace = video.add_mutually_exclusive_group()
    pace.add_argument("--every", metavar="N", type=positive, default=1, help="every Nth frame (default: 1)")
    pace.add_argument("--fps", metavar="F", type=above_zero, help="F frames a second")
    smooth = "average answers along a face over so many seconds (default: 0)"
    video.add_argument("--smooth", metavar="SECONDS", type=not_negative, default=0.0, help=smooth)
    parser.add_argument_group("limits", IN_ONE_LINE)


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--out", metavar="FILE", type=Path, help="rows: .jsonl, .csv or .parquet")
    group.add_argument("--resume", action="store_true", help="go on with --out where an earlier run stopped")
    group.add_argument("--draw", metavar="FOLDER", type=folder, help="write pictures with boxes and labels")
    group.add_argument("--explain", metavar="FOLDER", type=folder, help="write pictures of where the model looks")
    group.add_argument("--json", action="store_true", help="print JSON lines")
    group.add_argument("--quiet", action="store_true", help="print errors only")


def execute(arguments: Namespace) -> int:
    """Print or write a row for each face; return 0, or 2 where no source could be read."""
    from zoo.use.pictures import MEGAPIXELS
    from zoo.use.predict import Job, predict
    from zoo.use.recognizer import Recognizer
    from zoo.use.sources import Reading
    from zoo.use.video import Pace

    if arguments.resume and arguments.out is None:
        raise ValueError("--resume goes on with a file of rows: name it by --out")
    reading = Reading(
        megapixels=arguments.max_pixels or MEGAPIXELS,
        recursive=arguments.recursive,
        pace=Pace(arguments.every, arguments.fps),
        command_line=True,
    )
    job = Job(
        out=arguments.out,
        draw=arguments.draw,
        explain=arguments.explain,
        resume=arguments.resume,
        as_json=arguments.json,
        quiet=arguments.quiet,
        smooth=arguments.smooth,
        reading=reading,
    )
    recognise = Recognizer(arguments.model, arguments.faces, arguments.sure, arguments.threads, arguments.small_faces)
    return predict(recognise, arguments.sources, job)


def number(text: str) -> float:
    """A number."""
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a number, not {text!r}") from None
    if value != value or abs(value) == float("inf"):
        raise ArgumentTypeError(f"must be a number, not {text!r}")
    return value


def above_zero(text: str) -> float:
    """A number above zero."""
    value = number(text)
    if value <= 0:
        raise ArgumentTypeError(f"must be above 0, not {text!r}")
    return value


def not_negative(text: str) -> float:
    """A number not below zero."""
    value = number(text)
    if value < 0:
        raise ArgumentTypeError(f"must not be negative: {text}")
    return value


def share(text: str) -> float:
    """A share of answers that can be asked for."""
    value = number(text)
    if not 0.5 < value < 1:
        raise ArgumentTypeError(f"must lie between 0.5 and 1, not {text}")
    return value
