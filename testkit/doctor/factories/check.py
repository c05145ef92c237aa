"""The process that imports the project and tries its factories: the argument is a directory.

``order.json`` there holds ``url``, ``paths``, ``root``, ``seed``, ``codes`` and ``tables``: whether
the tables of the models are to be made first. What was found is written to ``answer.json``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.schema import CreateSchema

from testkit.core.current import current
from testkit.doctor.factories.failing import failure_of
from testkit.doctor.factories.files import find_files
from testkit.doctor.factories.imports import Imports, declared_in, with_project
from testkit.doctor.factories.judging import of_factory, of_file
from testkit.doctor.factories.trying import is_asynchronous, traits_of, trials_of
from testkit.system.files import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Engine

    from testkit.doctor.factories.files import FactoryFile
    from testkit.doctor.finding import Finding

__all__ = ["main", "run"]

_GIVE_UP: Final = sa.text(
    "SELECT format('ALTER DATABASE %I SET lock_timeout = %L', current_database(), '5s')"
)


def main(directory: Path) -> int:
    """Answer the order; returns pytest's exit code where pytest does not come to its work."""
    order = json.loads((directory / "order.json").read_text("utf-8"))
    paths = [Path(path) for path in order["paths"]]
    files = find_files(paths, Path(order["root"]))
    engine = sa.create_engine(order["url"], pool_pre_ping=True)
    _bound_waits(engine)
    current.seed = order["seed"]

    def work(imports: Imports) -> None:
        answer = _checked(files, imports, engine, order)
        write_private(directory / "answer.json", json.dumps(answer))

    return with_project(paths, work)


def _checked(
    files: Sequence[FactoryFile], imports: Imports, engine: Engine, order: Mapping[str, Any]
) -> dict[str, Any]:
    """Return ``findings`` and ``summary``, or ``no_tables``: why these could not be made."""
    factories = declared_in(imports.modules(files))
    if order["tables"]:
        try:
            _make_tables(engine, [factory for _, factory in factories])
        except Exception as error:  # noqa: BLE001 - a type or listener of the project's
            return {"no_tables": failure_of(error).text}
    found = [each for path, failure in imports.failed.items() for each in of_file(path, failure)]
    left_out = {str(path): reason for path, reason in imports.skipped.items()}
    for file, factory in factories:
        name = factory.__qualname__
        if is_asynchronous(factory):
            left_out[f"{file.path}::{name}"] = (
                "its create() is asynchronous, and cannot be tried here"
            )
            continue
        place = file.classes.get(name, (1, 1))
        found += of_factory(file.path, place, name, trials_of(factory, engine))
    found = [each for each in found if each.code in order["codes"]]
    engine.dispose()
    summary = {
        **_counts(found),
        "factories": sum(not is_asynchronous(factory) for _, factory in factories),
        "traits": sum(len(traits_of(factory)) for _, factory in factories),
        "files": len(files),
        "skipped": left_out,
    }
    return {"findings": [dataclasses.asdict(each) for each in found], "summary": summary}


def _counts(found: Iterable[Finding]) -> dict[str, int]:
    severities = [each.severity for each in found]
    return {"errors": severities.count("error"), "warnings": severities.count("warning")}


def _bound_waits(engine: Engine) -> None:
    """Let every later session of the run's database give up waiting for a lock.

    One that a factory opens for itself may wait for the row that we have not committed, for ever.
    """
    with engine.begin() as connection:
        connection.exec_driver_sql(connection.execute(_GIVE_UP).scalar_one())
    engine.dispose()


def _make_tables(engine: Engine, factories: Iterable[Any]) -> None:
    """Make the tables of the models, as ``create_all`` does, with their schemas."""
    models = [factory._meta.model for factory in factories]  # noqa: SLF001 - factory-boy's place
    mappers = [mapper for model in models if (mapper := sa.inspect(model, raiseerr=False))]
    for metadata in {mapper.local_table.metadata: None for mapper in mappers}:
        with engine.begin() as connection:
            for schema in {table.schema for table in metadata.tables.values() if table.schema}:
                connection.execute(CreateSchema(schema, if_not_exists=True))
            metadata.create_all(connection)


def run() -> None:
    """Call ``main`` and end at once: threads that the project started do not hold us."""
    # What the project prints is no part of our caller's answer.
    os.dup2(2, 1)
    try:
        code = main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        raise
    except BaseException:  # noqa: BLE001 - the end of it is shown
        traceback.print_exc()
        code = 1
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
