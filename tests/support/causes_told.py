"""An answer of triage to render: a known cause, one with a single failure, an unknown one."""

from __future__ import annotations

from testkit.core.runs.causes import Cause, Symptom, Triage
from testkit.core.runs.failure import Evidence, Failure

__all__ = ["many_causes", "some_causes"]

_TRACEBACK = """app/api.py:41: in create
    module = Module(name=body.name)
app/models.py:12: in check
    raise ValueError("active is None")
E   ValueError: active is None"""


def _failures(file: str, name: str, count: int) -> tuple[Failure, ...]:
    return tuple(
        Failure(f"{file}::{name}[{number}]", file, message="assert 409 == 201")
        for number in range(count)
    )


def some_causes() -> Triage:
    """Return three causes of 30 failures."""
    defaults = Cause(
        id="C-defaults",
        title="Defaults of Module are None on new objects",
        rule="defaults-at-construction",
        failures=(
            *_failures("tests/test_api.py", "test_created", 27),
            *_failures("tests/test_models.py", "test_active", 1),
        ),
        why="A column's default is given when the row is written, not when the object is made.",
        fix="Give the attributes their defaults in the constructor of Module.",
        doctor="",
        place="app/models.py:12",
        symptoms=(Symptom("409 instead of 201", 27), Symptom("assert None is True", 1)),
        evidence=(
            Evidence("assertion", {"left": "409", "right": "201", "operator": "=="}),
            Evidence(
                "http",
                {
                    "method": "POST",
                    "url": "http://test/modules",
                    "status": 409,
                    "problem": {"title": "Conflict", "detail": "active is None"},
                },
            ),
        ),
        traceback=_TRACEBACK,
        first_seen="2026-11-30T10:00:00+00:00",
    )
    service = Cause(
        id="C-redisgone",
        title="Nothing listens on localhost:6379",
        rule="connection-refused",
        failures=_failures("tests/test_events.py", "test_published", 1),
        why="The server is not started, or listens elsewhere.",
        fix="Start it, or let testkit start one: name REDIS_URL in [tool.testkit.env].",
        place="app/events.py:7",
        symptoms=(Symptom("ConnectionError: Error 111 connecting to localhost:6379", 1),),
    )
    unknown = Cause(
        id="C-whoknows",
        title="assert 'Duck' == 'duck'",
        rule=None,
        failures=_failures("tests/test_names.py", "test_lower", 1),
        place="tests/test_names.py:3",
    )
    return Triage(
        causes=(defaults, service, unknown),
        counts={"passed": 1209, "failed": 30, "skipped": 56},
        lacks=("JUnit XML has no places in the code below the test.",),
        title="the run of 2026-12-01 04:15",
    )


def many_causes(count: int, *, each: int) -> Triage:
    """Return ``count`` causes with ``each`` failures."""
    causes = tuple(
        Cause(
            id=f"C-{number:08d}",
            title=f"Cause number {number} of a suite that has many",
            rule=None if number % 3 == 0 else "planted",
            failures=_failures(f"tests/test_{number % 50}.py", f"test_{number}", each),
            why="It was planted.",
            fix="Dig it out.",
            place=f"app/module_{number}.py:{number + 1}",
            symptoms=(Symptom("assert False", each),),
            traceback=_TRACEBACK,
        )
        for number in range(count)
    )
    return Triage(causes=causes, counts={"failed": count * each}, title="a large run")
