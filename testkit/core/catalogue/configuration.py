"""What the configuration and the installation say: TK0."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["CONFIGURATION"]

CONFIGURATION: Final[dict[str, Message]] = {
    "TK001": Message(
        "Unknown configuration key",
        "There is no configuration key {key!r}; the nearest one is {nearest!r}.",
        "{source}",
        "A key was misspelt, or belongs to another version of testkit.",
        "testkit explain TK001",
        "Keys stand in [tool.testkit] of pyproject.toml, in TESTKIT_<KEY> variables and in\n"
        "--testkit-<key> options. Known keys: {known}.",
    ),
    "TK002": Message(
        "Bad configuration value",
        "{key} = {value!r} cannot be used: {problem}.",
        "{source}",
        "The value has another form than the key wants.",
        "testkit explain TK002",
        "postgres, redis: auto, embedded, local, docker or a URL. isolation: reset or none. allow_hosts: a\n"
        "list of host or host:port. schema: `testkit explain TK204` shows its forms. env: a table\n"
        "of variable names and texts with placeholders such as {{database.url}},\n"
        "{{database.url:asyncpg}}, {{database.host}}, {{redis.url}}, {{redis.port}}.",
    ),
    "TK003": Message(
        "An extra is missing",
        "{feature} needs {module}, which is not installed.",
        "{python}",
        "testkit was installed without the extra that brings it.",
        'pip install "cos-testkit[{extra}]"',
        "testkit requires only pytest, SQLAlchemy and click; drivers and server binaries are extras,\n"
        "because a plugin's requirements land in your application's environment.",
    ),
}
