"""A project with migrations, as small as Alembic allows."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from testkit.core.options import Settings

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AlembicProject"]

ENV = """
    from alembic import context
    from sqlalchemy import create_engine

    url = context.config.get_main_option("sqlalchemy.url")
    with create_engine(url).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""
VERSION = """
    from alembic import op

    revision = "{revision}"
    down_revision = {down!r}

    def upgrade():
        {upgrade}
"""


class AlembicProject:
    """A folder with alembic.ini, env.py and one version script that makes the table ``shop``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("alembic.ini", "[alembic]\nscript_location = %(here)s/migrations\n")
        self.write("migrations/env.py", ENV)
        self.version("0001", 'op.execute("CREATE TABLE shop (id int PRIMARY KEY, name text)")')

    def write(self, name: str, text: str) -> Path:
        """Write one file, its text dedented."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def version(self, revision: str, upgrade: str, *, after: str | None = None) -> Path:
        """Write a version script whose ``upgrade`` is one statement of Python."""
        text = textwrap.dedent(VERSION).format(revision=revision, down=after, upgrade=upgrade)
        return self.write(f"migrations/versions/{revision}.py", text)

    def settings(self, **values: Any) -> Settings:
        """Return the settings of this project."""
        return Settings(schema="alembic", configured=True, **values)
