"""What dead runs left on servers of others that the configuration names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from testkit.core.addresses import parse_url
from testkit.core.messages import TestkitError
from testkit.servers.ownership.verdicts import Step
from testkit.servers.upkeep.reap import Done

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.addresses import Address
    from testkit.core.options import Settings

__all__ = ["sweep_others"]

_WHY = "the process that it was made for is gone"


def sweep_others(settings: Settings, *, look: bool) -> Iterator[Done]:
    """Drop dead runs' databases and end their leases; with ``look`` only say which those are.

    A server that does not answer is a step that failed.
    """
    for key, kind in (("postgres", "database"), ("redis", "redis")):
        value = getattr(settings, key)
        if "://" not in value:
            continue
        address = parse_url(kind, value)
        place = f"{address.host}:{address.port}"
        try:
            names = _SWEEPS[key](address, look=look)
        except TestkitError as error:
            yield Done(Step("remove", key, place, _WHY), str(error.values["reason"]))
            continue
        for name in names:
            what = "database" if key == "postgres" else "lease"
            yield Done(Step("remove", what, f"{place}/{name}", _WHY), None)


def _postgres(address: Address, *, look: bool) -> list[str]:
    names: list[str] = import_module("testkit.servers.roads.external").sweep_at(address, look=look)
    return names


def _redis(address: Address, *, look: bool) -> list[str]:
    found: list[Any] = import_module("testkit.servers.roads.redis_leases").sweep_at(
        address, look=look
    )
    return [str(number) for number in found]


_SWEEPS = {"postgres": _postgres, "redis": _redis}
