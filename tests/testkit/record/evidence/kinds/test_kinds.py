"""Each kind of evidence that the place of a failure shows by itself."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pydantic
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from testkit.record.evidence.kinds.fixture import defining
from tests.support.catching import caught_of
from tests.support.hostile_objects import RAN, Bomb

if TYPE_CHECKING:
    import pytest


class _Base(DeclarativeBase):
    pass


class _Owner(_Base):
    __tablename__ = "owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    things: Mapped[list[_Thing]] = relationship(back_populates="owner")


class _Thing(_Base):
    __tablename__ = "thing"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(unique=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("owner.id"))
    owner: Mapped[_Owner] = relationship(back_populates="things")


# testkit: ignore[TD601] such classes are what this evidence is about
class _FakeSession:
    def __init__(self) -> None:
        self.rows: list[object] = []

    def add(self, row: object) -> None:
        self.rows.append(row)

    def commit(self) -> None:
        raise AttributeError("no commit")

    def execute(self, statement: object) -> object:
        return statement


class _Drawn:
    def __repr__(self) -> str:
        RAN.append("repr of a parameter")
        return ""


class _Service:
    def __init__(self, session: object) -> None:
        self.session = session
        self.active = None


def test_what_was_none_in_an_assertion_is_named() -> None:
    service = _Service(None)

    def fails() -> None:
        assert service.active == "yes"

    facts = caught_of(fails).facts("assertion")

    assert (facts["left"], facts["operator"], facts["right"]) == ("None", "==", "'yes'")
    assert facts["none"] == ["service.active"]


def test_what_was_none_where_an_attribute_of_none_was_read_is_named() -> None:
    service: Any = _Service(None)

    def fails() -> None:
        service.session.commit()

    assert caught_of(fails).facts("assertion")["none"] == ["service.session"]


def test_a_mapped_object_is_looked_at_without_a_statement() -> None:
    engine = sa.create_engine("sqlite://")
    _Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(_Thing(id=1, owner=_Owner(id=1)))
        session.commit()
        thing = session.get_one(_Thing, 1)
        session.expire(thing)
        sent: list[str] = []
        sa.event.listen(engine, "before_cursor_execute", lambda *told: sent.append(told[2]))

        def fails() -> None:
            local = {"thing": thing}
            raise ValueError(local)

        found = caught_of(fails)
    engine.dispose()

    assert found.chain
    assert sent == []


def test_an_error_of_the_database_is_told_by_its_names() -> None:
    engine = sa.create_engine("sqlite://")
    _Base.metadata.create_all(engine)

    def fails() -> None:
        with engine.begin() as connection:
            connection.execute(sa.insert(_Owner), {"id": 1})
            connection.execute(sa.insert(_Thing), {"id": 1, "name": "a", "owner_id": 1})
            connection.execute(sa.insert(_Thing), {"id": 2, "name": "a", "owner_id": 1})

    facts = caught_of(fails).facts("sql")
    engine.dispose()

    assert facts["message"] == "UNIQUE constraint failed: thing.name"
    assert (facts["table"], facts["column"], facts["dialect"]) == ("thing", "name", "sqlite")
    assert facts["statement"] == "INSERT INTO thing (id, name, owner_id) VALUES (?, ?, ?)"
    assert facts["code"] == "gkpj"


def test_a_parameter_of_a_statement_is_never_drawn() -> None:
    RAN.clear()
    engine = sa.create_engine("sqlite://")

    def fails() -> None:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT :x"), {"x": _Drawn()})

    message = caught_of(fails).chain[0].message
    engine.dispose()

    assert "type '_Drawn' is not supported" in message
    assert RAN == []


def test_a_validation_error_is_told_by_place_and_type() -> None:
    class Module(pydantic.BaseModel):
        name: str
        size: int

    def fails() -> None:
        Module(name=None, size="x")  # type: ignore[arg-type]  # it fails

    facts = caught_of(fails).facts("validation")

    assert facts["model"] == "Module"
    assert [(e["loc"], e["type"], e["input_type"]) for e in facts["errors"]] == [  # type: ignore[union-attr,index,call-overload]  # its form
        (["name"], "string_type", "NoneType"),
        (["size"], "int_parsing", "str"),
    ]


def test_mocks_and_stand_ins_are_named_with_their_place() -> None:
    service = _Service(_FakeSession())
    # They are what is told of, no means of this test.
    mocks = importlib.import_module("unittest.mock")
    mock, spec = mocks.MagicMock(), mocks.create_autospec(_Service, instance=True)
    holder = SimpleNamespace(client=mocks.AsyncMock())

    def fails() -> None:
        local = (mock, spec, holder, service)
        raise ValueError(local)

    names = caught_of(fails).facts("doubles")["names"]

    assert isinstance(names, list)
    told = {one["name"]: (one["type"], one["spec"]) for one in names if isinstance(one, dict)}
    assert told == {
        "mock": ("unittest.mock.MagicMock", ""),
        "spec": ("unittest.mock.NonCallableMagicMock", f"{__name__}._Service"),
        "holder.client": ("unittest.mock.AsyncMock", ""),
        "service.session": (f"{__name__}._FakeSession", ""),
    }


def test_a_real_session_is_no_double() -> None:
    engine = sa.create_engine("sqlite://")

    def fails() -> None:
        with Session(engine) as session:
            raise ValueError(session)

    assert caught_of(fails).facts("doubles") == {}
    engine.dispose()


def test_local_variables_are_told_where_they_are_builtins_and_no_secrets() -> None:
    def raises() -> None:
        name, count, password, thing = "x", 3, "hunter2", Bomb()
        assert len(password) == 7
        assert type(thing) is Bomb
        raise ValueError(name * count)

    assert caught_of(raises).facts("locals")["values"] == {
        "name": "'x'",
        "count": "3",
        "password": "•••",
    }


def test_a_measured_time_above_its_limit_is_told() -> None:
    elapsed = 0.6123

    def fails() -> None:
        assert elapsed < 0.5

    facts = caught_of(fails).facts("timing")

    assert (facts["seconds"], facts["limit"]) == (0.6123, 0.5)


def test_a_comparison_of_numbers_is_no_measured_time() -> None:
    price = 0.6123

    def fails() -> None:
        assert price < 0.5

    assert caught_of(fails).facts("timing") == {}


def test_one_file_under_two_names_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first_name_of_it", "second.name_of_it"):
        module = types.ModuleType(name)
        module.__file__ = str(Path(__file__).parents[4] / "app" / "models.py")
        monkeypatch.setitem(sys.modules, name, module)

    def fails() -> None:
        raise ValueError

    found = [f for f in caught_of(fails).all("double_import") if f["path"] == "tests/app/models.py"]

    assert [one["names"] for one in found] == [["first_name_of_it", "second.name_of_it"]]


def test_warnings_that_were_captured_are_told() -> None:
    def fails() -> None:
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            warnings.warn("it is old", DeprecationWarning, stacklevel=1)
            found.append(caught_of(raises))

    def raises() -> None:
        raise ValueError

    found: list[Any] = []
    fails()

    (message,) = found[0].facts("warnings")["messages"]
    assert message.endswith("DeprecationWarning: it is old")


def test_files_that_define_a_fixture_are_found_by_their_text(tmp_path: Path) -> None:
    files = {
        "a/fakes.py": "import pytest\n\n@pytest.fixture()\ndef shop():\n    return 1\n",
        "b/other.py": "@pytest.fixture(\n    scope='module', name='shop',\n)\ndef _x():\n    pass\n",
        "c/no.py": "def shop():\n    'a fixture'\n",
        "venv/lib.py": "@pytest.fixture\ndef shop(): pass\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (tmp_path / "a" / "latin.py").write_bytes(b"# \xff fixture\n")

    assert defining("shop", str(tmp_path)) == ["a/fakes.py", "b/other.py"]
    assert defining("other", str(tmp_path)) == []
