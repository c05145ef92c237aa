"""A request body has one more required field; each test still sends the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    from fastapi import FastAPI
    from pydantic import BaseModel

    app = FastAPI()


    class ${Model}In(BaseModel):
        title: str
        $column: str


    @app.post("/${name}s", status_code=201)
    def create(body: ${Model}In):
        return {"id": 1, "title": body.title}


    @app.put("/${name}s/{key}")
    def replace(key: str, body: ${Model}In):
        return {"id": key, "title": body.title}
"""


def plant(words: Words) -> Planted:
    name, column = words.noun(), words.column()
    names = {"Model": name.title(), "column": column, "name": name}
    post = "TestClient($name.app).post('/${name}s', json={'title': '$$word'})"
    put = "TestClient($name.app).put('/${name}s/$$n', json={'title': '$$word'})"
    forms = (
        f"assert {post}.status_code == 201",
        f"assert {post}.json()['id'] == 1",
        f"answer = {put}\nassert answer.status_code == 200, answer.text",
        f"{put}.raise_for_status()",
        f"assert {post}.json() == {{'id': 1, 'title': '$$word'}}",
        f"assert {put}.json().get('title') == '$$word'",
    )
    green = "assert TestClient($name.app).get('/$$word').status_code == 404"
    return Planted(
        label=f"field required: {name}.{column}",
        modules={f"app/{name}.py": fill(_MODULE, **names)},
        imports=f"from fastapi.testclient import TestClient\nfrom app import {name}\n",
        red=tuple(Form(fill(form, **names)) for form in forms),
        green=(Form(fill(green, **names)),),
    )
