"""Values of network addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.factories.fields.field import Field, Plain, Unique

__all__ = [
    "plain_inet",
    "plain_mac",
    "plain_mac8",
    "plain_network",
    "unique_inet",
    "unique_mac",
    "unique_mac8",
    "unique_network",
]

LOCAL: Final = 0x02
"""The first byte of a hardware address that no maker has given away."""


def _address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _network(number: int) -> str:
    return f"{_address(number)}/32"


def _mac(size: int) -> Callable[[int], str]:
    def spelled(number: int) -> str:
        return (bytes([LOCAL]) + number.to_bytes(size - 1, "big")).hex(":")

    return spelled


def _plain(spell: Callable[[int], str], bits: int) -> Callable[[Field], Plain]:
    return lambda _field: lambda random: spell(random.getrandbits(bits))


def _unique(spell: Callable[[int], str], bits: int) -> Callable[[Field], Unique]:
    def compiled(field: Field) -> Unique:
        space, size = field.space, 2**bits
        return lambda draws: spell(draws.number(space, size))

    return compiled


plain_inet: Final = _plain(_address, 24)
unique_inet: Final = _unique(_address, 24)
plain_network: Final = _plain(_network, 24)
unique_network: Final = _unique(_network, 24)
plain_mac: Final = _plain(_mac(6), 40)
unique_mac: Final = _unique(_mac(6), 40)
plain_mac8: Final = _plain(_mac(8), 56)
unique_mac8: Final = _unique(_mac(8), 56)
