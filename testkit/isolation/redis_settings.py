"""What a Redis has beside keys and clients: configuration, users, functions, switches of DEBUG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from testkit.isolation.layers import Layers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testkit.isolation.redis_link import Command, Link
    from testkit.isolation.redis_traces import Traces

__all__ = ["RedisSettings"]

_Texts = dict[str, str]

_TURNING: Final = frozenset({b"debug", b"script|debug"})
# What these can turn, and how it stands by itself. Not every version has all of them.
_SWITCHES: Final[tuple[Command, ...]] = (
    # Valkey 9.1 crashes at the next EVAL where a client that debugs scripts has gone.
    ("SCRIPT", "DEBUG", "NO"),
    ("DEBUG", "SET-ACTIVE-EXPIRE", "1"),
    ("DEBUG", "PAUSE-CRON", "0"),
    ("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0"),
    ("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "RESET"),
    ("DEBUG", "REPLYBUFFER", "RESIZING", "1"),
    ("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "0"),
    ("DEBUG", "SET-DISABLE-DENY-SCRIPTS", "0"),
    ("DEBUG", "DICT-RESIZING", "1"),
    ("DEBUG", "PAUSE-AFTER-FORK", "0"),
    ("DEBUG", "CLIENT-ENFORCE-REPLY-LIST", "0"),
    ("DEBUG", "HASHTABLE-CAN-ABORT-SHRINK", "1"),
)


class _Kind(NamedTuple):
    """A kind of setting: the commands that change it, how it is read and how it is changed."""

    what: str
    commands: frozenset[bytes]
    read: Callable[[Link], _Texts]
    changes: Callable[[Mapping[str, str], Mapping[str, str]], list[Command]]


class RedisSettings:
    """All of them, as they were before the test or as wider-scoped fixtures left them.

    They are read only after a command that may have changed them.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._layers = {kind: Layers(kind.read(link)) for kind in _KINDS}
        self._ended: set[_Kind] = set()

    def claim(self, owner: int, seen: Traces) -> None:
        """Give what changed to a fixture: it stays until ``end``."""
        for kind, layers in self._layers.items():
            if seen.of(kind.commands):
                layers.claim(owner, kind.read(self._link))

    def end(self, owner: int) -> None:
        """Let the next ``put_back`` take away what a fixture had changed."""
        self._ended |= {kind for kind, layers in self._layers.items() if layers.end(owner)}

    def put_back(self, seen: Traces) -> bool:
        """Set what differs, answer whether there was a look. Raises TK310."""
        kinds = [kind for kind in _KINDS if kind in self._ended or seen.of(kind.commands)]
        self._ended.clear()
        for kind in kinds:
            self._put_back(kind, self._layers[kind].current)
        turned = seen.of(_TURNING)
        if turned:
            self._link.ask(_SWITCHES)
        return bool(kinds) or turned

    def _put_back(self, kind: _Kind, wanted: _Texts) -> None:
        problem: object = None
        for _ in range(2):  # a value may be refused until another one is back
            now = kind.read(self._link)
            if now == wanted:
                return
            answers = self._link.ask(kind.changes(now, wanted))
            problem = next((a for a in answers if isinstance(a, Exception)), problem)
        now = kind.read(self._link)
        if now != wanted:
            names = sorted(n for n in now.keys() | wanted.keys() if now.get(n) != wanted.get(n))
            raise self._link.trouble(f"{kind.what} {', '.join(names)}", problem or "it stays")


def _configuration(link: Link) -> _Texts:
    [answer] = link.do(("CONFIG", "GET", "*"))
    values = iter(_text(each) for each in answer)
    found = dict(zip(values, values, strict=True))
    found.pop("slaveof", None)  # the same as replicaof
    return found


def _configure(now: Mapping[str, str], wanted: Mapping[str, str]) -> list[Command]:
    commands: list[Command] = []
    for name, value in wanted.items():
        if now.get(name) == value:
            continue
        if name == "replicaof":
            commands.append(("REPLICAOF", *(value.split() or ("NO", "ONE"))))
        else:
            commands.append(("CONFIG", "SET", name, _bytes(value)))
    return commands


def _users(link: Link) -> _Texts:
    [lines] = link.do(("ACL", "LIST"))
    found = {}
    for line in lines:
        _, name, *rules = _text(line).split(" ")
        # It is what holds by itself, and older servers write it only if it was said.
        found[name] = " ".join(rule for rule in rules if rule != "sanitize-payload")
    return found


def _grant(now: Mapping[str, str], wanted: Mapping[str, str]) -> list[Command]:
    commands: list[Command] = [
        ("ACL", "SETUSER", _bytes(name), "reset", *map(_bytes, rules.split(" ")))
        for name, rules in wanted.items()
        if now.get(name) != rules
    ]
    gone = now.keys() - wanted.keys()
    return [*commands, *(("ACL", "DELUSER", _bytes(name)) for name in sorted(gone))]


def _functions(link: Link) -> _Texts:
    [libraries] = link.do(("FUNCTION", "LIST", "WITHCODE"))
    found = {}
    for facts in libraries:
        named: dict[bytes, Any] = dict(zip(facts[::2], facts[1::2], strict=True))
        found[_text(named[b"library_name"])] = _text(named[b"library_code"])
    return found


def _load(now: Mapping[str, str], wanted: Mapping[str, str]) -> list[Command]:
    # First those that are wrong: a name of a function may be in one library only.
    changed = [name for name, code in now.items() if wanted.get(name) != code]
    missing = [code for name, code in wanted.items() if now.get(name) != code]
    return [
        *(("FUNCTION", "DELETE", _bytes(name)) for name in changed),
        *(("FUNCTION", "LOAD", _bytes(code)) for code in missing),
    ]


def _text(answer: bytes) -> str:
    return answer.decode(errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


# In this order: a password of the configuration is one of a user, and functions need memory.
_KINDS: Final = (
    _Kind(
        "CONFIG",
        frozenset({b"config|set", b"replicaof", b"slaveof", b"failover"}),
        _configuration,
        _configure,
    ),
    _Kind(
        "the ACL user",
        frozenset({b"acl|setuser", b"acl|deluser", b"acl|load", b"config|set"}),
        _users,
        _grant,
    ),
    _Kind(
        "the function library",
        frozenset({b"function|load", b"function|delete", b"function|flush", b"function|restore"}),
        _functions,
        _load,
    ),
)
