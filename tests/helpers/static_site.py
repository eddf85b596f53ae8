"""A folder served on this machine as any host of static files serves it, with a list of what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@dataclass
class Site:
    """A folder, its address, and the requests so far: method and path."""

    folder: Path
    address: str
    requests: list[tuple[str, str]] = field(default_factory=list)


class _Handler(SimpleHTTPRequestHandler):
    site: Site

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.site.requests.append((self.command, self.path))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[Site]:
    """Serve a folder until the end."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    handler.site = site = Site(folder, f"http://127.0.0.1:{server.server_address[1]}/")  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
