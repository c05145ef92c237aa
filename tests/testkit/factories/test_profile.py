"""What factories made and for how long is added up, by factory, and merged over processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testkit.core.current import current
from testkit.factories.profile import HOWS, Profile, merged
from testkit.factories.profile_report import profile_lines

if TYPE_CHECKING:
    from testkit.factories.profile import How


class Orders:
    pass


class Customers:
    pass


class Regions:
    pass


PLACE: Final = f"{__name__}:"


class Clock:
    """Tells the seconds that ``pass_`` let pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def profile(clock: Clock) -> Profile:
    return Profile(clock)


def order(profile: Profile, clock: Clock) -> None:
    """Make an order in 7 seconds: 1 for the region, 2 for the customer, 4 for itself."""
    with profile.making(Orders, "create"):
        clock.pass_(3)
        with profile.making(Customers, "create"):
            with profile.making(Regions, "create"):
                clock.pass_(1)
            clock.pass_(2)
        clock.pass_(1)


def test_nested_calls_are_a_cascade_and_no_time_is_counted_twice(
    profile: Profile, clock: Clock
) -> None:
    order(profile, clock)
    facts = profile.facts()
    rows = {name.removeprefix(PLACE): row for name, row in facts["factories"].items()}

    assert {name: (row["seconds"], row["own"]) for name, row in rows.items()} == {
        "Orders": (7, 4),
        "Customers": (3, 2),
        "Regions": (1, 1),
    }
    assert {name: (row["top"], row["cascade"]) for name, row in rows.items()} == {
        "Orders": (1, 0),
        "Customers": (0, 1),
        "Regions": (0, 1),
    }
    assert (facts["seconds"], facts["cascades"][f"{PLACE}Orders"]) == (
        7,
        {"top": 1, "seconds": 3, "below": {f"{PLACE}Customers": 1, f"{PLACE}Regions": 1}},
    )


def test_a_factory_within_itself_counts_its_time_once(profile: Profile, clock: Clock) -> None:
    with profile.making(Orders, "create"):
        clock.pass_(1)
        with profile.making(Orders, "create"):
            clock.pass_(2)
    row = profile.facts()["factories"][f"{PLACE}Orders"]

    assert (row["seconds"], row["own"], row["top"], row["cascade"]) == (3, 3, 1, 1)


@pytest.mark.parametrize("how", HOWS)
def test_the_outermost_call_says_how(profile: Profile, clock: Clock, how: How) -> None:
    with profile.call(Regions, how, made=5 if how == "bulk" else 0):
        order(profile, clock)
    rows = profile.facts()["factories"]

    assert [rows[f"{PLACE}Orders"][each] for each in HOWS] == [int(each == how) for each in HOWS]
    assert rows[f"{PLACE}Orders"]["top"] == int(how != "bulk")
    assert rows[f"{PLACE}Regions"][how] == (6 if how == "bulk" else 1)


def test_what_is_set_up_for_a_factory_is_left_out(profile: Profile, clock: Clock) -> None:
    with profile.making(Orders, "create"), profile.making(Customers, "create"):
        clock.pass_(1)
        with profile.apart():
            clock.pass_(100)
            assert profile.at_work_for() == "nobody"
            with profile.making(Regions, "create"):
                clock.pass_(10)
        assert profile.at_work_for() != "nobody"
    facts = profile.facts()

    assert facts["factories"][f"{PLACE}Orders"]["seconds"] == 1
    assert facts["factories"][f"{PLACE}Regions"]["top"] == 1
    assert facts["seconds"] == 11


def test_what_raises_made_nothing_and_stubs_are_no_objects(profile: Profile, clock: Clock) -> None:
    work = profile.begin_test()
    with profile.making(Regions, "stub"):
        clock.pass_(1)
    with pytest.raises(ZeroDivisionError), profile.making(Orders, "create"):
        raise ZeroDivisionError
    facts = profile.facts()

    assert [*facts["factories"]] == [f"{PLACE}Orders"]
    assert facts["factories"][f"{PLACE}Orders"]["top"] == 0
    assert (facts["cascades"], work.rows, work.failed) == ({}, 0, True)


def test_rows_belong_to_the_test_but_not_those_of_wider_fixtures(
    profile: Profile, clock: Clock
) -> None:
    work = profile.begin_test()
    order(profile, clock)
    with profile.making(Orders, "build"):
        clock.pass_(1)
    with current.apart(object(), "module fixture x"):
        order(profile, clock)

    assert (work.rows, work.seconds, work.failed) == (3, 8, False)


def test_threads_make_no_cascades_of_each_other(profile: Profile) -> None:
    def make(_: int) -> None:
        with profile.making(Orders, "create"):
            pass

    with profile.making(Regions, "create"), ThreadPoolExecutor(4) as threads:
        list(threads.map(make, range(200)))

    assert profile.facts()["factories"][f"{PLACE}Orders"]["top"] == 200


def test_a_run_in_which_no_factory_worked_says_so(profile: Profile) -> None:
    assert profile_lines({"unread": []} | profile.facts(), wall=1.0, verbose=True) == [
        "testkit: no factory made anything"
    ]


# Halves add up without an error, in whatever order.
HALVES: Final = st.integers(0, 10**6).map(lambda number: number / 2)
NAMES: Final = st.sampled_from("abc")
ROWS: Final = st.fixed_dictionaries({"top": st.integers(0, 99), "seconds": HALVES})
FACTS: Final = st.fixed_dictionaries(
    {},
    optional={
        "factories": st.dictionaries(NAMES, ROWS),
        "seconds": HALVES,
        "unread": st.lists(st.tuples(HALVES, st.integers(1, 9), NAMES).map(list)),
    },
)


@given(FACTS, FACTS, FACTS)
def test_the_order_of_merging_does_not_matter(
    one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]
) -> None:
    merged_in_order = merged(merged(one, two), three)

    assert merged(one, merged(two, three)) == merged_in_order
    assert merged(three, merged(two, one)) == merged_in_order
    assert merged_in_order.get("seconds", 0) == sum(f.get("seconds", 0) for f in (one, two, three))


@given(st.recursive(st.none(), lambda inner: st.lists(inner, max_size=4), max_leaves=20))
def test_own_times_add_up_to_the_whole(tree: list[Any] | None) -> None:
    clock = Clock()
    profile = Profile(clock)

    def make(below: list[Any] | None) -> int:
        with profile.making((Orders, Customers, Regions)[len(below or ()) % 3], "create"):
            clock.pass_(1)
            return 1 + sum(make(each) for each in below or ())

    made = make(tree)
    facts = profile.facts()
    rows = facts["factories"].values()

    assert sum(row["own"] for row in rows) == facts["seconds"] == made
    assert sum(row["top"] + row["cascade"] for row in rows) == made
    assert max(row["seconds"] for row in rows) == made


def test_the_lines_name_the_costliest_first(profile: Profile, clock: Clock) -> None:
    order(profile, clock)
    order(profile, clock)
    facts = profile.facts() | {
        "unread": [[0.02, 1, "t.py::cheap"], [2.0, 12, "t.py::dear"]],
        "unclear": 1,
    }

    assert profile_lines(facts, wall=56.0, verbose=False) == [
        "testkit: factories took 14.0 s of 56.0 s (25%): 6 objects, 2 at the top level and 4 in"
        " cascades",
        "testkit:   the costliest cascade: for each row asked for Orders makes 3: its own, and by"
        " Customers, Regions (6.0 s)",
        "testkit:   made  top  cascade  build  create  batch  bulk    time  own time  factory",
        "testkit:      2    2        0      0       2      0     0  14.0 s     8.0 s  Orders",
        "testkit:      2    0        2      0       2      0     0   6.0 s     4.0 s  Customers",
        "testkit:      2    0        2      0       2      0     0   2.0 s     2.0 s  Regions",
        "testkit: 2 tests wrote rows that no query read; build() may do:",
        "testkit:      2.0 s  12 rows  t.py::dear",
        "testkit:      20 ms  1 row  t.py::cheap",
        "testkit: 1 test not judged: what else may have read the rows cannot be seen",
    ]


def test_ten_factories_are_named_and_all_where_one_asks_for_more(profile: Profile) -> None:
    kinds = [type(f"Kind{number}", (), {}) for number in range(12)]
    for kind in (*kinds, type("Kind1", (), {"__module__": "elsewhere"})):
        with profile.making(kind, "build"):
            pass
    brief, full = (
        profile_lines(profile.facts(), wall=1.0, verbose=verbose) for verbose in (False, True)
    )

    assert (len(brief), brief[-1]) == (13, "testkit:   … and 3 more with -v")
    assert len(full) == 15
    assert {"elsewhere:Kind1", f"{PLACE}Kind1"} <= {line.split()[-1] for line in full}
