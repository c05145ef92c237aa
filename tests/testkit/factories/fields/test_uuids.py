"""UUIDs of both versions."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from testkit.core.current import current
from testkit.factories.fields import new_uuid

if TYPE_CHECKING:
    import uuid


@pytest.fixture
def _version_7(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "uuid_version", 7)


def milliseconds(made: uuid.UUID) -> int:
    return made.int >> 80


def test_a_uuid_is_of_version_4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "uuid_version", 4)

    assert new_uuid().version == 4


@pytest.mark.usefixtures("_version_7")
def test_a_uuid_of_version_7_has_the_time_and_the_variant() -> None:
    before = time.time_ns() // 1_000_000
    made = new_uuid()
    after = time.time_ns() // 1_000_000

    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    # A frozen or late clock counts on from the last one.
    assert before <= milliseconds(made) <= after + 1000


@pytest.mark.usefixtures("_version_7")
def test_uuids_of_version_7_rise() -> None:
    made = [new_uuid() for _ in range(5000)]

    assert made == sorted(set(made))


@pytest.mark.usefixtures("_version_7")
def test_threads_get_uuids_of_their_own() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: [new_uuid() for _ in range(500)], range(8)))

    assert len({each for some in made for each in some}) == 4000
    assert all(some == sorted(some) for some in made)
