"""Names that Postgres takes, and names of folders."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testkit.core.naming import database_name, folder_name


@given(worker=st.text())
def test_the_name_of_a_database_is_a_plain_identifier_of_63_bytes_at_most(worker: str) -> None:
    name = database_name(worker)

    assert re.fullmatch("[a-z][a-z0-9_]*", name)
    assert len(name.encode()) <= 63


@given(one=st.integers(0, 500), other=st.integers(0, 500))
def test_two_workers_of_a_run_have_two_databases(one: int, other: int) -> None:
    names = {database_name(f"gw{number}") for number in (one, other)}

    assert len(names) == len({one, other})


ALIKE = st.text("aAb_-. ", max_size=6) | st.text("ab_", min_size=50, max_size=70)


@given(one=ALIKE | st.text(), other=ALIKE | st.text())
@example(one="a-b", other="A_b")
@example(one="a" * 60, other="a" * 61)
@example(one="a-b", other=database_name("a-b").removeprefix("testkit_"))
def test_two_names_of_workers_never_give_the_same_database(one: str, other: str) -> None:
    names = {database_name(worker) for worker in (one, other)}

    assert len(names) == len({one, other})


@pytest.mark.parametrize("worker", ["", "main", "gw0", "7f3a9c2e_gw0", "7f3a9c2e_", "a" * 55])
def test_a_name_that_postgres_takes_stays_as_it_is(worker: str) -> None:
    assert database_name(worker) == f"testkit_{worker}"


@given(nodeid=ALIKE | st.text(st.characters()))
@example(nodeid="tests/test_a.py::test_b[../../x]" * 99)
@example(nodeid="...")
def test_a_folder_of_a_test_has_a_short_plain_name_that_is_not_hidden(nodeid: str) -> None:
    assert re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}", folder_name(nodeid))


@given(one=ALIKE | st.text(), other=ALIKE | st.text())
def test_two_tests_never_have_the_same_folder(one: str, other: str) -> None:
    names = {folder_name(nodeid).lower() for nodeid in (one, other)}

    assert len(names) == len({one, other})
