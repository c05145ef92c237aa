import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.api.access.presented import COOKIE, SECURE_COOKIE, Presented, presented


@pytest.mark.parametrize("text", ["Bearer x", "bearer x", "BEARER x", "Bearer   x "])
def test_a_bearer_token_is_read(text: str) -> None:
    assert presented([text], [], scheme="http") == Presented(bearer="x")


@pytest.mark.parametrize(
    "headers",
    [
        [""],
        ["Bearer"],
        ["Bearer "],
        ["x"],
        ["Basic x"],
        ["Bearer\tx"],
        [" Bearer x"],
        ["Bearer x", "Bearer x"],
        ["Bearer x", ""],
        ["Digest y", "Bearer x"],
    ],
)
def test_anything_else_in_that_header_is_malformed(headers: list[str]) -> None:
    assert presented(headers, [f"{COOKIE}=y"], scheme="http") == Presented(is_malformed=True)


@pytest.mark.parametrize(
    ("headers", "cookie"),
    [
        ([], None),
        (["a=1; b=2"], None),
        ([f"{COOKIE}=y"], "y"),
        ([f"a=1;{COOKIE}=y ;b=2"], "y"),
        (["a=1", f"{COOKIE}=y"], "y"),
        ([f"{COOKIE}=y=z"], "y=z"),
        ([f"{COOKIE.upper()}=y"], None),
        ([f"{SECURE_COOKIE}=y"], None),
        ([f"{COOKIE}=y; {COOKIE}=z"], None),
        ([f"{COOKIE}=y", f"{COOKIE}=y"], None),
    ],
)
def test_one_cookie_of_ours_is_read(headers: list[str], cookie: str | None) -> None:
    assert presented([], headers, scheme="http") == Presented(cookie=cookie)


def test_over_https_only_the_cookie_that_https_set_counts() -> None:
    headers = [f"{COOKIE}=planted; {SECURE_COOKIE}=y"]

    assert presented([], headers, scheme="https") == Presented(cookie="y")


def test_a_token_wins_over_a_cookie() -> None:
    assert presented(["Bearer x"], [f"{COOKIE}=y"], scheme="http") == Presented(bearer="x")


@given(st.lists(st.text()), st.lists(st.text()))
def test_no_headers_are_a_fault(authorization: list[str], cookies: list[str]) -> None:
    found = presented(authorization, cookies, scheme="http")

    assert not (found.bearer and found.cookie)


def test_what_was_presented_does_not_show() -> None:
    found = [presented(["Bearer hunter2"], [], scheme="http")]
    found += [presented([], [f"{COOKIE}=hunter2"], scheme="http")]

    assert "hunter2" not in repr(found)
