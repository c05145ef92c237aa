"""Loads a project's schema and applies it: arguments are SCHEMA and REPLY_FD, a descriptor.

``baseline:module:function`` is taken as well: rows instead of tables.

A process of its own, so that the project's modules are not imported into the process of the tests
before its conftest files. First line on standard input: the variables to set. Answer: one line of
JSON on REPLY_FD, with the schema's fingerprint and the project's files that decide it. Second line:
the database; nothing is applied where none comes.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import json
import os
import queue
import sys
import sysconfig
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import MetaData, create_engine, create_mock_engine, text
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateSchema, ExecutableDDLElement

from testkit.servers.schema.child import BASELINE, METADATA

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main", "run"]

_NO_SCHEMA = "3F000"  # the SQLSTATE of a schema that does not exist


class _Schema(Protocol):
    def fingerprint(self) -> tuple[str, bool]:
        """Return a text that changes with the schema, and whether it alone tells all changes."""
        ...

    def apply(self, url: str) -> None:
        """Make the schema in the empty database at ``url``."""
        ...


class _Metadata:
    """Tables of a MetaData, as ``create_all`` makes them."""

    def __init__(self, metadata: MetaData) -> None:
        self._metadata = metadata
        self.extensions: list[str] = []

    def fingerprint(self) -> tuple[str, bool]:
        if not self._metadata.tables:
            return "", True
        emitted: list[str] = []
        exact = True
        dialect = psycopg.dialect()  # type: ignore[no-untyped-call]  # as SQLAlchemy has it

        def note(statement: Any, *_: object) -> None:
            nonlocal exact
            # A listener may add rows: their values are no part of the statement's text.
            exact &= isinstance(statement, ExecutableDDLElement)
            emitted.append(str(statement.compile(dialect=dialect)))

        try:
            self._metadata.create_all(
                create_mock_engine("postgresql+psycopg://", note), checkfirst=False
            )
        except Exception:  # noqa: BLE001 - a listener wants a real connection; apply() gives it one
            exact = False
        # Sorted: the indexes of a table are a set.
        text = "\n".join(sorted(emitted))
        return hashlib.sha256(text.encode()).hexdigest(), exact

    def apply(self, url: str) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            for name in self.extensions:
                quoted = engine.dialect.identifier_preparer.quote_identifier(name)
                connection.execute(text(f"CREATE EXTENSION IF NOT EXISTS {quoted} CASCADE"))
        try:
            with engine.begin() as connection:
                self._metadata.create_all(connection)
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) != _NO_SCHEMA:
                raise
            with engine.begin() as connection:
                for name in sorted({t.schema for t in self._metadata.tables.values() if t.schema}):
                    connection.execute(CreateSchema(name, if_not_exists=True))
                self._metadata.create_all(connection)
        engine.dispose()


class _Baseline:
    """Rows that a function makes with a session."""

    def __init__(self, function: Callable[[Session], object]) -> None:
        self._function = function

    def fingerprint(self) -> tuple[str, bool]:
        return "rows", False

    def apply(self, url: str) -> None:
        engine = create_engine(url)
        with Session(engine) as session:
            self._function(session)
            session.commit()
        engine.dispose()


class _Own:
    """An object of the project's own."""

    def __init__(self, found: Any) -> None:
        self._found = found

    def fingerprint(self) -> tuple[str, bool]:
        told = self._found.fingerprint()
        if not isinstance(told, str) or not told:
            raise TypeError(f"fingerprint() answered {told!r}, a text is wanted")
        return told, True

    def apply(self, url: str) -> None:
        if inspect.iscoroutine(told := self._found.apply(url)):
            told.close()
            raise TypeError("apply(url) is a coroutine function, a plain one is wanted")


class _Orders(threading.Thread):
    """Reads what the parent sends; ends this process when the parent is gone before the last line.

    Standard input is taken from the project's modules: they might read it.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._input = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self.start()

    def run(self) -> None:
        with os.fdopen(self._input) as lines:
            for _ in range(2):
                line = lines.readline()
                if not line:
                    os._exit(1)
                self._lines.put(json.loads(line))

    def next(self) -> dict[str, Any]:
        """Return the next line's content."""
        return self._lines.get()


def main() -> None:
    """Answer the fingerprint, then apply the schema to the database that arrives."""
    schema, reply = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(reply, False)
    # A process that the project forks must not keep our answer open.
    os.register_at_fork(after_in_child=lambda: os.close(reply))
    # Bytecode is told from its source by second and size: an edit within a second would be missed.
    sys.dont_write_bytecode = True
    orders = _Orders()
    os.environ.update(orders.next()["env"])
    found = _loaded(schema)
    fingerprint, exact = found.fingerprint()
    answer = {"fingerprint": fingerprint, "exact": exact, "files": _own_files(schema)}
    os.write(reply, (json.dumps(answer) + "\n").encode())
    order = orders.next()
    if isinstance(found, _Metadata):
        found.extensions = order["extensions"]
    found.apply(order["url"])


def _loaded(schema: str) -> _Schema:
    name, _, path = schema.removeprefix(METADATA).removeprefix(BASELINE).partition(":")
    found: Any = importlib.import_module(name)
    for part in path.split("."):
        found = getattr(found, part)
    if schema.startswith(BASELINE):
        if inspect.iscoroutinefunction(found) or not callable(found):
            raise TypeError(f"{path} in {name} is no plain function of a session")
        return _Baseline(found)
    if not schema.startswith(METADATA):
        if isinstance(found, MetaData):
            raise TypeError(f"{path} in {name} is a MetaData: write schema = '{METADATA}{schema}'")
        return _Own(found)
    if not isinstance(found, MetaData):
        raise TypeError(f"{path} in {name} is a {type(found).__name__}, a MetaData is wanted")
    return _Metadata(found)


def _own_files(schema: str) -> list[str]:
    """Return the loaded modules that are neither Python's nor installed beside the schema's own."""
    package = schema.removeprefix(METADATA).removeprefix(BASELINE).partition(":")[0].split(".")[0]
    paths = sysconfig.get_paths()
    installed = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    installed.add(str(Path(__file__).parents[2]))
    found = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not os.path.isfile(file):  # noqa: PTH113 - any text may stand there
            continue
        own = name.partition(".")[0] == package
        if own or not any(Path(file).is_relative_to(folder) for folder in installed):
            found.add(file)
    return sorted(found)


def run() -> None:
    """Call ``main`` and end at once: threads that the project started do not hold us."""
    code: object = 0
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code
    except BaseException:  # noqa: BLE001 - the end of it is shown
        traceback.print_exc()
        code = 1
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1 if code else 0)


if __name__ == "__main__":
    run()
