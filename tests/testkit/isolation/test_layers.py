"""What stands before a test, with fixtures that begin and end in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from testkit.isolation.layers import Layers


def test_what_an_owner_changed_goes_with_it_and_the_rest_stays() -> None:
    layers = Layers({"a": 1, "b": 1})
    layers.claim(1, {"a": 2, "b": 1, "c": 2})
    layers.claim(2, {"a": 3, "c": 2})
    ended = layers.end(1)

    assert ended
    assert layers.current == {"a": 3}


def test_an_owner_of_nothing_ends_nothing() -> None:
    layers = Layers({"a": 1})
    layers.claim(1, {"a": 1})

    assert not layers.end(1)
    assert not layers.end(2)
    assert layers.current == {"a": 1}


def test_values_that_do_not_differ_are_not_claimed() -> None:
    layers = Layers({"a": 1}, differs=lambda one, other: abs(one - other) > 1)
    layers.claim(1, {"a": 2})

    assert not layers.end(1)


STATES = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2))


@given(origin=STATES, states=st.lists(STATES, max_size=4), data=st.data())
def test_owners_leave_nothing_in_whatever_order_they_end(
    origin: dict[str, int], states: list[dict[str, int]], data: st.DataObject
) -> None:
    layers = Layers(origin)
    for owner, state in enumerate(states):
        layers.claim(owner, dict(state))

        assert layers.current == state
    for owner in data.draw(st.permutations(range(len(states)))):
        layers.end(owner)

    assert layers.current == origin


def test_an_owner_that_claims_again_keeps_what_it_had() -> None:
    layers = Layers({"a": 1})

    layers.claim(1, {"a": 2})
    layers.claim(1, {"a": 2, "b": 3})

    assert layers.current == {"a": 2, "b": 3}
    assert layers.end(1)
    assert layers.current == {"a": 1}
