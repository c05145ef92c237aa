"""Whose a directory is: told only by a plain file of ours, of just the one shape."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from testkit.servers.ownership.records import is_ours, owner_of, read_facts, state_of, to_identity
from testkit.servers.ownership.verdicts import DEAD, IN_USE, UNJUDGED
from tests.support.processes import ended_process

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.system.processes import ProcessIdentity

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
NOBODY_WE_KNOW = 54321


def test_the_owner_is_the_one_that_the_directory_names(
    tmp_path: Path, myself: ProcessIdentity
) -> None:
    (tmp_path / "owner.json").write_text(json.dumps(asdict(myself)))
    owner = owner_of(tmp_path)

    assert (owner, state_of(owner)) == (myself, IN_USE)
    assert state_of(ended_process()) == DEAD
    assert state_of(None) == UNJUDGED


def test_what_stays_belongs_to_the_first_keeper_that_lives(
    tmp_path: Path, myself: ProcessIdentity
) -> None:
    signer, gone = ended_process(), ended_process()
    (tmp_path / "owner.json").write_text(json.dumps(asdict(signer)))
    owners = []
    for keepers in ([asdict(gone), asdict(myself)], [asdict(gone)], [{"pid": 1}], 7):
        (tmp_path / "up.json").write_text(json.dumps({"keepers": keepers}))
        owners.append(owner_of(tmp_path))

    assert owners == [myself, signer, signer, signer]


@pytest.mark.parametrize(
    "change",
    [
        {"pid": "7"},
        {"pid": [7]},
        {"pid": True},
        {"pid": 7.0},
        {"started": 100},
        {"boot": None},
        {"more": ""},
    ],
)
def test_an_identity_of_another_shape_is_none(
    change: dict[str, object], myself: ProcessIdentity
) -> None:
    assert to_identity(asdict(myself) | change) is None
    assert to_identity(asdict(myself)) == myself


@pytest.mark.parametrize("missing", ["pid", "started", "boot", "namespace"])
def test_an_identity_that_lacks_something_is_none(missing: str, myself: ProcessIdentity) -> None:
    assert to_identity({k: v for k, v in asdict(myself).items() if k != missing}) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"a": 1', "\xff"])
def test_what_is_no_object_holds_no_facts(tmp_path: Path, text: str) -> None:
    file = tmp_path / "facts.json"
    file.write_text(text, encoding="latin-1")

    assert read_facts(file) is None


def test_a_link_a_folder_and_a_pipe_hold_no_facts(tmp_path: Path) -> None:
    """A pipe that nobody writes to must not be waited for."""
    real = tmp_path / "real.json"
    real.write_text("{}")
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    odd = [read_facts(tmp_path / name) for name in ("link", "folder", "pipe", "missing")]

    assert (odd, read_facts(real)) == ([None] * 4, {})


@ROOT
def test_facts_that_somebody_else_wrote_are_none(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text("{}")
    os.chown(file, NOBODY_WE_KNOW, NOBODY_WE_KNOW)

    assert read_facts(file) is None


def test_a_link_to_a_directory_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert [is_ours(tmp_path / name) for name in ("real", "link", "missing")] == [
        True,
        False,
        False,
    ]


@ROOT
def test_a_directory_of_another_user_is_not_ours_whatever_it_says(
    tmp_path: Path, myself: ProcessIdentity
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "owner.json").write_text(json.dumps(asdict(myself)))
    os.chown(folder, NOBODY_WE_KNOW, NOBODY_WE_KNOW)

    assert (is_ours(folder), owner_of(folder)) == (False, None)
