"""The catalogue: the texts of everything testkit says when something is wrong.

A message has a code and four parts: what happened, where, why it usually happens, and what to run
now. ``testkit explain CODE`` prints the long text. Values come in by name; none of them may be a
secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.core.catalogue.commands import COMMANDS
from testkit.core.catalogue.configuration import CONFIGURATION
from testkit.core.catalogue.factories import FACTORIES
from testkit.core.catalogue.isolation import ISOLATION
from testkit.core.catalogue.protocol_faults import PROTOCOL_FAULTS
from testkit.core.catalogue.rows import ROWS
from testkit.core.catalogue.schema import SCHEMA
from testkit.core.catalogue.servers import SERVERS
from testkit.core.catalogue.shared import SHARED

if TYPE_CHECKING:
    from testkit.core.catalogue.message import Message

__all__ = ["CATALOGUE", "PARTS"]

PARTS: Final = (
    CONFIGURATION,
    SERVERS,
    SCHEMA,
    ISOLATION,
    SHARED,
    FACTORIES,
    ROWS,
    COMMANDS,
    PROTOCOL_FAULTS,
)
CATALOGUE: Final[dict[str, Message]] = dict(sorted(pair for part in PARTS for pair in part.items()))
