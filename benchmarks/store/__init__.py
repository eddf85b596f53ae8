"""The prediction store: what identifies predictions, how they lie on disk, and the targets that score them."""
