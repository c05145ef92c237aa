import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.events.subscribing.failure import MAX_REASON, Unprocessable, reason_of


class _SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def _raised(error: Exception) -> str:
    try:
        raise error  # noqa: TRY301 - the raising is the point
    except Exception as caught:  # noqa: BLE001 - of any type, that is the point
        return reason_of(caught)


def test_a_reason_has_type_message_and_place() -> None:
    reason = _raised(ValueError("no such colour"))

    assert reason.startswith("ValueError: no such colour (test_failure.py:")
    assert reason.endswith(" in _raised)")
    assert _raised(Unprocessable("too old")).startswith(
        "cos.events.subscribing.failure.Unprocessable: too old ("
    )


def test_an_exception_without_a_message_is_its_type() -> None:
    assert reason_of(KeyError()) == "KeyError"
    assert "its message cannot be read" in reason_of(_SilentError())


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach redis://:hunter2@127.0.0.1:6379/0",
        "cannot reach postgresql+psycopg://u:hunter2@h/d?x=1",
        "at https://u:p@hunter2@h/",
        "GET https://h/?token=hunter2&x=1",
        "PASSWORD=hunter2 sslmode=require",
        "{'password': 'hunter2', 'user': 'u'}",
        "Authorization: Bearer hunter2",
        "api_key=hunter2; x",
    ],
)
def test_no_secret_is_in_a_reason(text: str) -> None:
    assert "hunter2" not in reason_of(ValueError(text))
    assert "***" in reason_of(ValueError(text))


@given(st.text(alphabet=st.characters(codec=None), max_size=200))
def test_every_reason_can_be_stored(text: str) -> None:
    reason = reason_of(ValueError(text))

    assert "\0" not in reason
    assert reason.encode("utf-8")


def test_a_reason_has_a_limit() -> None:
    reason = _raised(ValueError("x" * 10_000))

    assert len(reason) <= MAX_REASON
    assert " in _raised)" in reason
