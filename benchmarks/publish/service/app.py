"""The service as an application of FastAPI, on top of a recogniser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from benchmarks.publish.limits import limits_of
from benchmarks.publish.service.answers import Answers, Failure, answered
from benchmarks.publish.service.batching import TOGETHER, Batcher
from benchmarks.publish.service.bodies import PICTURES, pictures_of
from benchmarks.publish.service.gate import Gate
from benchmarks.publish.service.metrics import Metrics
from benchmarks.publish.service.refusals import Places, Refused
from zoo.use.bundle import Facts
from zoo.use.face import Answer
from zoo.use.recognizer import Recognizer
from zoo.use.sources import Reading

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
REQUESTS, OF_ONE_CLIENT = 64, 32  # that are read and answered at a time
BODY = {
    "required": True,
    "content": {
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "pictures": {
                        "type": "array",
                        "maxItems": PICTURES,
                        "items": {"type": "string", "format": "binary"},
                    }
                },
            }
        },
    },
}
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": said}
    for status, said in {
        401: "no token, or a wrong one",
        413: "too many bytes or pixels",
        415: "no picture",
        422: "no such form, or a share `sure` that the model cannot promise",
        429: "too many requests of this client at a time; see Retry-After",
        503: "too many requests at a time; see Retry-After",
    }.items()
}


@dataclass(frozen=True)
class Settings:
    """Limits and guards: MiB of a body, megapixels of a picture, the token, names of this host, the page's folder."""

    mebibytes: float = 8
    megapixels: float = 24
    token: str | None = None
    names: tuple[str, ...] | None = LOOPBACK
    page: Path | None = None


def create_app(recognise: Recognizer, settings: Settings, card: str | None = None) -> FastAPI:
    """Return the application; `card` is the model's card as markdown, where there is one."""
    metrics, places, facts = Metrics(), Places(REQUESTS, OF_ONE_CLIENT), recognise.bundle.facts
    reading = Reading(megapixels=settings.megapixels)

    def recognised(pictures: Sequence[bytes]) -> Sequence[Answer]:
        return list(recognise.many(pictures, batch=TOGETHER, reading=reading))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.batcher = batcher = Batcher(recognised, metrics.batch)
        yield
        await asyncio.to_thread(batcher.close)

    app = FastAPI(
        title="fer-ensembles",
        summary="Expressions of faces on pictures",
        description="\n\n".join(limits_of(facts)),
        lifespan=lifespan,
        docs_url=None,  # these pages load scripts from another host
        redoc_url=None,
    )
    app.add_middleware(Gate, metrics=metrics, token=settings.token, names=settings.names)
    _add_errors(app)

    @app.post("/predict", response_model=Answers, responses=FAILURES, openapi_extra={"requestBody": BODY})
    async def predict(
        request: Request, sure: float | None = Query(None, description="share of answers that are to be right")
    ) -> Answers:
        """Find the faces on pictures, and say their expressions."""
        least = _least(facts, sure)
        with places.place(request.client.host if request.client else ""):
            pictures = await pictures_of(request, int(settings.mebibytes * 2**20))
            request.state.bytes = sum(map(len, pictures))
            found = await asyncio.wrap_future(request.app.state.batcher.submit(pictures))
        request.state.pictures, request.state.faces = len(found), sum(len(answer.faces) for answer in found)
        metrics.answered(request.state.pictures, request.state.faces)
        said = answered(found, least, settings.megapixels)
        return Answers(request_id=request.state.request_id, model=facts.weights_sha256, pictures=said)

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        """Say that the process answers."""
        return "ok\n"

    @app.get("/readyz", response_class=PlainTextResponse)
    async def readyz() -> Response:
        """Say whether there is a place for another request."""
        ready = places.count < REQUESTS
        return PlainTextResponse("ready\n" if ready else "busy\n", 200 if ready else 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics_text() -> str:
        """Return counters and times as Prometheus reads them."""
        return metrics.text({"requests_in_progress": places.count, "resident_bytes": resident_bytes()})

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """Return what the model says of itself, its limits, and its card."""
        return {**asdict(facts), "limits": limits_of(facts), "card": card}

    if settings.page is not None:
        app.mount("/", StaticFiles(directory=settings.page, html=True))
    return app


def _least(facts: Facts, sure: float | None) -> float | None:
    try:
        return None if sure is None else facts.threshold(sure)
    except ValueError as error:
        raise Refused(422, str(error)) from error


def _add_errors(app: FastAPI) -> None:
    """Let every error be JSON with the number of its request."""

    def failure(request: Request, status: int, reason: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
        body = Failure(request_id=request.state.request_id, error=reason)
        return JSONResponse(body.model_dump(), status, headers)

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return failure(request, error.status, error.reason, headers)

    @app.exception_handler(HTTPException)
    async def not_served(request: Request, error: HTTPException) -> JSONResponse:
        return failure(request, error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def not_valid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()[0]
        return failure(request, 422, f"{found['loc'][-1]}: {found['msg']}")

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        return failure(request, 500, "something broke here; the log of the service has the reason")


def resident_bytes() -> int:
    """Return the memory that this process holds; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    import resource

    return pages * resource.getpagesize()
