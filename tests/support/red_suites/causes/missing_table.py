"""A model without its migration: its table is nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    from sqlalchemy import create_engine, func, select
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


    class $Base(DeclarativeBase):
        pass


    class $Model(${Base}):
        __tablename__ = "${table}_log"
        id: Mapped[int] = mapped_column(primary_key=True)
        what: Mapped[str]


    class $Other(${Base}):
        __tablename__ = "${other}"
        id: Mapped[int] = mapped_column(primary_key=True)
        what: Mapped[str]


    def new_session():
        engine = create_engine("sqlite://")
        $Other.__table__.create(engine)
        return Session(engine)


    def noted(session, what):
        session.add($Model(what=what))
        session.commit()


    def rows(session):
        return session.scalar(select(func.count()).select_from($Model))
"""
_FIXTURES = """
    @pytest.fixture
    def ${other}_session():
        from app import $other

        with $other.new_session() as session:
            yield session


    @pytest.fixture
    def noted_$table(${other}_session):
        from app import $other

        $other.noted(${other}_session, "login")
        return ${other}_session
"""


def plant(words: Words) -> Planted:
    table, other = words.noun(), words.noun()
    names = {
        "Base": f"{other.title()}Base",
        "Model": f"{table.title()}Log",
        "Other": other.title(),
        "other": other,
        "table": table,
    }
    given = f"{other}_session"
    forms = (
        Form("$other.noted(${other}_session, '$$word')", given),
        Form("assert noted_$table", f"noted_{table}"),
        Form("assert $other.rows(${other}_session) == 0", given),
        Form(
            "found = select($other.$Model).where($other.$Model.what == '$$word')\n"
            "assert ${other}_session.scalars(found).all() == []",
            given,
        ),
        Form("assert ${other}_session.get($other.$Model, $$n) is None", given),
    )
    green = "assert ${other}_session.get($other.$Other, $$n) is None"
    return Planted(
        label=f"missing table: {table}_log",
        modules={f"app/{other}.py": fill(_MODULE, **names)},
        imports=f"from sqlalchemy import select\nfrom app import {other}\n",
        conftest=fill(_FIXTURES, **names),
        red=tuple(Form(fill(form.body, **names), form.fixtures) for form in forms),
        green=(Form(fill(green, **names), given),),
    )
