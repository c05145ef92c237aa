"""Nothing: the suite runs on testkit, configured in pyproject.toml."""
