"""Tokens: made, listed, revoked, and asked whether they are good.

The clock is the database's: however many processes serve, one clock says when a token expires.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cos.db.violations import violated_constraint
from cos.models import ApiToken, BoardSession
from cos.models.access_scope import AccessScope
from cos.models.api_token import UNIQUE_NAME
from cos.services.access.credential import SECRET_BYTES, Credential, CredentialKind
from cos.services.access.holder import Holder, Refusal
from cos.services.errors import TokenNameTakenError, UnknownTokenError

__all__ = [
    "NewToken",
    "create",
    "everyone",
    "is_any_good",
    "is_good",
    "is_stale",
    "revoke",
    "touch",
    "verify",
    "was_ever_created",
]

# How far last_used_at may lag behind: a write at every request would make each one a write.
LAG: Final = timedelta(minutes=1)
# Made once: requests without a token ask it each.
WAS_EVER_CREATED: Final = select(exists().select_from(ApiToken))


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to make; without ``lifetime`` it is good until it is revoked."""

    name: str
    scopes: frozenset[AccessScope]
    lifetime: timedelta | None = None


async def create(session: AsyncSession, new: NewToken) -> tuple[ApiToken, Credential]:
    """Store ``new``; return its row, and the credential, which cannot be had again.

    Of concurrent calls with one name exactly one succeeds. The others wait for the winner's commit
    and raise `TokenNameTakenError`.
    """
    credential = Credential(CredentialKind.API, uuid4(), secrets.token_urlsafe(SECRET_BYTES))
    token = ApiToken(
        id=credential.id,
        name=new.name,
        secret_hash=credential.hash,
        scopes=sorted(scope.value for scope in new.scopes),
        expires_at=None if new.lifetime is None else func.now() + new.lifetime,
    )
    session.add(token)
    try:
        await session.flush()
    except IntegrityError as error:
        # Only this constraint means a taken name; anything else is a fault of ours and stays one.
        if violated_constraint(error) == UNIQUE_NAME:
            raise TokenNameTakenError(new.name) from error
        raise
    await session.refresh(token)
    return token, credential


async def everyone(session: AsyncSession) -> Sequence[tuple[ApiToken, bool]]:
    """Return all tokens, oldest first, revoked ones too, each with whether it is good now."""
    statement = select(ApiToken, is_good()).order_by(ApiToken.created_at, ApiToken.id)
    return [(token, good) for token, good in await session.execute(statement)]


async def revoke(session: AsyncSession, name: str) -> tuple[ApiToken, bool]:
    """End the token and the sessions that were opened with it; raise `UnknownTokenError`.

    Return the token, and whether it was this call that revoked it: the first time stays.
    """
    token = await session.scalar(select(ApiToken).where(ApiToken.name == name).with_for_update())
    if token is None:
        raise UnknownTokenError(name)
    is_first = token.revoked_at is None
    if is_first:
        token.revoked_at = func.now()
        await session.flush()
        await session.refresh(token)
    await session.execute(delete(BoardSession).where(BoardSession.token_id == token.id))
    return token, is_first


async def verify(session: AsyncSession, credential: Credential) -> Holder | Refusal:
    """Return who holds ``credential``, or why it opens nothing; note that it was used."""
    statement = select(ApiToken, is_good(), is_stale()).where(ApiToken.id == credential.id)
    found = (await session.execute(statement)).one_or_none()
    # First the secret: nobody without it is told whether a token exists, or what became of it.
    matches = credential.matches(None if found is None else found[0].secret_hash)
    if found is None or not matches:
        return Refusal.UNKNOWN
    token, good, stale = found
    if token.revoked_at is not None:
        return Refusal.REVOKED
    if not good:
        return Refusal.EXPIRED
    if stale:
        await touch(session, token.id)
    scopes = frozenset(map(AccessScope, token.scopes))
    return Holder(token.name, scopes, token.id, token.expires_at)


async def touch(session: AsyncSession, token_id: UUID) -> None:
    """Note that the token was used just now, unless that was noted within the last minute.

    Of requests at once one writes, and nobody waits for it.
    """
    free = (
        select(ApiToken.id)
        .where(ApiToken.id == token_id, is_stale())
        .with_for_update(skip_locked=True)
    )
    await session.execute(
        update(ApiToken)
        .where(ApiToken.id.in_(free))
        .values(last_used_at=func.now())
        .execution_options(synchronize_session=False)
    )


async def was_ever_created(session: AsyncSession) -> bool:
    """Tell whether there is, or was, any token."""
    return bool(await session.scalar(WAS_EVER_CREATED))


async def is_any_good(session: AsyncSession) -> bool:
    """Tell whether any token opens anything now."""
    return bool(await session.scalar(select(exists().select_from(ApiToken).where(is_good()))))


def is_stale() -> ColumnElement[bool]:
    """Return the condition that it is time to note the last use of a token again."""
    return or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < func.now() - LAG)


def is_good() -> ColumnElement[bool]:
    """Return the condition that a token is neither revoked nor expired."""
    return and_(
        ApiToken.revoked_at.is_(None),
        or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > func.now()),
    )
