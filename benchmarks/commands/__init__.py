"""Commands of their own, beside a run."""
