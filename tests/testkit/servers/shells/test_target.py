"""Which server a shell opens on: the newest run of this checkout, or the one that was named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.core.messages import TestkitError
from testkit.core.naming import database_name
from testkit.servers.ownership.verdicts import DEAD
from testkit.servers.shells.target import (
    choose_database,
    choose_server,
    facts_of,
    find_client,
    psql_variables,
    redis_variables,
)
from tests.support.facts import SERVER

if TYPE_CHECKING:
    from testkit.servers.ownership.verdicts import Server

SHOP = Path("/srv/shop")
LATER = "2026-01-02T00:00:00.000+00:00"


def redis(worker: str, **changes: str) -> Server:
    return replace(SERVER, kind="redis", worker=worker, **changes)  # type: ignore[arg-type]  # texts


def chosen(*servers: Server, token: str | None = None, worker: str | None = None) -> Server:
    kind = servers[0].kind
    return choose_server(servers, kind, root=SHOP, token=token, worker=worker)


def test_the_newest_run_of_this_checkout_is_taken() -> None:
    old, new = SERVER, replace(SERVER, run="new", started=LATER)
    other = replace(SERVER, run="other", started=LATER, project="/srv/other")

    assert chosen(old, new, other) == new
    assert chosen(other, new, old) == new


def test_a_run_that_is_named_is_taken_from_any_checkout() -> None:
    other = replace(SERVER, run="other", project="/srv/other")

    assert chosen(SERVER, other, token="other") == other


def test_a_checkout_is_the_same_by_whichever_link_it_is_reached(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "shop")
    server = replace(SERVER, project=str(tmp_path / "shop"))

    assert (
        choose_server([server], "postgres", root=tmp_path / "link", token=None, worker=None)
        == server
    )


@pytest.mark.parametrize(
    "server",
    [
        replace(SERVER, state=DEAD),
        replace(SERVER, project="/srv/other"),
        replace(SERVER, project=""),
    ],
    ids=["of a dead owner", "of another checkout", "of nobody knows which"],
)
def test_nothing_else_is_taken_and_the_message_says_what_is_running(server: Server) -> None:
    with pytest.raises(TestkitError) as error:
        chosen(server)

    assert error.value.code == "TK503"
    assert "No Postgres of this checkout is running." in str(error.value)
    assert (server.url in str(error.value)) == (server.state != DEAD)


def test_an_unknown_run_is_told_with_those_that_there_are() -> None:
    with pytest.raises(TestkitError, match=r"(?s)TK503: No Postgres of the run x .*run abc: "):
        chosen(SERVER, token="x")


def test_of_several_redis_that_of_main_is_taken_or_the_named_or_the_only_one() -> None:
    main, worker = redis("main"), redis("gw0")

    assert chosen(worker, main) == main
    assert chosen(main, worker, worker="gw0") == worker
    assert chosen(worker) == worker


@pytest.mark.parametrize("worker", [None, "gw7"])
def test_a_worker_that_is_not_there_is_told_with_those_that_are(worker: str | None) -> None:
    with pytest.raises(TestkitError, match=f"no Redis of {worker or 'main'}; .* of gw0, gw1"):
        chosen(redis("gw1"), redis("gw0"), worker=worker)


def test_the_database_is_that_of_main_or_the_named_or_the_only_one() -> None:
    both = {"gw0": "testkit_gw0", "main": "testkit_main"}

    assert choose_database(both, None, SERVER) == "testkit_main"
    assert choose_database(both, "gw0", SERVER) == "testkit_gw0"
    assert choose_database({"gw0": "testkit_gw0"}, None, SERVER) == "testkit_gw0"
    with pytest.raises(TestkitError, match="TK505: The run abc has no database of gw7"):
        choose_database(both, "gw7", SERVER)


@pytest.mark.parametrize("prefix", ["", f"{SERVER.run}_"], ids=["alone", "beside other runs"])
def test_a_worker_whose_database_has_another_name_is_found_by_either(prefix: str) -> None:
    name = database_name(f"{prefix}my-host")
    shown = name.removeprefix(database_name(prefix))
    databases = {"main": "testkit_main", shown: name}

    assert choose_database(databases, "my-host", SERVER) == name
    assert choose_database(databases, shown, SERVER) == name


def test_a_server_whose_facts_are_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(TestkitError, match="TK503"):
        facts_of(replace(SERVER, facts=str(tmp_path / "postgres.json")))


def test_facts_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "postgres.json").write_text(json.dumps({"port": 1}))

    assert facts_of(replace(SERVER, facts=str(tmp_path / "postgres.json"))) == {"port": 1}


def test_a_client_beside_the_server_comes_before_one_on_path(tmp_path: Path) -> None:
    beside = tmp_path / "sh"
    beside.write_text("")
    beside.chmod(0o700)

    assert find_client({"bin_folder": str(tmp_path)}, "sh") == str(beside)
    assert Path(find_client({}, "no-such-client", "sh") or "").name == "sh"
    assert find_client({"bin_folder": str(tmp_path)}, "no-such-client") is None


def test_where_the_server_is_and_its_password_go_by_variables() -> None:
    facts = {"port": 5432, "password": "secret", "socket": None}

    assert psql_variables(facts, "testkit_main") == {
        "PGHOST": "127.0.0.1",
        "PGPORT": "5432",
        "PGUSER": "postgres",
        "PGPASSWORD": "secret",
        "PGDATABASE": "testkit_main",
    }
    assert psql_variables(facts | {"socket": "/run/x"}, "a")["PGHOST"] == "/run/x"
    assert redis_variables(facts) == {"REDISCLI_AUTH": "secret", "VALKEYCLI_AUTH": "secret"}
