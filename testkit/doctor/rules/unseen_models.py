"""TD724: a model that the environment of the migrations never imports."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.models import is_base
from testkit.doctor.static.names import uses_of
from testkit.doctor.static.project import Project, Spot, is_test_path

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD724",
    "A model is not imported by the migrations' environment",
    "error",
    "A table is in the metadata once its module was imported. What `env.py` does not import, at least by detours, `alembic revision --autogenerate` and `alembic check` "
    "do not see: no migration is written for it, and where the table exists, they offer to drop it.",
    "Import the module in env.py, or in the package whose metadata it takes.",
)
NEEDS: Final = ("imports", "migrations", "models")
BAD: Final = (
    """
    # file: app/__init__.py
    # file: app/base.py
    class Base(DeclarativeBase): ...
    # file: app/orders.py
    from app.base import Base

    class Order(Base):
        __tablename__ = "order"
    # file: app/reports.py
    from .base import Base

    class Report(Base):  # here
        __tablename__ = "report"
    # file: migrations/env.py
    from app.base import Base
    from app import orders
    target_metadata = Base.metadata
    """,
)
GOOD: Final = (
    """
    # file: app/__init__.py
    # file: app/base.py
    class Base(DeclarativeBase): ...
    # file: app/models/__init__.py
    from app.models.orders import Order
    from . import reports
    # file: app/models/orders.py
    from app.base import Base

    class Order(Base):
        __tablename__ = "order"
    # file: app/models/reports.py
    from app.base import Base

    class Report(Base):
        __tablename__ = "report"
    # file: tests/test_it.py
    from app.base import Base

    class OnlyHere(Base):
        __tablename__ = "only_here"
    # file: migrations/env.py
    from app.base import Base
    import app.models.orders
    target_metadata = Base.metadata
    """,
    """
    # file: app/base.py
    import importlib, pkgutil
    class Base(DeclarativeBase): ...

    def load():
        for each in pkgutil.walk_packages(["app"]):
            importlib.import_module(each.name)
    # file: app/orders.py
    from app.base import Base

    class Order(Base):
        __tablename__ = "order"
    # file: migrations/env.py
    from app.base import Base, load
    load()
    target_metadata = Base.metadata
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each class of an environment's base in a file that no import from there leads to."""
    environments = [
        (path, told) for path, told in project.of("migrations").items() if not told["revision"]
    ]
    # Which of several environments a model belongs to, nobody can read.
    if len(environments) != 1:
        return
    start, environment = environments[0]
    reached = _reached(project, start)
    told = project.of("imports")
    if any(path in told and told[path]["dynamic"] for path in reached):
        return
    names = [name.removesuffix(".metadata") for name in environment["metadata"]]
    for path, models in project.of("models").items():
        if (
            path in reached
            or is_test_path(project.relative(path))
            or project.home(path) != project.home(start)
        ):
            continue
        for model in models:
            if model["table"] and any(
                is_base(base, name) for base in model["bases"] for name in names
            ):
                reason = f"{project.relative(start)} never imports {project.relative(path)}"
                yield Spot(
                    path, model["line"], 1, f"{reason}, so {model['table']} is unknown there"
                )


def _reached(project: Project, start: str) -> set[str]:
    """Return the files that are imported when this one is, packages around them included."""
    following: dict[str, set[str]] = defaultdict(set)
    for path, uses in uses_of(project).items():
        for use in uses:
            if use.by:
                following[use.path].add(path)
    known = set(project.files)
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in reached or path not in known:
            continue
        reached.add(path)
        waiting += following[path]
        folder = posixpath.dirname(path)
        waiting.append(posixpath.join(folder, "__init__.py"))
        if path.endswith("/__init__.py"):
            waiting.append(posixpath.join(posixpath.dirname(folder), "__init__.py"))
    return reached
