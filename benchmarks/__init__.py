"""Suites, data, evaluation and reports: what turns members and ensembles into a leaderboard."""
