"""Predictions that were made elsewhere: their formats, how they are matched, and whether they are plausible."""
