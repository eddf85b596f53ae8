"""Data sets as numpy arrays: readers of on-disk forms, their identity by content, and a cache of what they decoded.

numpy alone is imported here, so that a report from stored predictions pays for nothing else.
"""

from benchmarks.data.dataset import SPLIT_NAMES, DataOptions, Dataset, Split
from benchmarks.data.errors import DataError

__all__ = ["SPLIT_NAMES", "DataError", "DataOptions", "Dataset", "Split"]
