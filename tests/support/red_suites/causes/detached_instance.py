"""A function answers a row whose session it has closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    from sqlalchemy import ForeignKey, create_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


    class $Base(DeclarativeBase):
        pass


    class $Parent(${Base}):
        __tablename__ = "${parent}"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        lines: Mapped[list["${Parent}Line"]] = relationship()


    class ${Parent}Line(${Base}):
        __tablename__ = "${parent}_line"
        id: Mapped[int] = mapped_column(primary_key=True)
        ${parent}_id: Mapped[int] = mapped_column(ForeignKey("${parent}.id"))


    def loaded(title):
        engine = create_engine("sqlite://")
        ${Base}.metadata.create_all(engine)
        with Session(engine) as session:
            one = $Parent(title=title, lines=[${Parent}Line()])
            session.add(one)
            session.commit()
            if title.startswith("read"):
                one.title
            return one


    def size(one):
        return len(one.lines)
"""


def plant(words: Words) -> Planted:
    parent = words.noun()
    names = {"Base": f"{parent.title()}Base", "Parent": parent.title(), "parent": parent}
    forms = (
        "assert $parent.loaded('$$word').title == '$$word'",
        "assert $parent.size($parent.loaded('read $$word')) == 1",
        "one = $parent.loaded('read $$word')\nassert [line.id for line in one.lines] == [1]",
        "assert $parent.loaded('$$word').id == 1",
        "assert $parent.size($parent.loaded('$$word')) == 1",
    )
    return Planted(
        label=f"detached: {parent}.loaded",
        modules={f"app/{parent}.py": fill(_MODULE, **names)},
        imports=f"from app import {parent}\n",
        red=tuple(Form(fill(form, **names)) for form in forms),
        green=(Form(fill("assert $parent.loaded('read $$word').title == 'read $$word'", **names)),),
    )
