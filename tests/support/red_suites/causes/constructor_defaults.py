"""The constructor that filled in the defaults was deleted: None, a 409, a KeyError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    import uuid

    from fastapi import FastAPI
    from fastapi.responses import JSONResponse
    from pydantic import BaseModel, ConfigDict
    from sqlalchemy import Uuid, create_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
    from sqlalchemy.pool import StaticPool


    class $Base(DeclarativeBase):
        pass


    class $Model(${Base}):
        __tablename__ = "${table}"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
        title: Mapped[str]
        $flag: Mapped[bool] = mapped_column(default=True)
        $count: Mapped[int] = mapped_column(default=$start)
        $state: Mapped[str] = mapped_column(default="$fresh")


    class ${Model}Out(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        title: str
        $flag: bool
        $count: int
        $state: str


    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    ${Base}.metadata.create_all(engine)
    app = FastAPI()


    def described($table):
        return $table.$state.upper()


    def left($table):
        return $table.$count - 1


    @app.post("/${table}", status_code=201)
    def create(body: dict):
        one = $Model(title=body["title"])
        with Session(engine) as session:
            try:
                out = ${Model}Out.model_validate(one)
                session.add(one)
                session.commit()
            except ValueError as error:
                session.rollback()
                return JSONResponse({"title": "Conflict", "detail": str(error)}, 409)
            return {"id": str(one.id), **out.model_dump()}
"""


def plant(words: Words) -> Planted:
    table = words.noun()
    start = words.number()
    fresh = words.noun()
    names = {
        "Base": f"{table.title()}Base",
        "Model": table.title(),
        "count": words.column(),
        "flag": words.column(),
        "fresh": fresh,
        "start": start,
        "state": words.column(),
        "table": table,
    }
    forms = (
        "assert $table.$Model(title='$$word').$flag is True",
        "assert $table.$Model(title='$$word').$count == $start",
        "assert TestClient($table.app).post('/$table', json={'title': '$$word'}).status_code == 201",
        "answer = TestClient($table.app).post('/$table', json={'title': '$$word'}).json()\n"
        "assert answer['id']",
        "one = $table.$Model(title='$$word')\nassert $table.described(one) == '$FRESH'",
        "one = $table.$Model(title='$$word')\nassert $table.left(one) == $start - 1",
        "answer = TestClient($table.app).post('/$table', json={'title': '$$word'})\n"
        "assert answer.status_code == 201, answer.text",
        "one = $table.$Model(title='$$word')\none.$count += $$n\nassert one.$count > $start",
    )
    green = "assert $table.$Model(title='$$word', $flag=False).$flag is False"
    return Planted(
        label=f"defaults: {names['Model']} has no constructor",
        modules={f"app/{table}.py": fill(_MODULE, **names)},
        imports=f"from fastapi.testclient import TestClient\nfrom app import {table}\n",
        red=tuple(Form(fill(form, FRESH=fresh.upper(), **names)) for form in forms),
        green=(Form(fill(green, **names)),),
    )
