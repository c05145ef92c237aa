"""Values by SQL type and by CHECK constraint; pure: no session, no engine, no files."""

from testkit.factories.fields.bounds import Bounds
from testkit.factories.fields.checks import read_checks
from testkit.factories.fields.field import Draws
from testkit.factories.fields.uuids import new_uuid
from testkit.factories.fields.values import plain, unique

__all__ = ["Bounds", "Draws", "new_uuid", "plain", "read_checks", "unique"]
