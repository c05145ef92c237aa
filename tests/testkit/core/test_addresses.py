"""Addresses as applications want them, and the placeholders of ``env``."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import psycopg.conninfo
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import ConnectionPool
from sqlalchemy import make_url

from testkit.core.addresses import (
    Address,
    expand_env,
    kinds_named,
    parse_url,
    without_password,
)
from testkit.core.messages import TestkitError

DATABASE = Address("database", "127.0.0.1", 5433, "postgres", "s3cret", "shop")
REDIS = Address("redis", "127.0.0.1", 6390, "default", "pa%ss", "0")
BOTH = {"database": DATABASE, "redis": REDIS}

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NAMES = TEXTS.filter(bool)
HOSTS = st.from_regex("[a-z][a-z0-9.-]*", fullmatch=True) | st.ip_addresses().map(str)
PORTS = st.integers(1, 65535)
OPTIONS = st.lists(st.tuples(st.sampled_from(["sslmode", "options", "sslpassword"]), NAMES))
ADDRESSES = st.builds(
    Address, st.just("database"), HOSTS, PORTS, TEXTS, TEXTS, NAMES, OPTIONS.map(tuple)
) | st.builds(
    Address,
    st.just("redis"),
    HOSTS,
    PORTS,
    TEXTS,
    TEXTS,
    st.integers(0, 99).map(str),
    OPTIONS.map(tuple),
    tls=st.booleans(),
)
PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=4)
PASSWORDS = PRINTABLE | PRINTABLE.map(quote) | PRINTABLE.map(lambda text: quote(text, safe=""))


@given(password=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_password_survives_the_url(password: str) -> None:
    address = Address("database", "127.0.0.1", 5433, "o'hara:@/", password, "shop")
    url = make_url(address.url())
    plain = psycopg.conninfo.conninfo_to_dict(address.url("libpq"))

    assert (url.username, url.password or "", url.database) == ("o'hara:@/", password, "shop")
    assert (plain["user"], plain.get("password", "")) == ("o'hara:@/", password)


@given(password=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_password_survives_the_url_of_redis(password: str) -> None:
    address = Address("redis", "127.0.0.1", 6390, "default", password, "3")
    parsed = ConnectionPool.from_url(address.url()).connection_kwargs

    assert (parsed["password"], parsed["db"], parsed["port"]) == (password, 3, 6390)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{database.url}", "postgresql+psycopg://postgres:s3cret@127.0.0.1:5433/shop"),
        ("{database.url:psycopg}", "postgresql+psycopg://postgres:s3cret@127.0.0.1:5433/shop"),
        ("{database.url:asyncpg}", "postgresql+asyncpg://postgres:s3cret@127.0.0.1:5433/shop"),
        ("{database.url:libpq}", "postgresql://postgres:s3cret@127.0.0.1:5433/shop"),
        ("{database.host}", "127.0.0.1"),
        ("{database.port}", "5433"),
        ("{database.user}", "postgres"),
        ("{database.password}", "s3cret"),
        ("{database.name}", "shop"),
        ("{redis.url}", "redis://default:pa%25ss@127.0.0.1:6390/0"),
        ("{redis.host}", "127.0.0.1"),
        ("{redis.port}", "6390"),
        ("{redis.user}", "default"),
        ("{redis.password}", "pa%ss"),
        ("{redis.name}", "0"),
        ("a {database.port}-{redis.port} b", "a 5433-6390 b"),
    ],
)
def test_a_placeholder_gives_its_part_of_the_address(text: str, value: str) -> None:
    assert expand_env({"V": text}, BOTH) == {"V": value}


@pytest.mark.parametrize("text", ["", "plain", "{}", "{database}", '{"a": 1}', "{ database.url }"])
def test_a_text_without_placeholder_stays_as_it_is(text: str) -> None:
    assert expand_env({"V": text}, BOTH) == {"V": text}


@pytest.mark.parametrize(
    "text",
    [
        "{database.uri}",
        "{database.url:psycopg2}",
        "{redis.url:asyncpg}",
        "{database.port:asyncpg}",
        "{mysql.url}",
        "{database.kind}",
    ],
)
def test_an_unknown_placeholder_is_named_with_its_variable(text: str) -> None:
    with pytest.raises(TestkitError) as caught:
        expand_env({"FINE": "{redis.url}", "V": f"x {text} y"}, BOTH)

    assert caught.value.code == "TK002"
    assert caught.value.values["key"] == "env.V"
    assert str(caught.value.values["problem"]).startswith(text)


def test_a_server_that_is_not_there_cannot_be_named() -> None:
    with pytest.raises(TestkitError, match="TK002"):
        expand_env({"V": "{redis.url}"}, {"database": DATABASE})


def test_the_placeholders_say_which_servers_are_needed() -> None:
    env = {"A": "{database.host}:{database.port}", "B": "{mysql.url}", "C": "x"}

    assert kinds_named(env) == {"database"}
    assert kinds_named(env | {"D": "{redis.url}"}) == {"database", "redis"}
    assert kinds_named({"C": "x"}) == frozenset()


def test_no_repr_of_an_address_shows_the_password() -> None:
    assert "s3cret" not in repr(DATABASE)
    assert "5433" in repr(DATABASE)


@given(address=ADDRESSES)
def test_an_address_is_read_from_its_own_url(address: Address) -> None:
    assert parse_url(address.kind, address.url()) == address


def test_libpq_and_sqlalchemy_read_the_same_parameters() -> None:
    address = replace(DATABASE, options=(("options", "-c a=b+c"), ("sslmode", "require")))
    plain = psycopg.conninfo.conninfo_to_dict(address.url("libpq"))

    assert dict(make_url(address.url()).query) == dict(address.options)
    assert dict(address.options).items() <= plain.items()


def test_asyncpg_gets_no_parameter_that_it_does_not_know() -> None:
    address = replace(DATABASE, options=(("sslmode", "require"), ("application_name", "tests")))

    assert make_url(address.url("asyncpg")).query == {"ssl": "require"}


@pytest.mark.parametrize("kind", ["database", "redis"])
def test_a_parameter_that_leads_elsewhere_is_refused_by_name(kind: str) -> None:
    places = {
        "database": "host hostaddr port user password dbname service passfile servicefile",
        "redis": "host port username password db",
    }
    scheme = "postgresql" if kind == "database" else "redis"
    for name in places[kind].split():
        for value in ("", "elsewhere"):
            with pytest.raises(ValueError, match=f" hold {name}, which") as caught:
                parse_url(kind, f"{scheme}://db.example/1?sslmode=require&{name}={value}")

            assert "elsewhere" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u@%2Fvar%2Frun/db", "names a Unix socket as its host; .* a TCP address"),
        ("postgresql://u@%40abstract/db", "names a Unix socket as its host"),
        ("postgresql:///db", "names no host; .* a TCP address"),
        ("postgresql://u@/var/run/db", "names no host"),
        ("mysql://u@h/db", "begins with none of postgresql, postgres"),
        ("postgresql://u:sesame@h:sesame/db", "port is no number"),
        ("postgresql://u:sesame@h:0/db", "port is no number"),
        ("postgresql://u:sesame@h:65536/db", "port is no number"),
        ("postgresql://u:sesame/x@h/db", "port is no number .* / is written %2F"),
        ("postgresql://u:12/sesame@h/db", "@ or # stands behind .* / is written %2F"),
        ("postgresql://u:12?sesame@h/db", "@ or # stands behind"),
        ("postgresql://u:12#sesame@h/db", "@ or # stands behind"),
        ("postgresql://u:[sesame@h/db", "cannot be read"),
        ("postgresql://u:sesame\u2100@h/db", "cannot be read"),
        ("postgresql://u:p@[sesame]/db", "cannot be read"),
    ],
)
def test_what_is_no_address_is_refused_in_words_that_quote_nothing(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_url("database", url)

    assert "sesame" not in str(caught.value)


@given(password=PASSWORDS)
def test_stars_stand_for_any_password_escaped_or_not(password: str) -> None:
    place = "db.example:5432/shop?sslmode=require"

    assert without_password(f"postgresql://u:{password}@{place}") == f"postgresql://u:***@{place}"
    assert without_password(f"redis://:{password}@{place}") == f"redis://:***@{place}"


@given(password=PASSWORDS, other=PASSWORDS, name=st.sampled_from(["password", "sslPassword"]))
def test_stars_stand_for_passwords_among_the_parameters(
    password: str, other: str, name: str
) -> None:
    start = f"postgresql://u@db.example/shop?sslmode=require&{name}="
    both = without_password(f"postgresql://u:{other}@h/db?{name}={password}")

    assert without_password(start + password) == f"{start}***"
    # An @ in the parameter may be the one behind the user's password.
    assert both in {f"postgresql://u:***@h/db?{name}=***", "postgresql://u:***"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("auto", "auto"),
        ("postgresql://h:5432/db", "postgresql://h:5432/db"),
        ("postgresql://u@[::1]:5432/db", "postgresql://u@[::1]:5432/db"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("redis://h:/0", "redis://h:/0"),
        ("postgresql://u:sesame%40h/db", "postgresql://u:***"),
        ("postgresql:/u:sesame@h/db", "***@h/db"),
        ("postgresql://u@h:5432/db?sslpassword=a@b&x=y", "postgresql://u@h:***"),
        ("postgresql://u:a@h/db?ssl%70assword=b", "postgresql://u:***@h/db?ssl%70assword=***"),
    ],
)
def test_what_is_no_password_is_shown(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_no_repr_of_an_address_shows_its_parameters() -> None:
    assert "sesame" not in repr(replace(DATABASE, options=(("sslpassword", "sesame"),)))
