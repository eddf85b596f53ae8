"""Write a model to a file that runs without this project: `python benchmark.py export vgg_fer --format onnx`.

A member by its label, an ensembler by its name, or without a name the headline: preprocessing, views, members and
calibration are all inside. Every file is checked against the project before it is left. The format `hub` is a folder
with a card, `web` a page that runs the model in the browser; the page is also made of a model file, by the file's name.
"""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.commands.options import folder, suite_arguments, switch, value

if TYPE_CHECKING:
    from benchmarks.publish.export import Written
    from benchmarks.session import Session

HUB, WEB = "hub", "web"
FORMATS = ("onnx", "openvino", "torchscript", HUB, WEB)
WEIGHTS = ("fp32", "fp16", "int8", "int8-static")
VIEWS = ("as-trained", "flip", "none")
OUT = Path("exported")
FORM = ("format", "weights", "views", "out", "runtime")


def arguments(parser: ArgumentParser) -> None:
    """Add which model, in which form, and where to."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="a member or an ensembler (default: the headline)")
    group = parser.add_argument_group("form")
    group.add_argument("--format", **value("WHICH", f"{', '.join(FORMATS)} (default: onnx)", choices=FORMATS))
    weights = "fp32, fp16, int8, or int8-static, which also computes in int8 (default: fp32; hub and web: int8)"
    group.add_argument("--weights", **value("HOW", weights, choices=WEIGHTS))
    views = "views at test time: as-trained (default), flip, none"
    group.add_argument("--views", **value("WHICH", views, choices=VIEWS))
    group.add_argument("--out", **value("DIR", f"folder of the files (default: {OUT})", type=folder))
    runtime = "onnxruntime-web for the format web: npm's archive, or its folder (default: npm fetches it)"
    group.add_argument("--runtime", **value("PATH", runtime, type=Path))
    released = "write the suite's released model, results/SUITE/model (default: the best on val of at most 5 MB)"
    group.add_argument("--release", **switch(released))
    group.add_argument("--card", **switch("write the card of the released model anew, from results.json"))
    suite_arguments(parser)


def execute(arguments: Namespace) -> None:
    """Write the files, and say what they are."""
    given = vars(arguments)
    form, out = given.get("format", FORMATS[0]), given.get("out", OUT)
    if arguments.release or arguments.card:
        print(release_or_card(arguments))
        return
    if form == WEB:
        index = export_page(arguments, out, given.get("runtime"))
        print(f"{index}\nto look at it: python -m http.server --directory {shlex.quote(str(out))}")
        return
    if "runtime" in given:
        raise ValueError(f"--runtime is for --format {WEB}")
    print(export_file(arguments, form, given.get("weights", WEIGHTS[0] if form != HUB else "int8"), out, out))


def export_page(arguments: Namespace, out: Path, runtime: Path | None) -> Path:
    """Write the page for a model file, or for a model that becomes one, by default with int8 weights."""
    from benchmarks.publish.web import check_parts, write_web_folder

    is_model = arguments.name is not None and arguments.name.endswith(".onnx")
    if is_model and (idle := [option for option in ("weights", "views") if option in vars(arguments)]):
        raise ValueError(f"--{idle[0]} has no effect: {arguments.name} is a model already, and stays as it is")
    check_parts(runtime)
    if is_model:
        return write_web_folder(Path(arguments.name), out, runtime)
    with TemporaryDirectory() as draft:
        weights = vars(arguments).get("weights", "int8")
        return write_web_folder(export_file(arguments, "onnx", weights, out, Path(draft)).path, out, runtime)


def export_file(arguments: Namespace, form: str, weights: str, out: Path, folder: Path) -> Written:
    """Write a model that is to lie in the folder `out`, or be a part of what will, into `folder`."""
    from benchmarks.commands.export_job import AS_TRAINED, board_of, prepare
    from benchmarks.publish.export import check_job, export
    from benchmarks.publish.release import write_hub_folder

    kind = "onnx" if form == HUB else form
    check_job(kind, weights)
    session = session_of(arguments)
    check_folder(session, out)
    with ExitStack() as stack:
        views = vars(arguments).get("views", AS_TRAINED)
        wanted = prepare(session, stack, arguments.name, form=kind, weights=weights, views=views)
        if form == HUB:
            return write_hub_folder(wanted.job, wanted.chosen, board_of(session), folder / wanted.chosen.name)
        return export(wanted.job, folder)


def release_or_card(arguments: Namespace) -> Written | Path:
    """Write the released model of a suite, or its card alone."""
    from benchmarks.commands.export_job import best_small_member, board_of, prepare
    from benchmarks.publish.export import CannotExport, check_job
    from benchmarks.publish.release import release, rewrite_card

    if any(option in vars(arguments) for option in FORM) or (arguments.card and (arguments.release or arguments.name)):
        raise ValueError("--release and --card have a form of their own: give one of them, and no option of a form")
    session = session_of(arguments)
    if arguments.card:
        return rewrite_card(session.folder / "model", board_of(session).results)
    if session.suite.restricted:
        raise CannotExport(f"{session.suite.title} is given for research: no model trained on it is released")
    check_job("onnx", "int8")
    with ExitStack() as stack:
        name = arguments.name or best_small_member(session)
        wanted = prepare(session, stack, name, form="onnx", weights="int8", images_needed=True)
        return release(wanted.job, wanted.chosen, board_of(session), session.folder / "model")


def session_of(arguments: Namespace) -> Session:
    """Return the session of a suite in which nothing is trained."""
    from benchmarks.session import Session, options_from

    return Session(replace(options_from(arguments), train="never"))


def check_folder(session: Session, out: Path) -> None:
    """Raise ValueError where nothing of the suite may lie in this folder."""
    from benchmarks.session import usual_results

    for results in (session.options.results, usual_results()):
        if session.suite.restricted and out.resolve().is_relative_to(results.resolve()):
            raise ValueError(
                f"{session.suite.title} is given for research, and nothing trained on it may be committed: "
                f"{out} lies in the folder of results; name another one with --out"
            )
