"""Where workers and runs meet: a Dask scheduler that nobody else reaches unless told so.

    python -m benchmarks.execution.scheduler                                  # tcp://127.0.0.1:8786
    python -m benchmarks.execution.scheduler --host 10.0.0.1 --file FILE      # for other machines; its address in FILE

Whoever reaches it runs code as you: `--host` is a private interface, or BENCHMARK_TLS names a folder of certificates
(benchmarks/execution/README.md says how to make them). It ends on Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path
from typing import Any

from benchmarks.execution.connection import LOOPBACK, protocol, security
from benchmarks.execution.quiet import quiet

PORT = 8786
LOST_AFTER = 60.0
"""Seconds without a sign of life after which a worker is taken for lost; Dask takes ten of its heartbeats at least."""


def main(argv: list[str] | None = None) -> None:
    """Run a scheduler until a signal ends it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default=LOOPBACK, help=f"address of the interface to listen on (default: {LOOPBACK})")
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}; 0 for a free one")
    parser.add_argument("--file", type=Path, help="where to write the address, for workers and runs on a shared disk")
    parser.add_argument("--lost-after", type=float, default=LOST_AFTER, help="seconds without a sign of a worker")
    parser.add_argument("--dashboard", default=f"{LOOPBACK}:0", help="address of Dask's dashboard, which needs bokeh")
    asyncio.run(_serve(parser.parse_args(argv)))


async def _serve(arguments: argparse.Namespace) -> None:
    quiet()
    from distributed import Scheduler

    options = scheduler_options(arguments.host, arguments.port, arguments.lost_after, arguments.dashboard)
    if arguments.file:
        options["scheduler_file"] = str(arguments.file)
    async with Scheduler(**options) as scheduler:
        told, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, told.set)
        print(f"scheduler at {scheduler.address}", flush=True)
        await told.wait()


def scheduler_options(
    host: str = LOOPBACK, port: int = 0, lost_after: float = LOST_AFTER, dashboard: str = f"{LOOPBACK}:0"
) -> dict[str, Any]:
    """Return what Dask's Scheduler is made with, for one on this address."""
    return {
        "host": host,
        "port": port,
        "protocol": f"{protocol()}://",
        "security": security(),
        "worker_ttl": lost_after,
        "dashboard_address": dashboard,
    }


if __name__ == "__main__":
    main()
