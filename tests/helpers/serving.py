"""An application behind a real socket of this machine, and requests to it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

from benchmarks.publish.service.server import listening


@dataclass(frozen=True)
class Response:
    """What came back; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Sends requests to a port of this machine, each by a connection of its own."""

    port: int

    def send(self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, **headers: str) -> Response:
        """Names of headers are given with _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, patience: float = 0.0, **headers: str) -> Response:
        """`patience` is for how many seconds the port may refuse: processes that uvicorn starts take a while."""
        end = time.monotonic() + patience
        while True:
            try:
                return self.send("GET", path, None, **headers)
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def predict(self, body: bytes, kind: str = "image/png", query: str = "", **headers: str) -> Response:
        return self.send("POST", f"/predict{query}", body, Content_Type=kind, **headers)

    def form(self, *files: bytes, name: str = "pictures", filename: str = "a.png", query: str = "") -> Response:
        """Send files as a form; a field that is no file has an empty `filename`."""
        label = f'; filename="{filename}"' if filename else ""
        head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"{label}\r\n\r\n'.encode()
        body = b"".join(head + file + b"\r\n" for file in files) + b"--frontier--\r\n"
        return self.predict(body, "multipart/form-data; boundary=frontier", query)


@contextmanager
def running(app: Any) -> Iterator[Client]:
    """Run an application until the end."""
    import uvicorn

    config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    with listening("127.0.0.1", 0) as bound:
        thread = Thread(target=server.run, args=([bound],))
        thread.start()  # the socket listens already: the first request waits until the server is up
        try:
            yield Client(bound.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
