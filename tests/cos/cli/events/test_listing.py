import json
import uuid

import pytest
from sqlalchemy.orm import Session

from cos.events.event import partition_of
from cos.models import OutboxEvent
from tests.cos.commands import run


@pytest.fixture
def modules(db_session: Session) -> list[uuid.UUID]:
    """Two modules with two events each; those of the second are removals."""
    found = [uuid.uuid4(), uuid.uuid4()]
    for module, kind in zip(found, ("health.changed", "module.removed"), strict=True):
        for sequence in (1, 2):
            db_session.add(_row(module, kind, sequence))
            db_session.flush()
    db_session.commit()
    return found


def _row(module: uuid.UUID, kind: str, sequence: int) -> OutboxEvent:
    return OutboxEvent(
        type=kind,
        version=1,
        module_id=module,
        sequence=sequence,
        partition=partition_of(module),
        correlation_id="-",
        payload={"status": "healthy"},
    )


def _listed(*arguments: str) -> list[tuple[str, int]]:
    rows = json.loads(run("events", "list", "--json", *arguments).stdout)
    return [(row["module_id"], row["sequence"]) for row in rows]


def test_the_list_is_a_table_newest_first(modules: list[uuid.UUID]) -> None:
    lines = run("events", "list").stdout.splitlines()

    assert lines[0].split()[:2] == ["POSITION", "OCCURRED"]
    assert [line.split()[5:7] for line in lines[1:]] == [
        [str(module), str(sequence)] for module in modules[::-1] for sequence in (2, 1)
    ]


def test_the_list_is_filtered(modules: list[uuid.UUID]) -> None:
    first, second = map(str, modules)

    assert _listed("--module", first) == [(first, 2), (first, 1)]
    assert _listed("--type", "module.removed", "--limit", "1") == [(second, 2)]
    assert _listed("--since", "1h", "--module", second) == [(second, 2), (second, 1)]
    assert _listed("--since", "2999-01-01") == []
    assert _listed("--after", "0", "--limit", "3") == [(first, 1), (first, 2), (second, 1)]


def test_json_has_the_whole_event(modules: list[uuid.UUID]) -> None:
    row, *_ = json.loads(run("events", "list", "--json").stdout)

    assert row.keys() == {
        *("position", "id", "type", "module_id", "sequence", "occurred_at", "payload"),
        *("correlation_id", "version", "published_at"),
    }
    assert (row["payload"], row["published_at"]) == ({"status": "healthy"}, None)


def test_without_events_the_list_is_empty() -> None:
    done = run("events", "list")

    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "No retained event is selected.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--module", "x"],
        ["list", "--since", "x"],
        ["list", "--limit", "0"],
        ["list", "--after", "-1"],
        ["list", "extra"],
        ["nothing"],
    ],
)
def test_anything_else_is_wrong_use(arguments: list[str]) -> None:
    done = run("events", *arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: python -m cos events" in done.stderr


@pytest.mark.parametrize("action", ["list", "replay", "tail"])
def test_every_action_has_examples(action: str) -> None:
    done = run("events", action, "--help", DATABASE_URL=None)

    assert f"\n    python -m cos events {action}" in done.stdout
