"""The configuration: one table declares every key, its variable, option, default and help.

Later wins: ``[tool.testkit]``, ``TESTKIT_<KEY>``, ``--testkit-<key>``.
"""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from testkit.core.messages import TestkitError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "ALLOWED_HOST",
    "KEYS",
    "MARKERS",
    "OPTIONS",
    "Option",
    "Settings",
    "checked_table",
    "flag",
    "read_settings",
    "refuse_unknown_flags",
    "unknown_key",
    "variable",
]

Kind = Literal[
    "text",
    "texts",
    "hosts",
    "table",
    "version",
    "schema",
    "name",
    "server",
    "flag",
    "seconds",
    "count",
]
_INTERNAL: Final = "TESTKIT_RUN"


class Option(NamedTuple):
    """One configuration key; ``choices`` is empty where any text will do."""

    key: str
    kind: Kind
    default: object
    choices: tuple[str, ...]
    help: str

    @property
    def bare(self) -> dict[str, Any]:
        """Return what lets a flag stand alone on pytest's command line, meaning true."""
        return {"nargs": "?", "const": "true"} if self.kind == "flag" else {}


_MODES: Final = ("reset", "rollback", "clone", "none")
_ROADS: Final = ("auto", "embedded", "local", "docker")
OPTIONS: Final = (
    Option("schema", "schema", None, (), "what the template database is built from"),
    Option("alembic_ini", "text", "alembic.ini", (), "the Alembic configuration"),
    Option("schema_inputs", "texts", (), (), "further globs that the template depends on"),
    Option("baseline", "name", None, (), "a function that makes rows which every test starts with"),
    Option("postgres", "server", "auto", _ROADS, "where Postgres comes from, or a URL"),
    Option("postgres_version", "version", None, (), "a condition, e.g. 16 or >=15,<18"),
    Option("extensions", "texts", (), (), "further extensions that Postgres must have"),
    Option(
        "postgres_image",
        "text",
        None,
        (),
        "the image of the road docker, e.g. pgvector/pgvector:pg18",
    ),
    Option("redis", "server", "auto", _ROADS, "where Redis comes from, or a URL"),
    Option("redis_image", "text", None, (), "the image of the road docker, e.g. valkey/valkey:9"),
    Option("redis_disposable", "flag", False, (), "a Redis of a URL may be emptied"),
    Option("isolation", "text", "reset", _MODES, "what undoes a test"),
    Option("leaks", "text", "error", ("error", "warn"), "what a connection left in use is"),
    Option("env", "table", {}, (), "variables to set, e.g. DATABASE_URL = '{database.url}'"),
    Option("allow_hosts", "hosts", (), (), "servers that tests may reach besides"),
    Option("budget", "seconds", None, (), "the longest that a test not marked slow may take"),
    Option("keep_failed", "count", 3, (), "of how many failed tests the database is kept"),
    Option("seed", "count", None, (), "what generated values begin with, another one in each run"),
    Option("uuid_version", "text", "4", ("4", "7"), "which UUIDs factories make"),
    Option("profile_factories", "flag", False, (), "what factories cost, told behind the run"),
    Option("record", "flag", None, (), "write a record of the run"),
    Option("runs", "count", 50, (), "how many records are kept"),
    Option("history", "text", ".testkit/history.sqlite", (), "where outcomes of runs are kept"),
    Option("summary", "text", "causes", ("causes", "pytest"), "what a red run ends with"),
    Option("fast_tracebacks", "flag", True, (), "draw tracebacks without parsing files anew"),
    Option("cache_dir", "text", None, (), "where templates and binaries are kept"),
)
_BY_KEY: Final = {option.key: option for option in OPTIONS}
KEYS: Final = tuple(_BY_KEY)
#: The markers, as pytest wants them declared.
MARKERS: Final = (
    "slow: takes longer than a test that runs on every save",
    'isolation(mode): what undoes the test, "reset", "rollback", "clone" or "none" (testkit)',
    'leaks(answer): what a connection left in use is, "error" or "warn" (testkit)',
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force.

    ``sources`` names where each non-default one came from; ``configured`` says whether the project
    has a ``[tool.testkit]`` table, even an empty one, or sets any key otherwise.
    """

    schema: str | None = None
    alembic_ini: str = "alembic.ini"
    schema_inputs: tuple[str, ...] = ()
    baseline: str | None = None
    postgres: str = field(default="auto", repr=False)  # a URL holds a password
    postgres_version: str | None = None
    extensions: tuple[str, ...] = ()
    postgres_image: str | None = None
    redis: str = field(default="auto", repr=False)
    redis_image: str | None = None
    redis_disposable: bool = False
    isolation: str = "reset"
    leaks: str = "error"
    env: Mapping[str, str] = field(default_factory=dict)
    allow_hosts: tuple[str, ...] = ()
    budget: float | None = None
    keep_failed: int = 3
    seed: int | None = None
    uuid_version: str = "4"
    profile_factories: bool = False
    record: bool | None = None  # None: where the project has a table
    runs: int = 50
    history: str = field(default=".testkit/history.sqlite", repr=False)  # a URL holds a password
    summary: str = "causes"
    fast_tracebacks: bool = True
    cache_dir: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    unknown_variables: tuple[str, ...] = ()
    configured: bool = False

    @property
    def records(self) -> bool:
        """Whether a record of the run is written: asked for, else where the project has a table."""
        return self.runs > 0 and (self.configured if self.record is None else self.record)

    @property
    def draws_fast(self) -> bool:
        """Whether tracebacks are drawn without parsing files anew: where the project asked."""
        return self.configured and self.fast_tracebacks


def variable(key: str) -> str:
    """Return the environment variable of a key."""
    return f"TESTKIT_{key.upper()}"


def flag(key: str) -> str:
    """Return the pytest option of a key."""
    return f"--testkit-{key.replace('_', '-')}"


def checked_table(tool: object, file: str) -> Mapping[str, object] | None:
    """Return ``[tool.testkit]`` of what a file has below ``tool``, None where it has none.

    Raises TK002 where it is no table.
    """
    found = tool.get("testkit") if isinstance(tool, dict) else None
    if found is not None and not isinstance(found, dict):
        raise _bad("tool.testkit", found, "a table is wanted", file)
    return found


def read_settings(
    *,
    table: Mapping[str, object] | None,
    environ: Mapping[str, str],
    command_line: Mapping[str, str | None],
    parse_table: Callable[[str], Mapping[str, object]],
    file: str = "pyproject.toml",
) -> Settings:
    """Merge the three sources; ``table`` is None where pyproject.toml has no ``[tool.testkit]``.

    ``parse_table`` turns the text of a TOML inline table into a mapping; it is passed in so that
    no parser is loaded where none is needed. Raises TK001 for an unknown key of the file, TK002 for
    a value that cannot be used; unknown variables are only collected.
    """
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for key, value in (table or {}).items():
        if key not in _BY_KEY:
            raise unknown_key(key, f"[tool.testkit] in {file}")
        values[key], sources[key] = _checked(key, value, file), file
    for option in OPTIONS:
        texts = (
            (variable(option.key), environ.get(variable(option.key))),
            (flag(option.key), command_line.get(option.key)),
        )
        for source, text in texts:
            if text is None:
                continue
            value = _parsed(option, text, source, parse_table)
            values[option.key], sources[option.key] = _checked(option.key, value, source), source
    known = {variable(key) for key in _BY_KEY} | {_INTERNAL}
    unknown = sorted(n for n in environ if n.startswith("TESTKIT_") and n not in known)
    changed = {k: s for k, s in sources.items() if values[k] != _BY_KEY[k].default}
    return Settings(
        **values,  # type: ignore[arg-type]  # _checked gave each key its own type
        sources=changed,
        unknown_variables=tuple(unknown),
        configured=table is not None or bool(sources),
    )


def _parsed(
    option: Option, text: str, source: str, parse_table: Callable[[str], Mapping[str, object]]
) -> object:
    match option.kind:
        case "text" | "version" | "schema" | "name" | "server":
            return text
        case "flag":
            return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
        case "seconds" | "count":
            with contextlib.suppress(ValueError):
                return float(text) if option.kind == "seconds" else int(text)
            return text
        case "texts" | "hosts":
            return [part.strip() for part in text.split(",") if part.strip()]
        case "table":
            try:
                return parse_table(text)
            except ValueError as error:
                problem = f"not a TOML inline table ({error})"
                raise _bad(option.key, text, problem, source) from error


def _checked(key: str, value: object, source: str) -> object:
    option = _BY_KEY[key]
    match option.kind, value:
        case "text", str() if value or key == "history":  # an empty one: no history
            if option.choices and value not in option.choices:
                raise _bad(key, value, f"this version knows {', '.join(option.choices)}", source)
            return value
        case "server", str():
            return _checked_server(option, value, source)
        case "texts" | "hosts", list() if all(
            _is_part(v, option.kind) for v in cast("list[object]", value)
        ):
            return tuple(cast("list[str]", value))
        case "table", dict():
            return _checked_table(key, cast("dict[object, object]", value), source)
        case "flag", bool():
            return value
        case _ if _has_form(option.kind, value):
            return value
    problem = f"{_WANTED[option.kind]} is wanted"
    if option.kind == "flag" and source == flag(key):
        problem += f"; in front of a path write {source}=true"
    raise _bad(key, value, problem, source)


def _checked_table(key: str, entries: dict[object, object], source: str) -> dict[object, object]:
    wrong = [k for k, v in entries.items() if not (isinstance(k, str) and isinstance(v, str))]
    if wrong:
        raise _bad(key, entries, f"the value of {wrong[0]} is not a text", source)
    return dict(entries)


def _checked_server(option: Option, value: str, source: str) -> str:
    return value if value in option.choices else _checked_url(option, value, source)


def _checked_url(option: Option, value: str, source: str) -> str:
    # Most projects name no URL: they do not pay for what reads one.
    from testkit.core.addresses import parse_url, without_password  # noqa: PLC0415

    key = option.key
    problem = f"this version knows {', '.join(option.choices)} and a URL"
    try:
        if "://" in value:
            parse_url("database" if key == "postgres" else key, value)
            return value
    except ValueError as error:
        problem = str(error)
    # Also what is no URL for want of :// may hold a password.
    raise _bad(key, without_password(value), problem, source)


_WANTED: Final = {
    "text": "a text",
    "texts": "a list of texts",
    "server": "the name of a road or a URL",
    "flag": "true or false",
    "seconds": "a number of seconds, 0 or more,",
    "count": "a whole number, 0 or more,",
    "hosts": 'a list like ["db.example", "127.0.0.1:5432", "/var/run/postgresql"]',
    "table": "a table of texts",
    "name": 'a name like "package.module:function"',
    "schema": '"alembic", "metadata:module:name" or "module:name"',
    "version": 'a version like "16", "16.4" or ">=15,<18"',
}
_DOTTED: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_SCHEMA: Final = re.compile(
    rf"alembic|metadata:{_DOTTED}:{_DOTTED}|(?!metadata:){_DOTTED}:{_DOTTED}"
)
_NAME: Final = re.compile(rf"{_DOTTED}:{_DOTTED}")
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)*"
_CONDITION: Final = rf"(?:[=!]=|[<>]=?) *{_NUMBER}"
_VERSION: Final = re.compile(rf"{_NUMBER}|{_CONDITION}(?: *, *{_CONDITION})*")
_FORMS: Final = {"name": _NAME, "schema": _SCHEMA, "version": _VERSION}

# A name or address, in brackets where it holds colons and a port follows; or the path of a socket.
ALLOWED_HOST: Final = re.compile(
    r"(?P<socket>/\S*)|(?P<bare>[0-9a-f]*:[0-9a-f:.]*:[0-9a-f.]*)"
    r"|(?:\[(?P<inner>[0-9a-f:.]+)\]|(?P<name>[\w.=-]+))(?::(?P<port>[1-9][0-9]{0,4}))?",
    re.IGNORECASE,
)


def _has_form(kind: Kind, value: object) -> bool:
    if kind == "seconds":
        return type(value) in {int, float} and 0 <= cast("float", value) < math.inf
    if kind == "count":
        return type(value) is int and value >= 0
    return isinstance(value, str) and kind in _FORMS and bool(_FORMS[kind].fullmatch(value))


def _is_part(value: object, kind: Kind) -> bool:
    return isinstance(value, str) and (kind == "texts" or bool(ALLOWED_HOST.fullmatch(value)))


def _bad(key: str, value: object, problem: str, source: str) -> TestkitError:
    return TestkitError("TK002", key=key, value=value, problem=problem, source=source)


def refuse_unknown_flags(arguments: Iterable[str]) -> None:
    """Raise TK001 for an argument that looks like an option of ours and is none."""
    for argument in arguments:
        name = str(argument).partition("=")[0]
        if name.startswith(flag("")) and name not in map(flag, KEYS):
            raise unknown_key(name, "the command line")


def unknown_key(given: str, source: str) -> TestkitError:
    """Return TK001 for a key, or for a flag of the command line, that does not exist."""
    key = given.removeprefix(flag("")).replace("-", "_")
    return TestkitError(
        "TK001",
        key=given,
        nearest=nearest(key.lower(), _BY_KEY),
        source=source,
        known=", ".join(_BY_KEY),
    )
