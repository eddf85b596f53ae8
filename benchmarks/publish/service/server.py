"""The application behind a socket: one process, or several that share it."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.publish.limits import IN_ONE_LINE

if TYPE_CHECKING:
    from fastapi import FastAPI

ENVIRONMENT = "FER_ENSEMBLES_SERVICE"  # how the settings reach the processes that uvicorn starts
LEAST_TOKEN = 16  # characters
PATIENCE = 10  # seconds for which requests may be finished after an interrupt
LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Service:
    """What was asked for on the command line."""

    host: str = "127.0.0.1"
    port: int = 8000
    model: str | None = None
    faces: str = "auto"
    workers: int = 1
    threads: int | None = None
    token_file: str | None = None
    max_mib: float = 8
    max_pixels: float = 24
    page: str | None = None


def run(service: Service) -> None:
    """Serve until interrupted. Raises ValueError and OSError where something is missing, before anything is served."""
    import uvicorn

    app, title = create(service)  # also where several processes make their own: what is wrong is found here
    quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False}
    bound = listening(service.host, service.port)
    port = bound.getsockname()[1]
    shown = f"[{service.host}]" if ":" in service.host else service.host
    if service.workers > 1:
        bound.close()  # before anyone is told of it: uvicorn listens anew, and who is connected by then is cut off
    print(f"http://{shown}:{port} answers POST /predict with {title}. {IN_ONE_LINE}", flush=True)
    if service.workers == 1:
        _log_to_stderr()
        uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=PATIENCE, **quiet)).run([bound])
        return
    os.environ[ENVIRONMENT] = json.dumps(asdict(service))
    where = {"host": service.host, "port": port, "workers": service.workers}
    uvicorn.run(f"{__name__}:from_environment", factory=True, timeout_graceful_shutdown=PATIENCE, **where, **quiet)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise ValueError where the address cannot be had."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ValueError(f"--host {host} --port {port}: {error.strerror or error}") from error


def from_environment() -> FastAPI:
    """Return the application of a process that uvicorn started."""
    _log_to_stderr()
    app, _ = create(Service(**json.loads(os.environ[ENVIRONMENT])))
    return app


def create(service: Service) -> tuple[FastAPI, str]:
    """Return the application and the title of its model; raise ValueError where anything that it needs is missing."""
    from benchmarks.publish.service.app import LOOPBACK, Settings, create_app
    from zoo.use.recognizer import CROPPED, Recognizer, released

    token = read_token(service)
    page = None if service.page is None else checked_page(Path(service.page))
    model = released() if service.model is None else Path(service.model)
    recognise = Recognizer(model, service.faces, threads=service.threads)
    if service.faces != CROPPED:
        recognise.detector()
    card = model.with_name("README.md")
    app = create_app(
        recognise,
        Settings(service.max_mib, service.max_pixels, token, LOOPBACK if service.host in LOCAL else None, page),
        card.read_text(encoding="utf-8") if card.is_file() else None,
    )
    return app, recognise.bundle.facts.title


def read_token(service: Service) -> str | None:
    """Return the token; raise ValueError where one is needed and missing, or is easily guessed."""
    if service.token_file is None:
        if service.host not in LOCAL:
            raise ValueError(f"--host {service.host} can be reached by others: a token is needed, --token-file FILE")
        return None
    try:
        token = Path(service.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--token-file {service.token_file}: cannot be read: {error}") from error
    if len(token) < LEAST_TOKEN or not token.isascii() or any(letter.isspace() for letter in token):
        how = "python -c 'import secrets; print(secrets.token_urlsafe())'"
        raise ValueError(f"--token-file {service.token_file}: needs a token of {LEAST_TOKEN} letters or more: {how}")
    return token


def checked_page(folder: Path) -> Path:
    """Return the folder of the page; raise ValueError where it is none."""
    if not (folder / "worker.js").is_file():
        raise ValueError(f"--page {folder}: is no page; `benchmark.py export --format web` writes one")
    return folder


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("fer-ensembles.serve")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
