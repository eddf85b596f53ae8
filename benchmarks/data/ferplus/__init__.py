"""FER+: FER2013's images with the votes of ten annotators each."""
