"""What belongs to a whole Postgres and so is in no database's journal: roles, databases, settings.

A look costs one query, which answers who wrote the rows of the shared catalogs. Only where that has
changed are they read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql

from testkit.core.messages import TestkitError
from testkit.isolation.statement_log import StatementLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.servers.postgres import PostgresServer

__all__ = ["ServerWide"]

# Arrays are made in half the time of sums.
_WRITERS: Final = ", ".join(
    f"ARRAY(SELECT xmin FROM {catalog})::text"  # noqa: S608 - no input
    for catalog in (
        *("pg_authid", "pg_auth_members", "pg_database", "pg_db_role_setting", "pg_tablespace"),
    )
)
_LOOK: Final = f"SELECT {_WRITERS}, pg_read_file('postgresql.auto.conf')"
_LOOK_AT_OWN: Final = """
SELECT ARRAY(SELECT s.xmin FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
             WHERE d.datname = current_database())::text
"""

# Columns: kind, name, database, role, value. Databases of other processes are testkit's affair.
_SETTINGS: Final = """
SELECT 'setting', split_part(one, '=', 1), coalesce(d.datname, ''), coalesce(r.rolname, ''),
       substr(one, strpos(one, '=') + 1)
FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS one
LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole
"""
_OWN_SETTINGS: Final = f"{_SETTINGS} WHERE d.datname = current_database()"
_WHOLE_SERVER: Final = """
WHERE d.datname IS NULL OR d.datname = current_database()
      OR NOT starts_with(d.datname::text, 'testkit_')
UNION ALL SELECT 'role', rolname, '', '', md5(a::text) FROM pg_authid a
UNION ALL SELECT 'membership', u.rolname, '', g.rolname, m.admin_option::text
FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member JOIN pg_roles g ON g.oid = m.roleid
UNION ALL SELECT 'database', datname, '', '',
                 concat_ws(' ', datdba, datallowconn, datconnlimit, datistemplate, datacl)
FROM pg_database WHERE datname = current_database() OR NOT starts_with(datname::text, 'testkit_')
UNION ALL SELECT 'tablespace', spcname, '', '', concat_ws(' ', spcowner, spcacl, spcoptions)
FROM pg_tablespace
UNION ALL SELECT 'system', name, '', '', setting FROM pg_file_settings
WHERE right(sourcefile, 21) = '/postgresql.auto.conf'
"""
# What goes first: a role can go when nothing is left that needs it.
_ORDER: Final = ("system", "setting", "database", "tablespace", "membership", "role")
# Text that stands for several values cannot be given back as one.
_LISTS: Final = frozenset(
    {"search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries"}
    | {"shared_preload_libraries", "unix_socket_directories", "listen_addresses"}
    | {"DateStyle", "createrole_self_grant", "log_destination", "synchronous_standby_names"}
)


class _Thing(NamedTuple):
    kind: str
    name: str
    database: str
    role: str

    def __str__(self) -> str:
        if self.kind == "system":
            return f"parameter {self.name} of ALTER SYSTEM"
        if self.kind == "membership":
            return f'membership of role "{self.name}" in "{self.role}"'
        if self.kind != "setting":
            return f'{self.kind} "{self.name}"'
        of = f'role "{self.role}"' if self.role else f'database "{self.database}"'
        within = f' in database "{self.database}"' if self.role and self.database else ""
        return f"parameter {self.name} of {of}{within}"


class ServerWide:
    """Finds what a test did to the whole server, puts back what can be, and says so: TK331.

    Exact where the server is this process' ``alone``, or testkit started its program: the log tells
    there whose statement it was. Elsewhere only settings of the own database are watched. ``ask``
    sends a query of testkit's own, within that database, and answers its rows.
    """

    def __init__(
        self,
        server: PostgresServer,
        database: str,
        ask: Callable[[Any], list[tuple[Any, ...]]],
        *,
        alone: bool,
    ) -> None:
        self._ask, self._database = ask, database
        logged = server.kept is not None and server.bin_folder is not None and not server.shared
        self._log = (
            StatementLog(server.kept.log, database)
            if logged and not alone and server.kept is not None
            else None
        )
        whole = not server.shared and (alone or self._log is not None)
        self._look, self._read = (
            (_LOOK, _SETTINGS + _WHOLE_SERVER) if whole else (_LOOK_AT_OWN, _OWN_SETTINGS)
        )
        self._seen: list[tuple[Any, ...]] = []
        self._found: dict[_Thing, str] = {}
        self._charged: dict[_Thing, str | None] = {}  # to the running test: what it was before
        self.accept()

    def accept(self) -> None:
        """Take what there is now as what belongs there."""
        self._take(charging=False)

    def replaced(self) -> None:
        """Give a database that was made anew the settings that others than the test had made.

        The test's own went with the old one, and so did what was granted on it.
        """
        before = {t: value for t, value in self._found.items() if t not in self._charged}
        wanted = before | {t: was for t, was in self._charged.items() if was is not None}
        now = self._things()
        for thing, value in wanted.items():
            ours = thing.kind == "setting" and thing.database == self._database
            if ours and now.get(thing) != value and (setting := _undoing(thing, value)):
                self._ask(setting)
        self._charged = {t: was for t, was in self._charged.items() if not self._is_of_own(t)}
        self.accept()

    def _is_of_own(self, thing: _Thing) -> bool:
        own = thing.kind == "database" and thing.name == self._database
        return own or thing.database == self._database

    def note(self) -> None:
        """Charge the running test with what it has changed so far."""
        # Also where the log has not grown: what a function did would be the next test's.
        self._take(charging=True)

    def finish(self, who: str) -> None:
        """Put back what was noted of the test ``who``. Raises TK331 where there is anything."""
        if not self._charged:
            return
        charged, self._charged = self._charged, {}
        changed = {t: before for t, before in charged.items() if before != self._found.get(t)}
        roles = {t.name for t, was in changed.items() if t.kind == "role" and was is None}
        told = []
        for thing in sorted(changed, key=lambda t: (_ORDER.index(t.kind), t)):
            # They come and go with the role.
            if thing.kind in {"membership", "setting"} and roles & {thing.role, thing.name}:
                continue
            told.append(self._put_back(thing, changed[thing]))
        if any(thing.kind == "system" for thing in changed):
            self._reload()
        self.accept()
        if told:
            raise TestkitError("TK331", who=who, changes="\n".join(told), database=self._database)

    def _take(self, *, charging: bool) -> None:
        """Look; what has changed is the running test's where it is charged."""
        if self._log is not None:
            self._log.turn()
        seen = self._ask(self._look)
        if seen == self._seen:
            return
        found = self._things()
        for thing in self._found.keys() | found.keys() if charging else ():
            before = self._found.get(thing)
            if before != found.get(thing) and self._is_ours(thing):
                self._charged.setdefault(thing, before)
        self._seen, self._found = seen, found

    def _things(self) -> dict[_Thing, str]:
        rows = self._ask(self._read)
        return {_Thing(*row[:4]): str(row[4]) for row in rows}

    def _is_ours(self, thing: _Thing) -> bool:
        if self._log is None or thing.database == self._database:
            return True
        words = (thing.name, thing.database, thing.role)
        return self._log.is_ours(*(word for word in words if word))

    def _put_back(self, thing: _Thing, before: str | None) -> str:
        """Undo one change; answer what is said of it."""
        now = self._found.get(thing)
        plain = thing.kind in {"setting", "system"}
        came, went = ("set", "reset") if plain else ("created", "dropped")
        word = came if before is None else went if now is None else "changed"
        undoing = _undoing(thing, before)
        outcome = "put back" if undoing else "it stays so"
        if undoing:
            try:
                self._ask(undoing)
            except psycopg.Error as error:
                outcome = f"it stays so: {error.diag.message_primary}"
        return f"  {thing} was {word} ({outcome})"

    def _reload(self) -> None:
        """Let every session take the settings of now, and wait until the server has them."""
        loaded = self._ask("SELECT pg_conf_load_time(), pg_reload_conf()")[0][0]
        for _ in range(2000):
            if self._ask("SELECT pg_conf_load_time()")[0][0] != loaded:
                return


def _undoing(thing: _Thing, before: str | None) -> sql.Composable | None:
    """Return the statement that puts one thing back, None where none can."""
    name, role, database = map(sql.Identifier, (thing.name, thing.role, thing.database))
    if thing.kind in {"system", "setting"}:
        if before is not None and thing.name in _LISTS:
            return None
        if thing.kind == "system":
            where: sql.Composable = sql.SQL("SYSTEM")
        elif thing.role:
            within = sql.SQL(" IN DATABASE {}").format(database) if thing.database else sql.SQL("")
            where = sql.SQL("ROLE {}{}").format(role, within)
        elif thing.database:
            where = sql.SQL("DATABASE {}").format(database)
        else:
            where = sql.SQL("ROLE ALL")
        parameter = sql.SQL(".").join(map(sql.Identifier, thing.name.split(".")))
        if before is None:
            return sql.SQL("ALTER {} RESET {}").format(where, parameter)
        return sql.SQL("ALTER {} SET {} = {}").format(where, parameter, sql.Literal(before))
    if before is not None:
        return None
    if thing.kind == "membership":
        return sql.SQL("REVOKE {} FROM {}").format(role, name)
    force = sql.SQL(" WITH (FORCE)" if thing.kind == "database" else "")
    return sql.SQL("DROP {} {}{}").format(sql.SQL(thing.kind.upper()), name, force)
