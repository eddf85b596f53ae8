"""Evaluation: from stored predictions to results. Metrics, significance, audit, folds, ablations."""
