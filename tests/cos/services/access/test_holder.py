from hypothesis import given
from hypothesis import strategies as st

from cos.services.access.holder import same_secret


@given(st.text(), st.text())
def test_two_texts_are_the_same_secret_if_they_are_equal(one: str, other: str) -> None:
    assert same_secret(one, one)
    assert same_secret(one, other) == (one == other)


def test_what_is_no_text_is_compared_too() -> None:
    assert not same_secret("\ud800", "\xff")
