"""Write a model to a file that runs without this project: `python benchmark.py export vgg_fer --format onnx`.

A member by its label, an ensembler by its name, or without a name the headline: preprocessing, views, members and
calibration are all inside. Every file is checked against the project before it is left. The format `web` is a page that
runs the model in the browser; it is also made of a model file, by the file's name.
"""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.commands.options import folder, suite_arguments, value

if TYPE_CHECKING:
    from benchmarks.publish.export import Written
    from benchmarks.session import Session

WEB = "web"
FORMATS = ("onnx", "openvino", "torchscript", WEB)
WEIGHTS = ("fp32", "fp16", "int8", "int8-static")
VIEWS = ("as-trained", "flip", "none")


def arguments(parser: ArgumentParser) -> None:
    """Add which model, in which form, and where to."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="a member or an ensembler (default: the headline)")
    group = parser.add_argument_group("form")
    group.add_argument("--format", **value("WHICH", "onnx (default), openvino, torchscript, web", choices=FORMATS))
    group.add_argument(
        "--weights", **value("HOW", "fp32 (default), fp16, int8, int8-static (computes in int8)", choices=WEIGHTS)
    )
    group.add_argument(
        "--views",
        **value("WHICH", "test-time augmentation: as-trained (default), flip, none", choices=VIEWS),
    )
    group.add_argument("--out", **value("DIR", "folder of the file (default: exported)", type=folder))
    runtime = "onnxruntime-web for the format web: npm's archive, or its folder (default: npm fetches it)"
    group.add_argument("--runtime", **value("PATH", runtime, type=Path))
    suite_arguments(parser)


def execute(arguments: Namespace) -> None:
    """Write the file, or the page, and say what it is."""
    given = vars(arguments)
    form, out = given.get("format", FORMATS[0]), given.get("out", Path("exported"))
    if form == WEB:
        index = export_page(arguments, out, given.get("runtime"))
        print(f"{index}\nto look at it: python -m http.server --directory {shlex.quote(str(out))}")
        return
    if "runtime" in given:
        raise ValueError(f"--runtime is for --format {WEB}")
    print(export_file(arguments, form, given.get("weights", WEIGHTS[0]), out, out))


def export_page(arguments: Namespace, out: Path, runtime: Path | None) -> Path:
    """Write the page for a model file, or for a model that becomes one, by default with int8 weights."""
    from benchmarks.publish.web import check_parts, write_web_folder

    check_parts(runtime)
    if arguments.name is not None and arguments.name.endswith(".onnx"):
        return write_web_folder(Path(arguments.name), out, runtime)
    with TemporaryDirectory() as draft:
        weights = vars(arguments).get("weights", "int8")
        return write_web_folder(export_file(arguments, "onnx", weights, out, Path(draft)).path, out, runtime)


def export_file(arguments: Namespace, form: str, weights: str, out: Path, folder: Path) -> Written:
    """Write a model that is to lie in the folder `out`, or be a part of what will, into `folder`."""
    from benchmarks.commands.export_job import AS_TRAINED, prepare
    from benchmarks.publish.export import check_job, export
    from benchmarks.session import Session, options_from

    check_job(form, weights)
    session = Session(replace(options_from(arguments), train="never"))
    check_folder(session, out)
    with ExitStack() as stack:
        views = vars(arguments).get("views", AS_TRAINED)
        return export(prepare(session, stack, arguments.name, form=form, weights=weights, views=views), folder)


def check_folder(session: Session, out: Path) -> None:
    """Raise ValueError where nothing of the suite may lie in this folder."""
    from benchmarks.session import usual_results

    for results in (session.options.results, usual_results()):
        if session.suite.restricted and out.resolve().is_relative_to(results.resolve()):
            raise ValueError(
                f"{session.suite.title} is given for research, and nothing trained on it may be committed: "
                f"{out} lies in the folder of results; name another one with --out"
            )
