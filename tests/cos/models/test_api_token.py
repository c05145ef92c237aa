import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cos.models.access_scope import AccessScope
from tests.cos.factories import ApiTokenFactory


@pytest.mark.parametrize("field", ["name", "secret_hash", "scopes"])
def test_the_database_refuses_an_explicit_none(db_session: Session, field: str) -> None:
    db_session.add(ApiTokenFactory.build(**{field: None}))

    with pytest.raises(IntegrityError, match=f'null value in column "{field}"'):
        db_session.flush()


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "admin"], ["READ"], [""]])
def test_the_database_refuses_scopes_that_are_none(db_session: Session, scopes: list[str]) -> None:
    db_session.add(ApiTokenFactory.build(scopes=scopes))

    with pytest.raises(IntegrityError, match="ck_api_tokens_scopes"):
        db_session.flush()


def test_every_scope_is_stored_by_its_value(db_session: Session) -> None:
    ApiTokenFactory.create(scopes=[scope.value for scope in AccessScope])

    assert db_session.scalar(text("SELECT scopes::text FROM api_tokens")) == "{read,write}"


def test_the_database_refuses_a_second_token_of_one_name(db_session: Session) -> None:
    taken = ApiTokenFactory.create(revoked=True).name
    db_session.add(ApiTokenFactory.build(name=taken))

    with pytest.raises(IntegrityError, match="uq_api_tokens_name"):
        db_session.flush()


def test_a_new_token_is_neither_used_nor_over() -> None:
    token = ApiTokenFactory.create()

    assert token.created_at is not None
    assert (token.expires_at, token.last_used_at, token.revoked_at) == (None, None, None)
