"""The test data forgets a column that must not be null."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    from sqlalchemy import create_engine, insert
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


    class $Base(DeclarativeBase):
        pass


    class $Model(${Base}):
        __tablename__ = "${table}"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        $column: Mapped[str]


    def new_session():
        engine = create_engine("sqlite://")
        ${Base}.metadata.create_all(engine)
        return Session(engine)


    def registered(session, **values):
        one = $Model(**values)
        session.add(one)
        session.flush()
        return one
"""
_FIXTURES = """
    @pytest.fixture
    def ${table}_session():
        from app import $table

        with $table.new_session() as session:
            yield session


    @pytest.fixture
    def stored_$table(${table}_session):
        from app import $table

        return $table.registered(${table}_session, title="stored")
"""


def plant(words: Words) -> Planted:
    table, column = words.noun(), words.column()
    names = {
        "Base": f"{table.title()}Base",
        "Model": table.title(),
        "column": column,
        "table": table,
    }
    given = f"{table}_session"
    forms = (
        Form("assert $table.registered(${table}_session, title='$$word').id", given),
        Form("assert stored_$table.id", f"stored_{table}"),
        Form(
            "${table}_session.execute(insert($table.$Model).values(title='$$word'))\n"
            "assert ${table}_session.get($table.$Model, 1)",
            given,
        ),
        Form(
            "${table}_session.add($table.$Model(id=$$n, title='$$word'))\n${table}_session.commit()",
            given,
        ),
        Form(
            "${table}_session.add_all([$table.$Model(title=title) for title in ('$$word', 'b')])\n"
            "assert ${table}_session.query($table.$Model).count() == 2",
            given,
        ),
    )
    green = "assert $table.registered(${table}_session, title='$$word', $column='x').id"
    return Planted(
        label=f"not null: {table}.{column}",
        modules={f"app/{table}.py": fill(_MODULE, **names)},
        imports=f"from sqlalchemy import insert\nfrom app import {table}\n",
        conftest=fill(_FIXTURES, **names),
        red=tuple(Form(fill(form.body, **names), form.fixtures) for form in forms),
        green=(Form(fill(green, **names), given),),
    )
