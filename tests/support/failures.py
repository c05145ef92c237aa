"""Failures that tests make up, as a record would tell of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from testkit.core.runs.failure import Evidence, Failure, Frame, Raised

if TYPE_CHECKING:
    from testkit.core.runs.failure import Json, Phase

__all__ = ["evidence", "failed"]


def evidence(kind: str, **facts: Json) -> Evidence:
    """Return evidence of this kind."""
    return Evidence(kind, facts)


def failed(
    kind: str,
    message: str,
    *seen: Evidence,
    test: str = "tests/test_shop.py::test_it",
    line: str = "",
    below: tuple[str, str] | None = None,
    wrapped: tuple[str, str] | None = None,
    phase: Phase = "call",
    **more: Any,
) -> Failure:
    """Return a failure with this innermost exception.

    ``line`` is the source line of the test, ``below`` ("path:function", source line) of the project
    where it was raised, ``wrapped`` the type and message of an exception around it.
    """
    file = test.partition("::")[0]
    function = test.rpartition("::")[2].partition("[")[0]
    frames = [Frame(file, 10, function, line, "test")]
    if below:
        path, _, name = below[0].partition(":")
        frames.append(Frame(path, 20, name, below[1], "project"))
    chain = [Raised(kind, message, "raised", tuple(frames))]
    if wrapped:
        chain = [
            Raised(wrapped[0], wrapped[1], "raised", tuple(frames)),
            Raised(kind, message, "cause"),
        ]
    return Failure(
        nodeid=test,
        file=file,
        phase=phase,
        outcome="failed" if phase == "call" else "error",
        message=(wrapped or (kind, message))[1],
        chain=tuple(chain),
        evidence=seen,
        **more,
    )
