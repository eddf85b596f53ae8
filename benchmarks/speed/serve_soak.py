"""Whether the service stands many requests of many clients: what they get, how fast, and whether its memory grows.

    python -m benchmarks.speed.serve_soak [--requests 10000] [--clients 16] [--model FILE] [--picture FILE]

The service is a process of its own on this machine. Each client sends one request after the other on one connection;
a request that is told to come again waits as long as it is told, and counts as busy.
"""

from __future__ import annotations

import argparse
import http.client
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchmarks.speed.records import Comparison, add_json_option, write_record
from benchmarks.speed.timing import header

ROOT = Path(__file__).resolve().parents[2]
WARM = 0.1  # share of the requests after which memory is taken to have its size
GROWTH = 1.05  # of the memory from then on, at most
PATIENCE = 60  # seconds for an answer
BUSY = (429, 503)


def main(argv: list[str] | None = None) -> int:
    """Send the requests, print what came of them; return 0, or 1 where one failed or memory grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--model", type=Path, help="a model file (default: the released one)")
    parser.add_argument("--picture", type=Path, help="what is sent (default: a portrait that matplotlib ships)")
    parser.add_argument("--faces", default="auto", help="as in benchmark.py serve")
    add_json_option(parser)
    options = parser.parse_args(argv)
    print(header("Soak test of benchmark.py serve", ["onnxruntime", "fastapi", "uvicorn"]))
    picture = (options.picture or _portrait()).read_bytes()
    arguments = ["--faces", options.faces, *(["--model", str(options.model)] if options.model else [])]
    with served(arguments) as port:
        soak = Soak(port, picture, options.requests, options.clients)
        soak.run()
    print(soak)
    write_record(options.json, "serve_soak", "Service", soak.comparisons(), ["onnxruntime", "fastapi", "uvicorn"])
    return 0 if soak.failed == 0 and soak.growth <= GROWTH else 1


@contextmanager
def served(arguments: list[str]) -> Iterator[int]:
    """The port of a service that runs until the end."""
    command = [sys.executable, str(ROOT / "benchmark.py"), "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.match(r"http://127\.0\.0\.1:(\d+) ", process.stdout.readline())
            if found is None:
                raise SystemExit("the service did not start: try its command by hand: " + " ".join(command))
            yield int(found[1])
        finally:
            process.terminate()


@dataclass
class Soak:
    """Requests of several clients to a port, and what came of them."""

    port: int
    picture: bytes
    requests: int
    clients: int
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)  # bytes: when warm, and at the end
    elapsed: float = 0.0

    def run(self) -> None:
        """Send all of them."""
        numbers, started = count(), time.perf_counter()
        with ThreadPoolExecutor(self.clients) as pool:
            for client in [pool.submit(self._client, numbers) for _ in range(self.clients)]:
                client.result()
        self.elapsed = time.perf_counter() - started
        self.memory.append(self._resident())

    def _client(self, numbers: Iterator[int]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        while (number := next(numbers)) < self.requests:
            if number == int(WARM * self.requests):
                self.memory.append(self._resident())
            while (wait := self._ask(connection)) is not None:
                time.sleep(wait)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> float | None:
        """Send one request; return after how many seconds to try again, None where it was answered."""
        started = time.perf_counter()
        connection.request("POST", "/predict", self.picture, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        answer.read()
        self.statuses[answer.status] += 1
        if answer.status in BUSY:
            return float(answer.headers["Retry-After"])
        self.seconds.append(time.perf_counter() - started)
        return None

    def _resident(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        found = re.search(r"^fer_ensembles_resident_bytes (\S+)$", text, re.MULTILINE)
        assert found is not None, text
        return int(float(found[1]))

    @property
    def failed(self) -> int:
        """How many requests got something else than an answer."""
        return sum(number for status, number in self.statuses.items() if status != 200 and status not in BUSY)

    @property
    def growth(self) -> float:
        """Memory at the end by memory when warm."""
        return self.memory[1] / self.memory[0]

    def comparisons(self) -> list[Comparison]:
        """What a record keeps."""
        warm, end = (size / 1e9 for size in self.memory)
        who = f"{self.requests:,} requests of {self.clients} clients"
        return [
            Comparison(f"resident memory after {who}", "GB", end, "after a tenth of them", warm, target=1 / GROWTH),
            Comparison(f"answers a second, {who}", "requests/s", len(self.seconds) / self.elapsed),
        ]

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        middle, late = (1000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
        statuses = ", ".join(f"{number:,} times {status}" for status, number in sorted(self.statuses.items()))
        warm, end = (size / 2**20 for size in self.memory)
        return (
            f"  {statuses}\n  {len(ordered) / self.elapsed:.1f} answers a second; half of them within {middle:.0f} ms, "
            f"99 % within {late:.0f} ms\n  memory {warm:.1f} MiB when warm, {end:.1f} at the end: "
            f"{100 * (self.growth - 1):+.1f} %"
        )


def _portrait() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


if __name__ == "__main__":
    sys.exit(main())
