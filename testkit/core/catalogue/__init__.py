"""The catalogue: the texts of everything testkit says when something is wrong.

A message has a code and four parts: what happened, where, why it usually happens, and what to run
now. ``testkit explain CODE`` prints the long text. Values come in by name; none of them may be a
secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.core.catalogue.clock import CLOCK
from testkit.core.catalogue.commands import COMMANDS
from testkit.core.catalogue.configuration import CONFIGURATION
from testkit.core.catalogue.factories import FACTORIES
from testkit.core.catalogue.faults import FAULTS
from testkit.core.catalogue.history import HISTORY
from testkit.core.catalogue.isolation import ISOLATION
from testkit.core.catalogue.proof import PROOF
from testkit.core.catalogue.protocol_faults import PROTOCOL_FAULTS
from testkit.core.catalogue.record import RECORD
from testkit.core.catalogue.reports import REPORTS
from testkit.core.catalogue.rows import ROWS
from testkit.core.catalogue.schema import SCHEMA
from testkit.core.catalogue.server_faults import SERVER_FAULTS
from testkit.core.catalogue.servers import SERVERS
from testkit.core.catalogue.shared import SHARED
from testkit.core.catalogue.tracebacks import TRACEBACKS
from testkit.core.catalogue.triage import TRIAGE

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
    FAULTS,
    PROTOCOL_FAULTS,
    CLOCK,
    SERVER_FAULTS,
    RECORD,
    TRIAGE,
    REPORTS,
    HISTORY,
    PROOF,
    TRACEBACKS,
    COMMANDS,
)
CATALOGUE: Final[dict[str, Message]] = dict(sorted(pair for part in PARTS for pair in part.items()))
