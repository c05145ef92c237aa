"""What belongs to the running test: who runs, and what runs within a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testkit.core.current import RunningTest
from tests.support.drawing import Drawer

if TYPE_CHECKING:
    from pathlib import Path


def test_a_fixture_wider_than_the_test_is_set_up_apart_from_it() -> None:
    running = RunningTest()
    running.begin_test("test_a.py::test_it")
    running.session = lambda: "session"
    owner = running.owner
    with running.apart(running, "module fixture rows of test_a.py"):
        within: tuple[object, ...] = running.session, running.doing, running.owner

    assert within == (None, "module fixture rows of test_a.py", running)
    assert (running.doing, running.owner) == ("test_a.py::test_it", owner)
    assert running.session is not None


def test_nothing_of_a_test_is_left_when_it_has_ended() -> None:
    running = RunningTest()
    running.begin_test("test_a.py::test_it")
    running.session, owner = (lambda: "session"), running.owner
    running.made.append(1)
    running.end_test()
    left: tuple[object, ...] = running.session, running.made, running.doing

    assert left == (None, [], "")
    assert running.owner is not owner


def test_a_run_within_a_run_leaves_the_outer_one_as_it_was(tmp_path: Path) -> None:
    outer, inner = Drawer(tmp_path, worker="outer"), Drawer(tmp_path, worker="inner")
    running = outer.running
    running.begin_test("outer")
    before = running.begin_run(lambda: inner.draws, seed=5, uuid_version=7)
    running.begin_test("inner")
    within = running.seed, running.uuid_version, running.draws is inner.draws
    running.end_test()
    running.end_run(before)

    assert within == (5, 7, True)
    assert (running.seed, running.uuid_version, running.doing) == (1, 4, "outer")
    assert running.draws is outer.draws
    assert running.unique is not None
    assert running.unique("x").startswith("x-outer-")


def test_outside_of_a_run_there_is_nothing_to_draw_from() -> None:
    running = RunningTest()

    assert (running.draws, running.unique, running.seed) == (None, None, None)
