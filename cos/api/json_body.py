"""JSON bodies, read strictly: whatever cannot be read is the client's error, and is a 422.

How long a body may be is decided before it comes here: `cos.api.body_limits`.
"""

import json
import math
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BeforeValidator

__all__ = ["JsonBodyRoute", "JsonObject", "storable_text"]

MAX_DEPTH: Final = 32
MAX_CHARACTERS: Final = 65_536


class JsonBodyRoute(APIRoute):
    """A route whose body must be UTF-8 and JSON as in RFC 8259.

    Without it, Python's parser takes NaN, and FastAPI answers 400 for bytes that are no UTF-8, for
    numbers of more than 4,300 digits and for very deep nesting.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, wrapped so that it sees the strict request."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        body = await self.body()
        try:
            return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        except json.JSONDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise json.JSONDecodeError(f"cannot be read: {type(error).__name__}", "", 0) from error


def _refuse_constant(name: str) -> None:
    raise json.JSONDecodeError(f"{name} is not JSON", "", 0)


def storable_text(text: str) -> str:
    """Return ``text``; raise ValueError if Postgres cannot store it."""
    if "\0" in text:
        raise ValueError("must not contain the character U+0000, which the database cannot store")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not contain a lone surrogate, which is no character")
    return text


def _storable_object(value: object) -> object:
    """Check every string, number and level of ``value`` without recursion."""
    pending = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, dict | list) and depth > MAX_DEPTH:
            raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
        if isinstance(item, dict):
            pending += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            pending += [(part, depth + 1) for part in item]
        elif isinstance(item, str):
            storable_text(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError("must not contain a number beyond the range of a double")
    if len(json.dumps(value)) > MAX_CHARACTERS:
        raise ValueError(f"must not be longer than {MAX_CHARACTERS} characters as JSON")
    return value


JsonObject = Annotated[dict[str, Any], BeforeValidator(_storable_object)]
"""An object that Postgres can store as jsonb and give back."""
