"""The results as pages to look at: one self-contained file a suite, and one for all suites."""

from benchmarks.report.page.index import write_index
from benchmarks.report.page.suite_page import begin

__all__ = ["begin", "write_index"]
