"""Trained weights: those that members start from, on the hub or in Python packages, and those of own trainings."""
