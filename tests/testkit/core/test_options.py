"""One table of keys; file, environment and command line merged, and wrong values named."""

from __future__ import annotations

import dataclasses
import tomllib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testkit.core.messages import TestkitError
from testkit.core.options import OPTIONS, Settings, checked_table, flag, read_settings, variable

if TYPE_CHECKING:
    from collections.abc import Mapping


def read(
    table: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    command_line: Mapping[str, str | None] | None = None,
) -> Settings:
    return read_settings(
        table=table,
        environ=environ or {},
        command_line=command_line or {},
        parse_table=lambda text: tomllib.loads(f"v = {text}")["v"],
    )


def test_without_any_source_every_key_has_its_default() -> None:
    settings = read()

    assert {option.key: getattr(settings, option.key) for option in OPTIONS} == {
        option.key: option.default for option in OPTIONS
    }
    assert (settings.configured, settings.sources, settings.unknown_variables) == (False, {}, ())


def test_the_table_of_keys_and_the_settings_have_the_same_fields() -> None:
    derived = {"sources", "unknown_variables", "configured"}
    named = {field.name for field in dataclasses.fields(Settings)} - derived

    assert named == {option.key for option in OPTIONS}


@pytest.mark.parametrize(
    ("environ", "command_line", "value", "source"),
    [
        ({}, {}, "1.ini", "pyproject.toml"),
        ({"TESTKIT_ALEMBIC_INI": "2"}, {}, "2", "TESTKIT_ALEMBIC_INI"),
        ({"TESTKIT_ALEMBIC_INI": "2"}, {"alembic_ini": "3"}, "3", "--testkit-alembic-ini"),
        ({}, {"alembic_ini": "3"}, "3", "--testkit-alembic-ini"),
        ({"TESTKIT_ALEMBIC_INI": "2"}, {"alembic_ini": None}, "2", "TESTKIT_ALEMBIC_INI"),
    ],
)
def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    environ: dict[str, str], command_line: dict[str, str | None], value: str, source: str
) -> None:
    settings = read({"alembic_ini": "1.ini"}, environ, command_line)

    assert (settings.alembic_ini, dict(settings.sources)) == (value, {"alembic_ini": source})


def test_a_default_that_is_set_explicitly_is_not_shown_as_changed() -> None:
    settings = read({"isolation": "none"}, {"TESTKIT_ISOLATION": "reset"})

    assert (settings.isolation, settings.sources, settings.configured) == ("reset", {}, True)


def test_an_empty_table_is_a_configuration() -> None:
    assert read({}).configured


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("isolaton", "isolation"), ("cache-dir", "cache_dir"), ("ENV", "env"), ("zzzz", "schema")],
)
def test_an_unknown_key_names_the_nearest_one_and_all_that_are_known(
    key: str, nearest: str
) -> None:
    with pytest.raises(TestkitError) as caught:
        read({key: "x"})

    assert caught.value.code == "TK001"
    assert caught.value.values["key"] == key
    assert caught.value.values["known"] == ", ".join(option.key for option in OPTIONS)
    if key != "zzzz":
        assert caught.value.values["nearest"] == nearest


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", 3),
        ("schema", ""),
        ("schema", "django"),
        ("schema", "metadata:app"),
        ("schema", "metadata:app.models:Base.1"),
        ("schema", "app.models:"),
        ("schema", "app models:x"),
        ("baseline", "seed"),
        ("baseline", ["seed:rows"]),
        ("postgres_version", "latest"),
        ("postgres_version", 16),
        ("postgres_version", ">=15,"),
        ("extensions", "vector"),
        ("redis", "dokker"),
        ("isolation", "Reset"),
        ("schema_inputs", "*.sql"),
        ("schema_inputs", [1]),
        ("env", "DATABASE_URL"),
        ("env", {"PORT": 5432}),
        ("allow_hosts", "db.example"),
        ("allow_hosts", [5432]),
        ("allow_hosts", [""]),
        ("allow_hosts", ["db.example:0"]),
        ("allow_hosts", ["db.example:http"]),
        ("allow_hosts", ["*.example"]),
        ("allow_hosts", ["10.0.0.0/8"]),
        ("allow_hosts", ["postgresql://db.example/shop"]),
        ("allow_hosts", ["user@db.example"]),
        ("budget", -1),
        ("budget", True),
        ("budget", float("nan")),
        ("budget", float("inf")),
        ("budget", "1 s"),
        ("keep_failed", -1),
        ("keep_failed", True),
        ("keep_failed", 1.0),
        ("cache_dir", ["a"]),
    ],
)
def test_a_value_of_the_wrong_kind_in_the_file_is_named_with_key_and_value(
    key: str, value: object
) -> None:
    with pytest.raises(TestkitError) as caught:
        read({key: value})

    assert caught.value.code == "TK002"
    assert (caught.value.values["key"], caught.value.values["value"]) == (key, value)
    assert caught.value.values["source"] == "pyproject.toml"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("schema", "alembic", "alembic"),
        ("schema", "metadata:app.models:Base.metadata", "metadata:app.models:Base.metadata"),
        ("schema", "tests.schema:own", "tests.schema:own"),
        ("baseline", "tests.seed:rows", "tests.seed:rows"),
        ("postgres_version", "16", "16"),
        ("postgres_version", ">=15, !=16.1,<18", ">=15, !=16.1,<18"),
        ("extensions", "vector,pg_trgm", ("vector", "pg_trgm")),
        ("schema_inputs", "a/*.sql, b.sql ,", ("a/*.sql", "b.sql")),
        ("env", '{A = "{redis.url}"}', {"A": "{redis.url}"}),
        ("allow_hosts", "db_1.example, [::1]:5432", ("db_1.example", "[::1]:5432")),
        ("allow_hosts", "::1,10.0.0.7:80,/cloudsql/a:b", ("::1", "10.0.0.7:80", "/cloudsql/a:b")),
        ("budget", "0.5", 0.5),
        ("budget", "0", 0),
        ("keep_failed", "0", 0),
        ("keep_failed", "12", 12),
        ("cache_dir", "~/c", "~/c"),
    ],
)
def test_a_text_of_the_environment_becomes_the_value_of_its_kind(
    key: str, text: str, value: Any
) -> None:
    assert getattr(read(None, {variable(key): text}), key) == value


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("env", "{A"),
        ("env", "3"),
        ("schema", ""),
        ("budget", "fast"),
        ("budget", "nan"),
        ("keep_failed", "1.5"),
    ],
)
def test_a_text_that_cannot_be_read_is_named_with_its_source(key: str, text: str) -> None:
    with pytest.raises(TestkitError) as caught:
        read(None, {}, {key: text})

    assert (caught.value.code, caught.value.values["source"]) == ("TK002", flag(key))


def test_unknown_variables_are_collected_and_sorted_and_our_own_is_not_among_them() -> None:
    settings = read(None, {"TESTKIT_Z": "", "TESTKIT_A": "", "TESTKIT_RUN": "x:1", "OTHER": ""})

    assert settings.unknown_variables == ("TESTKIT_A", "TESTKIT_Z")


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)
def test_a_default_passes_its_own_check_and_has_a_help(option: Any) -> None:
    assert option.help
    if option.default is not None:
        value = list(option.default) if option.kind in {"texts", "hosts"} else option.default

        assert getattr(read({option.key: value}), option.key) == option.default


@pytest.mark.parametrize("tool", [{}, {"other": {}}, None, 3])
def test_a_file_without_our_table_has_none(tool: object) -> None:
    assert checked_table(tool, "pyproject.toml") is None


def test_what_stands_in_place_of_our_table_is_refused() -> None:
    with pytest.raises(TestkitError, match=r"TK002: tool\.testkit = 3 cannot be used"):
        checked_table({"testkit": 3}, "pyproject.toml")


@given(text=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=2))
def test_no_message_about_a_url_shows_its_password(text: str) -> None:
    password = f"Qz{text}"  # no message says Qz
    for start in ("postgresql://u", "mysql://u", "postgresql:/u", "postgresql://"):
        for written in (password, quote(password, safe="")):
            for place in (
                "h:x/shop",
                f"h:x/shop?sslpassword={written}",
                f"h/db?password={written}",
            ):
                with pytest.raises(TestkitError) as caught:
                    read({"postgres": f"{start}:{written}@{place}"})

                assert caught.value.code == "TK002"
                assert "Qz" not in str(caught.value)
