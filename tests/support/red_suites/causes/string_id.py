"""Tests hand over a text where the column holds a UUID."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    import uuid

    from sqlalchemy import Uuid, create_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


    class $Base(DeclarativeBase):
        pass


    class $Model(${Base}):
        __tablename__ = "${table}"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
        title: Mapped[str]


    engine = create_engine("sqlite://")
    ${Base}.metadata.create_all(engine)


    def fetched(key):
        with Session(engine) as session:
            return session.get($Model, key)


    def renamed(key, title):
        with Session(engine) as session:
            session.query($Model).filter_by(id=key).update({"title": title})
            session.commit()
"""


def plant(words: Words) -> Planted:
    table = words.noun()
    names = {"Base": f"{table.title()}Base", "Model": table.title(), "table": table}
    forms = (
        "assert $table.fetched('$$word-$$n') is None",
        "assert $table.fetched('6f1c7a52-0000-4000-8000-00000000$number') is None",
        "with Session($table.engine) as session:\n"
        "    found = select($table.$Model).where($table.$Model.id == '$$word')\n"
        "    assert session.scalars(found).all() == []",
        "with Session($table.engine) as session:\n"
        "    session.add($table.$Model(id='$$word', title='x'))\n    session.commit()",
        "$table.renamed('$$word', 'new')",
        "with Session($table.engine) as session:\n"
        "    session.execute(update($table.$Model).where($table.$Model.id == '$$n').values(title='z'))",
    )
    number = words.draw.randint(1000, 9999)
    return Planted(
        label=f"string id: {table}.id",
        modules={f"app/{table}.py": fill(_MODULE, **names)},
        imports="import uuid\nfrom sqlalchemy import select, update\n"
        f"from sqlalchemy.orm import Session\nfrom app import {table}\n",
        red=tuple(Form(fill(form, number=number, **names)) for form in forms),
        green=(Form(fill("assert $table.fetched(uuid.uuid4()) is None", **names)),),
    )
