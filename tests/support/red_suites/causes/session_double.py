"""A hand-written stand-in that is no Session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    from sqlalchemy import event, inspect, select
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, object_session


    class $Base(DeclarativeBase):
        pass


    class $Model(${Base}):
        __tablename__ = "${table}"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]


    def all_titles(session):
        return session.scalars(select($Model.title)).all()


    def watch(session, called):
        event.listen(session, "after_commit", called)


    def dialect_of(session):
        return session.get_bind().dialect.name


    def state_of(session):
        return inspect(session)


    def added(session, title):
        one = $Model(title=title)
        session.add(one)
        session.flush()
        return one
"""
_CONFTEST = """
    class $Double:
        def __init__(self):
            self.added = []

        def add(self, one):
            self.added.append(one)

        def commit(self):
            pass


    @pytest.fixture
    def ${table}_db():
        return $Double()
"""


def plant(words: Words) -> Planted:
    table = words.noun()
    double = words.draw.choice(("Fake", "Stub", "Dummy", "InMemory")) + f"{table.title()}Session"
    names = {
        "Base": f"{table.title()}Base",
        "Double": double,
        "Model": table.title(),
        "table": table,
    }
    forms = (
        "assert $table.all_titles(${table}_db) == []",
        "called = []\n$table.watch(${table}_db, called.append)\nassert called == []",
        "assert $table.dialect_of(${table}_db) == 'sqlite'",
        "assert $table.added(${table}_db, '$$word').id",
        "assert $table.state_of(${table}_db)",
    )
    green = "${table}_db.add('$$word')\nassert ${table}_db.added == ['$$word']"
    return Planted(
        label=f"double: {double}",
        modules={f"app/{table}.py": fill(_MODULE, **names)},
        imports=f"from app import {table}\n",
        conftest=fill(_CONFTEST, **names),
        red=tuple(Form(fill(form, **names), f"{table}_db") for form in forms),
        green=(Form(fill(green, **names), f"{table}_db"),),
    )
