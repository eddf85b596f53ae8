"""The command line, but for its reports: `python -m tests.helpers.short_reports --suite digits ...`."""

from __future__ import annotations

import sys

import benchmark
from benchmarks import pipeline

if __name__ == "__main__":
    pipeline.report = lambda session, results: None
    sys.exit(benchmark.main())
