"""TD723: a table that no migration makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.models import Model, is_base
from testkit.doctor.static.project import Project, Spot, is_test_path, revisions

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD723",
    "A table is in no migration",
    "warning",
    "The model is mapped, and no migration names its table: the schema that migrations build does not have it. Tests that use `create_all` are green, "
    "and production answers with UndefinedTable.",
    'Write the migration: alembic revision --autogenerate -m "…". A table that others make can be left with an ignore.',
)
NEEDS: Final = ("migrations", "models")
BAD: Final = (
    """
    # file: app/models.py
    from app.base import Base

    class Order(Base):
        __tablename__ = "order"

    class Line(Base):  # here
        __tablename__ = "line"
    # file: migrations/env.py
    from app.base import Base
    target_metadata = Base.metadata
    # file: migrations/versions/a1.py
    from alembic import op
    revision = "a1"
    down_revision = None

    def upgrade():
        op.create_table("order")
    """,
)
GOOD: Final = (
    """
    # file: app/base.py
    class Base(DeclarativeBase): ...
    # file: app/models.py
    from app.base import Base

    class Order(Base):
        __tablename__ = "order"

    class Line(Base):
        __tablename__ = "line"

    class Shared(Base):
        __abstract__ = True
        id = mapped_column(primary_key=True)
    # file: app/elsewhere.py
    class Other(OtherBase):
        __tablename__ = "other"
    # file: tests/test_it.py
    from app.base import Base

    class OnlyHere(Base):
        __tablename__ = "only_here"
    # file: migrations/env.py
    from app.base import Base
    target_metadata = Base.metadata
    # file: migrations/versions/a1.py
    from alembic import op
    revision = "a1"
    down_revision = None

    def upgrade():
        op.create_table("order")
        op.execute("CREATE TABLE line (id int)")
    """,
    """
    # file: app/models.py
    from app.base import Base

    class Order(Base):
        __tablename__ = "order"
    # file: migrations/env.py
    from app.base import Base
    target_metadata = Base.metadata
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each class of an environment's base whose table stands in no text of its migrations."""
    folders = revisions(project)
    environments = [
        (path, told) for path, told in project.of("migrations").items() if not told["revision"]
    ]
    # Which of several environments a table belongs to, nobody can read.
    if len(environments) != 1 or not folders:
        return
    path, environment = environments[0]
    told = {text for found in folders.values() for each in found.values() for text in each["texts"]}
    names = [name.removesuffix(".metadata") for name in environment["metadata"]]
    for file, models in project.of("models").items():
        if is_test_path(project.relative(file)) or project.home(file) != project.home(path):
            continue
        for model in models:
            if (
                model["table"]
                and any(is_base(base, name) for base in model["bases"] for name in names)
                and not _named(model, told)
            ):
                reason = f"no migration names the table {model['table']} of {model['name']}"
                yield Spot(file, model["line"], 1, reason)


def _named(model: Model, texts: set[str]) -> bool:
    return model["table"] in texts or any(
        model["table"] in text for text in texts if "create table" in text.lower()
    )
