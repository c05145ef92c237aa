"""What may be removed, decided from facts: for every mixture of facts that can be made up."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testkit.servers.ownership.verdicts import (
    DEAD,
    IN_USE,
    KEPT_SECONDS,
    UNJUDGED,
    CacheEntry,
    Inventory,
    Leftover,
    judge,
    plan,
)
from testkit.system.processes import ProcessIdentity
from tests.support.facts import SERVER

HERE = ("boot", "pid:[1]")
OWNER = ProcessIdentity(7, "100", *HERE)
SOMEBODY_ELSE = dataclasses.replace(OWNER, started="200")


@pytest.mark.parametrize(
    ("owner", "found", "state"),
    [
        (OWNER, OWNER, IN_USE),
        (OWNER, None, DEAD),
        (OWNER, SOMEBODY_ELSE, DEAD),
        (dataclasses.replace(OWNER, boot="an earlier one"), OWNER, DEAD),
        (dataclasses.replace(OWNER, boot="an earlier one", namespace="pid:[2]"), None, DEAD),
        (dataclasses.replace(OWNER, namespace="pid:[2]"), None, UNJUDGED),
        (dataclasses.replace(OWNER, namespace="pid:[2]"), OWNER, UNJUDGED),
        (None, None, UNJUDGED),
    ],
)
def test_an_owner_is_judged_by_its_start_and_only_where_its_pid_means_something(
    owner: ProcessIdentity | None, found: ProcessIdentity | None, state: str
) -> None:
    assert judge(owner, found, HERE) == state


states = st.sampled_from([IN_USE, DEAD, UNJUDGED])
identities = st.builds(ProcessIdentity, st.integers(1, 9), st.just("1"), *map(st.just, HERE))
names = st.text("abc/ ", min_size=1, max_size=4)
servers = st.builds(
    partial(dataclasses.replace, SERVER),
    kind=st.sampled_from(["postgres", "redis"]),
    pid=st.none() | st.integers(1, 9),
    state=states,
    keeper=st.none() | identities,
    directory=names,
    run=names,
)
directories = st.builds(
    partial(Leftover, owner_pid=7, age_seconds=60),
    kind=st.sampled_from(["run directory", "data", "build workshop", "cache draft"]),
    path=names,
    state=states,
    run=st.just("") | names,
)
processes = st.builds(
    partial(Leftover, owner_pid=7, age_seconds=60),
    kind=st.sampled_from(["keeper", "postgres", "redis"]),
    path=names,
    state=states,
    process=identities,
)
cached = st.builds(
    CacheEntry,
    kind=st.sampled_from(["template", "fingerprint"]),
    path=names,
    unused_seconds=st.integers(0, 2 * KEPT_SECONDS),
)
inventories = st.builds(
    Inventory,
    st.lists(servers, max_size=4).map(tuple),
    st.lists(directories | processes, max_size=6).map(tuple),
    st.lists(cached, max_size=3).map(tuple),
)


@given(inventories)
@settings(max_examples=50)
def test_a_plan_names_what_a_dead_owner_left_and_old_cache_entries_and_nothing_else(
    inventory: Inventory,
) -> None:
    steps = plan(inventory)
    ended = {step.process for step in steps if step.action == "end"}
    removed = [(step.what, step.path) for step in steps if step.action == "remove"]
    dead = [left for left in inventory.leftovers if left.state == DEAD]

    assert ended == {
        *(s.keeper for s in inventory.servers if s.state == DEAD and s.keeper),
        *(left.process for left in dead if left.process),
    }
    assert sorted(removed) == sorted(
        [(left.kind, left.path) for left in dead if not left.process]
        + [(e.kind, e.path) for e in inventory.cached if e.unused_seconds > KEPT_SECONDS]
    )


@given(inventories)
@settings(max_examples=50)
def test_a_plan_ends_each_process_once_keepers_first_and_removes_after_that(
    inventory: Inventory,
) -> None:
    steps = plan(inventory)
    actions = [step.action for step in steps]
    ends = [step for step in steps if step.action == "end"]

    assert actions == sorted(actions)
    assert len({step.process for step in ends}) == len(ends)
    assert [step.what != "keeper" for step in ends] == sorted(s.what != "keeper" for s in ends)


@given(inventories)
@settings(max_examples=50)
def test_where_nothing_is_dead_or_old_there_is_nothing_to_do(inventory: Inventory) -> None:
    living = Inventory(
        tuple(s for s in inventory.servers if s.state != DEAD),
        tuple(left for left in inventory.leftovers if left.state != DEAD),
        tuple(e for e in inventory.cached if e.unused_seconds <= KEPT_SECONDS),
    )

    assert plan(living) == ()


@given(inventories)
@settings(max_examples=50)
def test_what_a_running_server_explains_is_not_left_over(inventory: Inventory) -> None:
    running = {server.run for server in inventory.servers}
    shown = inventory.without_server()

    assert not {left.run for left in shown if left.run} & running
    assert all(left in shown for left in inventory.leftovers if not left.run)
