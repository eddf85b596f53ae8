"""Speed benchmarks: each runs both sides in one process on the same arrays and prints the ratio last.

`python -m benchmarks.speed.greedy`, `.stacking`, `.search`, `.scale`, `.growth`; peers come with the extra `speed`.
"""
