"""A headless Chromium spoken to by chromedriver's own protocol (W3C WebDriver): JSON over HTTP, no package needed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
DRIVER = shutil.which("chromedriver")
STARTS_WITHIN = 30.0  # seconds
PATIENCE = 300  # seconds for one command, on however busy a machine
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's id in the protocol


class Browser:
    """One window. Raises RuntimeError with the browser's message where a command fails."""

    def __init__(self, address: str, flags: Sequence[str] = ()) -> None:
        options = {
            "binary": BROWSER,
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", *flags],
        }
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": 1000 * PATIENCE, "pageLoad": 1000 * PATIENCE},
        }
        self._session = address
        created = self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"{address}/session/{created['sessionId']}"

    def open(self, address: str, width: int = 1440, height: int = 900) -> None:
        self.resize(width, height)
        self._send("POST", "/url", {"url": address})

    def resize(self, width: int, height: int = 900) -> None:
        self._send("POST", "/goog/cdp/execute", _metrics(width, height))

    def run(self, script: str, *arguments: Any) -> Any:
        """What the function body `script` returns in the page."""
        return self._send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def first(self, script: str) -> None:
        """Have a script run in every page that is opened from now on, before the page's own."""
        self._send(
            "POST", "/goog/cdp/execute", {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": script}}
        )

    def settled(self, script: str, expected: Any, seconds: float = 5.0) -> Any:
        """What the script returns once that is as expected, or in the end: pages answer some events a moment later."""
        end = time.monotonic() + seconds
        while (found := self.run(script)) != expected and time.monotonic() < end:
            time.sleep(0.02)
        return found

    def click(self, selector: str) -> None:
        """A real click: fails where something covers the element."""
        found = self._send("POST", "/element", {"using": "css selector", "value": selector})
        self._send("POST", f"/element/{found[ELEMENT]}/click", {})

    def choose(self, selector: str, *paths: Path) -> None:
        """Hand files to an input of files, as a user's choice in its dialog does."""
        found = self._send("POST", "/element", {"using": "css selector", "value": selector})
        self._send("POST", f"/element/{found[ELEMENT]}/value", {"text": "\n".join(map(str, paths))})

    def press(self, *keys: str) -> None:
        """Keys to whatever has the focus; special ones as the protocol names them, such as \\ue004 for Tab."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._send("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def prefer(self, scheme: str) -> None:
        """Sets the system's colour scheme, light or dark, and asks for no motion: a click would miss what moves."""
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        media = {"features": [{"name": name, "value": value} for name, value in features.items()]}
        self._send("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": media})

    def complaints(self) -> list[str]:
        """What the console has shown since the last call."""
        return [entry["message"] for entry in self._send("POST", "/se/log", {"type": "browser"})]

    def close(self) -> None:
        self._send("DELETE", "", None)

    def _send(self, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._session + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from error


def _metrics(width: int, height: int) -> dict[str, Any]:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    return {"cmd": "Emulation.setDeviceMetricsOverride", "params": size}


@contextmanager
def browser(*flags: str) -> Iterator[Browser]:
    """A browser that is closed at the end, and its driver with it; `flags` are Chromium's."""
    assert DRIVER is not None and BROWSER is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        window = Browser(f"http://127.0.0.1:{port}", flags)
        try:
            yield window
        finally:
            window.close()
    finally:
        driver.terminate()
        driver.wait(10)


def _wait(port: int) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
