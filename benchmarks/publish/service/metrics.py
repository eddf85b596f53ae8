"""What the service counts, as text that Prometheus reads. It is about sizes and times, never about pictures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from threading import Lock

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # upper ends of the histogram's bins
PREFIX = "fer_ensembles"


class Metrics:
    """Counters of one process; threads may share one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: Counter[int] = Counter()
        self._seconds: Counter[float] = Counter()
        self._sums: defaultdict[str, float] = defaultdict(float)

    def request(self, status: int, seconds: float, size: int) -> None:
        """Count a request to /predict, by its status, with its time and the bytes of its pictures."""
        with self._lock:
            self._requests[status] += 1
            self._seconds[next((end for end in SECONDS if seconds <= end), float("inf"))] += 1
            self._sums["seconds"] += seconds
            self._sums["bytes"] += size

    def answered(self, pictures: int, faces: int) -> None:
        """Count pictures that were answered, and the faces on them."""
        with self._lock:
            self._sums["pictures"] += pictures
            self._sums["faces"] += faces

    def batch(self, pictures: int) -> None:
        """Count a batch."""
        with self._lock:
            self._sums["batches"] += 1
            self._sums["batched"] += pictures

    def text(self, gauges: Mapping[str, float]) -> str:
        """Return all of it; `gauges` are the values of the moment by name."""
        with self._lock:
            lines = _head("requests_total", "counter", "requests to /predict, by status")
            lines += [f'{PREFIX}_requests_total{{status="{code}"}} {n}' for code, n in sorted(self._requests.items())]
            lines += self._histogram()
            for name, said in COUNTED.items():
                lines += _head(f"{name}_total", "counter", said)
                lines.append(f"{PREFIX}_{name}_total {self._sums[name]:.0f}")
        for name, value in gauges.items():
            lines += [*_head(name, "gauge", name.replace("_", " ")), f"{PREFIX}_{name} {value:g}"]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name = f"{PREFIX}_request_seconds"
        lines, total = _head("request_seconds", "histogram", "time from a request's head to its answer"), 0
        for end in (*SECONDS, float("inf")):
            total += self._seconds[end]
            lines.append(f'{name}_bucket{{le="{"+Inf" if end == float("inf") else f"{end:g}"}"}} {total}')
        return [*lines, f"{name}_sum {self._sums['seconds']:.6f}", f"{name}_count {total}"]


COUNTED = {
    "pictures": "pictures answered",
    "faces": "faces on them",
    "bytes": "bytes of pictures read",
    "batches": "batches that the model saw",
    "batched": "pictures in them",
}


def _head(name: str, kind: str, said: str) -> list[str]:
    return [f"# HELP {PREFIX}_{name} {said}", f"# TYPE {PREFIX}_{name} {kind}"]
