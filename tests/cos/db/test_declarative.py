from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, select, text
from sqlalchemy.orm import Session

from cos.db.declarative import Base
from cos.models import Module
from tests.cos.factories import ModuleFactory


def test_every_constraint_and_index_has_a_predictable_name() -> None:
    named = {
        constraint.name
        for table in Base.metadata.tables.values()
        for constraint in (*table.constraints, *table.indexes)
        if isinstance(constraint, CheckConstraint | ForeignKeyConstraint | Index | UniqueConstraint)
    }

    assert named == {
        "uq_modules_name",
        "ix_modules_created_at_id",
        "ix_modules_active_created_at_id",
        "ck_health_statuses_status",
        "fk_health_statuses_module_id_modules",
        "uq_health_statuses_module_id",
        "uq_events_id",
        "uq_events_module_id_sequence",
        "ck_events_sequence",
        "ix_events_partition_position",
        "ix_events_published_at",
        "fk_subscriptions_group_name_subscription_groups",
        "uq_dead_letters_group_name_event_id",
        "uq_dead_letters_group_name_entry",
        "ix_dead_letters_group_name_id",
        "ix_dead_letters_group_name_replay_requested_at",
    }


def test_a_time_has_a_time_zone(db_session: Session) -> None:
    module = ModuleFactory.create()

    assert module.created_at.utcoffset() is not None


def test_a_changed_key_of_a_dictionary_is_stored(db_session: Session) -> None:
    module = ModuleFactory.create(config={"colour": "red"})
    module.config["size"] = 3
    db_session.commit()
    db_session.expire_all()

    stored = db_session.scalar(select(Module.config).where(Module.id == module.id))

    assert stored == {"colour": "red", "size": 3}


def test_a_dictionary_is_jsonb(db_session: Session) -> None:
    ModuleFactory.create(config={"colour": "red"})

    kind = db_session.scalar(text("SELECT pg_typeof(config)::text FROM modules"))

    assert kind == "jsonb"
