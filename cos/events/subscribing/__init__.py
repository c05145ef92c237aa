"""The parts of a subscriber: its group in Redis, its progress in Postgres, what fails."""
