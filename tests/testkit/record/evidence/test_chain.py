"""Chains: all that an exception wraps, each once, however it hangs on the others."""

from __future__ import annotations

from typing import NoReturn

import sqlalchemy as sa

from tests.support.catching import caught_of


def test_a_cause_stands_behind_what_it_caused() -> None:
    def fails() -> None:
        try:
            int("a")
        except ValueError as error:
            raise LookupError("no number") from error

    found = caught_of(fails)

    assert found.links == [("LookupError", "raised"), ("ValueError", "cause")]


def test_a_context_is_told_and_one_that_was_not_to_be_shown_as_well() -> None:
    def shown() -> None:
        try:
            int("a")
        except ValueError:
            raise LookupError("no number")  # noqa: B904 - what is tested

    def hidden() -> None:
        try:
            int("a")
        except ValueError:
            raise LookupError("no number") from None

    assert caught_of(shown).links[1] == ("ValueError", "context")
    assert caught_of(hidden).links[1] == ("ValueError", "suppressed")


def test_members_of_groups_within_groups_are_told() -> None:
    def fails() -> None:
        inner = ExceptionGroup("inner", [KeyError("k"), OSError(2, "gone")])
        raise ExceptionGroup("outer", [ValueError("v"), inner])

    found = caught_of(fails)

    assert [r.message for r in found.chain] == ["outer", "v", "inner", "'k'", "[Errno 2] gone"]
    assert {"raised", "group"} == {link for _, link in found.links}


def test_a_group_of_thousands_is_told_by_a_few() -> None:
    def fails() -> None:
        raise ExceptionGroup("many", [ValueError(str(n)) for n in range(5_000)])

    assert len(caught_of(fails).chain) == 9


def test_a_chain_that_comes_back_to_itself_ends() -> None:
    def fails() -> None:
        first, second = ValueError("a"), KeyError("b")
        first.__cause__, second.__cause__ = second, first
        raise first

    assert [kind for kind, _ in caught_of(fails).links] == ["ValueError", "KeyError"]


def test_a_long_chain_is_cut() -> None:
    def fails() -> None:
        error = ValueError("0")
        for number in range(500):
            above = ValueError(str(number))
            above.__cause__ = error
            error = above
        raise error

    assert len(caught_of(fails).chain) == 20


def test_the_drivers_error_is_told_once_as_what_the_other_one_holds() -> None:
    engine = sa.create_engine("sqlite://")

    def fails() -> None:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT * FROM missing"))

    found = caught_of(fails)
    engine.dispose()

    assert found.links == [("OperationalError", "raised"), ("OperationalError", "orig")]
    assert found.chain[1].message == "no such table: missing"


def test_what_a_message_tells_of_another_exception_is_told_as_one() -> None:
    def fails() -> None:
        raise LookupError(
            "One or more mappers failed. Original exception was: sqlalchemy.exc.ArgumentError: bad"
        )

    found = caught_of(fails).chain[1]

    assert (
        found.type,
        found.message,
        found.link,
    ) == ("sqlalchemy.exc.ArgumentError", "bad", "text")


def test_places_say_whose_they_are() -> None:
    engine = sa.create_engine("sqlite://")

    def fails() -> None:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT * FROM missing"))

    frames = caught_of(fails).chain[0].frames
    engine.dispose()

    assert (
        frames[0].path,
        frames[0].function,
        frames[0].owner,
    ) == ("tests/testkit/record/evidence/test_chain.py", "fails", "test")
    assert frames[0].text == 'connection.execute(sa.text("SELECT * FROM missing"))'
    assert {"library"} == {frame.owner for frame in frames[1:]}


def test_recursion_is_told_by_its_first_and_last_places() -> None:
    def deeper(depth: int) -> NoReturn:
        deeper(depth + 1)

    def fails() -> None:
        deeper(0)

    found = caught_of(fails)

    assert found.chain[0].type == "RecursionError"
    assert len(found.chain[0].frames) == 30


def test_messages_are_masked_and_cut() -> None:
    def fails() -> None:
        raise ValueError("postgresql://me:hunter2@host/db " + "x" * 100_000)

    message = caught_of(fails).chain[0].message

    assert "hunter2" not in message
    assert len(message) < 5_000
