"""Names that results.json and the reports share: kinds of rows, floors, marks, scores of valence and arousal."""

from __future__ import annotations

from typing import Literal

EXTERNAL = "external"  # a model of which nothing is known but its predictions
KINDS = ("ensemble", "member", EXTERNAL, "published")  # also the order of rows with equal accuracy
BEST_SINGLE = "best_single"  # the ensembler that picks one member
TOP_K = "top_k"  # the average of the members that are best on val
UNIFORM = "uniform"  # the ensemble every other has to beat
DIMENSIONS: tuple[Literal["valence", "arousal"], ...] = ("valence", "arousal")
AFFECT_SCORES: tuple[Literal["rmse", "corr", "sagr", "ccc"], ...] = ("rmse", "corr", "sagr", "ccc")  # of each dimension
VOTES_COMMAND = "python benchmark.py ferplus-votes --data DIR"  # what adds annotators' votes to a store
