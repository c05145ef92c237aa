"""What a template database holds: the project's schema, its baseline, what testkit installs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal, Protocol, Self

from psycopg import sql

from testkit.core.addresses import NOWHERE, expand_env
from testkit.servers.schema.key import schema_key
from testkit.servers.schema.migration import Migration
from testkit.servers.schema.models import ModelSchema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from testkit.core.messages import TestkitError
    from testkit.core.options import Settings
    from testkit.servers.postgres import Connection, PostgresServer

__all__ = ["Contents", "Finish"]


class Finish(Protocol):
    """What is installed into a template after the migrations; ``text`` is part of its key."""

    @property
    def text(self) -> str:
        """Return what decides what is installed; empty for nothing."""

    def install(self, connection: Connection) -> None:
        """Install it into the database of this connection."""


class Schema(Protocol):
    """What a template is filled with."""

    def apply(self, url: str, env: Mapping[str, str]) -> None:
        """Make the schema in the empty database at ``url``, with these variables set."""

    def nothing_arrived(self) -> TestkitError:
        """Return the error of a schema that made no table there."""

    def close(self) -> None:
        """End what was started for it."""


class Contents:
    """Knows the key of a template and fills one; ``fingerprints`` is a folder for notes.

    Use it in a ``with`` block: the processes that load the project end with it.
    """

    def __init__(self, settings: Settings, root: Path, finish: Finish, fingerprints: Path) -> None:
        self._settings, self._root, self._finish = settings, root, finish
        self._fingerprints = fingerprints
        self._stack = contextlib.ExitStack()
        self._schema: Schema | None = None
        self._baseline: Schema | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def key(self, server: str) -> str:
        """Return 16 hex digits for these contents on a server; ``server`` says which, in words.

        Raises TK203 to TK205.
        """
        fingerprint = ""
        if self._settings.schema not in (None, "alembic"):
            self._schema = schema = self._of_project("schema", self._settings.schema)
            fingerprint = schema.fingerprint()
        if self._settings.baseline is not None:
            self._baseline = baseline = self._of_project("baseline", self._settings.baseline)
            fingerprint += baseline.fingerprint()
        return schema_key(
            self._settings,
            self._root,
            server=server,
            own=self._finish.text,
            fingerprint=fingerprint,
        )

    def load(self) -> None:
        """Start what loads slowly; call it before slow work of another kind."""
        if self._settings.schema == "alembic":
            self._schema = migration = Migration(
                self._root / self._settings.alembic_ini, self._root
            )
            self._stack.callback(migration.close)

    @property
    def has_schema(self) -> bool:
        """Return whether the project names a schema."""
        return self._settings.schema is not None

    def fill(self, server: PostgresServer, name: str) -> None:
        """Fill the empty database ``name``, then close it to everybody: a template.

        Raises TK201, TK202, TK204, TK205.
        """
        database = sql.Identifier(name)
        address = server.address(name)
        env = expand_env(self._settings.env, NOWHERE | {"database": address})
        with server.connect() as connection:
            if self._schema is not None:
                self._schema.apply(address.url(), env)
                with server.connect(name) as inside:
                    if not _has_relations(inside):
                        raise self._schema.nothing_arrived()
            if self._baseline is not None:
                self._baseline.apply(address.url(), env)
            with server.connect(name) as inside:
                self._finish.install(inside)
                # Without autovacuum nobody else would give the planner its figures.
                inside.execute("ANALYZE")
            for change in ("IS_TEMPLATE true", "ALLOW_CONNECTIONS false"):
                connection.execute(sql.SQL("ALTER DATABASE {} ").format(database) + sql.SQL(change))

    def _of_project(self, key: Literal["schema", "baseline"], value: str | None) -> ModelSchema:
        assert value is not None
        found = ModelSchema(
            value,
            self._root,
            env=expand_env(self._settings.env, NOWHERE),
            extensions=self._settings.extensions,
            folder=self._fingerprints,
            key=key,
        )
        self._stack.callback(found.close)
        return found


def _has_relations(connection: Connection) -> bool:
    found = connection.execute(
        "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        r" WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'"
    )
    return found.fetchone() is not None
