"""Why a request is refused: a status of HTTP and a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

RETRY_AFTER = 1  # seconds, after which a place is likely free


class Refused(Exception):
    """A request that gets no answer; `retry_after` are seconds, where trying again may help."""

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.retry_after = status, reason, retry_after


class Places:
    """How many requests are read and answered at a time, in all and of one client: what bounds the memory."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self.most, self.most_of_one = most, most_of_one
        self.taken: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many are taken."""
        return self.taken.total()

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Hold a place; raise Refused, 503 where none is left and 429 where the client has its share."""
        if self.taken[client] >= self.most_of_one:
            raise Refused(429, f"{self.most_of_one} requests of this client are being answered already", RETRY_AFTER)
        if self.count >= self.most:
            raise Refused(503, f"{self.most} requests are being answered already", RETRY_AFTER)
        self.taken[client] += 1
        try:
            yield
        finally:
            self.taken[client] -= 1
            if not self.taken[client]:
                del self.taken[client]
