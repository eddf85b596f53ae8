"""Models that people use because they ship inside a package: their weights in networks of ours, their preprocessing."""
