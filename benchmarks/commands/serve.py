"""Answer pictures over HTTP, by the released model: `python benchmark.py serve --port 8000`.

POST /predict takes the bytes of a picture, or a form with several; what it does is in publish/service.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from importlib.util import find_spec

from benchmarks.commands.options import positive, whole


def arguments(parser: ArgumentParser) -> None:
    """Add where to listen, by which model to answer, and limits."""
    parser.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", metavar="N", type=port, default=8000, help="(default: 8000; 0: any that is free)")
    parser.add_argument("--token-file", metavar="FILE", help="clients send this token; needed for any other --host")
    parser.add_argument("--model", metavar="FILE", help="a model file (default: the released one)")
    faces = "auto (default: small pictures are crops, others searched), blazeface, mtcnn, cropped, or a file of YuNet"
    parser.add_argument("--faces", metavar="HOW", default="auto", help=faces)
    parser.add_argument("--workers", metavar="N", type=positive, default=1, help="processes (default: 1)")
    parser.add_argument("--threads", metavar="N", type=positive, help="processor cores of each (default: all)")
    parser.add_argument("--max-mib", metavar="N", type=positive, default=8, help="MiB of a request (default: 8)")
    parser.add_argument("--max-pixels", metavar="N", type=positive, default=24, help="megapixels (default: 24)")
    parser.add_argument("--page", metavar="FOLDER", help="serve this page at /, too: see export --format web")


def execute(arguments: Namespace) -> None:
    """Serve until interrupted."""
    missing = [name for name in ("fastapi", "uvicorn", "python_multipart") if find_spec(name) is None]
    if missing:
        raise ValueError(f'serve needs {" and ".join(missing)}: pip install -e ".[serve]"')
    from benchmarks.publish.service.server import Service, run

    run(Service(**vars(arguments)))


def port(text: str) -> int:
    """A number of a port."""
    number = whole(text)
    if not 0 <= number < 2**16:
        raise ArgumentTypeError(f"must lie between 0 and 65535, not {text}")
    return number
