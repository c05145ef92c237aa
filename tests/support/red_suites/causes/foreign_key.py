"""The test data names a parent that is not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    from sqlalchemy import ForeignKey, create_engine, event, insert
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


    class $Base(DeclarativeBase):
        pass


    class $Parent(${Base}):
        __tablename__ = "${parent}"
        id: Mapped[int] = mapped_column(primary_key=True)


    class $Child(${Base}):
        __tablename__ = "${child}"
        id: Mapped[int] = mapped_column(primary_key=True)
        ${parent}_id: Mapped[int] = mapped_column(ForeignKey("${parent}.id"))


    def new_session():
        engine = create_engine("sqlite://")
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = ON"))
        ${Base}.metadata.create_all(engine)
        return Session(engine)


    def attached(session, parent_id):
        one = $Child(${parent}_id=parent_id)
        session.add(one)
        session.commit()
        return one
"""
_CONFTEST = """
    @pytest.fixture
    def ${child}_session():
        from app import $child

        with $child.new_session() as session:
            yield session


    @pytest.fixture
    def attached_$child(${child}_session):
        from app import $child

        return $child.attached(${child}_session, 1)
"""


def plant(words: Words) -> Planted:
    parent, child = words.noun(), words.noun()
    names = {
        "Base": f"{child.title()}Base",
        "Child": child.title(),
        "Parent": parent.title(),
        "child": child,
        "parent": parent,
    }
    given = f"{child}_session"
    forms = (
        Form("assert $child.attached(${child}_session, $$n).id", given),
        Form("assert attached_$child.id == 1", f"attached_{child}"),
        Form("${child}_session.execute(insert($child.$Child).values(${parent}_id=$$n))", given),
        Form(
            "${child}_session.add_all([$child.$Child(${parent}_id=n) for n in (1, $$n)])\n"
            "${child}_session.flush()",
            given,
        ),
    )
    green = (
        "${child}_session.add($child.$Parent(id=$$n))\n${child}_session.flush()\n"
        "assert $child.attached(${child}_session, $$n).id"
    )
    return Planted(
        label=f"foreign key: {child}.{parent}_id",
        modules={f"app/{child}.py": fill(_MODULE, **names)},
        imports=f"from sqlalchemy import insert\nfrom app import {child}\n",
        conftest=fill(_CONFTEST, **names),
        red=tuple(Form(fill(form.body, **names), form.fixtures) for form in forms),
        green=(Form(fill(green, **names), given),),
    )
