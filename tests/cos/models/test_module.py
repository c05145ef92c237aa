import uuid
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DataError, IntegrityError, InvalidRequestError
from sqlalchemy.orm import Session

from cos.models import HealthState, HealthStatus, Module
from testkit.core.naming import UniqueNames
from tests.cos.factories import HealthStatusFactory, ModuleFactory


def test_a_new_module_is_active_and_configured_with_nothing(unique: UniqueNames) -> None:
    module = Module(name=unique("module"), version="1")

    assert (module.active, module.config) == (True, {})
    assert isinstance(module.id, uuid.UUID)


def test_a_new_module_leaves_its_times_to_the_database(unique: UniqueNames) -> None:
    module = Module(name=unique("module"), version="1")

    assert {module.created_at, module.updated_at, module.last_active} == {None}


@pytest.mark.parametrize("field", ["id", "active", "config"])
def test_an_explicit_none_stays(field: str) -> None:
    assert getattr(Module(**{field: None}), field) is None


@pytest.mark.parametrize("field", ["active", "config", "version", "name"])
def test_the_database_refuses_an_explicit_none(db_session: Session, field: str) -> None:
    db_session.add(Module(**ModuleFactory.payload(**{field: None})))

    with pytest.raises(IntegrityError, match=f'null value in column "{field}"'):
        db_session.flush()


def test_two_modules_do_not_share_a_configuration() -> None:
    first, second = Module(), Module()
    first.config["colour"] = "red"

    assert second.config == {}


def test_the_database_sets_the_times_of_a_stored_module(db_session: Session) -> None:
    module = ModuleFactory.create()
    now = db_session.scalar(select(func.clock_timestamp()))

    assert now is not None
    assert module.created_at == module.updated_at
    assert module.created_at < now


def test_a_change_moves_the_time_of_the_change_only(db_session: Session) -> None:
    module = ModuleFactory.create()
    created = module.created_at
    module.version = "2"
    db_session.commit()

    assert module.created_at == created
    assert module.updated_at > created


def test_the_time_of_a_change_is_there_without_another_query(db_session: Session) -> None:
    module = ModuleFactory.create()
    module.version = "2"
    db_session.flush()

    assert "updated_at" in module.__dict__


def test_a_name_is_taken_once(db_session: Session) -> None:
    module = ModuleFactory.create()
    db_session.add(Module(name=module.name, version="1"))

    with pytest.raises(IntegrityError, match="uq_modules_name"):
        db_session.flush()


def test_names_differ_by_case(db_session: Session) -> None:
    module = ModuleFactory.create()
    ModuleFactory.create(name=module.name.capitalize())

    assert db_session.scalar(select(func.count()).select_from(Module)) == 2


@pytest.mark.parametrize(("field", "length"), [("name", 255), ("version", 50)])
def test_a_text_has_a_longest_length_in_characters(
    db_session: Session, unique: UniqueNames, field: str, length: int
) -> None:
    longest = unique("m").ljust(length, "é")
    module = ModuleFactory.create(**{field: longest})
    db_session.refresh(module)

    assert getattr(module, field) == longest

    with pytest.raises(DataError, match=f"too long for type character varying\\({length}\\)"):
        ModuleFactory.create(**{field: f"{longest}é"})


def test_a_removed_module_takes_its_health_along(db_session: Session) -> None:
    status = HealthStatusFactory.create()
    db_session.delete(status.module)
    db_session.commit()

    assert db_session.scalar(select(func.count()).select_from(HealthStatus)) == 0


def test_a_module_that_is_deleted_by_sql_takes_its_health_along(db_session: Session) -> None:
    HealthStatusFactory.create()
    db_session.execute(text("DELETE FROM modules"))
    db_session.commit()

    assert db_session.scalar(select(func.count()).select_from(HealthStatus)) == 0


def test_health_is_never_loaded_on_the_way(db_session: Session) -> None:
    module_id = HealthStatusFactory.create().module_id
    db_session.expunge_all()
    module = db_session.get_one(Module, module_id)

    with pytest.raises(InvalidRequestError, match=r"Module\.health.*raise_on_sql"):
        _ = module.health


def test_a_module_is_stored_with_the_health_it_was_given(db_session: Session) -> None:
    module = ModuleFactory.create(health=HealthStatus(status=HealthState.DEGRADED))

    stored = db_session.scalar(select(HealthStatus.status).filter_by(module_id=module.id))

    assert stored is HealthState.DEGRADED


def test_a_heartbeat_changes_no_indexed_column() -> None:
    indexed = {
        column.name
        for index in Module.metadata.tables["modules"].indexes
        for column in index.columns
    }

    assert "last_active" not in indexed


def test_a_time_given_by_the_caller_is_stored(db_session: Session) -> None:
    moment = datetime(2030, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    module = ModuleFactory.create(created_at=moment, last_active=moment)

    assert (module.created_at, module.last_active) == (moment, moment)
