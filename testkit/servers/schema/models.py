"""The schemas ``metadata:module:name`` and ``module:name``, and the baseline: the project's code.

The project is imported in a process of its own. For metadata that is spared while no file has
changed that was loaded last time: what the metadata emits is remembered with the contents of these.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from testkit.core.messages import TestkitError
from testkit.servers.schema.child import BASELINE, METADATA, SchemaProcess
from testkit.system.files import private_directory, write_private

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["ModelSchema"]


class ModelSchema:
    """Tells the fingerprint of a schema and applies it; ``folder`` is where it is remembered.

    ``env`` is set before the project is imported, with addresses that lead nowhere. For the key
    ``baseline`` the value is a function that makes rows.
    """

    def __init__(
        self,
        value: str,
        root: Path,
        *,
        env: Mapping[str, str],
        extensions: Collection[str],
        folder: Path,
        key: Literal["schema", "baseline"] = "schema",
    ) -> None:
        self._value, self._root, self._env, self._key = value, root, dict(env), key
        self._extensions = sorted(extensions)
        self._folder = folder
        self._process: SchemaProcess | None = None

    def fingerprint(self) -> str:
        """Return a text that changes when the schema does. Raises TK204, TK205."""
        if self._key == "schema" and not self._value.startswith(METADATA):
            return str(self._load()["fingerprint"])  # an object knows more than its files
        note = self._folder / f"{self._facts()}.json"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(note.read_text("utf-8"))
            files = known["files"]
            if (known["contents"], known["names"]) == (_contents(files), _names(files)):
                return str(known["fingerprint"])
        found = self._load()
        answer, files = str(found["fingerprint"]), found["files"]
        if not answer:
            raise self.nothing_arrived()
        contents = _contents(files)
        if not found["exact"]:
            answer += contents
        private_directory(self._folder)
        known = {
            "fingerprint": answer,
            "files": files,
            "contents": contents,
            "names": _names(files),
        }
        write_private(note, json.dumps(known))
        return answer

    def apply(self, url: str, env: Mapping[str, str]) -> None:
        """Make the schema, or its rows, in the database at ``url``. Raises TK201, TK204."""
        if self._key == "baseline":
            # The function may use the project's own engines, too.
            self.close()
            self._process, self._env = None, {"DATABASE_URL": url, **env}
        if self._process is None:
            self._load()
        assert self._process is not None
        self._process.send({"url": url, "extensions": self._extensions})
        code = self._process.finish()
        if code:
            raise TestkitError(
                "TK201",
                what=f"{self._key} = {self._value!r}",
                root=self._root,
                code=code,
                log=self._process.last_words(),
            )

    def nothing_arrived(self) -> TestkitError:
        """Return TK205: the schema has no table."""
        return TestkitError("TK205", schema=self._value, root=self._root)

    def close(self) -> None:
        """End the process, if it was started."""
        if self._process is not None:
            self._process.close()

    def _load(self) -> dict[str, Any]:
        """Import the project; answer ``fingerprint``, ``exact``, and the loaded ``files``."""
        answer, reply = os.pipe()
        with os.fdopen(answer) as back:
            try:
                self._process = SchemaProcess(
                    "testkit.servers.schema.load",
                    BASELINE + self._value if self._key == "baseline" else self._value,
                    str(reply),
                    root=self._root,
                    pass_fds=[reply],
                )
            finally:
                os.close(reply)
            self._process.send({"env": self._env})
            line = back.readline()
        if not line:
            self._process.finish()
            raise TestkitError(
                "TK204",
                key=self._key,
                value=self._value,
                root=self._root,
                log=self._process.last_words(),
            )
        found: dict[str, Any] = json.loads(line)
        return found

    def _facts(self) -> str:
        """Return a name for what decides the schema beside the contents of files."""
        facts = (
            self._key,
            self._value,
            str(self._root),
            sys.version,
            *_installed(),
            json.dumps(self._env, sort_keys=True),
            *self._extensions,
        )
        return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]


def _contents(files: Iterable[str]) -> str:
    """Return a digest of the contents of these files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"\0{file}\0".encode())
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()


def _names(files: Iterable[str]) -> str:
    """Return a digest of the names of the modules beside these, and one folder higher.

    A package may import whatever modules lie in it, or beside it.
    """
    digest = hashlib.sha256()
    for folder in sorted({folder for file in files for folder in Path(file).parents[:2]}):
        names = sorted(
            entry.name
            for entry in os.scandir(folder)
            if entry.name.endswith(".py") or (entry.is_dir() and entry.name.isidentifier())
        )
        digest.update("\0".join(name for name in names if name != "__pycache__").encode())
    return digest.hexdigest()


def _installed() -> list[str]:
    """Return names and versions of what is installed: a package may bring tables of its own."""
    paths = sysconfig.get_paths()
    found: set[str] = set()
    for folder in {paths["purelib"], paths["platlib"]}:
        with contextlib.suppress(OSError):
            found.update(entry.name for entry in os.scandir(folder) if "-info" in entry.name)
    return sorted(found)
