"""Work that is not done again: a run of which nothing has changed, fits that are known."""
