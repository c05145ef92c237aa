"""What a session of the server holds beside rows: as the application made it, and put back to that.

What a plain command puts back without a trace is put back: settings, roles, advisory locks, what
sequences gave. For everything else the connection has to be exchanged, because clients remember it
too: a driver that knows its listeners would not send LISTEN again, and a statement prepared for a
temporary table fails on the next one of that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testkit.isolation.connections import in_transaction, rows
from testkit.isolation.sql_text import literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine.interfaces import DBAPIConnection

__all__ = ["SessionState"]

# Names are qualified: a test may have set any search_path.
_KEPT_BY_CLIENTS: Final = """
    EXISTS (SELECT FROM pg_catalog.pg_listening_channels())
    OR EXISTS (SELECT FROM pg_catalog.pg_prepared_statement() WHERE from_sql)
    OR EXISTS (SELECT FROM pg_catalog.pg_cursor() WHERE is_holdable)
"""
_MORE_THAN_SETTINGS: Final = f"""
    {_KEPT_BY_CLIENTS}
    OR EXISTS (SELECT FROM pg_catalog.pg_depend
               WHERE refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                 AND refobjid = pg_catalog.pg_my_temp_schema())
"""
# The temporary schema stays when all in it is gone: then the second look tells. Always to take that
# one would cost half as much again.
_FIRST_LOOK: Final = f"SELECT 1 WHERE {_KEPT_BY_CLIENTS} OR pg_catalog.pg_my_temp_schema() <> 0"
_SECOND_LOOK: Final = f"SELECT 1 WHERE {_MORE_THAN_SETTINGS}"

# In this order, behind all others: the role may not be allowed to set what its member may.
_LAST: Final = ("session_authorization", "role")
# The server does not list an application's own settings (shop.tenant): they are asked for by the
# dotted names that were heard, and those in statements that drivers have prepared.
_AT_FIRST: Final = f"""
SELECT name, setting FROM pg_catalog.pg_show_all_settings() WHERE source = 'session'
   AND name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable')
UNION ALL
SELECT name, pg_catalog.current_setting(name, true) FROM (
       SELECT pg_catalog.unnest({{names}}) UNION
       SELECT (pg_catalog.regexp_matches(pg_catalog.replace(statement, '"', ''),
               '([[:alpha:]_][[:alnum:]_]*(?:[.][[:alpha:]_][[:alnum:]_]*)+)', 'g'))[1]
       FROM pg_catalog.pg_prepared_statement()) AS named (name)
 WHERE pg_catalog.current_setting(name, true) IS NOT NULL
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_show_all_settings() AS listed
                   WHERE listed.name = named.name)
UNION ALL
SELECT 'session_authorization', session_user
 WHERE session_user <> (
       SELECT pg_catalog.pg_get_userbyid(usesysid)
       FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()))
UNION ALL
SELECT 'role', pg_catalog.current_setting('role')
 WHERE pg_catalog.current_setting('role') <> 'none'
UNION ALL
SELECT NULL, NULL WHERE {_MORE_THAN_SETTINGS}
    OR EXISTS (SELECT FROM pg_catalog.pg_lock_status()
               WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'advisory')
"""  # noqa: S608 - constants

_RESET: Final = (
    "RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL;DISCARD SEQUENCES;"
    "SELECT pg_catalog.pg_advisory_unlock_all()"
)


@dataclass(frozen=True, slots=True)
class SessionState:
    """A session as it was handed out for the first time.

    ``plain`` says that it held nothing but settings and roles, and so can be put back.
    """

    plain: bool
    _commands: str

    @classmethod
    def of(cls, connection: DBAPIConnection, names: Iterable[str]) -> SessionState:
        """Read what was set by hand since the connection was made.

        ``names`` are those that may be settings of the application's own. Raises what the driver
        does.
        """
        wanted = f"ARRAY[{','.join(map(literal, names))}]::text[]"
        found = rows(connection, _AT_FIRST.format(names=wanted))
        settings = {name: value for name, value in found if name is not None}
        last = {name: settings.pop(name) for name in _LAST if name in settings}
        commands = [_RESET, *(_command(*each) for each in (settings | last).items())]
        return cls((None, None) not in found, ";".join(commands))

    def put_back(self, connection: DBAPIConnection) -> bool:
        """Put the session back to this state; False where that cannot be done.

        Raises what the driver does.
        """
        if not self.plain or in_transaction(connection):
            return False
        if not rows(connection, _FIRST_LOOK, behind=self._commands):
            return True
        return not rows(connection, _SECOND_LOOK)


def _command(name: str, value: str) -> str:
    # Not SET: in it a list of names is more than one constant.
    return f"SELECT pg_catalog.set_config({literal(name)},{literal(value)},false)"
