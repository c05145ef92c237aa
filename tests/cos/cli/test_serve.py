"""``python -m cos serve`` as a process of its own, over real sockets."""

import json
import os
import signal
import socket
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from tests.cos.commands import Served, run, serving
from tests.cos.factories import ApiTokenFactory, ModuleFactory, text_of
from tests.support.waiting import wait_until

TOKEN = "s3cret-token"
FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.9"}


@pytest.fixture(scope="module")
def stopped() -> tuple[Served, dict[str, int]]:
    """A control center that saw the whole life of a module and was then asked to end."""
    body = ModuleFactory.payload()
    with serving(COS_LOG_FORMAT="json") as served:
        made, headers, _ = served.ask("POST", "/cc/modules", body, **{"X-Request-ID": "mine-1"})
        path = headers["location"]
        statuses = {
            "registered": made,
            "registered again": served.ask("POST", "/cc/modules", body)[0],
            "read": served.ask("GET", path)[0],
            "unknown": served.ask("GET", f"/cc/modules/{UUID(int=1)}")[0],
            "bad id": served.ask("GET", "/cc/modules/ada")[0],
            "bad body": served.ask("POST", "/cc/modules", {"name": ""})[0],
            "removed": served.ask("DELETE", path)[0],
            "read again": served.ask("GET", path)[0],
            "by a proxy that nobody trusts": served.ask(
                "POST", "/login", {"token": "x"}, **FORWARDED, Origin="https://127.0.0.1"
            )[0],
        }
        served.stop(signal.SIGTERM)
    return served, statuses


@pytest.fixture(scope="module")
def guarded() -> tuple[Served, list[int]]:
    """One that listened to everybody, with a token, logged all it can, and was interrupted."""
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with serving("--host", "0.0.0.0", COS_LOG_LEVEL="debug", COS_API_TOKEN=TOKEN) as served:
        served.url = served.url.replace("0.0.0.0", "127.0.0.1")
        statuses = [
            served.ask("GET", "/cc/modules")[0],
            served.ask("GET", "/cc/modules", **bearer, **{"X-Request-ID": "mine-2"})[0],
            served.ask("GET", "/cc/health/ready")[0],
            served.ask("GET", "/cc/health/live", Host="evil.example")[0],
        ]
        served.stop(signal.SIGINT)
    return served, statuses


def test_the_whole_life_of_a_module_over_a_real_socket(
    stopped: tuple[Served, dict[str, int]],
) -> None:
    assert stopped[1] == {
        "registered": 201,
        "registered again": 409,
        "read": 200,
        "unknown": 404,
        "bad id": 422,
        "bad body": 422,
        "removed": 204,
        "read again": 404,
        "by a proxy that nobody trusts": 403,
    }


@pytest.mark.slow
def test_the_signal_to_end_stops_it_in_order(stopped: tuple[Served, dict[str, int]]) -> None:
    assert stopped[0].process.returncode == 0
    assert "Finished server process" in stopped[0].log
    assert "Traceback" not in stopped[0].log


@pytest.mark.slow
def test_an_interrupt_stops_it_in_order(guarded: tuple[Served, list[int]]) -> None:
    assert guarded[0].process.returncode == 0
    assert "Finished server process" in guarded[0].log
    assert "Traceback" not in guarded[0].log


@pytest.mark.slow
def test_every_line_is_a_json_document_from_the_first_to_the_last(
    stopped: tuple[Served, dict[str, int]],
) -> None:
    documents = [json.loads(line) for line in stopped[0].log.splitlines()]
    (asked,) = [each for each in documents if each["request_id"] == "mine-1"]

    assert documents[0]["message"].startswith("Serving http://127.0.0.1:")
    assert documents[-1]["message"] == "Stopped."
    assert all({"time", "level", "logger", "message"} < each.keys() for each in documents)
    assert [asked[name] for name in ("method", "path", "status")] == ["POST", "/cc/modules", 201]


@pytest.mark.slow
def test_the_log_names_the_request_and_its_answer(guarded: tuple[Served, list[int]]) -> None:
    lines = [line for line in guarded[0].log.splitlines() if "[mine-2]" in line]
    (line,) = [line for line in lines if "cos.access" in line]

    assert " INFO cos.access [mine-2] 127.0.0.1 GET /cc/modules 200 " in line


@pytest.mark.slow
def test_with_a_token_it_listens_on_every_address(guarded: tuple[Served, list[int]]) -> None:
    assert guarded[1] == [401, 200, 200, 421]
    assert "/cc (access tokens needed)\n" in guarded[0].log


@pytest.mark.slow
def test_an_unexpected_error_is_logged_with_its_request_and_answered_as_a_problem(
    db_session: Session,
) -> None:
    db_session.connection().exec_driver_sql(
        "ALTER TABLE modules ALTER version TYPE bytea USING version::bytea"
    )
    db_session.commit()
    body = ModuleFactory.payload()
    with serving() as served:
        status, headers, document = served.ask(
            "POST", "/cc/modules", body, **{"X-Request-ID": "mine-3"}
        )
        served.stop()
    (line,) = [line for line in served.log.splitlines() if "Exception in ASGI" in line]

    assert (status, document["status"], headers["x-request-id"]) == (500, 500, "mine-3")
    assert "ERROR uvicorn.error [mine-3]" in line
    assert "DatatypeMismatch" in served.log
    assert "(open to this machine: no access token was ever created)\n" in served.log


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "0", "192.0.2.1", "::ffff:0.0.0.0"])
def test_without_a_token_an_address_that_others_reach_is_refused(host: str) -> None:
    done = run("serve", "--host", host, "--port", "0", COS_API_TOKEN=None)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "COS_API_TOKEN is not set" in done.stderr
    assert "Run now: python -m cos token create NAME" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("traits", [{"revoked": True}, {"expired": True}])
def test_a_token_that_is_over_guards_nothing(traits: dict[str, bool]) -> None:
    ApiTokenFactory.create(**traits)
    done = run("serve", "--host", "0.0.0.0", "--port", "0")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "none that is still good was created" in done.stderr


def test_a_database_that_cannot_be_asked_for_a_token_is_the_environment(closed_port: int) -> None:
    url = f"postgresql://u:hunter2@127.0.0.1:{closed_port}/x"
    done = run("serve", "--host", "0.0.0.0", "--port", "0", DATABASE_URL=url)

    assert (done.exit_code, done.stdout) == (3, "")
    assert "could not be asked for an access token: " in done.stderr
    assert "Run now: python -m cos serve, when the database answers" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.slow
def test_a_good_token_in_the_database_is_enough_to_listen_on_every_address() -> None:
    token = text_of(ApiTokenFactory.create())
    with serving("--host", "0.0.0.0") as served:
        served.url = served.url.replace("0.0.0.0", "127.0.0.1")
        statuses = [
            served.ask("GET", "/cc/modules")[0],
            served.ask("GET", "/cc/modules", Authorization=f"Bearer {token}")[0],
        ]

    assert statuses == [401, 200]
    assert "/cc (access tokens needed)\n" in served.log


@pytest.mark.slow
def test_a_trusted_proxy_says_who_asks_and_how() -> None:
    with serving(COS_TRUSTED_PROXIES="127.0.0.0/8", COS_ALLOWED_HOSTS="cos.example") as served:
        direct = served.ask("GET", "/cc/modules")[0]
        proxied = served.ask("GET", "/cc/modules", **FORWARDED)[0]
        token = text_of(ApiTokenFactory.create())
        headers = {**FORWARDED, "Host": "cos.example", "Origin": "https://cos.example"}
        status, answered, _ = served.ask("POST", "/login", {"token": token}, **headers)
        served.stop()

    assert (direct, proxied, status) == (200, 401, 200)
    assert answered["set-cookie"].startswith("__Host-cos_board=")
    assert "Secure" in answered["set-cookie"]
    assert answered["strict-transport-security"]
    assert "192.0.2.9 POST /login 200" in served.log


@pytest.mark.parametrize("host", ["3221225985", "0xc0000201", "192.0.513"])
def test_what_a_host_means_is_checked_and_not_how_it_is_written(host: str) -> None:
    done = run("serve", "--host", host, "--port", "0", COS_API_TOKEN=None)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"--host {host} (192.0.2.1) can be reached from other machines")


@pytest.mark.parametrize("host", ["nowhere.invalid", "300.1.1.1", "x" * 300])
def test_a_host_that_means_nothing_is_refused(host: str) -> None:
    done = run("serve", "--host", host)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"--host {host} means no address of this machine")


def test_a_port_that_is_taken_is_a_failure_that_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port))

    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith(f"127.0.0.1 port {port} cannot be listened on")


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_that_is_none_is_wrong_use(port: str) -> None:
    assert run("serve", "--port", port).exit_code == 2


@pytest.mark.slow
def test_on_localhost_it_starts_while_its_dependencies_are_down(closed_port: int) -> None:
    password = "hunter2-in-the-url"
    with serving(
        "--host",
        "localhost",
        DATABASE_URL=f"postgresql://u:{password}@127.0.0.1:{closed_port}/x",
        REDIS_URL=f"redis://:{password}@127.0.0.1:{closed_port}",
        COS_LOG_LEVEL="debug",
    ) as served:
        live = served.ask("GET", "/cc/health/live")[0]
        ready, _, document = served.ask("GET", "/cc/health/ready")
        token = text_of(ApiTokenFactory.build())
        status, headers, _ = served.ask("GET", "/cc/modules", Authorization=f"Bearer {token}")
        served.stop()

    assert (live, ready, status, headers["retry-after"]) == (200, 503, 503, "1")
    assert {found["state"] for found in document["dependencies"].values()} == {"down"}
    assert "(the database does not say yet whether access tokens are needed)\n" in served.log
    assert not [secret for secret in (password, token) if secret in served.log]


@pytest.mark.slow
def test_no_secret_is_written_at_any_level_in_either_format() -> None:
    token = ApiTokenFactory.create()
    good = text_of(token)
    wrong = good[:-2] + "xx"
    secrets = [good, wrong, TOKEN, os.environ["DATABASE_URL"].split(":")[2].split("@")[0]]
    for log_format in ("text", "json"):
        with serving(
            COS_LOG_LEVEL="debug", COS_LOG_FORMAT=log_format, COS_API_TOKEN=TOKEN
        ) as served:
            origin = {"Origin": served.url}
            status, headers, _ = served.ask("POST", "/login", {"token": good}, **origin)
            cookie = headers["set-cookie"].partition(";")[0]
            statuses = [
                status,
                served.ask("POST", "/login", {"token": wrong}, **origin)[0],
                served.ask("POST", "/login", {"token": TOKEN}, **origin)[0],
                served.ask("GET", "/cc/modules", Cookie=cookie)[0],
                served.ask("GET", f"/cc/modules/{good}?token={good}", Cookie=cookie)[0],
                served.ask("GET", "/cc/modules", Authorization=f"Bearer {wrong}")[0],
                served.ask("GET", "/cc/modules", Authorization=f"Basic {TOKEN}")[0],
                served.ask("GET", "/cc/modules", Authorization=f"Bearer {TOKEN}")[0],
                served.ask("POST", "/logout", Cookie=cookie, **origin)[0],
            ]
            served.stop()
        found = [*secrets, cookie.partition("=")[2]]

        assert statuses == [200, 401, 200, 200, 422, 401, 401, 200, 204]
        assert "GET /cc/modules/cos_" in served.log
        assert not [secret for secret in found if secret in served.log]


@pytest.mark.slow
def test_before_it_ends_it_says_that_it_is_not_ready_and_goes_on_answering() -> None:
    with serving(COS_SHUTDOWN_DELAY="60") as served:
        before = served.ask("GET", "/cc/health/ready")[0]
        served.process.send_signal(signal.SIGTERM)
        wait_until(lambda: served.ask("GET", "/cc/health/ready")[0] == 503)
        kind = served.ask("GET", "/cc/health/ready")[2]["type"]
        others = served.ask("GET", "/cc/modules")[0]
        # The second signal ends the delay.
        code = served.stop()

    assert (before, kind, others, code) == (200, "urn:cos:problem:stopping", 200, 0)
    assert "Traceback" not in served.log
