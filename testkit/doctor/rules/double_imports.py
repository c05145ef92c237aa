"""TD711: one file imported under two names."""

from __future__ import annotations

import posixpath
from collections import Counter
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Edit, Rule
from testkit.doctor.static.names import Use, uses_of
from testkit.doctor.static.project import Project, Spot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["BAD", "FIXED", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD711",
    "One file is imported under two names",
    "error",
    "Python keeps a module by its name. A file that is imported as `app.models` and as `models` is run twice: two classes `Order`, of which "
    "`isinstance` knows only one, two engines, two caches, a table that is mapped twice. It depends on which test runs first what breaks.",
    "Import it under one name everywhere, the one that begins at the project's root; then the line that put its own folder into sys.path can go.",
)
NEEDS: Final = ("imports",)
BAD: Final = (
    """
    # file: app/__init__.py
    # file: app/models.py
    class Order: ...
    # file: app/views.py
    from app.models import Order
    # file: tests/conftest.py
    import sys
    from pathlib import Path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "app"))
    # file: tests/test_orders.py
    from models import Order  # here

    def test_an_order():
        import models as m  # here
        assert isinstance(Order(), m.Order)

    def test_another():
        import models  # here
        assert models.Order()
    """,
    """
    # file: tests/helpers.py
    made = []
    # file: tests/test_a.py
    from tests.helpers import made
    # file: tests/test_b.py
    import tests.helpers
    # file: tests/test_c.py
    from helpers import made  # here
    """,
    """
    # file: shop/__init__.py
    # file: shop/core/__init__.py
    # file: shop/core/db.py
    engine = None
    # file: shop/core/api.py
    from .db import engine
    # file: shop/main.py
    from shop.core import api
    # file: tests/__init__.py
    # file: tests/conftest.py
    import os, sys
    HERE = os.path.dirname(os.path.abspath(__file__))
    sys.path.append(os.path.join(HERE, "..", "shop"))
    # file: tests/test_db.py
    from core.db import engine  # here
    """,
)
FIXED: Final = (
    """
    # file: tests/test_orders.py
    from app.models import Order  # here

    def test_an_order():
        import app.models as m  # here
        assert isinstance(Order(), m.Order)

    def test_another():
        import app.models as models  # here
        assert models.Order()
    """,
    """
    # file: tests/test_c.py
    from tests.helpers import made  # here
    """,
    """
    # file: tests/test_db.py
    from shop.core.db import engine  # here
    """,
)
GOOD: Final = (
    """
    # file: app/__init__.py
    # file: app/models.py
    class Order: ...
    # file: app/views.py
    from .models import Order
    from . import models
    # file: tests/conftest.py
    import sys
    sys.path.insert(0, "..")
    from app.models import Order
    # file: tests/test_orders.py
    from app import models
    import app.models as m
    """,
    """
    # file: app/models.py
    class Order: ...
    # file: tests/test_orders.py
    from app.models import Order
    # file: scripts/fill.py
    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "app"))
    from models import Order
    # file: app/start.py
    import sys
    from models import Order

    if __name__ == "__main__":
        Order()
    """,
    """
    # file: app/types.py
    from typing import TYPE_CHECKING
    import json
    # file: app/json.py
    x = 1
    # file: app/other.py
    import app.json
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each line that imports a file under another name than most lines do."""
    for path, uses in uses_of(project).items():
        names = Counter(use.name for use in uses)
        if len(names) < 2:  # noqa: PLR2004 - the two of the title
            continue
        chosen = _chosen(project, path, uses)
        others = [use for use in uses if use.name == chosen]
        for use in uses:
            if use.name != chosen and use.by and not use.relative:
                yield _spot(project, path, use, others)


def _chosen(project: Project, path: str, uses: Sequence[Use]) -> str:
    """Return the name to keep: one that begins outside of any package, then the most used."""
    known = set(project.files)
    counts = Counter(use.name for use in uses)

    def worth(name: str) -> tuple[bool, bool, int, int]:
        folder = path.removesuffix(".py").removesuffix("/__init__")
        for _ in name.split("."):
            folder = posixpath.dirname(folder)
        by_pytest = any(use.by is None for use in uses if use.name == name)
        whole = posixpath.join(folder, "__init__.py") not in known
        return by_pytest, whole, counts[name], len(name)

    return max(sorted(counts), key=worth)


def _spot(project: Project, path: str, use: Use, others: Sequence[Use]) -> Spot:
    assert use.by
    chosen = others[0].name
    other = next((each for each in others if each.by), others[0])
    where = (
        f"in {project.relative(other.path)}:{other.by['line']}"
        if other.by
        else "by pytest, which finds it first"
    )
    if len(others) > 1:
        where += f" and {len(others) - 1} more"
    reason = f"{project.relative(path)} is {use.name} here and {chosen} {where}"
    edits: tuple[Edit, ...] = ()
    plain = use.by["names"] or use.by["bound"]
    # `import models` binds a name, which stays; `import app.models` binds its first part.
    if other.by and use.whole and (plain or "." not in use.name):
        text = chosen if plain else f"{chosen} as {use.name}"
        edits = (Edit(use.by["start"], use.by["end"], text),)
    return Spot(use.path, use.by["line"], use.by["column"], reason, edits)
