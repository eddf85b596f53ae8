"""The outermost layer of the service: numbers, names that are served, the token, and a log of sizes and times."""

from __future__ import annotations

import hmac
import json
import logging
import time
import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING

from benchmarks.publish.service.metrics import Metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

GUARDED = ("/predict", "/metrics", "/model", "/openapi.json")  # need the token, where there is one
KNOWN = (*GUARDED, "/healthz", "/readyz")
LOG = logging.getLogger("fer-ensembles.serve")


class Gate:
    """The outermost layer. `token` guards all that answers; `names`, where given, are the hosts that may be asked for.

    A page elsewhere on the web can point a name of its own at this machine; a service that answers to its own names
    alone is not reached by it.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, token: str | None, names: Collection[str] | None) -> None:
        self.app, self.metrics, self.token, self.names = app, metrics, token, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, number = time.monotonic(), uuid.uuid4().hex
        told = scope.setdefault("state", {})
        told |= {"request_id": number, "bytes": 0, "pictures": 0, "faces": 0}
        status = 500

        async def numbered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *_headers(number, scope["path"])]}
            await send(message)

        try:
            refused = self._refused(scope)
            if refused is None:
                await self.app(scope, receive, numbered)
            else:
                await _answer(numbered, number, *refused)
        finally:
            self._note(scope, status, time.monotonic() - started)

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if self.names is not None and _name(host) not in self.names:
            return 421, "this service is not known by that name: use the address that it printed"
        given = headers.get(b"authorization", b"")
        if self.token is not None and scope["path"] in GUARDED:
            expected = f"Bearer {self.token}".encode()
            if not hmac.compare_digest(given, expected):
                return 401, "a token is needed: Authorization: Bearer TOKEN"
        return None

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        told, path = scope["state"], scope["path"]
        if path == "/predict":
            self.metrics.request(status, seconds, told["bytes"])
        line = "%s %s %d id=%s bytes=%d pictures=%d faces=%d ms=%.0f"
        # A path that is none of ours may hold anything, so it is not written down.
        what = (scope["method"], path if path in KNOWN else "(other)", status, told["request_id"])
        LOG.info(line, *what, told["bytes"], told["pictures"], told["faces"], 1000 * seconds)


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _headers(number: str, path: str) -> list[tuple[bytes, bytes]]:
    kept = [(b"cache-control", b"no-store")] if path in KNOWN else []
    return [(b"x-request-id", number.encode()), (b"x-content-type-options", b"nosniff"), *kept]


async def _answer(send: Send, number: str, status: int, reason: str) -> None:
    body = json.dumps({"request_id": number, "error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"www-authenticate", b"Bearer")] if status == 401 else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
