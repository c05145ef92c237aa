"""Which two names of a server mean the same one, and what an entry of allow_hosts opens."""

from __future__ import annotations

import pytest

from testkit.core.provided import AllowedHosts, Provided, canonical


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "[::1]"])
def test_all_names_of_the_loopback_mean_the_same_server(host: str) -> None:
    provided = Provided()
    provided.add("::1", 5432)

    assert (host, 5432) in provided
    assert (host, 5433) not in provided


def test_a_server_is_known_by_the_folder_of_its_socket_too() -> None:
    provided = Provided()
    provided.add("/run/postgresql/", 5432)

    assert ("/run/postgresql", 5432) in provided
    assert ("/run/postgresql", 5433) not in provided
    assert ("localhost", 5432) not in provided


def test_the_path_of_a_socket_keeps_its_case() -> None:
    assert (canonical("/Run/Redis.sock"), canonical("DB.Example.")) == (
        "/Run/Redis.sock",
        "db.example",
    )


@pytest.mark.parametrize(
    ("entry", "opened", "closed"),
    [
        ("db.example", ("DB.example", 1), ("db.example.org", 1)),
        ("db.example:5432", ("db.example", 5432), ("db.example", 5433)),
        ("db.example:5432", ("db.example", 5432), ("db.example", None)),
        ("localhost", ("::1", 5432), ("10.0.0.1", 5432)),
        ("127.0.0.1:80", ("localhost", 80), ("localhost", 81)),
        ("::1", ("127.0.0.1", 80), ("::2", 80)),
        ("[fe80::1]:80", ("FE80::1", 80), ("fe80::1", 81)),
        ("/run/postgresql", ("/run/postgresql", 5432), ("/run", 5432)),
        ("/run/", ("/run/redis/redis.sock", None), ("/runs/redis.sock", None)),
        ("/run/redis.sock", ("/run/redis.sock", None), ("localhost", None)),
    ],
)
def test_an_entry_opens_its_host_and_where_it_names_one_its_port(
    entry: str, opened: tuple[str, int | None], closed: tuple[str, int | None]
) -> None:
    allowed = AllowedHosts([entry])

    assert opened in allowed
    assert closed not in allowed


def test_nothing_is_open_without_an_entry() -> None:
    assert ("localhost", 5432) not in AllowedHosts([])
