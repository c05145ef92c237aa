"""Sessions of the board: a browser keeps a secret of its own, never the token."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cos.models import ApiToken, BoardSession
from cos.models.access_scope import AccessScope
from cos.services.access.credential import SECRET_BYTES, Credential, CredentialKind
from cos.services.access.holder import ENVIRONMENT, Holder
from cos.services.access.tokens import is_good, is_stale, touch

__all__ = ["LIFETIME", "Opened", "end", "find", "open_for"]

LIFETIME: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session; ``credential`` cannot be had again."""

    credential: Credential
    expires_at: datetime
    seconds_left: int


async def open_for(session: AsyncSession, holder: Holder, *, api_token: SecretStr | None) -> Opened:
    """Open a session with what ``holder``'s token allows, for 12 hours or until that expires.

    ``api_token`` is that of the environment; it must be there for `ENVIRONMENT`. Sessions that have
    expired are deleted on the way.
    """
    credential = Credential(CredentialKind.BOARD, uuid4(), secrets.token_urlsafe(SECRET_BYTES))
    await session.execute(delete(BoardSession).where(BoardSession.expires_at <= func.now()))
    row = BoardSession(
        id=credential.id,
        secret_hash=credential.hash,
        token_id=holder.token_id,
        environment_mac=_environment_mac(credential, api_token) if holder == ENVIRONMENT else None,
        # LEAST passes over NULL.
        expires_at=func.least(func.now() + LIFETIME, holder.expires_at),
    )
    session.add(row)
    await session.flush()
    expires_at, now = (
        await session.execute(
            select(BoardSession.expires_at, func.now()).where(BoardSession.id == row.id)
        )
    ).one()
    return Opened(credential, expires_at, max(0, int((expires_at - now).total_seconds())))


async def find(
    session: AsyncSession, credential: Credential, *, api_token: SecretStr | None
) -> Holder | None:
    """Return who opened the session, as their token is now; None when it is over or never was."""
    statement = (
        select(BoardSession, ApiToken, is_stale())
        .outerjoin(ApiToken, ApiToken.id == BoardSession.token_id)
        .where(
            BoardSession.id == credential.id,
            BoardSession.expires_at > func.now(),
            BoardSession.token_id.is_(None) | is_good(),
        )
    )
    found = (await session.execute(statement)).one_or_none()
    matches = credential.matches(None if found is None else found[0].secret_hash)
    if found is None or not matches:
        return None
    row, token, stale = found
    if row.token_id is not None:
        if stale:
            await touch(session, token.id)
        scopes = frozenset(map(AccessScope, token.scopes))
        return Holder(token.name, scopes, token.id, row.expires_at)
    mac = _environment_mac(credential, api_token)
    if mac is None or row.environment_mac is None:
        return None
    if not hmac.compare_digest(mac, row.environment_mac):
        return None
    return Holder(ENVIRONMENT.name, ENVIRONMENT.scopes, expires_at=row.expires_at)


async def end(session: AsyncSession, credential: Credential) -> None:
    """End the session, if it is one."""
    await session.execute(
        delete(BoardSession).where(
            BoardSession.id == credential.id, BoardSession.secret_hash == credential.hash
        )
    )


def _environment_mac(credential: Credential, api_token: SecretStr | None) -> bytes | None:
    """Tie a session to the value of COS_API_TOKEN: it ends when that changes.

    The key is the session's secret, which is not stored. A plain hash would let whoever reads the
    table try out values that people choose.
    """
    if api_token is None:
        return None
    value = api_token.get_secret_value().encode("utf-8")
    return hmac.digest(credential.secret.encode("ascii"), value, hashlib.sha256)
