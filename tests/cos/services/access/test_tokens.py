import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from cos.models import ApiToken, BoardSession
from cos.models.access_scope import AccessScope
from cos.services.access import board_sessions, tokens
from cos.services.access.credential import Credential, CredentialKind
from cos.services.access.holder import ALL_SCOPES, Holder, Refusal
from cos.services.access.tokens import NewToken
from cos.services.errors import TokenNameTakenError, UnknownTokenError
from testkit.core.naming import UniqueNames
from tests.cos.factories import SECRET, ApiTokenFactory


def _credential(token_id: UUID, secret: str = SECRET) -> Credential:
    return Credential(CredentialKind.API, token_id, secret)


async def test_a_created_token_is_good_and_its_secret_is_stored_nowhere(
    async_db_session: AsyncSession, db_session: Session, unique: UniqueNames
) -> None:
    new = NewToken(unique("token"), ALL_SCOPES)
    _, credential = await tokens.create(async_db_session, new)
    await async_db_session.commit()
    found = await tokens.verify(async_db_session, credential)
    await async_db_session.rollback()
    (row,) = db_session.execute(text("SELECT api_tokens::text FROM api_tokens")).scalars()

    assert found == Holder(new.name, ALL_SCOPES, credential.id, None)
    assert credential.secret not in row
    assert credential.hash.hex() in row


async def test_two_tokens_never_share_a_secret(
    async_db_session: AsyncSession, unique: UniqueNames
) -> None:
    news = [NewToken(unique("token"), ALL_SCOPES) for _ in range(3)]
    made = [(await tokens.create(async_db_session, new))[1] for new in news]

    assert len({credential.secret for credential in made}) == 3


async def test_a_lifetime_ends_by_the_clock_of_the_database(
    async_db_session: AsyncSession, unique: UniqueNames
) -> None:
    new = NewToken(unique("token"), ALL_SCOPES, timedelta(days=2))
    token, _ = await tokens.create(async_db_session, new)

    assert token.expires_at == token.created_at + timedelta(days=2)


async def test_a_name_is_not_used_twice_even_when_its_token_was_revoked(
    async_db_session: AsyncSession,
) -> None:
    name = (await ApiTokenFactory.acreate(revoked=True)).name

    with pytest.raises(TokenNameTakenError, match=name):
        await tokens.create(async_db_session, NewToken(name, ALL_SCOPES))


async def test_only_the_name_constraint_means_a_taken_name(
    async_db_session: AsyncSession, unique: UniqueNames
) -> None:
    with pytest.raises(IntegrityError, match="ck_api_tokens_scopes"):
        await tokens.create(async_db_session, NewToken(unique("token"), frozenset()))


async def test_of_concurrent_creations_of_one_name_exactly_one_wins(
    sessions: async_sessionmaker[AsyncSession], db_session: Session, unique: UniqueNames
) -> None:
    name = unique("token")

    async def attempt() -> str:
        try:
            async with sessions.begin() as session:
                await tokens.create(session, NewToken(name, ALL_SCOPES))
        except TokenNameTakenError:
            return "taken"
        return "made"

    outcomes = sorted(await asyncio.gather(*(attempt() for _ in range(5))))

    assert outcomes == ["made", *["taken"] * 4]
    assert db_session.scalars(select(ApiToken.name)).all() == [name]


@pytest.mark.parametrize(
    ("traits", "refusal"),
    [
        ({"expired": True}, Refusal.EXPIRED),
        ({"revoked": True}, Refusal.REVOKED),
        ({"expired": True, "revoked": True}, Refusal.REVOKED),
    ],
)
async def test_a_token_that_is_over_opens_nothing_and_its_holder_learns_why(
    async_db_session: AsyncSession, traits: dict[str, bool], refusal: Refusal
) -> None:
    token = await ApiTokenFactory.acreate(**traits)

    assert await tokens.verify(async_db_session, _credential(token.id)) is refusal


@pytest.mark.parametrize("traits", [{}, {"expired": True}, {"revoked": True}])
async def test_without_the_secret_nothing_is_learned_about_a_token(
    async_db_session: AsyncSession, traits: dict[str, bool]
) -> None:
    token = await ApiTokenFactory.acreate(**traits)
    found = await tokens.verify(async_db_session, _credential(token.id, "x" * 43))

    assert found is Refusal.UNKNOWN


async def test_a_token_that_never_was_is_unknown(async_db_session: AsyncSession) -> None:
    assert await tokens.verify(async_db_session, _credential(uuid4())) is Refusal.UNKNOWN


async def test_a_token_that_expires_later_is_good_until_then(
    async_db_session: AsyncSession,
) -> None:
    token = await ApiTokenFactory.acreate(expires_at=func.now() + timedelta(minutes=1))
    found = await tokens.verify(async_db_session, _credential(token.id))

    assert isinstance(found, Holder)
    assert found.expires_at == token.expires_at


async def test_scopes_are_those_that_were_given(async_db_session: AsyncSession) -> None:
    token = await ApiTokenFactory.acreate(write_only=True)
    found = await tokens.verify(async_db_session, _credential(token.id))

    assert isinstance(found, Holder)
    assert found.scopes == {AccessScope.WRITE}


@pytest.mark.parametrize(("ago", "is_written"), [(None, True), (61, True), (30, False)])
async def test_the_last_use_is_written_once_a_minute(
    async_db_session: AsyncSession, db_session: Session, ago: int | None, *, is_written: bool
) -> None:
    before = None if ago is None else func.now() - timedelta(seconds=ago)
    token = ApiTokenFactory.create(last_used_at=before)
    used = token.last_used_at
    await tokens.verify(async_db_session, _credential(token.id))
    await async_db_session.commit()
    db_session.refresh(token)

    assert (token.last_used_at != used) == is_written


async def test_nobody_waits_to_write_the_last_use(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    token = ApiTokenFactory.create()
    db_session.execute(text("SELECT FROM api_tokens FOR UPDATE"))
    found = await tokens.verify(async_db_session, _credential(token.id))
    await async_db_session.rollback()
    db_session.rollback()

    assert isinstance(found, Holder)


async def test_a_revoked_token_is_over_at_once_with_its_sessions(
    async_db_session: AsyncSession, db_session: Session
) -> None:
    token, other = ApiTokenFactory.create_batch(2)
    for each in (token, other):
        holder = Holder(each.name, ALL_SCOPES, each.id)
        await board_sessions.open_for(async_db_session, holder, api_token=None)
    _, is_first = await tokens.revoke(async_db_session, token.name)
    found = await tokens.verify(async_db_session, _credential(token.id))
    await async_db_session.commit()
    db_session.refresh(token)

    assert (found, is_first, token.revoked_at is None) == (Refusal.REVOKED, True, False)
    assert db_session.scalars(select(BoardSession.token_id)).all() == [other.id]


async def test_to_revoke_again_keeps_the_first_time(async_db_session: AsyncSession) -> None:
    token = await ApiTokenFactory.acreate(revoked=True)
    again, is_first = await tokens.revoke(async_db_session, token.name)

    assert (again.revoked_at, is_first) == (token.revoked_at, False)


async def test_to_revoke_what_never_was_is_refused(
    async_db_session: AsyncSession, unique: UniqueNames
) -> None:
    name = unique("token")

    with pytest.raises(UnknownTokenError, match=name):
        await tokens.revoke(async_db_session, name)


async def test_everyone_is_listed_oldest_first_with_what_is_good(
    async_db_session: AsyncSession,
) -> None:
    made = [
        await ApiTokenFactory.acreate(**traits)
        for traits in ({}, {"revoked": True}, {"expired": True})
    ]
    found = await tokens.everyone(async_db_session)

    assert [(token.name, good) for token, good in found] == [
        (made[0].name, True),
        (made[1].name, False),
        (made[2].name, False),
    ]


@pytest.mark.parametrize(
    ("traits", "created", "good"),
    [
        (None, False, False),
        ({}, True, True),
        ({"revoked": True}, True, False),
        ({"expired": True}, True, False),
    ],
)
async def test_whether_a_token_was_created_and_whether_one_is_good(
    async_db_session: AsyncSession, traits: dict[str, bool] | None, *, created: bool, good: bool
) -> None:
    if traits is not None:
        await ApiTokenFactory.acreate(**traits)

    assert await tokens.was_ever_created(async_db_session) is created
    assert await tokens.is_any_good(async_db_session) is good
