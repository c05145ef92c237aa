from datetime import timedelta
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from cos.models import ApiToken, BoardSession
from cos.models.access_scope import AccessScope
from cos.services.access import board_sessions
from cos.services.access.credential import Credential, CredentialKind
from cos.services.access.holder import ALL_SCOPES, ENVIRONMENT, Holder
from tests.cos.factories import ApiTokenFactory

ENVIRONMENT_TOKEN = SecretStr("s3cret-token")
READ = frozenset({AccessScope.READ})


def _holder(token: ApiToken) -> Holder:
    return Holder(token.name, frozenset(map(AccessScope, token.scopes)), token.id, token.expires_at)


async def test_a_session_is_that_of_its_token(async_db_session: AsyncSession) -> None:
    token = await ApiTokenFactory.acreate(read_only=True)
    opened = await board_sessions.open_for(async_db_session, _holder(token), api_token=None)
    found = await board_sessions.find(async_db_session, opened.credential, api_token=None)

    assert found == Holder(token.name, READ, token.id, opened.expires_at)
    assert opened.seconds_left == 12 * 3600


async def test_a_session_ends_no_later_than_its_token(async_db_session: AsyncSession) -> None:
    token = await ApiTokenFactory.acreate(expires_at=func.now() + timedelta(hours=1))
    opened = await board_sessions.open_for(async_db_session, _holder(token), api_token=None)

    assert opened.expires_at == token.expires_at
    assert 3500 < opened.seconds_left <= 3600


async def test_the_secret_of_a_session_is_stored_nowhere(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    opened = await board_sessions.open_for(
        async_db_session, ENVIRONMENT, api_token=ENVIRONMENT_TOKEN
    )
    await async_db_session.commit()
    (row,) = db_session.scalars(text("SELECT board_sessions::text FROM board_sessions"))

    assert opened.credential.hash.hex() in row
    assert opened.credential.secret not in row
    assert ENVIRONMENT_TOKEN.get_secret_value().encode().hex() not in row


@pytest.mark.parametrize(
    "end",
    [
        update(ApiToken).values(revoked_at=func.now()),
        update(ApiToken).values(expires_at=func.now()),
        update(BoardSession).values(expires_at=func.now()),
        text("DELETE FROM api_tokens"),
    ],
)
async def test_a_session_is_over_with_its_time_or_its_token(
    async_db_session: AsyncSession, end: object
) -> None:
    token = await ApiTokenFactory.acreate()
    opened = await board_sessions.open_for(async_db_session, _holder(token), api_token=None)
    await async_db_session.execute(end)  # type: ignore[call-overload]  # statements of two kinds

    assert await board_sessions.find(async_db_session, opened.credential, api_token=None) is None


async def test_a_session_has_the_scopes_that_its_token_has_now(
    async_db_session: AsyncSession,
) -> None:
    token = await ApiTokenFactory.acreate()
    opened = await board_sessions.open_for(async_db_session, _holder(token), api_token=None)
    await async_db_session.execute(update(ApiToken).values(scopes=["read"]))
    found = await board_sessions.find(async_db_session, opened.credential, api_token=None)

    assert found is not None
    assert found.scopes == READ


async def test_a_session_of_the_token_in_the_environment_lasts_as_long_as_its_value(
    async_db_session: AsyncSession,
) -> None:
    opened = await board_sessions.open_for(
        async_db_session, ENVIRONMENT, api_token=ENVIRONMENT_TOKEN
    )
    found = [
        await board_sessions.find(async_db_session, opened.credential, api_token=value)
        for value in (ENVIRONMENT_TOKEN, SecretStr("another"), None)
    ]

    assert found[0] is not None
    assert (found[0].name, found[0].scopes) == ("COS_API_TOKEN", ALL_SCOPES)
    assert found[1:] == [None, None]


async def test_a_session_needs_its_secret(async_db_session: AsyncSession) -> None:
    token = await ApiTokenFactory.acreate()
    opened = await board_sessions.open_for(async_db_session, _holder(token), api_token=None)
    guesses = [
        Credential(CredentialKind.BOARD, opened.credential.id, "x" * 43),
        Credential(CredentialKind.BOARD, uuid4(), opened.credential.secret),
    ]
    found = [await board_sessions.find(async_db_session, each, api_token=None) for each in guesses]

    assert found == [None, None]


async def test_to_end_a_session_needs_its_secret_too(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    token = await ApiTokenFactory.acreate()
    opened = await board_sessions.open_for(async_db_session, _holder(token), api_token=None)
    await async_db_session.commit()
    counts = []
    for secret in ("x" * 43, opened.credential.secret, opened.credential.secret):
        credential = Credential(CredentialKind.BOARD, opened.credential.id, secret)
        await board_sessions.end(async_db_session, credential)
        await async_db_session.commit()
        counts.append(db_session.scalar(select(func.count()).select_from(BoardSession)))
        db_session.rollback()

    assert counts == [1, 0, 0]


async def test_a_login_sweeps_out_what_has_expired(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    token = await ApiTokenFactory.acreate()
    for _ in range(2):
        await board_sessions.open_for(async_db_session, _holder(token), api_token=None)
    await async_db_session.execute(update(BoardSession).values(expires_at=func.now()))
    opened = await board_sessions.open_for(async_db_session, _holder(token), api_token=None)
    await async_db_session.commit()

    assert db_session.scalars(select(BoardSession.id)).all() == [opened.credential.id]
