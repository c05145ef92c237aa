"""Postgres and Redis servers: found, started, shared, and gone when their owner is."""
