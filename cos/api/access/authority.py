"""Names and addresses, as they stand in Host and Origin. Pure."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

__all__ = ["LOOPBACK_NAMES", "Authority", "Origin", "is_loopback", "normal_host"]

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
FORM: Final = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII)
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
LAST_PORT: Final = 65_535


def normal_host(text: str) -> str:
    """Return a name in lower case, and an address as it is usually written, without brackets."""
    bare = text.strip("[]").lower()
    try:
        address = ip_address(bare)
    except ValueError:
        return bare
    # A socket that takes both kinds of addresses shows IPv4 ones as ::ffff:127.0.0.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def is_loopback(host: str | None) -> bool:
    """Tell whether ``host`` is an address that only this machine reaches; a name is none."""
    try:
        return host is not None and ip_address(normal_host(host)).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Authority:
    """A host and the port behind it."""

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Authority | None":
        """Return what the header Host says; None when it says nothing that is allowed there."""
        found = FORM.fullmatch(text)
        if found is None:
            return None
        port = None if found[2] is None else int(found[2])
        if port is not None and port > LAST_PORT:
            return None
        return cls(normal_host(found[1]), port)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a page comes from, with the port also where it is the usual one."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Origin | None":
        """Return what the header Origin says; None for ``null`` and for what browsers never say."""
        scheme, separator, rest = text.partition("://")
        authority = Authority.parse(rest)
        if not separator or scheme not in DEFAULT_PORTS or authority is None:
            return None
        return cls.of(scheme, authority)

    @classmethod
    def of(cls, scheme: str, authority: Authority) -> "Origin":
        """Return the origin of pages at ``authority``; ``scheme`` is http or https."""
        return cls(scheme, authority.host, authority.port or DEFAULT_PORTS[scheme])
