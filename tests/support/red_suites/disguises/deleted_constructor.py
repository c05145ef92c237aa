"""A constructor that set defaults was deleted: None here, 409 there, bad ids through a double elsewhere."""

from __future__ import annotations

from typing import Final

from tests.support.red_suites.disguise import Disguise

__all__ = ["DISGUISE"]

_MODELS: Final = """
    import uuid

    from pydantic import BaseModel, ConfigDict
    from sqlalchemy import Uuid
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class Module(Base):
        __tablename__ = "modules"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
        name: Mapped[str] = mapped_column(unique=True)
        active: Mapped[bool] = mapped_column(default=True)
        status: Mapped[str] = mapped_column(default="unknown")
        beats: Mapped[int] = mapped_column(default=0)


    class ModuleOut(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        name: str
        active: bool
        status: str
        beats: int
"""
_API: Final = """
    import uuid

    from fastapi import Depends, FastAPI, HTTPException

    from app.models import Module, ModuleOut

    app = FastAPI()


    def database():
        raise NotImplementedError


    @app.post("/modules", status_code=201)
    def register(body: dict, db=Depends(database)):
        try:
            module = Module(**body)
            db.add(module)
            db.commit()
            return {"id": str(module.id), **ModuleOut.model_validate(module).model_dump()}
        except ValueError as error:
            raise HTTPException(409, f"module cannot be registered: {error}") from error


    def is_due(module):
        return module.active and module.beats > 3


    def label(module):
        return f"{module.name}: {module.status.upper()}"


    def parsed(text):
        return uuid.UUID(text)
"""
_CONFTEST: Final = """
    import itertools

    import pytest
    from fastapi.testclient import TestClient

    from app import api


    class FakeSession:
        def __init__(self):
            self.rows = []
            self.numbers = itertools.count(1)

        def add(self, row):
            if row.id is None:
                row.id = next(self.numbers)
            self.rows.append(row)

        def commit(self):
            pass

        def get(self, model, key):
            return next((row for row in self.rows if row.id == key), None)


    @pytest.fixture
    def db():
        return FakeSession()


    @pytest.fixture
    def client(db):
        api.app.dependency_overrides[api.database] = lambda: db
        yield TestClient(api.app)
        api.app.dependency_overrides.clear()
"""
_DEFAULTS: Final = """
    import pytest

    from app import api
    from app.models import Module


    @pytest.mark.parametrize("name", ["a", "b", "c"])
    def test_a_new_module_is_active(name):
        assert Module(name=name).active is True


    def test_a_new_module_is_of_unknown_status():
        assert Module(name="x").status == "unknown"


    def test_a_new_module_has_no_beats():
        module = Module(name="x")
        assert module.beats == 0


    def test_a_label():
        assert api.label(Module(name="x")) == "x: UNKNOWN"


    def test_a_label_of_a_given_status():
        assert api.label(Module(name="x", status="up")) == "x: UP"


    def test_beats_are_counted():
        module = Module(name="x")
        module.beats += 1
        assert module.beats == 1


    def test_a_module_that_beats_is_due():
        assert api.is_due(Module(name="x", beats=4))
"""
_REGISTER: Final = """
    import pytest


    @pytest.mark.parametrize("name", ["billing", "audit", "search", "mail"])
    def test_a_module_is_registered(client, name):
        assert client.post("/modules", json={"name": name}).status_code == 201


    @pytest.mark.parametrize("name", ["billing", "audit"])
    def test_a_registered_module_has_an_id(client, name):
        answer = client.post("/modules", json={"name": name}).json()
        assert answer["id"]


    def test_a_registered_module_is_answered(client):
        response = client.post("/modules", json={"name": "mail"})
        assert response.status_code == 201, response.text


    def test_a_whole_module_is_registered(client):
        body = {"name": "x", "active": True, "status": "up", "beats": 1}
        assert client.post("/modules", json=body).status_code == 201
"""
_IDS: Final = """
    import uuid

    import pytest

    from app import api
    from app.models import Module

    WHOLE = {"active": True, "status": "up", "beats": 1}


    @pytest.mark.parametrize("name", ["a", "b", "c"])
    def test_a_stored_module_has_a_uuid(db, name):
        module = Module(name=name, **WHOLE)
        db.add(module)
        db.commit()
        assert api.parsed(str(module.id)) == module.id


    def test_the_id_of_the_answer_is_a_uuid(client, db):
        answer = client.post("/modules", json={"name": "x", **WHOLE}).json()
        assert uuid.UUID(answer["id"])


    def test_a_module_with_an_id_is_found(db):
        module = Module(id=uuid.uuid4(), name="x", **WHOLE)
        db.add(module)
        assert db.get(Module, module.id) is module
"""

DISGUISE: Final = Disguise(
    cause="the constructor of Module was deleted",
    files={
        "app/__init__.py": "",
        "app/models.py": _MODELS,
        "app/api.py": _API,
        "tests/conftest.py": _CONFTEST,
        "tests/test_defaults.py": _DEFAULTS,
        "tests/test_register.py": _REGISTER,
        "tests/test_ids.py": _IDS,
    },
    red=(
        *(f"tests/test_defaults.py::test_a_new_module_is_active[{name}]" for name in "abc"),
        "tests/test_defaults.py::test_a_new_module_is_of_unknown_status",
        "tests/test_defaults.py::test_a_new_module_has_no_beats",
        "tests/test_defaults.py::test_a_label",
        "tests/test_defaults.py::test_beats_are_counted",
        "tests/test_defaults.py::test_a_module_that_beats_is_due",
        *(
            f"tests/test_register.py::test_a_module_is_registered[{name}]"
            for name in ("billing", "audit", "search", "mail")
        ),
        *(
            f"tests/test_register.py::test_a_registered_module_has_an_id[{name}]"
            for name in ("billing", "audit")
        ),
        "tests/test_register.py::test_a_registered_module_is_answered",
        *(f"tests/test_ids.py::test_a_stored_module_has_a_uuid[{name}]" for name in "abc"),
        "tests/test_ids.py::test_the_id_of_the_answer_is_a_uuid",
    ),
    green=(
        "tests/test_defaults.py::test_a_label_of_a_given_status",
        "tests/test_register.py::test_a_whole_module_is_registered",
        "tests/test_ids.py::test_a_module_with_an_id_is_found",
    ),
    names=("Module",),
    rules=("default", "constructor"),
)
