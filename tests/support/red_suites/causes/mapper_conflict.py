"""A relationship names a class that is not there, or that is there twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODELS = """
    from sqlalchemy import ForeignKey
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


    class $Base(DeclarativeBase):
        pass

    $parents

    class $Child(${Base}):
        __tablename__ = "${child}s"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int] = mapped_column(ForeignKey("${parent}s.id"))
        owner = relationship("$Parent")


    class $Other(${Base}):
        __tablename__ = "${other}s"
        id: Mapped[int] = mapped_column(primary_key=True)
        label: Mapped[str]


    def labelled(label):
        return $Other(label=label)
"""
_PARENT = """
    def _define_$n():
        class $Parent(${Base}):
            __tablename__ = "${parent}s"
            __table_args__ = {"extend_existing": True}
            id: Mapped[int] = mapped_column(primary_key=True)

        return $Parent


    _kept_$n = _define_$n()
"""


def plant(words: Words) -> Planted:
    child, other, parent = words.noun(), words.noun(), words.noun()
    twice = words.draw.random() < 0.5
    parents = "\n\n".join(fill(_PARENT, n=n) for n in (1, 2)) if twice else ""
    names = {
        "Base": f"{child.title()}Model",
        "Child": child.title(),
        "Other": other.title(),
        "Parent": parent.title(),
        "child": child,
        "other": other,
        "parent": parent,
    }
    text = fill(fill(_MODELS, parents=parents), **names)
    forms = (
        "assert $child.$Child(id=$$n).id == $$n",
        "assert $child.$Other(id=$$n, label='$$word').label == '$$word'",
        "assert $child.labelled('$$word').label == '$$word'",
        "$child.$Base.registry.configure()",
        "assert 'owner' in $child.$Child.__mapper__.relationships",
        "made = [$child.labelled(text) for text in ('$$word', 'b')]\nassert len(made) == 2",
    )
    return Planted(
        label=f"mapper: {child}.owner names {names['Parent']}",
        modules={f"app/{child}.py": text},
        imports=f"from app import {child}\n",
        red=tuple(Form(fill(form, **names)) for form in forms),
        green=(Form(f"assert {child}.{names['Other']}.__table__.name == '{other}s'"),),
    )
