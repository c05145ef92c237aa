"""Which database's sessions sent a statement, by the log of a server that testkit started."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["StatementLog"]

# As `log_line_prefix` in testkit/servers/postgres.py has it; the other lines begin with a tab.
_ENTRY: Final = re.compile(
    r"^[^\n]*? \[\d+\] db=([^\n]*?) LOG:  (?:statement|execute [^\n:]*): ([^\n]*(?:\n\t[^\n]*)*)",
    re.MULTILINE,
)
_CONCERNS_ALL: Final = re.compile(
    r"\b(?:ROLE|USER|GROUP|DATABASE|TABLESPACE|SYSTEM|GRANT|REVOKE|OWNED)\b", re.IGNORECASE
)

Entry = tuple[str, str]


class StatementLog:
    """What sessions of one database, and of others, sent between the last two calls of ``turn``.

    A session writes its statement before it carries it out. Of others the time before and since
    counts as well: what they began then may be what is found.
    """

    def __init__(self, path: Path, database: str) -> None:
        self._path, self._database = path, database
        self._read = path.stat().st_size
        self._before: list[Entry] = []
        self._entries: list[Entry] = []
        self._since: list[Entry] = []

    def turn(self) -> None:
        """Begin anew; call it before a look at what there is."""
        self._update()
        self._before, self._entries, self._since = self._entries, self._since, []

    def is_ours(self, *words: str) -> bool:
        """Answer whether sessions of our database named all these words, and no others did."""
        self._update()
        patterns = [re.compile(rf"(?<!\w){re.escape(w)}(?!\w)", re.IGNORECASE) for w in words]

        def named(text: str) -> bool:
            return all(pattern.search(text) for pattern in patterns)

        ours = any(named(text) for database, text in self._entries if database == self._database)
        near = self._before + self._entries + self._since
        return ours and not any(named(t) for database, t in near if database != self._database)

    def _update(self) -> None:
        if self._path.stat().st_size == self._read:
            return
        with self._path.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        self._read += len(new)
        for found in _ENTRY.finditer(new.decode(errors="replace")):
            if _CONCERNS_ALL.search(found[2]):
                self._since.append((found[1], found[2]))
