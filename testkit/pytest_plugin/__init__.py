"""The pytest door: hooks and fixtures, each a few lines that call one use case."""
