"""Factories for SQLAlchemy models, on factory-boy: completed from the mapper, never colliding."""

import sys

from testkit.core.messages import missing_extra

try:
    from testkit.factories.factory import Factory
    from testkit.factories.fixtures import register
    from testkit.factories.sessions import bound_to
    from testkit.factories.unique import Unique
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "", sys.executable) or error from error

__all__ = ["Factory", "Unique", "bound_to", "register"]
