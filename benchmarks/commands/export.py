"""Write a model to a file that runs without this project: `python benchmark.py export vgg_fer --format onnx`.

A member by its label, an ensembler by its name, or without a name the headline: preprocessing, views, members and
calibration are all inside. Every file is checked against the project before it is left.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.commands.options import folder, suite_arguments, value

if TYPE_CHECKING:
    from benchmarks.session import Session

FORMATS = ("onnx", "openvino", "torchscript")
WEIGHTS = ("fp32", "fp16", "int8", "int8-static")
VIEWS = ("as-trained", "flip", "none")


def arguments(parser: ArgumentParser) -> None:
    """Add which model, in which form, and where to."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="a member or an ensembler (default: the headline)")
    group = parser.add_argument_group("form")
    group.add_argument("--format", **value("WHICH", "onnx (default), openvino, torchscript", choices=FORMATS))
    group.add_argument(
        "--weights", **value("HOW", "fp32 (default), fp16, int8, int8-static (computes in int8)", choices=WEIGHTS)
    )
    group.add_argument(
        "--views",
        **value("WHICH", "test-time augmentation: as-trained (default), flip, none", choices=VIEWS),
    )
    group.add_argument("--out", **value("DIR", "folder of the file (default: exported)", type=folder))
    suite_arguments(parser)


def execute(arguments: Namespace) -> None:
    """Write the file, and say what it is."""
    from benchmarks.commands.export_job import AS_TRAINED, prepare
    from benchmarks.publish.export import check_job, export
    from benchmarks.session import Session, options_from

    given = vars(arguments)
    form, weights = given.get("format", FORMATS[0]), given.get("weights", WEIGHTS[0])
    check_job(form, weights)
    session = Session(replace(options_from(arguments), train="never"))
    out = given.get("out", Path("exported"))
    check_folder(session, out)
    with ExitStack() as stack:
        views = given.get("views", AS_TRAINED)
        print(export(prepare(session, stack, arguments.name, form=form, weights=weights, views=views), out))


def check_folder(session: Session, out: Path) -> None:
    """Raise ValueError where nothing of the suite may lie in this folder."""
    from benchmarks.session import usual_results

    for results in (session.options.results, usual_results()):
        if session.suite.restricted and out.resolve().is_relative_to(results.resolve()):
            raise ValueError(
                f"{session.suite.title} is given for research, and nothing trained on it may be committed: "
                f"{out} lies in the folder of results; name another one with --out"
            )
