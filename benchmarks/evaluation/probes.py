"""What frozen features know of the classes: a linear probe and the nearest neighbours, fitted on train alone."""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 20  # as arXiv:2104.14294 takes it


def linear_probe(train: np.ndarray, targets: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return the classes int [M] that logistic regression on standardised features float [N,D] gives features [M,D]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Features of a trained network nearly separate the images it has learnt from: little weight on them converges.
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    return probe.fit(train, targets).predict(features)


def nearest_neighbours(train: np.ndarray, targets: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return the classes int [M] that the 20 nearest of train [N,D] by cosine vote for, nearer ones more."""
    from sklearn.neighbors import KNeighborsClassifier

    neighbours = KNeighborsClassifier(min(NEIGHBOURS, len(train)), weights="distance", metric="cosine")
    return neighbours.fit(train, targets).predict(features)
