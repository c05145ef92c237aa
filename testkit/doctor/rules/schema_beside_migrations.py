"""TD725: tests of a project with migrations that build their schema without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.project import Project, Spot, revisions

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD725",
    "Tests build their schema without the migrations",
    "warning",
    "`create_all` makes what the models say; production has what the migrations made. A forgotten migration, a trigger, an index or a default of the server that only "
    "one of the two has is seen by no test.",
    'Build the schema once from the migrations and copy it for each test: schema = "alembic" in [tool.testkit] does both.',
)
NEEDS: Final = ("created", "migrations")
BAD: Final = (
    """
    # file: app/models.py
    class Base(DeclarativeBase): ...
    # file: migrations/versions/a1.py
    revision = "a1"
    down_revision = None
    # file: tests/conftest.py
    import pytest
    from app.models import Base

    @pytest.fixture(scope="session")
    def engine():
        engine = create_engine()
        Base.metadata.create_all(engine)  # here
        return engine

    @pytest.fixture
    async def connection(engine):
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)  # here
            yield connection
    """,
)
GOOD: Final = (
    """
    # file: migrations/versions/a1.py
    revision = "a1"
    down_revision = None
    # file: tests/test_mixin.py
    class Base(DeclarativeBase): ...

    def test_a_mixin(engine):
        Base.metadata.create_all(engine)
    # file: tests/test_migrations.py
    from app.models import Base

    def test_models_are_what_migrations_make(engine):
        Base.metadata.create_all(engine)
    # file: tests/test_shapes.py
    from tests.support.models import Base

    def test_a_shape(engine):
        Base.metadata.create_all(engine)
    """,
    """
    # file: app/models.py
    class Base(DeclarativeBase): ...
    # file: tests/conftest.py
    from app.models import Base

    def pytest_configure():
        Base.metadata.create_all(engine)
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each ``create_all`` of imported metadata in tests of a project with migrations."""
    homes = {project.home(path) for found in revisions(project).values() for path in found}
    for path, places in project.of("created").items():
        if project.home(path) in homes:
            for name, line, column in places:
                yield Spot(path, line, column, f"{name}.create_all beside the project's migrations")
