"""The table of commands that reach beyond one database, against the commands of a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.isolation.server_commands import FIRST_WORDS, READING, REFUSED, server_command

if TYPE_CHECKING:
    import redis

LEASED: Final = 14
#: The kinds of commands among which one may be everybody's trouble.
_KINDS: Final = ("admin", "dangerous", "pubsub", "connection", "scripting")
#: Those of them that are let through, by what they are.
READ: Final = """
    acl|getuser acl|list acl|log acl|dryrun acl|users client|list client|getname client|getredir
    client|help client|id client|info client|trackinginfo command command|count command|docs
    command|getkeys command|getkeysandflags command|help command|info command|list commandlog|get
    commandlog|len config|get function|dump function|help function|list function|stats info
    lastsave latency|doctor latency|graph latency|histogram latency|history latency|latest
    module|list pubsub|channels pubsub|numpat pubsub|numsub pubsub|shardchannels
    pubsub|shardnumsub role script|exists script|help script|show slowlog|get slowlog|len
"""
OF_ONES_OWN_CONNECTION: Final = """
    asking auth client|caching client|capa client|import-source client|no-evict client|no-touch
    client|reply client|setinfo client|setname client|tracking echo hello ping punsubscribe quit
    readonly readwrite sunsubscribe unsubscribe wait waitaof
"""
OF_ONES_OWN_KEYS: Final = "flushdb keys pfdebug restore restore-asking sort sort_ro"
# To a cache by their content, where nobody is hit by what is there already.
ADDING_TO_A_CACHE: Final = "eval eval_ro evalsha evalsha_ro fcall fcall_ro script|load"
WITH_A_NUMBER: Final = "reset select"
LET_THROUGH: Final = {
    *READ.split(),
    *OF_ONES_OWN_CONNECTION.split(),
    *OF_ONES_OWN_KEYS.split(),
    *ADDING_TO_A_CACHE.split(),
    *WITH_A_NUMBER.split(),
}


def refused(*words: str) -> bool:
    return server_command(words, LEASED) is not None


def test_every_such_command_of_a_server_is_decided(redis_client: redis.Redis) -> None:
    found: set[str] = set()
    for kind in _KINDS:
        answer: Any = redis_client.command_list(category=kind)
        found |= {name.decode() for name in answer}
    let_through = {name for name in found if not refused(*name.split("|"))}
    reading = {"|".join(name.split()).lower() for name in READING}
    numbered = {name for name in WITH_A_NUMBER.split() if refused(name, "3")}

    assert len(found) > 100
    assert let_through - reading - LET_THROUGH == set()
    assert numbered == {"reset", "select"}


def test_what_is_refused_is_refused_in_any_case_with_any_arguments() -> None:
    for name in REFUSED:
        for words in (name.split(), name.lower().split()):
            found = server_command([*words, "some", "secret"], LEASED)

            assert found is not None
            assert found.name.startswith(name)
            assert "secret" not in found.name
        assert name.split(maxsplit=1)[0] in FIRST_WORDS


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("SELECT 14", False),
        ("SELECT 3", True),
        ("SELECT fourteen", False),
        ("SELECT", False),
        ("MOVE key 14", False),
        ("move key 0", True),
        ("COPY a b", False),
        ("COPY a b DB 14", False),
        ("COPY a b REPLACE", False),
        ("COPY a b REPLACE db 3", True),
        ("COPY a b DB 3 REPLACE", True),
        ("COPY DB DB", False),
        ("RESET", True),
        ("FLUSHDB", False),
        ("ACL LOG", False),
        ("ACL LOG RESET", True),
        ("ACL LOG 10", False),
        ("CLUSTER INFO", False),
        ("CLUSTER MEET", True),
        ("DEBUG OBJECT key", False),
        ("DEBUG SLEEP 1", True),
        ("CONFIG GET maxmemory", False),
        ("GET PUBLISH", False),
    ],
)
def test_what_is_refused_for_its_arguments(command: str, expected: bool) -> None:  # noqa: FBT001
    assert refused(*command.split()) == expected


def test_reset_is_one_thing_where_database_0_is_leased() -> None:
    assert server_command(["RESET"], 0) is None
