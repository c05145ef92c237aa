import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from cos.db.failures import reason


def test_the_words_of_the_driver_are_one_line_without_the_statement(db_session: Session) -> None:
    with pytest.raises(DBAPIError) as caught:
        db_session.execute(text("SELECT 1 / CAST(:secret AS int)"), {"secret": 0})
    db_session.rollback()

    assert reason(caught.value) == "DivisionByZero: division by zero"


def test_several_lines_become_one() -> None:
    assert reason(RedisConnectionError("lost\n\tfor ever")) == "ConnectionError: lost for ever"


def test_what_is_not_of_a_driver_speaks_for_itself() -> None:
    assert reason(PoolTimeoutError("no connection")) == "TimeoutError: no connection"
    assert reason(TimeoutError()) == "TimeoutError"
