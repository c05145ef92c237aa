import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cos.models import ApiToken, BoardSession
from tests.cos.factories import ApiTokenFactory


def _session(**fields: object) -> BoardSession:
    return BoardSession(secret_hash=bytes(32), expires_at=func.now(), **fields)


def test_a_session_is_of_one_token(db_session: Session) -> None:
    token = ApiTokenFactory.create()
    refused = []
    for fields in ({}, {"token_id": token.id, "environment_mac": b"mac"}):
        db_session.add(_session(**fields))
        with pytest.raises(IntegrityError) as caught:
            db_session.flush()
        db_session.rollback()
        refused.append("ck_board_sessions_of_one_token" in str(caught.value))

    assert refused == [True, True]


def test_a_session_goes_with_the_row_of_its_token(db_session: Session) -> None:
    token = ApiTokenFactory.create()
    db_session.add_all([_session(token_id=token.id), _session(environment_mac=b"mac")])
    db_session.flush()
    db_session.execute(delete(ApiToken))

    assert db_session.scalars(select(BoardSession.environment_mac)).all() == [b"mac"]

    db_session.rollback()
