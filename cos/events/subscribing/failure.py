"""Why an event was not handled, in words that may be stored and shown."""

import re
import traceback
from typing import Final

__all__ = [
    "MAX_REASON",
    "HandlerTimeoutError",
    "TransactionEndedError",
    "Unprocessable",
    "reason_of",
    "storable",
    "without_secrets",
]

MAX_REASON: Final = 2_000
# What stands between :// and the last @ of a word, and the values of parameters with such names.
CREDENTIALS: Final = re.compile(r"(?<=://)\S*@")
PARAMETERS: Final = re.compile(
    r"(?i)((?:pass|passwd|password|pwd|secret|token|api_?key|authorization)[\"']?\s*[=:]\s*)"
    r"(?:bearer\s+|basic\s+)?[\"']?[^\s&,;\"')]+"
)


class Unprocessable(Exception):  # noqa: N818 - it is a verdict on the event, no fault of the handler
    """Raised by a handler: no further attempt will help; the event goes to the dead letters."""


class HandlerTimeoutError(Exception):
    """The handler did not come to its end in time, and was cancelled."""


class TransactionEndedError(Exception):
    """The handler ended the transaction of its delivery, which is not its own to end."""


def reason_of(error: BaseException) -> str:
    """Return the type, the message and the place of ``error``; at most ``MAX_REASON`` characters.

    Credentials in URLs and values of parameters named like secrets are left out, and so is what
    Postgres cannot store as text.
    """
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _full_name(kind)
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an exception that cannot say what it is; any may do so
        message = "(its message cannot be read)"
    text = f"{name}: {message}" if message else name
    return storable(without_secrets(text), MAX_REASON - 200) + _place(error)


def without_secrets(text: str) -> str:
    """Return ``text`` without the credentials of URLs and the values of secret parameters."""
    return PARAMETERS.sub(r"\1***", CREDENTIALS.sub("***@", text))


def storable(text: str, limit: int) -> str:
    """Return ``text`` as Postgres can store it, its end cut off behind ``limit`` characters."""
    text = text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _full_name(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    # The file's name is enough to find it, and no path of a machine.
    file = frames[-1].filename.replace("\\", "/").rpartition("/")[2]
    return storable(f" ({file}:{frames[-1].lineno} in {frames[-1].name})", 200)
