"""Facts of a table, as the catalogs tell them."""

from __future__ import annotations

from typing import Any

from testkit.isolation.tables import TableFacts


def facts(**changes: Any) -> TableFacts:
    """Return those of ``public.people (id PRIMARY KEY, name)``, with these changes."""
    values: dict[str, Any] = {
        "oid": 4711,
        "root": 4711,
        "schema": "public",
        "name": "people",
        "partitioned": False,
        "key": ["id"],
        "equals": ["="],
        "stored": ["id", "name"],
        "root_columns": ["id", "name"],
        "virtual": [],
        "root_name": "public.people",
        "reordered": False,
        "by_name": False,
        "inherits": False,
        "rules": False,
        "forced": False,
        "referenced": False,
        "fixed": [],
        "shape": "4711|public|people",
    }
    return TableFacts(**values | changes)
