"""What a run has installed into its template, for the isolation that it is configured with."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testkit.core.options import Settings
    from testkit.isolation.template import JournalTemplate
    from testkit.servers.postgres import Connection
    from testkit.servers.schema.contents import Finish

__all__ = ["finish_of"]


class _NoJournal:
    text = ""

    def install(self, connection: object) -> None:
        """Install nothing: isolation is none."""


class _Journal:
    """The journal, loaded when a template wants it: a suite on Redis alone needs no driver."""

    @cached_property
    def _template(self) -> JournalTemplate:
        from testkit.isolation.template import JournalTemplate

        return JournalTemplate()

    @property
    def text(self) -> str:
        return self._template.text

    def install(self, connection: Connection) -> None:
        """Install it into the database of this connection."""
        self._template.install(connection)


def finish_of(settings: Settings) -> Finish:
    """Return the journal, or nothing where nothing is undone."""
    return _NoJournal() if settings.isolation == "none" else _Journal()
