"""The secrets that the control center gives out: how they are written, and what is stored of them.

A secret is 32 random bytes. That is why a plain SHA-256 is stored: a slow hash with a salt protects
what people choose, which can be guessed from a list; there is no list of 2**256 values, and a slow
hash would cost every request.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import UUID

__all__ = ["CREDENTIAL_FORM", "SECRET_BYTES", "Credential", "CredentialKind", "parse"]

SECRET_BYTES: Final = 32
# The kind and the id, and then the secret: URL-safe base64 without padding.
CREDENTIAL_FORM: Final = r"(cos(?:board)?_[0-9a-f]{32}_)([A-Za-z0-9_-]{43})"
# What no secret is the hash of; compared when there is no row, so that both take as long.
NO_HASH: Final = bytes(hashlib.sha256().digest_size)


class CredentialKind(StrEnum):
    """How the text begins: people and scanners for leaked secrets recognise it."""

    API = "cos_"
    BOARD = "cosboard_"


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret and the id of its row; the ``repr`` hides the secret."""

    kind: CredentialKind
    id: UUID
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """What its holder keeps: ASCII, safe in a header, a cookie and a shell."""
        return f"{self.kind}{self.id.hex}_{self.secret}"

    @property
    def hash(self) -> bytes:
        """What is stored: 32 bytes."""
        return hashlib.sha256(self.secret.encode("ascii")).digest()

    def matches(self, stored: bytes | None) -> bool:
        """Tell whether ``stored`` is the hash, in a time that does not depend on the answer."""
        return hmac.compare_digest(self.hash, stored or NO_HASH)


def parse(kind: CredentialKind, text: str) -> Credential | None:
    """Return what ``text`` says; None when it is no credential of this kind."""
    found = re.fullmatch(CREDENTIAL_FORM, text)
    if found is None or not text.startswith(f"{kind}"):
        return None
    return Credential(kind, UUID(found[1].removeprefix(kind).strip("_")), found[2])
