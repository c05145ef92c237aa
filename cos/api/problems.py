"""Errors as problem documents (RFC 9457), one row for each kind of error."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Match
from starlette.types import Scope

from cos.api.request_id import current_request_id
from cos.db.violations import is_refused, lacks_schema
from cos.services.errors import (
    DeadLetterInHandError,
    InvalidCursorError,
    NameTakenError,
    ServiceError,
    TokenNameTakenError,
    UnknownDeadLetterError,
    UnknownGroupError,
    UnknownModuleError,
    UnknownTokenError,
)

__all__ = [
    "MEDIA_TYPE",
    "PROBLEM_SCHEMA",
    "UNSERVED",
    "ProblemResponse",
    "install",
    "problem",
    "unserved",
]

LOGGER: Final = logging.getLogger(__name__)
MEDIA_TYPE: Final = "application/problem+json"
STATUS_OF: Final[Mapping[type[ServiceError], tuple[HTTPStatus, str, str]]] = {
    UnknownModuleError: (HTTPStatus.NOT_FOUND, "unknown-module", "Unknown module"),
    NameTakenError: (HTTPStatus.CONFLICT, "name-taken", "The name is taken"),
    UnknownTokenError: (HTTPStatus.NOT_FOUND, "unknown-token", "Unknown token"),
    TokenNameTakenError: (HTTPStatus.CONFLICT, "name-taken", "The name is taken"),
    UnknownDeadLetterError: (HTTPStatus.NOT_FOUND, "unknown-dead-letter", "Unknown dead letter"),
    DeadLetterInHandError: (
        HTTPStatus.CONFLICT,
        "dead-letter-in-hand",
        "The dead letter is being replayed",
    ),
    UnknownGroupError: (HTTPStatus.NOT_FOUND, "unknown-group", "Unknown group"),
}
# Some of the last two are faults of ours: `unserved` knows which.
UNSERVED: Final = (
    OperationalError,
    InterfaceError,
    PoolTimeoutError,
    ProgrammingError,
    InternalError,
)
METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
PROBLEM_SCHEMA: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg", "type"],
                "properties": {
                    "loc": {"type": "array", "items": {}},
                    "msg": {"type": "string"},
                    "type": {"type": "string"},
                },
            },
        },
    },
}


class ProblemResponse(JSONResponse):
    """JSON in ASCII: what a client sent may come back in it, lone surrogates included."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Return ``content`` as bytes."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def problem(
    scope: Scope,
    status: int,
    detail: str,
    *,
    kind: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> ProblemResponse:
    """Return the answer for a problem.

    ``kind`` is the last part of the type's URN and its title; without it, the status says all there
    is to say. ``members`` are further members of the document.
    """
    urn, title = kind or (None, HTTPStatus(status).phrase)
    document = {
        "type": "about:blank" if urn is None else f"urn:cos:problem:{urn}",
        "title": title,
        "status": int(status),
        "detail": detail,
        "instance": quote(scope["path"]),
        "request_id": current_request_id(),
        **members,
    }
    return ProblemResponse(document, status, headers)


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error with a problem document."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(InvalidCursorError, _invalid_cursor)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _client_gone)
    for kind in UNSERVED:
        app.add_exception_handler(kind, _unserved)
    app.add_exception_handler(Exception, _unexpected)


async def _service_error(request: Request, error: Exception) -> ProblemResponse:
    # A ServiceError without a row is a KeyError here, and so a 500: it was forgotten.
    status, urn, title = STATUS_OF[type(error)]  # type: ignore[index]  # the handler's type is wider
    return problem(request.scope, status, str(error), kind=(urn, title))


async def _invalid_cursor(request: Request, error: Exception) -> ProblemResponse:
    return _unprocessable(request, [_entry(("query", "cursor"), str(error), "cursor_invalid")])


async def _invalid_request(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)
    # Without the input: it may be large, secret, or not even JSON.
    entries = []
    for item in error.errors():
        # Why JSON cannot be read stands in the context only.
        reason = item["ctx"]["error"] if item["type"] == "json_invalid" else item["msg"]
        entries.append(_entry(item["loc"], reason, item["type"]))
    return _unprocessable(request, entries)


def _unprocessable(request: Request, errors: Sequence[Mapping[str, Any]]) -> ProblemResponse:
    places = ", ".join(".".join(map(str, entry["loc"])) for entry in errors)
    return problem(
        request.scope,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"The request is not valid at {places}. Correct what `errors` names and send it again.",
        kind=("invalid-request", "The request is not valid"),
        errors=errors,
    )


def _entry(place: Sequence[str | int], message: str, kind: str) -> dict[str, Any]:
    return {"loc": list(place), "msg": message.removeprefix("Value error, "), "type": kind}


async def _http_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    detail = f"{request.method} {quote(request.scope['path'])}: {error.detail}."
    return problem(request.scope, error.status_code, detail, headers=headers)


async def _client_gone(request: Request, _error: Exception) -> ProblemResponse:
    # Nobody reads it; without it the log would show a fault of ours.
    detail = "The connection was closed before the body had arrived."
    return problem(request.scope, HTTPStatus.BAD_REQUEST, detail)


def _allowed(request: Request) -> list[str]:
    # The router names the methods of the first route of the path only, and a path has several.
    allowed = [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    # A folder of files, which took its own prefix off the path: it can only be read.
    return allowed or ["GET", "HEAD"]


async def _unserved(request: Request, error: Exception) -> ProblemResponse:
    return unserved(request.scope, error)


def unserved(scope: Scope, error: Exception) -> ProblemResponse:
    """Log ``error`` and return the answer for a request that the database did not serve.

    ``error`` is one of `UNSERVED`; it is raised again where a statement of ours is wrong.
    """
    if isinstance(error, DBAPIError):
        if lacks_schema(error):
            return _schema_missing(scope, error)
        if isinstance(error, ProgrammingError | InternalError) and not is_refused(error):
            raise error
    return _database_unavailable(scope, error)


def _database_unavailable(scope: Scope, error: Exception) -> ProblemResponse:
    # The driver's words name hosts and users; they belong into the log only.
    LOGGER.warning("the database did not serve this request: %s", error)
    return problem(
        scope,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database cannot be reached, is too busy, or refuses this. Nothing was changed."
        " Try again shortly; GET /cc/health/ready tells what is down.",
        kind=("database-unavailable", "The database is unavailable"),
        headers={"Retry-After": "1"},
    )


def _schema_missing(scope: Scope, error: Exception) -> ProblemResponse:
    LOGGER.error("the database has no schema, or that of an older version: %s", error)
    return problem(
        scope,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database has no schema, or that of an older version of the control center."
        " Whoever runs it: python -m cos migrate.",
        kind=("schema-missing", "The schema is missing"),
        headers={"Retry-After": "10"},
    )


async def _unexpected(request: Request, _error: Exception) -> ProblemResponse:
    # Starlette raises the exception again after this answer, and the server logs its traceback.
    return problem(
        request.scope,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "A fault of the control center. Report it with the request id; the log has the rest.",
    )
