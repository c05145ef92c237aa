"""The first tests that somebody writes with a factory pass, or fail with a message; none hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.suites import WITHOUT, Suite

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """
    import os

    import pytest
    from sqlalchemy import create_engine, select
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
    from testkit.factories import Factory

    class Base(DeclarativeBase):
        pass

    class Thing(Base):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(unique=True)

    class ThingFactory(Factory[Thing]):
        pass

    class HeldThingFactory(ThingFactory):
        class Meta:
            sqlalchemy_session_persistence = "flush"

    engine = create_engine(os.environ["DATABASE_URL"])  # the application's

    def add(name):
        with Session(engine) as session:
            session.add(Thing(name=name))
            session.commit()

    @pytest.fixture(autouse=True)
    def tables(database):
        Base.metadata.create_all(database.engine)

    def test_the_application_reads_the_row():
        thing = ThingFactory.create()
        with Session(engine) as session:
            assert session.scalars(select(Thing.name)).all() == [thing.name]

    def test_the_application_writes_a_name_that_is_taken():
        add(ThingFactory.create().name)

    def test_it_waits_for_a_row_that_the_test_did_not_commit():
        add(HeldThingFactory.create().name)

    def test_the_next_one_is_not_disturbed():
        assert ThingFactory.create().id == 1

    @pytest.mark.isolation("rollback")
    def test_the_application_reads_it_in_the_one_transaction_of_a_rolled_back_test():
        thing = ThingFactory.create()
        with Session(engine) as session:
            assert session.scalars(select(Thing.name)).all() == [thing.name]
"""


@pytest.mark.slow
def test_each_of_them_ends_with_what_a_person_can_act_on(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it=SUITE)
    suite.configure('env = { DATABASE_URL = "{database.url}" }')
    outcome = suite.run()

    outcome.check(code=1, passed=3, failed=2)
    assert "duplicate key value violates unique constraint" in outcome.messages
    assert "thing-main-" in outcome.messages
    assert "TK307: A statement waited 2 s for a lock" in outcome.text


@pytest.mark.slow
def test_a_synchronous_project_needs_no_greenlet(tmp_path: Path) -> None:
    """SQLAlchemy no longer brings it along."""
    suite = Suite(tmp_path, test_it=SUITE)
    suite.configure('env = { DATABASE_URL = "{database.url}" }')
    suite.write("sitecustomize.py", WITHOUT.replace("{module}", "greenlet"))
    outcome = suite.run("-k", "reads")

    outcome.check(passed=2)
