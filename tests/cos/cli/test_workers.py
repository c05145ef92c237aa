"""Several processes that serve the same port."""

import os
import signal

import pytest

from testkit.system.processes import identify
from tests.cos.commands import Served, run, serving
from tests.support.processes import children_of, command_lines
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


def _workers(served: Served) -> set[int]:
    """Return the pids of the processes that serve."""
    lines = {int(path.name): line for path, line in command_lines().items()}
    found = children_of(served.process.pid)
    return {pid for pid in found if "spawn_main" in lines.get(pid, "")}


def _answer(served: Served) -> bool:
    return served.ask("GET", "/cc/health/live")[0] == 200


def test_a_worker_that_is_killed_is_replaced_and_all_end_with_the_command() -> None:
    with serving("--workers", "2") as served:
        wait_until(lambda: len(_workers(served)) == 2)
        before = _workers(served)
        # Killed while it starts or serves: either way another one takes its place.
        os.kill(min(before), signal.SIGKILL)
        wait_until(lambda: len(_workers(served) - before) == 1)
        answered = [_answer(served) for _ in range(20)]
        last = _workers(served)
        code = served.stop()

    assert answered == [True] * 20
    assert code == 0
    assert f"Worker {min(before)} ended with exit code -9 and is replaced" in served.log
    assert [pid for pid in last if identify(pid) is not None] == []
    assert "Traceback" not in served.log


def test_workers_end_when_the_command_is_killed() -> None:
    with serving("--workers", "2") as served:
        wait_until(lambda: len(_workers(served)) == 2)
        workers = _workers(served)
        assert _answer(served)

        served.process.kill()
        wait_until(lambda: all(identify(pid) is None for pid in workers))


@pytest.mark.parametrize("number", ["0", "65", "many"])
def test_a_number_of_workers_that_cannot_be_is_wrong_use(number: str) -> None:
    assert run("serve", "--workers", number).exit_code == 2
