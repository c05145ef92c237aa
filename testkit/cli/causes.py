"""One cause of the last run, with all that is known of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from testkit.cli.judged import judged, read_run
from testkit.cli.settings import find_settings
from testkit.core.messages import TestkitError
from testkit.record.history.store import database_of
from testkit.reports.rendering import render

__all__ = ["told_of_cause"]


def told_of_cause(ident: str) -> str:
    """Return the report of the cause with this id. Raises TK704, and TK706 for an unknown id."""
    settings, root = find_settings(Path.cwd())
    found = judged(read_run((), root), database_of(settings.history, root))
    causes = [cause for cause in found.causes if cause.id.lower() == ident.lower()]
    if not causes:
        known = ", ".join(cause.id for cause in found.causes[:5]) or "none"
        raise TestkitError("TK706", ident=ident, known=known, title=found.title)
    return render(replace(found, causes=tuple(causes), lacks=()), format="text", limit=0)
