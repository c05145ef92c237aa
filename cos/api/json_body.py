"""JSON bodies, read strictly: whatever cannot be read is the client's error, and is a 422.

How long a body may be is decided before it comes here: `cos.api.body_limits`.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BeforeValidator

from cos.db.storable import storable_object, storable_text

__all__ = ["JsonBodyRoute", "JsonObject", "storable_text"]


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


JsonObject = Annotated[dict[str, Any], BeforeValidator(storable_object)]
"""An object that Postgres can store as jsonb and give back."""
