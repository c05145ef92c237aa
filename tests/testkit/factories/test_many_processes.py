"""Names of many processes, and of reruns of one test, meet in one database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.support.sizes import sized
from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.isolation.database import Database

AT_ONCE = {1000: 3, 20_000: 8}
SUITE = """
    import os

    from sqlalchemy import create_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
    from testkit.factories import Factory, bound_to

    class Base(DeclarativeBase):
        pass

    class Name(Base):
        __tablename__ = "drawn_names"
        name: Mapped[str] = mapped_column(primary_key=True)

    class NameFactory(Factory[Name]):
        pass

    def test_draws():
        with Session(create_engine(os.environ["SHARED"])) as session, bound_to(session):
            NameFactory.bulk(int(os.environ["NAMES"]))
"""


@pytest.mark.parametrize("names", sized("names"))
def test_none_of_them_is_drawn_twice(database: Database, tmp_path: Path, names: int) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE drawn_names (name text PRIMARY KEY)"))
    processes = AT_ONCE[names]
    suite = Suite(tmp_path, test_it=SUITE)
    codes = []
    for _ in range(3):
        runs = [suite.start(SHARED=database.url(), NAMES=str(names)) for _ in range(processes)]
        codes += [run.wait() for run in runs]
    with database.engine.connect() as connection:
        found = connection.scalar(sa.text("SELECT count(*) FROM drawn_names"))

    assert codes == [0] * 3 * processes
    assert found == 3 * processes * names
