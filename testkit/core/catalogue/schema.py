"""The schema and its template: TK2."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["SCHEMA"]

SCHEMA: Final[dict[str, Message]] = {
    "TK201": Message(
        "The schema could not be applied",
        "Applying {what} to an empty database ended with exit code {code}.",
        "{root}",
        "The end of their output:\n{log}",
        "testkit explain TK201",
        "The schema is applied in a process of its own, in the project's root. For `alembic` the\n"
        "variables of `env` lead to the database that is being built. No older template is used instead.",
    ),
    "TK202": Message(
        "The migrations went to another database",
        "{ini} was applied without an error, but nothing arrived in the database that testkit made.",
        "{root}",
        "env.py takes its URL from somewhere else than the Alembic option sqlalchemy.url and the\n"
        "variables of `env`.",
        "testkit explain TK202",
        "Let env.py read the variable that you name in `env`, for example\n"
        'env = {{ DATABASE_URL = "{{database.url}}" }}. Look at the database that the URL of env.py\n'
        "names: the migrations were applied there.",
    ),
    "TK203": Message(
        "No Alembic configuration",
        "schema = {schema!r}, but {reason}.",
        "{ini}",
        "alembic_ini does not name the project's Alembic configuration.",
        "testkit explain TK203",
        'The path is relative to the folder of pyproject.toml: alembic_ini = "alembic.ini". The file\n'
        "must name script_location in its [alembic] section.",
    ),
    "TK204": Message(
        "The schema could not be loaded",
        "{key} = {value!r} could not be loaded.",
        "{root}",
        "The end of what Python said:\n{log}",
        "testkit explain TK204",
        "metadata:package.module:Base.metadata names a MetaData, package.module:name an object with\n"
        "fingerprint() and apply(url); a baseline is a function of a session. It is imported in a process\n"
        "of its own, in the project's root, with the variables of `env` set to addresses that lead\n"
        "nowhere: an import must not connect.",
    ),
    "TK205": Message(
        "The schema has no table",
        "schema = {schema!r} was loaded, but makes no table.",
        "{root}",
        "Models add themselves to their metadata when their modules are imported: name a module that\n"
        "imports all of them. Or apply(url) works on another database than the one it is given.",
        "testkit explain TK205",
        'For example schema = "metadata:app.models:Base.metadata", where app/models/__init__.py imports\n'
        "every module with models.",
    ),
}
