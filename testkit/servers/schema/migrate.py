"""Applies a project's Alembic migrations: ``python -m testkit.servers.schema.migrate INI``.

A process of its own, so that env.py runs as it is: an async env.py, a ``fileConfig`` that disables
loggers and imports of the application never touch the process of the tests. It loads Alembic first
and then waits for the URL on standard input: loading overlaps with the making of the server.
"""

from __future__ import annotations

import json
import os
import sys

from alembic import command
from alembic.config import Config

__all__ = ["main"]


def main() -> None:
    """Upgrade to all heads the database that arrives on standard input."""
    config = Config(sys.argv[1])
    order = json.loads(sys.stdin.readline() or "null")
    if order is None:
        return  # the parent gave up
    os.environ.update(order["env"])
    # ConfigParser reads % as the start of an interpolation.
    config.set_main_option("sqlalchemy.url", order["url"].replace("%", "%%"))
    command.upgrade(config, "heads")


if __name__ == "__main__":
    main()
