"""Faults of commands of Redis, as a test declares them."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

from testkit.faults.protocols.declaring import Declaration, wrong_action, wrong_choice
from testkit.faults.protocols.rules import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.faults.protocols.redis_commands import RedisRequest
    from testkit.faults.protocols.rules import Rule

__all__ = ["RedisDeclaration", "RedisRules"]

Fault = TypeVar("Fault")

_NAME: Final = re.compile(r"[A-Za-z][\w.]*(?: [A-Za-z_][\w-]*)?")
_ERROR: Final = re.compile(r"[A-Z][A-Z0-9_]*(?: [^\r\n]*)?")


class RedisDeclaration(Declaration[Fault]):
    """A fault of a command that is being declared."""

    def answered(self, error: str) -> Fault:
        """Answer the request with an error, such as "READONLY You can't write."; Raises TK622.

        The server never sees it. In MULTI it makes EXEC fail, as an error in the queue does.
        """
        call = f"{self._what}.answered({error!r})"
        if self._listens == "reply":
            raise wrong_action(call, "the server answers a reply's request; answer a request()")
        if not _matches(_ERROR, error):
            reason = "an error of Redis is one line that begins with a code in capitals"
            raise wrong_action(call, reason)
        return self._declared(Answer(f"-{error}\r\n".encode()), f"answered({error!r})")


class RedisRules(Generic[Fault]):
    """Makes rules for commands; ``declare`` gets each, and what it returns is returned."""

    def __init__(self, declare: Callable[[Rule], Fault]) -> None:
        self._declare = declare

    def request(
        self,
        name: str,
        *,
        key: str | bytes | None = None,
        where: Callable[[list[bytes]], object] | None = None,
    ) -> RedisDeclaration[Fault]:
        """Choose a command by its name, in any case; "CLIENT KILL" with its subcommand.

        ``key``: its first key or channel. ``where``: a function of its words, the name first; of a
        command longer than 1 MiB those in its beginning. Raises TK620.
        """
        return self._declaration("request", name, key, where)

    def reply(
        self,
        name: str,
        *,
        key: str | bytes | None = None,
        where: Callable[[list[bytes]], object] | None = None,
    ) -> RedisDeclaration[Fault]:
        """Choose the reply to such a command: one to a command sent before counts too.

        Raises TK620.
        """
        return self._declaration("reply", name, key, where)

    def _declaration(
        self,
        listens: Literal["request", "reply"],
        name: str,
        key: str | bytes | None,
        where: Callable[[list[bytes]], object] | None,
    ) -> RedisDeclaration[Fault]:
        shown = f"{name!r}" if key is None else f"{name!r}, key={key!r}"
        call = f"{listens}({shown}{', where=…' if where is not None else ''})"
        if not _matches(_NAME, name):
            raise wrong_choice(call, "a command's name is one word, or two with its subcommand")
        if key is not None and not _is_text(key):
            raise wrong_choice(call, "a key is text or bytes")
        if where is not None and not _takes_one(where):
            raise wrong_choice(call, "where is a function of one argument, the command's words")
        matches = _predicate(key.encode() if isinstance(key, str) else key, where)
        return RedisDeclaration(self._declare, listens, call, name.upper(), matches)


def _predicate(
    key: bytes | None, where: Callable[[list[bytes]], object] | None
) -> Callable[[RedisRequest], bool] | None:
    if key is None and where is None:
        return None

    def matches(request: RedisRequest) -> bool:
        if key is not None and request.key != key:
            return False
        # A copy: a function that changes its argument must change nothing else.
        return where is None or bool(where(list(request.arguments)))

    return matches


def _matches(form: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and form.fullmatch(text) is not None


def _is_text(key: object) -> bool:
    return isinstance(key, str | bytes)


def _takes_one(where: object) -> bool:
    if not callable(where):
        return False
    try:
        inspect.signature(where).bind([])
    except TypeError:
        return False
    except ValueError:  # of some functions written in C it is not known
        return True
    return True
