import uuid

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from cos.db.violations import violated_constraint
from cos.models import HealthStatus, Module
from testkit.core.naming import UniqueNames
from tests.cos.factories import ModuleFactory


def _refused(session: Session, row: Module | HealthStatus) -> IntegrityError:
    session.add(row)
    with pytest.raises(IntegrityError) as caught:
        session.flush()
    session.rollback()
    return caught.value


def test_a_unique_violation_names_its_constraint(db_session: Session) -> None:
    taken = ModuleFactory.create().name

    error = _refused(db_session, ModuleFactory.build(name=taken))

    assert violated_constraint(error) == "uq_modules_name"


def test_a_foreign_key_violation_names_its_constraint(db_session: Session) -> None:
    error = _refused(db_session, HealthStatus(module_id=uuid.uuid4()))

    assert violated_constraint(error) == "fk_health_statuses_module_id_modules"


def test_a_null_names_no_constraint(db_session: Session) -> None:
    error = _refused(db_session, ModuleFactory.build(version=None))

    assert violated_constraint(error) is None


async def test_an_asynchronous_session_names_the_constraint_too(
    async_db_session: AsyncSession, unique: UniqueNames
) -> None:
    async_db_session.add_all(ModuleFactory.build_batch(2, name=unique("module")))
    with pytest.raises(IntegrityError) as caught:
        await async_db_session.flush()

    assert violated_constraint(caught.value) == "uq_modules_name"


def test_an_error_of_another_driver_names_no_constraint() -> None:
    error = IntegrityError("INSERT", None, ValueError("not from psycopg"))

    assert violated_constraint(error) is None
