import uuid

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session

from cos.models import HealthState, HealthStatus
from tests.cos.factories import HealthStatusFactory, ModuleFactory


def test_a_new_status_is_unknown_and_without_details() -> None:
    status = HealthStatus()

    assert (status.status, status.details) == (HealthState.UNKNOWN, {})
    assert isinstance(status.id, uuid.UUID)


@pytest.mark.parametrize("field", ["id", "status", "details"])
def test_an_explicit_none_stays(field: str) -> None:
    assert getattr(HealthStatus(**{field: None}), field) is None


@pytest.mark.parametrize("field", ["status", "details", "module_id"])
def test_the_database_refuses_an_explicit_none(db_session: Session, field: str) -> None:
    db_session.add(HealthStatus(**{"module_id": ModuleFactory.create().id, field: None}))

    with pytest.raises(IntegrityError, match=f'null value in column "{field}"'):
        db_session.flush()


@pytest.mark.parametrize("state", HealthState)
def test_every_state_is_stored_by_its_value(db_session: Session, state: HealthState) -> None:
    HealthStatusFactory.create(status=state)

    assert db_session.scalar(text("SELECT status FROM health_statuses")) == state.value
    assert db_session.scalar(select(HealthStatus.status)) is state


def test_the_database_refuses_a_state_that_is_none(db_session: Session) -> None:
    HealthStatusFactory.create()

    with pytest.raises(IntegrityError, match="ck_health_statuses_status"):
        db_session.execute(text("UPDATE health_statuses SET status = 'fine'"))


def test_python_refuses_a_state_that_is_none(db_session: Session) -> None:
    HealthStatusFactory.create()

    with pytest.raises(StatementError, match="'fine' is not among the defined enum values"):
        db_session.execute(update(HealthStatus).values(status="fine"))


def test_a_module_has_one_status(db_session: Session) -> None:
    status = HealthStatusFactory.create()
    db_session.add(HealthStatus(module_id=status.module_id))

    with pytest.raises(IntegrityError, match="uq_health_statuses_module_id"):
        db_session.flush()


def test_a_status_belongs_to_a_module_that_exists(db_session: Session) -> None:
    db_session.add(HealthStatus(module_id=uuid.uuid4()))

    with pytest.raises(IntegrityError, match="fk_health_statuses_module_id_modules"):
        db_session.flush()


def test_a_change_moves_the_time_of_the_report(db_session: Session) -> None:
    status = HealthStatusFactory.create()
    before = status.last_updated
    status.details = {"queue": 7}
    db_session.commit()

    assert status.last_updated > before
