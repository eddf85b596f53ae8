"""Speed benchmarks: each runs both sides on the same data and prints the ratio last; peers come with the extra `speed`.

Networks: `python -m benchmarks.speed.input_pipeline`, `.training`, `.inference`, `.tracks`. Ensembles: `.greedy`,
`.stacking`, `.search`, `.scale`, `.growth`. The command line: `.startup`. All of them at once, and the report:
`python -m benchmarks.speed.report`.
"""
