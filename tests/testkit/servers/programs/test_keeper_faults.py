"""A server that is paused, killed and started again by its keeper; nothing of that outlives anybody."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from testkit.servers.programs.launch import KeptServer, PreparedKeeper, stop_all
from testkit.system.files import ordinary_user
from testkit.system.processes import ProcessIdentity, identify, is_alive
from tests.support.processes import LINUX, children_of, processes_below
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = LINUX

# With a child in a session of its own, as the backends of a Postgres are.
SERVER: Final = (
    "/bin/sh",
    "-c",
    "setsid sleep 600 & trap 'kill $!; exit' QUIT; echo $$ >> pids; wait",
)


@pytest.fixture
def kept(server_folder: Path, myself: ProcessIdentity) -> Iterator[KeptServer]:
    """A server that ends by SIGQUIT, under a keeper."""
    found = launched(server_folder, myself)
    yield found
    stop_all([found])


def launched(folder: Path, owner: ProcessIdentity, *, watched: bool = False) -> KeptServer:
    with PreparedKeeper("testkit-test") as keeper:
        kept = keeper.launch(
            "Server",
            SERVER,
            directory=folder,
            owners=[owner],
            stop=signal.SIGQUIT,
            remove=[folder],
            user=ordinary_user(),
            watched=watched,
            patience=0.5,
        )
    wait_until(lambda: len(family_of(kept)) == 2)
    return kept


def family_of(kept: KeptServer) -> list[ProcessIdentity]:
    """Return the server that was started last, and its child."""
    pids = kept.directory / "pids"
    server = int([0, *(pids.read_text().split() if pids.exists() else ())][-1])
    found = [identify(pid) for pid in (server, *children_of(server))]
    return [each for each in found if each is not None]


def states(kept: KeptServer) -> str:
    texts = [Path(f"/proc/{each.pid}/stat").read_text() for each in family_of(kept)]
    return "".join(text[text.rindex(")") + 2] for text in texts)


def test_a_pause_stops_the_server_and_its_children_until_it_is_resumed(kept: KeptServer) -> None:
    kept.tell("pause")
    paused = states(kept)
    kept.tell("resume")

    wait_until(lambda: states(kept) == "SS")
    assert paused == "TT"
    assert kept.has_ended() is None


def test_a_pause_may_pass_over_a_child(kept: KeptServer) -> None:
    _, child = family_of(kept)
    kept.tell("pause", child.pid)

    found = states(kept)

    assert found[0] == "T"
    assert found[1] != "T"


def test_a_killed_server_is_gone_with_its_children_and_has_not_ended(kept: KeptServer) -> None:
    before = family_of(kept)
    kept.tell("kill")

    assert [is_alive(each) for each in before] == [False, False]
    assert (kept.has_ended(), is_alive(kept.keeper)) == (None, True)


def test_a_killed_server_starts_again(kept: KeptServer) -> None:
    before = family_of(kept)
    kept.tell("kill")
    kept.tell("start")
    wait_until(lambda: len(family_of(kept)) == 2 and family_of(kept) != before)

    assert kept.has_ended() is None


def test_words_that_do_not_fit_change_nothing(kept: KeptServer) -> None:
    kept.tell("start")
    kept.tell("resume")
    once = (kept.directory / "pids").read_text().split()
    kept.tell("kill")
    kept.tell("pause")
    kept.tell("resume")
    kept.tell("kill")

    assert len(once) == 1
    assert kept.has_ended() is None


@pytest.mark.parametrize("word", ["pause", "kill"])
def test_a_server_in_a_fault_is_stopped_with_all_that_is_its(
    kept: KeptServer, server_folder: Path, word: str
) -> None:
    before = family_of(kept)
    kept.tell(word)  # type: ignore[arg-type]  # one of both
    stop_all([kept])
    wait_until(lambda: not any(map(is_alive, before)))

    assert not server_folder.parent.exists()


@pytest.mark.parametrize("watched", [False, True])
def test_a_paused_server_whose_keeper_is_killed_ends(
    server_folder: Path, myself: ProcessIdentity, *, watched: bool
) -> None:
    kept = launched(server_folder, myself, watched=watched)
    server, child = family_of(kept)
    kept.tell("pause")
    os.kill(kept.keeper.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(server))
    # A backend would see the end of its postmaster.
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(child))
    if watched:  # the second process removes the directory
        wait_until(lambda: not server_folder.exists() and not processes_below(server_folder))
    stop_all([kept])

    assert [is_alive(each) for each in (kept.keeper, server, child)] == [False] * 3


def test_a_server_that_has_ended_by_itself_obeys_no_more(kept: KeptServer) -> None:
    for each in family_of(kept):
        os.kill(each.pid, signal.SIGKILL)
    wait_until(lambda: kept.has_ended() is not None)
    with pytest.raises(ProcessLookupError, match="Server is gone: exit code -9"):
        kept.tell("start")

    assert not (kept.directory / "told").exists()
