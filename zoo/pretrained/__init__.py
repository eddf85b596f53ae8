"""Weights to start from: the hub's, and those inside Python packages."""
