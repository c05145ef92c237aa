"""Commands of Redis as rules and the log name them, and what each does to the conversation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from testkit.faults.protocols.resp import arguments
from testkit.faults.protocols.steps import Noted

__all__ = ["KNOWN", "Command", "RedisRequest", "command_of", "known"]

#: Commands that are named together with their second word.
_CONTAINERS: Final = frozenset(
    (
        *("ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY"),
        *("MEMORY", "MODULE", "OBJECT", "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG"),
        *("XGROUP", "XINFO"),
    )
)
#: Commands after which replies come in other ways than one for one.
_UNEVEN: Final = frozenset(
    (
        *("CLIENT", "DISCARD", "EXEC", "HELLO", "MONITOR", "MULTI", "PSYNC", "RESET", "SYNC"),
        *("PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUBSCRIBE", "SUNSUBSCRIBE"),
        "UNSUBSCRIBE",
    )
)
#: Where the first key stands when it is not the first argument.
_SECOND: Final = (
    *("BITOP", "LMPOP", "SINTERCARD", "ZDIFF", "ZINTER", "ZINTERCARD", "ZMPOP", "ZUNION"),
)
_THIRD: Final = (
    *("BLMPOP", "BZMPOP", "EVAL", "EVALSHA", "EVALSHA_RO", "EVAL_RO", "FCALL", "FCALL_RO"),
    "MIGRATE",
)
_FIRST_KEY: Final = (
    dict.fromkeys(_CONTAINERS, 2) | dict.fromkeys(_SECOND, 2) | dict.fromkeys(_THIRD, 3)
)
#: Names are remembered as they are written; no client has more than these.
_MOST_NAMES: Final = 2000
_LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A command by its name: ``names`` are those of rules that mean it."""

    name: str
    names: tuple[str, ...]
    careful: bool
    container: bool
    asked: Noted = field(repr=False)
    answered: Noted = field(repr=False)


@dataclass(slots=True)
class RedisRequest:
    """A command with its arguments, read when a rule looks at them.

    Of a frame longer than 1 MiB, ``arguments`` holds what stood in its beginning.
    """

    command: Command
    frame: bytes
    start: int = 0
    _arguments: list[bytes] | None = None

    def __post_init__(self) -> None:
        """Name a container's command by two words."""
        if self.command.container:
            self.command = command_of(self.arguments)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that rules may use for it."""
        return self.command.names

    @property
    def arguments(self) -> list[bytes]:
        """Return the words of the command, its name first."""
        if self._arguments is None:
            self._arguments = arguments(self.frame, self.start)
        return self._arguments

    @property
    def key(self) -> bytes | None:
        """Return the first key or channel, None where the command has none."""
        words, name = self.arguments, self.command.names[0]
        if name in {"XREAD", "XREADGROUP"}:
            upper = [word.upper() for word in words]
            place = upper.index(b"STREAMS") + 1 if b"STREAMS" in upper else len(words)
        else:
            place = _FIRST_KEY.get(name, 1)
        numbered = place == 3 and name != "MIGRATE"  # noqa: PLR2004  # script, number of keys, keys
        if numbered and words[2:3] == [b"0"]:
            return None
        return words[place] if place < len(words) else None


#: Every command that was met, by its first word (of a container by two) as it was written.
KNOWN: Final[dict[bytes, Command]] = {}


def known(word: bytes) -> Command:
    """Return the command of a first word, however it is written."""
    return KNOWN.get(word) or _learnt(word, ())


def command_of(words: list[bytes]) -> Command:
    """Return the command of a container by its first two words, where there are two."""
    first = known(words[0])
    if len(words) == 1:
        return first
    both = words[0] + b" " + words[1]
    return KNOWN.get(both) or _learnt(both, first.names)


def _learnt(words: bytes, container: tuple[str, ...]) -> Command:
    name = words[:_LONGEST_NAME].decode("latin-1").upper()
    found = _command(name, (*container, name))
    if len(words) <= _LONGEST_NAME and len(KNOWN) < _MOST_NAMES:
        KNOWN[words] = found
    return found


def _command(name: str, names: tuple[str, ...]) -> Command:
    # The log is for people: a word of a stray client may be unprintable.
    shown = name if name.isprintable() else ascii(name)
    return Command(
        name=name,
        names=names,
        careful=not name or names[0] in _UNEVEN or names[0] in _CONTAINERS,
        container=name in _CONTAINERS,
        asked=Noted(f"request {shown}", None, "request"),
        answered=Noted(f"reply to {shown}", None, "reply"),
    )
