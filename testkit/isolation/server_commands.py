"""Which commands of a Redis reach beyond one database, and why each does.

Commands up to Redis 8.6 and Valkey 9.1; one that stands nowhere here is taken for one of keys. What
is only read, of one's own connection, or adds to a cache by its content (``EVAL``, ``SCRIPT LOAD``)
is nobody else's trouble.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["FIRST_WORDS", "READING", "REFUSED", "ServerCommand", "server_command"]


class ServerCommand(NamedTuple):
    """A command without its arguments (they may be secret), and why it is not of one database."""

    name: str
    reason: str


_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "channels belong to the whole server, what is published in one database is heard in all": (
        *("PUBLISH", "SPUBLISH", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"),
    ),
    "it hears the commands of everybody": ("MONITOR", "SYNC", "PSYNC", "REPLCONF"),
    "it empties or exchanges databases of others": ("FLUSHALL", "SWAPDB"),
    "it writes to another server": ("MIGRATE",),
    "settings, and what the server counts and notes, belong to the whole server": (
        *("CONFIG SET", "CONFIG REWRITE", "CONFIG RESETSTAT"),
        *("SLOWLOG RESET", "LATENCY RESET", "COMMANDLOG RESET", "ACL LOG RESET"),
        *("HOTKEYS START", "HOTKEYS STOP", "HOTKEYS RESET", "MEMORY PURGE"),
    ),
    "users belong to the whole server": ("ACL SETUSER", "ACL DELUSER", "ACL LOAD", "ACL SAVE"),
    "functions, and the scripts that are kept or at work, belong to the whole server": (
        *("FUNCTION LOAD", "FUNCTION DELETE", "FUNCTION FLUSH", "FUNCTION RESTORE"),
        *("FUNCTION KILL", "SCRIPT FLUSH", "SCRIPT KILL", "SCRIPT DEBUG"),
    ),
    "search indexes belong to the whole server": (
        *("FT.CREATE", "FT.ALTER", "FT.DROPINDEX", "FT.DROP", "FT.CONFIG SET"),
        *("FT.ALIASADD", "FT.ALIASUPDATE", "FT.ALIASDEL"),
        *("FT.DICTADD", "FT.DICTDEL", "FT.SYNUPDATE"),
    ),
    "it stops or wakes clients, which may be anybody's": (
        *("CLIENT KILL", "CLIENT PAUSE", "CLIENT UNPAUSE", "CLIENT UNBLOCK"),
    ),
    "it is done to the server itself, for everybody": (
        *("SHUTDOWN", "SAVE", "BGSAVE", "BGREWRITEAOF", "DEBUG"),
        *("REPLICAOF", "SLAVEOF", "FAILOVER", "CLUSTER", "TRIMSLOTS"),
        *("MODULE LOAD", "MODULE LOADEX", "MODULE UNLOAD", "PFSELFTEST"),
    ),
}
#: The name of each command that is refused whatever its arguments, and why.
REFUSED: Final[Mapping[str, str]] = {
    name: reason for reason, names in _KINDS.items() for name in names
}
#: Of the commands that are refused whole, the parts that only read.
READING: Final = frozenset(
    {
        *("DEBUG OBJECT", "DEBUG DIGEST-VALUE", "DEBUG HELP"),
        *("CLUSTER INFO", "CLUSTER NODES", "CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER LINKS"),
        *("CLUSTER MYID", "CLUSTER MYSHARDID", "CLUSTER KEYSLOT", "CLUSTER SLOT-STATS"),
        *("CLUSTER REPLICAS", "CLUSTER SLAVES", "CLUSTER COUNT-FAILURE-REPORTS"),
        *("CLUSTER COUNTKEYSINSLOT", "CLUSTER GETKEYSINSLOT", "CLUSTER GETSLOTMIGRATIONS"),
        "CLUSTER HELP",
    }
)

_WITH_PARTS: Final = frozenset({name.partition(" ")[0] for name in READING})


def _select(words: Sequence[str]) -> str:
    return words[1]


def _move(words: Sequence[str]) -> str:
    return words[2]


def _copy(words: Sequence[str]) -> str:
    options = [word.upper() for word in words[3:]]
    return words[3 + options.index("DB") + 1]


def _reset(_words: Sequence[str]) -> str:
    return "0"  # where a connection is that has selected nothing


# Commands that may name another database; where it stands in their words.
_DATABASE_OF: Final[Mapping[str, Callable[[Sequence[str]], str]]] = {
    "SELECT": _select,
    "MOVE": _move,
    "COPY": _copy,
    "RESET": _reset,
}
#: A command that begins with none of these is not refused.
FIRST_WORDS: Final = frozenset({name.partition(" ")[0] for name in REFUSED} | {*_DATABASE_OF})


def server_command(words: Sequence[str], database: int) -> ServerCommand | None:
    """Return what reaches beyond ``database``, None for a command that does not.

    ``words`` is the whole command, its name split into words.
    """
    first = words[0].upper()
    name = f"{first} {words[1].upper()}" if len(words) > 1 else first
    if name in READING:
        return None
    if name == "ACL LOG":
        name = " ".join(words[:3]).upper()  # the only one of three words
    reason = REFUSED.get(name)
    if reason is not None:
        return ServerCommand(name, reason)
    if first in REFUSED:
        return ServerCommand(name if first in _WITH_PARTS else first, REFUSED[first])
    return _elsewhere(first, words, database)


def _elsewhere(first: str, words: Sequence[str], database: int) -> ServerCommand | None:
    of = _DATABASE_OF.get(first)
    try:
        other = int(of(words)) if of is not None else database
    except (ValueError, IndexError):
        return None  # no other database is named, or in a form that the server will not take
    if other == database:
        return None
    return ServerCommand(first, f"it leads to database {other}, which is not leased")
