"""Tests store a name that is taken: an IntegrityError, a 409, a KeyError on its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    import uuid

    from fastapi import FastAPI, HTTPException
    from sqlalchemy import Uuid, create_engine
    from sqlalchemy.exc import IntegrityError
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
    from sqlalchemy.pool import StaticPool


    class $Base(DeclarativeBase):
        pass


    class $Model(${Base}):
        __tablename__ = "${table}"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
        $column: Mapped[str] = mapped_column(unique=True)


    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    ${Base}.metadata.create_all(engine)
    with Session(engine) as _session:
        _session.add_all([$Model($column="$taken"), $Model($column="$other")])
        _session.commit()
    app = FastAPI()


    @app.post("/${table}s", status_code=201)
    def create(body: dict):
        with Session(engine) as session:
            one = $Model($column=body["$column"])
            session.add(one)
            try:
                session.commit()
            except IntegrityError:
                raise HTTPException(409, "$table with this $column already exists") from None
            return {"id": str(one.id)}


    def stored($column):
        with Session(engine) as session:
            session.add($Model($column=$column))
            session.flush()
            return True
"""


def plant(words: Words) -> Planted:
    table, column = words.noun(), words.column()
    names = {
        "Base": f"{table.title()}Base",
        "Model": table.title(),
        "column": column,
        "other": words.noun(),
        "table": table,
        "taken": words.noun(),
    }
    post = "TestClient($table.app).post('/${table}s', json={'$column': '$taken'})"
    forms = (
        "with Session($table.engine) as session:\n"
        "    session.add($table.$Model($column='$taken'))\n    session.commit()",
        f"assert {post}.status_code == 201",
        f"assert {post}.json()['id']",
        "assert $table.stored('$other')",
        f"answer = {post}\nassert answer.status_code == 201, answer.json()",
        "assert $table.stored('$taken')",
    )
    return Planted(
        label=f"unique: {table}.{column}",
        modules={f"app/{table}.py": fill(_MODULE, **names)},
        imports="from fastapi.testclient import TestClient\nfrom sqlalchemy.orm import Session\n"
        f"from app import {table}\n",
        red=tuple(Form(fill(form, **names)) for form in forms),
        green=(Form(fill("assert $table.stored('free-$$word')", **names)),),
    )
