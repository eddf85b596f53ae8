"""The sections of leaderboard.md and of the suite's summary page, one file each: results in, text out."""
