"""Ensembles of valence and arousal: predictions `[members, samples, 2]` in, one prediction `[samples, 2]` out."""

from ensembles.affect.base import AffectMean, AffectStacking, AffectWeights

__all__ = ["AffectMean", "AffectStacking", "AffectWeights"]
