import json
import re
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from cos.models import ApiToken
from cos.services.access.credential import CredentialKind, parse
from testkit.core.naming import UniqueNames
from tests.cos.commands import ROOT, run
from tests.cos.factories import SECRET, ApiTokenFactory, text_of

OTHERS = [("list",), ("create", "NAME"), ("revoke", "NAME")]


def test_a_token_is_printed_alone_and_once(db_session: Session, unique: UniqueNames) -> None:
    name = unique("token")
    done = run("token", "create", name)
    token = db_session.scalars(select(ApiToken)).one()
    credential = parse(CredentialKind.API, done.stdout.removesuffix("\n"))

    assert done.exit_code == 0
    assert credential is not None
    assert (credential.id, credential.hash) == (token.id, token.secret_hash)
    assert (token.name, token.scopes, token.expires_at) == (name, ["read", "write"], None)
    assert name in done.stderr
    assert "the only time that it is shown" in done.stderr
    assert credential.secret not in done.stderr


def test_a_token_may_be_for_reading_and_for_some_days(
    db_session: Session, unique: UniqueNames
) -> None:
    done = run("token", "create", unique("token"), "--read-only", "--expires", "2")
    token = db_session.scalars(select(ApiToken)).one()

    assert (done.exit_code, token.scopes) == (0, ["read"])
    assert token.expires_at == token.created_at + timedelta(days=2)
    assert f"until {token.expires_at:%Y-%m-%d}" in done.stderr


@pytest.mark.parametrize("traits", [{}, {"revoked": True}])
def test_a_taken_name_is_not_done(db_session: Session, traits: dict[str, bool]) -> None:
    name = ApiTokenFactory.create(**traits).name
    done = run("token", "create", name)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"A token named {name!r} was created already")
    assert db_session.scalar(select(func.count()).select_from(ApiToken)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("",),
        (" ",),
        ("a ",),
        ("a\nb",),
        ("a\x1b[31m",),
        ("x" * 256,),
        ("\udcff",),
        ("a", "b"),
        ("a", "--expires", "0"),
        ("a", "--expires", "-1"),
        ("a", "--expires", "3651"),
        ("a", "--expires", "soon"),
        ("a", "--expires", "1.5"),
        ("a", "--write-only"),
    ],
)
def test_what_makes_no_token_is_wrong_use(db_session: Session, arguments: tuple[str, ...]) -> None:
    done = run("token", "create", *arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "\x1b" not in done.stderr
    assert db_session.scalars(select(ApiToken)).all() == []


def test_without_a_token_the_list_says_so() -> None:
    done = run("token", "list")

    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "No token was ever created.\n"


def test_the_list_has_a_row_for_every_token() -> None:
    made = [
        ApiTokenFactory.create(last_used_at=func.now()),
        ApiTokenFactory.create(read_only=True, expired=True),
        ApiTokenFactory.create(revoked=True),
    ]
    head, *lines = run("token", "list").stdout.splitlines()
    rows = [re.split(r"\s{2,}", line) for line in lines]

    assert head.split() == [
        "NAME",
        "SCOPES",
        "STATE",
        "CREATED",
        "AT",
        "EXPIRES",
        "AT",
        "LAST",
        "USED",
        "AT",
    ]
    assert [row[:3] for row in rows] == [
        [made[0].name, "read, write", "good"],
        [made[1].name, "read", "expired"],
        [made[2].name, "read, write", "revoked"],
    ]


def test_the_list_is_json_for_programs_and_holds_no_secret() -> None:
    token = ApiTokenFactory.create(revoked=True)
    done = run("token", "list", "--json")
    (row,) = json.loads(done.stdout)

    assert row.keys() == {
        *("id", "name", "scopes", "state"),
        *("created_at", "expires_at", "last_used_at", "revoked_at"),
    }
    assert (row["id"], row["name"], row["state"]) == (str(token.id), token.name, "revoked")
    assert not {SECRET, token.secret_hash.hex()} & set(re.findall(r"\w+", done.output))


def test_a_token_is_revoked_once() -> None:
    token = ApiTokenFactory.create()
    outcomes = [run("token", "revoke", token.name) for _ in range(2)]

    assert [done.exit_code for done in outcomes] == [0, 0]
    assert outcomes[0].stdout == f"The token {token.name!r} is revoked.\n"
    assert outcomes[1].stdout.startswith(f"The token {token.name!r} was revoked already, 20")


def test_an_unknown_name_is_not_done(unique: UniqueNames) -> None:
    name = unique("token")
    done = run("token", "revoke", name)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"There is no token named {name!r}.")
    assert "Run now: python -m cos token list" in done.stderr


@pytest.mark.parametrize("arguments", OTHERS)
def test_a_database_that_does_not_answer_is_the_environment(
    closed_port: int, arguments: tuple[str, ...]
) -> None:
    url = f"postgresql://u:hunter2@127.0.0.1:{closed_port}/x"
    done = run("token", *arguments, DATABASE_URL=url)

    assert (done.exit_code, done.stdout) == (3, "")
    assert f"Run now: python -m cos token {arguments[0]}, when the database" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("arguments", OTHERS)
def test_a_database_that_was_not_migrated_is_the_environment(
    db_session: Session, arguments: tuple[str, ...]
) -> None:
    db_session.execute(text("DROP TABLE board_sessions, api_tokens"))
    db_session.commit()
    done = run("token", *arguments)

    assert (done.exit_code, done.stdout) == (3, "")
    assert "Run now: python -m cos migrate" in done.stderr


@pytest.mark.parametrize("arguments", [*OTHERS, ()])
def test_tokens_need_a_database_and_no_redis(arguments: tuple[str, ...]) -> None:
    without_database = run("token", *arguments, DATABASE_URL=None)
    without_redis = run("token", *arguments, REDIS_URL=None)

    assert without_database.exit_code == 2
    assert without_redis.exit_code == {"list": 0, "create": 0, "revoke": 1}.get(
        arguments[0] if arguments else "", 2
    )


@pytest.mark.slow
def test_of_two_processes_that_create_one_name_exactly_one_does(
    db_session: Session, unique: UniqueNames
) -> None:
    name = unique("token")
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "cos", "token", "create", name],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=60) for process in running]
    made = db_session.scalars(select(ApiToken)).one()

    assert sorted(process.returncode for process in running) == [0, 1]
    assert sorted(len(out) for out, _ in printed) == [0, len(text_of(made)) + 1]
    assert not [err for _, err in printed if "Traceback" in err]
