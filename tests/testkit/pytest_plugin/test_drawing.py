"""Draws of several processes, after a fork, without a folder; and who drew what, by a real run."""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from testkit.cli.drawn import who_drew
from testkit.core.messages import TestkitError
from testkit.system.draw_log import read_logs
from tests.support.commands import called
from tests.support.drawing import Drawer, drawn_by_processes
from tests.support.suites import Suite
from tests.support.waiting import wait_until

FOLDER: Final = ".testkit/draws"


@pytest.mark.parametrize(
    ("processes", "times"), [(2, 2000), pytest.param(8, 20_000, marks=pytest.mark.slow)]
)
def test_processes_that_draw_at_once_draw_different_values(
    tmp_path: Path, processes: int, times: int
) -> None:
    values = "[draws.text('m'), draws.text('m', length=11)]"
    drawn = drawn_by_processes(tmp_path, values, processes=processes, times=times)
    found = {str(value) for values in drawn if isinstance(values, list) for value in values}

    assert len(found) == 2 * processes * times


@pytest.mark.parametrize(
    ("processes", "length"),
    [(2, 2), pytest.param(6, 3, marks=pytest.mark.slow)],
)
def test_processes_share_a_short_column_until_it_is_used_up(
    tmp_path: Path, processes: int, length: int
) -> None:
    times = 36**length // processes
    text = f"draws.text('m', length={length}, space='t.code')"
    drawn = drawn_by_processes(tmp_path, text, processes=processes, times=times)

    assert len(set(map(str, drawn))) == 36**length
    assert Counter(map(str, drawn)).most_common(1)[0][1] == 1


@pytest.mark.slow
def test_processes_share_a_wide_column_too(tmp_path: Path) -> None:
    number = "draws.number('t.n', 2**31)"
    drawn = drawn_by_processes(tmp_path, number, processes=8, times=20_000)

    assert len(set(map(str, drawn))) == 160_000


def draw_some(drawer: Drawer) -> list[object]:
    draws = drawer.draws
    return [
        *(draws.text("m") for _ in range(3)),
        *(draws.number("t.wide", 2**31) for _ in range(3)),
        *(draws.number("t.n", 50_000) for _ in range(3)),
    ]


FORKING: Final = """
import json, os, sys, threading
from tests.support.drawing import Drawer
from tests.testkit.pytest_plugin.test_drawing import draw_some

def forked():
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.write(theirs, json.dumps(draw_some(drawer)).encode())
        drawer.end()
        os._exit(0)
    os.wait()
    os.close(theirs)
    with os.fdopen(ours, "rb") as answer:
        return json.loads(answer.read())

def draw_on():
    while not ended.is_set():
        drawer.draws.text("m")
        drawer.draws.number("t.other", 50_000)
        drawer.running.begin_test("test_it")

drawer = Drawer(sys.argv[1])
drawer.running.begin_test("test_it")
ended = threading.Event()
if sys.argv[2] == "threads":
    threading.Thread(target=draw_on).start()
drawn = draw_some(drawer)
if os.fork() == 0:
    drawer.end()  # without a draw of its own
    os._exit(0)
os.wait()
for _ in range(int(sys.argv[3])):
    drawn += forked() + draw_some(drawer)
ended.set()
drawer.end()
print(json.dumps([drawn, drawer.draws.count]))
"""


def drawn_with_forks(root: Path, threads: str, children: int) -> tuple[list[object], int]:
    """Return what a process and its children drew, and the last count of the process itself."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING, str(root), threads, str(children)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    drawn, count = json.loads(done.stdout)
    return drawn, count


def test_a_forked_child_draws_other_values_than_its_parent_and_has_a_log_of_its_own(
    tmp_path: Path,
) -> None:
    drawn, count = drawn_with_forks(tmp_path, "no threads", 2)
    logs = list(read_logs(tmp_path / FOLDER))
    texts = [file.read_text() for file in (tmp_path / FOLDER).glob("*.log")]

    assert [text.count('"last"') for text in texts] == [1, 1, 1]
    assert len(set(drawn)) == len(drawn) == 9 * 5
    assert sorted(log.last for log in logs) == [3, 3, count]
    assert {each.doing for log in logs for each in log.counts} == {"test_it"}


@pytest.mark.slow
def test_a_child_that_is_forked_in_the_middle_of_a_draw_can_draw(tmp_path: Path) -> None:
    drawn, _ = drawn_with_forks(tmp_path, "threads", 40)

    assert len(set(drawn)) == len(drawn) == 9 * 81


@pytest.mark.parametrize("kind", ["a file", "a link", "no folder"])
def test_where_no_file_can_be_written_drawing_goes_on(tmp_path: Path, kind: str) -> None:
    root = tmp_path
    if kind == "a file":
        (root / ".testkit").write_text("")
    elif kind == "a link":
        (root / ".testkit").symlink_to(root / "nowhere")
    else:
        root = Path("/proc/self")  # where not even root can make one
    drawer = Drawer(root)
    drawer.running.begin_test("test_it")
    drawn = draw_some(drawer)
    numbers = {drawer.draws.number("t.few", 5) for _ in range(5)}
    with pytest.raises(TestkitError, match="TK411"):
        drawer.draws.number("t.few", 5)
    drawer.end()

    assert len(set(drawn)) == 9
    assert numbers == set(range(5))


def test_a_log_that_a_full_disk_ends_is_not_laid_at_the_door_of_the_test_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bytecode that is cut off at the limit would break every run after this one.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    drawer = Drawer(tmp_path)
    drawer.running.begin_test("first")
    before = drawer.draws.text("m")
    [file] = (tmp_path / FOLDER).glob("*.log")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 10, limits[1]))
    try:
        drawer.running.begin_test("second")
        behind = drawer.draws.text("m")
        few = {drawer.draws.number("t.few", 2) for _ in range(2)}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    drawer.end()
    [log] = read_logs(tmp_path / FOLDER)

    assert [each.doing for each in log.counts] == ["first"]
    assert log.token in before
    assert log.token not in behind
    assert few == {0, 1}


SUITE: Final = """
    import pathlib
    import pytest
    from testkit.core.current import current

    def tell(name, *values):
        pathlib.Path(name).write_text("\\n".join(map(str, values)))

    @pytest.fixture(scope="module")
    def rows():
        tell("rows", current.draws.text("row"), current.doing)

    @pytest.mark.parametrize("odd", ["\\x1b[31m"], ids=["\\x1b[31m"])
    def test_first(unique, odd):
        tell("first", unique("module"), current.uuid_version, current.seed)

    @pytest.fixture(scope="module", params=["one", "two"])
    def only():
        return current.draws.number("t.only", 1)

    def test_free_again(only):
        current.draws.number("t.each", 1)

    def test_second(unique, rows):
        tell("second", unique("module"), current.draws.text("m", length=2, space="t.code"), current.doing)
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which a suite has run that drew values, and wrote them into files."""
    suite = Suite(tmp_path_factory.mktemp("drawn"), test_it=SUITE)
    suite.configure("uuid_version = '7'")
    outcome = suite.run("--testkit-seed=41")
    (suite.folder / "output").write_text(outcome.text)
    outcome.check(passed=4)
    return suite.folder


def values(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text().splitlines()


def test_explain_says_which_test_drew_a_value(drawn: Path) -> None:
    name, _, doing = values(drawn, "second")
    done = called("explain", f"<{name.upper()}@example.com>", folder=drawn)
    [headings, line] = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    assert doing == "test_it.py::test_second"
    assert headings.split() == ["DRAWN", "BY", "WORKER", "AT", "(UTC)", "SPACE", "VALUE"]
    assert re.match(rf"{doing} +main +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d +- ", line)


def test_who_drew_is_told_of_fixtures_short_texts_and_odd_tests(
    drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(drawn)
    in_fixture, doing = values(drawn, "rows")
    odd, short = values(drawn, "first")[0], values(drawn, "second")[1]

    assert doing == "module fixture rows of test_it.py"
    assert doing in who_drew(in_fixture)
    assert r"test_it.py::test_first[\x1b[31m]" in who_drew(odd)
    assert re.search(r"test_it.py::test_second .* t\.code ", who_drew(short))


def test_the_slots_of_the_run_hold_what_is_configured(drawn: Path) -> None:
    assert values(drawn, "first")[1:] == ["7", "41"]


def test_the_header_shows_the_seed_and_how_to_have_it_again(drawn: Path) -> None:
    output = (drawn / "output").read_text()

    assert "testkit: seed 41, --testkit-seed=41 draws the same values\n" in output


@pytest.mark.slow
def test_after_a_kill_it_is_known_who_drew(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import pathlib, signal

        def test_it(unique):
            pathlib.Path("draft").write_text(unique("module"))
            pathlib.Path("draft").rename("name")
            signal.pause()
    """,
    )
    process = suite.start()
    wait_until((tmp_path / "name").exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = called("explain", (tmp_path / "name").read_text(), folder=tmp_path)

    assert "test_it.py::test_it " in done.stdout


@pytest.mark.slow
def test_the_workers_of_a_run_have_one_seed_and_each_its_own_names(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import pathlib
        import pytest
        from testkit.core.current import current

        @pytest.mark.parametrize("number", range(40))
        def test_it(number, unique, worker_id):
            with pathlib.Path(worker_id).open("a") as file:
                file.write(f"{current.seed} {unique('module')}\\n")
    """,
    )
    suite.configure("")
    outcome = suite.run("-n", "2")
    outcome.check(passed=40)
    lines = [line.split() for gw in ("gw0", "gw1") for line in values(tmp_path, gw)]
    found = re.search(
        r"^testkit: seed (\d{1,9}), --testkit-seed=\1 draws", outcome.text, re.MULTILINE
    )

    assert found is not None
    assert {seed for seed, _ in lines} == {found[1]}
    assert len({name for _, name in lines}) == 40


@pytest.mark.slow
def test_another_run_has_another_seed_and_a_project_that_set_nothing_up_no_line(
    tmp_path: Path,
) -> None:
    suite = Suite(tmp_path, test_it="def test_it(): pass")
    plain = suite.run().text
    suite.configure("")
    seeds = {re.findall(r"--testkit-seed=(\d+)", suite.run().text)[0] for _ in range(2)}

    assert len(seeds) == 2
    assert "--testkit-seed" not in plain
    assert not (tmp_path / ".testkit").exists()


@pytest.mark.slow
def test_a_run_within_a_process_leaves_the_outer_runs_draws_alone(tmp_path: Path) -> None:
    Suite(tmp_path / "inner", test_it="def test_it(unique): assert unique('inner')")
    suite = Suite(
        tmp_path,
        test_outer="""
        import pytest
        from testkit.core.current import current

        def test_it(unique):
            draws = current.draws
            assert pytest.main(["-p", "no:cacheprovider", "-p", "testkit.pytest_plugin.hooks", "-q", "inner"]) == 0
            assert current.draws is draws and unique("x") != current.unique("x")
    """,
    )
    outcome = suite.run("test_outer.py")

    outcome.check(passed=1)
