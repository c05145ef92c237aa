"""The causes that can be planted: a row for each file of ``causes``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.red_suites.causes import (
    connection_refused,
    constructor_defaults,
    detached_instance,
    failing_fixture,
    field_required,
    foreign_key,
    leaked_variable,
    mapper_conflict,
    message_drift,
    missing_fixture,
    missing_table,
    mock_compared,
    naive_datetime,
    not_null,
    session_double,
    string_id,
    time_threshold,
    unique_violation,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.red_suites.planted import Plant

__all__ = ["CAUSES", "REPEATABLE"]

CAUSES: Final[Mapping[str, Plant]] = {
    "connection_refused": connection_refused.plant,
    "constructor_defaults": constructor_defaults.plant,
    "detached_instance": detached_instance.plant,
    "failing_fixture": failing_fixture.plant,
    "field_required": field_required.plant,
    "foreign_key": foreign_key.plant,
    "leaked_variable": leaked_variable.plant,
    "mapper_conflict": mapper_conflict.plant,
    "message_drift": message_drift.plant,
    "missing_fixture": missing_fixture.plant,
    "missing_table": missing_table.plant,
    "mock_compared": mock_compared.plant,
    "naive_datetime": naive_datetime.plant,
    "not_null": not_null.plant,
    "session_double": session_double.plant,
    "string_id": string_id.plant,
    "time_threshold": time_threshold.plant,
    "unique_violation": unique_violation.plant,
}

#: Kinds that a suite may hold twice: on two tables, two fixtures, two fields they are two causes.
#: Names that are taken and defaults that are missing are not: two tables of them may be one habit.
REPEATABLE: Final = frozenset(
    (
        "failing_fixture",
        "field_required",
        "foreign_key",
        "leaked_variable",
        "mapper_conflict",
        "message_drift",
        "missing_fixture",
        "missing_table",
        "not_null",
        "session_double",
    )
)
