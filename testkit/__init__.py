"""A real Postgres and a real Redis for every test.

The pytest plugin loads by itself (``testkit.pytest_plugin``); factories stand in
``testkit.factories``; the command line is ``testkit``. Importing this package loads nothing else:
``shared`` comes when it is used.
"""

from typing import TYPE_CHECKING

__all__ = ["shared"]

if TYPE_CHECKING:
    from testkit.pytest_plugin.shared import shared
else:  # to a type checker, every name would be one of this package

    def __getattr__(name: str) -> object:
        if name == "shared":
            from testkit.pytest_plugin.shared import shared as found

            return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
