"""How the service logs: on standard error, each record with the id of its request."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from cos.api.access_log import ACCESS_FIELDS
from cos.api.request_id import RequestIdFilter
from cos.services.access.credential import CREDENTIAL_FORM

__all__ = ["JsonFormatter", "LogFormat", "TextFormatter", "log_config", "written"]

LogFormat = Literal["json", "text"]

LINE: Final = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"
# What continues a record can be told from what begins one, whatever it says.
CONTINUED: Final = "\n  | "
CREDENTIAL: Final = re.compile(CREDENTIAL_FORM)
# A shorter one would blot out parts of ordinary words.
SHORTEST_SECRET: Final = 8


class _Hiding(logging.Formatter):
    """Blots out tokens, cookies of sessions and ``hidden`` texts, should one ever get into a line.

    Nothing is meant to log them: this is the second lock.
    """

    def __init__(self, line: str | None = None, *, hidden: Sequence[str] = ()) -> None:
        super().__init__(line)
        self._hidden = [text for text in hidden if len(text) >= SHORTEST_SECRET]

    def hide(self, text: str) -> str:
        """Return ``text`` without secrets."""
        for secret in self._hidden:
            text = text.replace(secret, "***")
        return CREDENTIAL.sub(r"\1***", text)


class TextFormatter(_Hiding):
    """Writes a record as a line for people; further lines, as of a traceback, are indented.

    No text in a record can look like another record, or be obeyed by a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of ``record``."""
        lines = self.hide(super().format(record)).rstrip("\n").split("\n")
        return CONTINUED.join(map(_printable, lines))


class JsonFormatter(_Hiding):
    """Writes a record as one JSON object on one line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of ``record``."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": getattr(record, "request_id", "-"),
            "message": self.hide(record.getMessage()),
        }
        for name in ACCESS_FIELDS:
            if name in vars(record):
                value = vars(record)[name]
                line[name] = self.hide(value) if isinstance(value, str) else value
        if record.exc_info:
            line["exception"] = self.hide(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = self.hide(self.formatStack(record.stack_info))
        return json.dumps(line)


FORMATTERS: Final[Mapping[LogFormat, dict[str, Any]]] = {
    "json": {"()": JsonFormatter},
    "text": {"()": TextFormatter, "line": LINE},
}


def log_config(
    level: str, *, log_format: LogFormat = "text", hidden: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig` at ``level`` (lower case).

    ``hidden`` are secrets that never appear in a line, if they are long enough to be recognised.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestIdFilter}},
        "formatters": {"line": {**FORMATTERS[log_format], "hidden": list(hidden)}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "filters": ["request_id"],
                "formatter": "line",
            }
        },
        "root": {"handlers": ["stderr"], "level": level.upper()},
    }


def written(logger: logging.Logger, message: str) -> str:
    """Return the JSON line of ``message``, for what is told whatever the level is."""
    return JsonFormatter().format(
        logger.makeRecord(logger.name, logging.INFO, "", 0, message, (), None)
    )


def _printable(line: str) -> str:
    return "".join(
        character if character.isprintable() or character == "\t" else ascii(character)[1:-1]
        for character in line
    )
