"""Secrets are taken out of texts, and what differs from run to run; what is told stays readable."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testkit.core.runs.masking import MASK, is_secret_name, without_secrets, without_variables

SECRET: Final = "hunter2-Very-Secret"


#: What the patterns look for, and what ends it.
PIECES: Final = (
    *(
        "password",
        "token",
        "Cookie",
        "bearer ",
        "PASSWORD ",
        "--secret ",
        "api_key",
        "input_value=",
    ),
    *(
        "=",
        ": ",
        "==",
        "%3D",
        "://",
        "@",
        "'",
        '"',
        "\\",
        "\n",
        " ",
        ",",
        "[",
        "}",
        "(",
        "x",
        "\u00e9",
    ),
    *("hunter2", MASK, "None", "a:b", "eyJhbGciOiJ.eyJz.x"),
)


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://app:{SECRET}@db.example/orders",
        f"redis://:{SECRET}@localhost:6379/0",
        f"could not reach amqp://u:{SECRET}@host, gave up",
        f"password={SECRET}",
        f"DB_PASSWORD = '{SECRET}'",
        f'{{"api_key": "{SECRET}", "name": "x"}}',
        f"{{'token': '{SECRET}'}}",
        f"Authorization: Bearer {SECRET}",
        f"headers={{'authorization': 'Basic {SECRET}'}}",
        f"https://api.example/v1?user=1&access_token={SECRET}&page=2",
        f"environ['SECRET_KEY'] = '{SECRET}'",
        f"Settings(jwt_secret='{SECRET}', debug=True)",
        f"Cookie: session_id={SECRET}",
        f"host=db user=app password={SECRET} dbname=x",
        f"os.environ => PGPASSWORD => {SECRET}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
        f"postgresql://app:p@ss{SECRET}@db/orders",
        f"password\n  Input should be valid [type=string_type, input_value='{SECRET}', input_type=str]",
        f"password='first\n{SECRET}'",
        f'password="""first\n{SECRET}"""',
        f'{{"password": "a\\"{SECRET}"}}',
        f'"{{\\"password\\": \\"{SECRET}\\"}}"',
        f'{{"name": "x", "password": "{SECRET}',
        f'{{"tokens": ["{SECRET}"]}}',
        f'{{"token": {{"value": "{SECRET}"}}}}',
        f"password: b'{SECRET}'",
        f"('password', '{SECRET}')",
        f"(b'authorization', b'Bearer {SECRET}')",
        f"password == '{SECRET}'",
        f"assert '{SECRET}' == user.password",
        f"deploy --password {SECRET} --force",
        f"Cookie: theme=dark; sid={SECRET}",
        f"body=password%3D{SECRET}",
        f"ALTER USER app PASSWORD '{SECRET}'",
        f"CREATE USER app IDENTIFIED BY '{SECRET}'",
        f"password=a'{SECRET}",
    ],
)
def test_a_secret_is_not_told(text: str) -> None:
    told = without_secrets(text)

    assert SECRET not in told
    assert MASK in told


@pytest.mark.parametrize(
    "token",
    [
        "ghp_0123456789abcdefghijABCDEFGHIJ",
        "glpat-0123456789abcdefghij",
        "xoxb-123456789012-abcdefghij",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ],
)
def test_a_token_is_known_by_its_form(token: str) -> None:
    assert without_secrets(f"got {token} back") == f"got {MASK} back"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://app@db.example/orders",
        "http://localhost:8000/modules?page=2",
        "assert 409 == 201",
        "password=None",
        "the password is wrong",
        "secret: ''",
        "the password of the user is wrong",
        "http://localhost:8000/users/ann@example.com",
        "tokens were read",
        "KeyError: 'password'",
        "test_login[password]",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_the_name_user_and_host_stay() -> None:
    told = without_secrets(f"DB_PASSWORD='{SECRET}' at postgresql://app:{SECRET}@db/orders")

    assert told == f"DB_PASSWORD='{MASK}' at postgresql://app:{MASK}@db/orders"


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_what_is_masked_stays_as_it_is(text: str) -> None:
    once = without_secrets(text)

    assert without_secrets(once) == once


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEF0123456789_-!#$%", min_size=6))
def test_no_password_of_a_url_is_told(password: str) -> None:
    assert f":{password}@" not in without_secrets(f"redis://user:{password}@host:1/0")


@pytest.mark.parametrize(
    "piece", ["a", "password", "token=", "://", "0", "=", "'", "/a", " ", "a.b-", "basic ", "eyJ"]
)
@pytest.mark.timeout(60)  # what grows with the square of the length would not end
def test_a_long_text_of_one_piece_comes_to_an_end(piece: str) -> None:
    text = piece * (200_000 // len(piece))

    assert without_secrets(text)
    assert without_variables(text)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("DB_PASSWORD", True),
        ("apiKey", True),
        ("API_KEY", True),
        ("X-Auth-Token", True),
        ("SESSION_ID", True),
        ("DATABASE_DSN", True),
        ("PATH", False),
        ("MONKEY", False),
        ("TOKENIZER", False),
        ("", False),
    ],
)
def test_a_name_is_known_to_be_of_a_secret(name: str, *, secret: bool) -> None:
    assert is_secret_name(name) == secret


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("row 3 of 17", "row 4 of 200"),
        ("id 6f1c1a2e-8d1f-4a43-9a79-0c4f1f2b3c4d", "id 00000000-0000-4000-8000-000000000000"),
        ("<X object at 0x7f00deadbeef>", "<X object at 0x7f11cafebabe>"),
        ("at 2026-01-01T10:00:00Z", "at 2027-12-31 23:59:59.123"),
        ("in /tmp/pytest-of-root/pytest-1/x.db", "in /var/folders/ab/x.db"),
        ("name module-1a", "name module-1a"),
        ("user-17", "user-4"),
    ],
)
def test_what_differs_from_run_to_run_is_the_same_afterwards(one: str, other: str) -> None:
    assert without_variables(one) == without_variables(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("assert 409 == 201", "assert 422 == 201"),
        ("status code 404", "status code 500"),
        ('relation "orders" does not exist', 'relation "users" does not exist'),
    ],
)
def test_what_tells_failures_apart_stays(one: str, other: str) -> None:
    assert without_variables(one) != without_variables(other)
