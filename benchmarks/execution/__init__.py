"""Execution: which members are trained, in what order, where, and how one is trained."""
