"""The ways to Postgres and Redis: declarative base, engines, client, constraint names."""
