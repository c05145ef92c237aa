"""``log``: errors that were logged while the test ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.exceptions import is_error, message_of
from testkit.record.evidence.safely import attributes, is_plain, shown, type_name
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from testkit.core.runs.failure import Json
    from testkit.record.evidence.scene import Scene

__all__ = ["logged"]

_MOST: Final = 5
_MESSAGE: Final = 600


def logged(scene: Scene) -> Iterator[Evidence]:
    """Tell the last ones, oldest first."""
    for record in list(scene.watched.records)[-_MOST:]:
        facts: dict[str, Json] = {
            "level": told(str(record.levelname), 20),
            "logger": told(str(record.name), 100),
            "message": told(_message(record, scene), _MESSAGE),
        }
        error = record.exc_info[1] if type(record.exc_info) is tuple else None
        if error is not None and is_error(error):
            said = message_of(error, scene.places)
            facts["exception"] = told(f"{type_name(type(error))}: {said}", _MESSAGE)
        yield Evidence("log", facts)


def _message(record: logging.LogRecord, scene: Scene) -> str:
    """Return the message: as a formatter has made it already, or made of plain arguments."""
    held = attributes(record)
    made = held.get("message")
    if type(made) is str:
        return made
    message: Any = held.get("msg")
    args: Any = held.get("args")
    if type(message) is not str:
        return str(_argument(message, scene))
    if is_plain(args):
        plain: Any = args
    elif type(args) is tuple:
        plain = tuple(_argument(one, scene) for one in args)
    else:
        return message
    try:
        return str(message % plain) if plain else message
    except (TypeError, ValueError, KeyError, OverflowError):
        return message


def _argument(one: object, scene: Scene) -> object:
    if is_error(one):
        return message_of(cast("BaseException", one), scene.places)
    return one if is_plain(one) else shown(one)
