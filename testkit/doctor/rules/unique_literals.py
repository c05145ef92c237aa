"""TD701: a test commits a fixed text into a unique column."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Edit, Rule
from testkit.doctor.static.models import Column, Model, columns_of, named_model
from testkit.doctor.static.project import Project, Spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.rows import Maker, Row, Rows

__all__ = ["BAD", "FIXED", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD701",
    "A test commits a fixed text into a unique column",
    "warning",
    "What is committed stays when the test ends, and nothing here takes it away. The second test that writes the same text fails, "
    "and so does the same test on its second run, or in a second worker: an IntegrityError, or an opaque 409, in a test that did nothing wrong.",
    'Draw the text: `unique("pen")` gives another one each time, in every worker. Or let testkit undo what tests commit: `isolation = "reset"`.',
)
NEEDS: Final = ("models", "rows")
# What `unique` makes of a word: the worker, the run and a number behind it.
_LONGER: Final = 30
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,40}")
BAD: Final = (
    """
    # file: app/models.py
    import sqlalchemy as sa
    from sqlalchemy.orm import Mapped, mapped_column

    class Shop(Base):
        __tablename__ = "shop"
        slug: Mapped[str] = mapped_column(unique=True)
        title: Mapped[str]
        code = mapped_column(sa.String(8), primary_key=True)
    # file: tests/test_shops.py
    from app import models
    from app.models import Shop

    def test_a_shop_is_stored(session):
        session.add(Shop(slug="pen", title="Pen"))  # here
        session.commit()
        assert session.query(Shop).filter_by(slug="pen").one().title == "Pen"

    async def test_another(async_session):
        async with async_session.begin() as session:
            session.add(models.Shop(slug="pen"))  # here

    def test_a_short_one(session):
        session.add(Shop(code="p"))  # here
        session.commit()
    """,
)
FIXED: Final = (
    """
    # file: tests/test_shops.py
    from app import models
    from app.models import Shop

    def test_a_shop_is_stored(session, unique):
        slug = unique("pen")
        session.add(Shop(slug=slug, title="Pen"))  # here
        session.commit()
        assert session.query(Shop).filter_by(slug=slug).one().title == "Pen"

    async def test_another(async_session, unique):
        async with async_session.begin() as session:
            session.add(models.Shop(slug=unique("pen")))  # here

    def test_a_short_one(session):
        session.add(Shop(code="p"))  # here
        session.commit()
    """,
)
GOOD: Final = (
    """
    # file: app/models.py
    from sqlalchemy.orm import Mapped, mapped_column

    class Shop(Base):
        slug: Mapped[str] = mapped_column(unique=True)
        title: Mapped[str] = mapped_column()
    # file: tests/test_shops.py
    from app.models import Shop

    def test_is_never_committed(session):
        session.add(Shop(slug="pen"))
        session.flush()

    def test_is_no_unique_column(session):
        session.add(Shop(title="Pen", slug=drawn()))
        session.commit()

    def test_is_another_class(session):
        session.add(Form(slug="pen"))
        session.commit()
    """,
    """
    # file: app/models.py
    from sqlalchemy.orm import Mapped, mapped_column

    class Shop(Base):
        slug: Mapped[str] = mapped_column(unique=True)
    # file: tests/conftest.py
    import pytest
    from app.models import Base

    @pytest.fixture
    def session(engine):
        Base.metadata.create_all(engine)
        yield Session(engine)
        Base.metadata.drop_all(engine)
    # file: tests/test_shops.py
    from app.models import Shop

    def test_is_cleaned_up_behind(session):
        session.add(Shop(slug="pen"))
        session.commit()
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each such text, in projects where nothing cleans up behind tests."""
    told: dict[str, Rows] = dict(project.of("rows"))
    clean = {project.home(path) for path, rows in told.items() if rows["cleans"]}
    models: dict[str, dict[str, list[Model]]] = defaultdict(dict)
    for path, found in project.of("models").items():
        models[project.home(path).folder][path] = found
    for path, rows in told.items():
        home = project.home(path)
        if home in clean or home.undoes:
            continue
        for maker in rows["makers"]:
            for row in maker["rows"]:
                model = named_model(models[home.folder], row["model"])
                if model:
                    columns = columns_of(models[home.folder], model)
                    yield from _of_row(path, maker, row, model["name"], columns)


def _of_row(
    path: str, maker: Maker, row: Row, model: str, columns: dict[str, Column]
) -> Iterator[Spot]:
    for name, (text, _, _) in row["values"].items():
        column = columns.get(name)
        # A text for a UUID is another rule's.
        is_uuid = column is not None and column["type"].lower().endswith("uuid")
        if column and not is_uuid and (column["unique"] or column["primary"]):
            reason = f"{maker['name']} commits {text!r} as {model}.{name}, which is unique"
            edits = _edits(maker, name, text, column)
            yield Spot(path, row["line"], row["column"], reason, edits)


def _edits(maker: Maker, name: str, text: str, column: Column) -> tuple[Edit, ...]:
    """Return what draws the text instead, in the row and wherever else the test has it."""
    places = maker["texts"][text]
    at, parameter = maker["parameter"]
    short = 0 < column["length"] < len(text) + _LONGER
    if not (places and parameter and _WORD.fullmatch(text)) or short:
        return ()
    drawn = f'unique("{text}")'
    edits = [] if parameter == "unique" and not at else [Edit(at, at, parameter)]
    if len(places) == 1:
        return (*edits, Edit(*places[0], drawn))
    if name in maker["bound"]:
        return ()
    start, indent = maker["body"]
    first = Edit(start, start, f"{name} = {drawn}\n{' ' * indent}")
    return (*edits, first, *(Edit(*place, name) for place in places))
