"""Statements in groups, and what is said of them."""

from __future__ import annotations

from typing import Any

from testkit.isolation.queries.facts import LazyLoad, Statement
from testkit.isolation.queries.report import groups_of, listed, repeated
from testkit.system.calling_site import CallingSite

HERE = CallingSite("shop.py", 12, "total")


def sent(statement: str, **values: Any) -> Statement:
    given: dict[str, Any] = {
        "parameters": "{}",
        "seconds": 0.001,
        "rowcount": 1,
        "origin": HERE,
        "autocommit": False,
        "executemany": False,
    }
    return Statement(statement=statement, **(given | values))


def loop(count: int, **values: Any) -> list[Statement]:
    return [
        sent(f"SELECT {n}", parameters=f"{{'id': {n}}}", variant=n, **values) for n in range(count)
    ]


def test_the_most_frequent_group_comes_first_and_equals_keep_their_order() -> None:
    statements = [sent("SELECT a"), sent("SELECT b"), *loop(2), sent("SELECT c")]
    found = [(group.sql, len(group.statements)) for group in groups_of(statements)]

    assert found == [("SELECT ?", 2), ("SELECT a", 1), ("SELECT b", 1), ("SELECT c", 1)]


def test_the_same_statement_of_two_places_is_two_groups() -> None:
    elsewhere = HERE._replace(line=13)
    found = groups_of([sent("SELECT a"), sent("SELECT a", origin=elsewhere)])

    assert [group.origin for group in found] == [HERE, elsewhere]


def test_only_what_was_sent_with_different_parameters_is_repeated() -> None:
    groups = groups_of([*loop(3), *[sent("SELECT a", variant=7)] * 3])

    assert [group.sql for group in repeated(groups, most=2)] == ["SELECT ?"]
    assert repeated(groups, most=3) == []


def test_rows_that_were_sent_together_are_not_repeated() -> None:
    assert repeated(groups_of(loop(5, executemany=True)), most=1) == []


def test_a_group_is_told_with_count_time_place_and_the_first_parameters() -> None:
    text = listed(groups_of(loop(2)), most=2)

    assert text.splitlines() == [
        "2 times, 2.0 ms: SELECT ?",
        "    shop.py:12 in total",
        "    first with {'id': 0}",
    ]


def test_what_failed_went_to_many_rows_or_came_from_nowhere_says_so() -> None:
    text = listed(groups_of([sent("INSERT", seconds=None, executemany=True, origin=None)]), most=2)

    assert text.splitlines() == [
        "1 time, 0.0 ms, for many rows each, 1 failed or still running: INSERT",
        "    no code of yours in this thread",
    ]


def test_an_n_plus_1_says_what_to_write_instead() -> None:
    loads = [None, LazyLoad("Order", "lines"), LazyLoad("Order", None)]
    told = [
        listed(groups_of(loop(3, lazy_load=load)), most=2).splitlines()[-1].strip()
        for load in loads
    ]

    assert [text.partition(": ")[2] for text in told] == [
        "sent in a loop; send one for all (WHERE … IN, a join, or a list of parameters)",
        "Order.lines was loaded lazily; load Order with .options(selectinload(Order.lines))",
        "columns of Order were loaded object by object. After a commit they are expired:"
        " Session(expire_on_commit=False); if they are deferred: undefer(…)",
    ]


def test_a_long_list_says_how_much_of_it_is_left_out() -> None:
    statements = [sent(f"SELECT c{n}") for n in range(12)] + [sent("SELECT c11")]
    lines = listed(groups_of(statements), most=2).splitlines()

    assert (lines[0], lines[-1]) == (
        "2 times, 2.0 ms: SELECT c11",
        "… and 2 more, of 2 kinds or places",
    )


def test_a_block_that_sent_nothing_says_what_would_have_counted() -> None:
    assert listed([], most=2) == "none (of SQLAlchemy, for this database)"
