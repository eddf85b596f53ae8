"""A limit to what a parser of another language takes, whatever the headers inside a file claim."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATUS = Path("/proc/self/status")
MOST = 2**29  # bytes more than before: a batch of a real file takes a fiftieth of it


@contextmanager
def arrow_within(most: int = MOST) -> Iterator[None]:
    """Let pyarrow take at most so many bytes more than this process has now; it raises ArrowMemoryError for more.

    The sizes of pages stand in front of each page. Pyarrow believes them and shows them to nobody, and a file of a few
    kilobytes may claim 2 GB. The limit is of the process, for as long as this lasts; only Linux has it.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    import pyarrow as pa

    pool, (soft, hard) = pa.default_memory_pool(), resource.getrlimit(resource.RLIMIT_DATA)
    allowed = [_data() + most, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    pa.set_memory_pool(pa.system_memory_pool())  # others take a gigabyte in advance
    resource.setrlimit(resource.RLIMIT_DATA, (min(allowed), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        pa.set_memory_pool(pool)


def _data() -> int:
    """Return the bytes that the process may write to, as the kernel counts them for the limit."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024
