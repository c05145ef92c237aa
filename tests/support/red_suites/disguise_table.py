"""The suites whose symptoms point away from their cause: a row for each file of ``disguises``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.red_suites.disguises import (
    deleted_constructor,
    double_import,
    leaked_by_fixture,
    no_session,
    paused_server,
    unloaded_fixture,
    wall_clock,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.red_suites.disguise import Disguise

__all__ = ["DISGUISES"]

DISGUISES: Final[Mapping[str, Disguise]] = {
    "deleted constructor": deleted_constructor.DISGUISE,
    "double import": double_import.DISGUISE,
    "leaked by a fixture": leaked_by_fixture.DISGUISE,
    "no session": no_session.DISGUISE,
    "paused server": paused_server.DISGUISE,
    "unloaded fixture": unloaded_fixture.DISGUISE,
    "wall clock": wall_clock.DISGUISE,
}
