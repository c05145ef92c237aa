"""One import, inside one test, loads the models a second time under another name."""

from __future__ import annotations

from typing import Final

from tests.support.red_suites.disguise import Disguise

__all__ = ["DISGUISE"]

_DB: Final = """
    from sqlalchemy.orm import DeclarativeBase


    class Base(DeclarativeBase):
        pass
"""
_MODELS: Final = """
    from sqlalchemy import ForeignKey
    from sqlalchemy.orm import Mapped, mapped_column, relationship

    from app.db import Base


    class Parent(Base):
        __tablename__ = "parents"
        __table_args__ = {"extend_existing": True}
        id: Mapped[int] = mapped_column(primary_key=True)


    class Child(Base):
        __tablename__ = "children"
        __table_args__ = {"extend_existing": True}
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(ForeignKey("parents.id"))
        parent = relationship("Parent")
"""
_FIRST: Final = """
    from app.models import Child


    def test_a_child_is_made():
        assert Child(id=1).id == 1


    def test_the_short_name_is_importable():
        import models

        assert models.Child
"""
_LATER: Final = """
    import pytest
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    from app.models import Child, Parent


    @pytest.mark.parametrize("key", [1, 2, 3])
    def test_a_child_has_a_key(key):
        assert Child(id=key).id == key


    def test_a_parent_is_made():
        assert Parent(id=1).id == 1


    def test_a_child_is_selected():
        with Session() as session:
            assert session.query(Child).filter_by(id=1) is not None


    def test_a_table_has_a_name():
        assert Child.__table__.name == "children"
"""

DISGUISE: Final = Disguise(
    cause="app/models.py is imported as models as well",
    files={
        "pytest.ini": "[pytest]\npythonpath = app\n",
        "app/__init__.py": "",
        "app/db.py": _DB,
        "app/models.py": _MODELS,
        "tests/test_a_names.py": _FIRST,
        "tests/test_children.py": _LATER,
    },
    red=(
        *(f"tests/test_children.py::test_a_child_has_a_key[{key}]" for key in (1, 2, 3)),
        "tests/test_children.py::test_a_parent_is_made",
        "tests/test_children.py::test_a_child_is_selected",
    ),
    green=(
        "tests/test_a_names.py::test_a_child_is_made",
        "tests/test_a_names.py::test_the_short_name_is_importable",
        "tests/test_children.py::test_a_table_has_a_name",
    ),
    names=("app/models.py",),
    rules=("mapper", "import"),
)
