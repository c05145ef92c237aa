"""The outcomes and durations of many runs, in one database."""
