import uuid

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cos.cli import main
from cos.events.event import partition_of
from cos.models import OutboxEvent, Subscription, SubscriptionGroup
from testkit.core.naming import UniqueNames
from tests.cos.commands import run


@pytest.fixture
def modules(db_session: Session) -> list[uuid.UUID]:
    """Two modules with two published events each."""
    found = [uuid.uuid4(), uuid.uuid4()]
    db_session.add_all(
        OutboxEvent(
            type="health.changed",
            version=1,
            module_id=module,
            sequence=sequence,
            partition=partition_of(module),
            correlation_id="-",
            payload={},
            published_at=func.now(),
            stream_id="1-1",
        )
        for module in found
        for sequence in (1, 2)
    )
    db_session.commit()
    return found


@pytest.fixture
def group(db_session: Session, modules: list[uuid.UUID], unique: UniqueNames) -> str:
    """A group that has handled everything."""
    name = unique("group")
    db_session.add(SubscriptionGroup(name=name))
    db_session.flush()
    db_session.add_all(
        Subscription(group_name=name, module_id=module, sequence=2) for module in modules
    )
    db_session.commit()
    return name


def _unpublished(session: Session) -> int:
    statement = select(func.count()).select_from(OutboxEvent)
    return session.scalars(statement.where(OutboxEvent.published_at.is_(None))).one()


def _progress(session: Session) -> dict[uuid.UUID, int]:
    rows = session.execute(select(Subscription.module_id, Subscription.sequence))
    return {module: sequence for module, sequence in rows}  # noqa: C416 - rows are no tuples to mypy


def test_selected_events_are_published_again(db_session: Session, modules: list[uuid.UUID]) -> None:
    done = run("events", "replay", "--module", str(modules[0]), "--since", "1h", "--yes")

    assert (done.exit_code, done.stderr) == (0, "Selected events: 2\n")
    assert done.stdout == "A running control center publishes 2 events again.\n"
    assert _unpublished(db_session) == 2


def test_a_group_is_set_back(db_session: Session, modules: list[uuid.UUID], group: str) -> None:
    done = run("events", "replay", "--group", group, "--module", str(modules[0]), "--yes")

    assert (done.exit_code, done.stderr) == (0, "Selected events: 2\n")
    assert done.stdout == f"Running subscribers of {group} handle events of 1 modules again.\n"
    assert _progress(db_session) == {modules[0]: 0, modules[1]: 2}
    assert _unpublished(db_session) == 0


@pytest.mark.parametrize(("answer", "code", "changed"), [("y\n", 0, 4), ("n\n", 1, 0), ("", 1, 0)])
def test_it_asks_with_the_number_and_takes_no_for_an_answer(
    db_session: Session, modules: list[uuid.UUID], answer: str, code: int, changed: int
) -> None:
    done = CliRunner().invoke(main, ["events", "replay"], input=answer)

    assert done.exit_code == code
    assert "Selected events: 4\n" in done.stderr
    assert "Shall the control center publish them again?" in done.stderr
    assert _unpublished(db_session) == changed


def test_nothing_selected_is_told(modules: list[uuid.UUID], group: str) -> None:
    unknown = str(uuid.uuid4())
    for more in ([], ["--group", group]):
        done = run("events", "replay", "--module", unknown, "--yes", *more)

        assert (done.exit_code, done.stdout) == (1, "")
        assert "No event is selected, and nothing was changed." in done.stderr
        assert "Run now: python -m cos events list" in done.stderr


def test_an_unknown_group_is_told_with_those_there_are(group: str, unique: UniqueNames) -> None:
    done = run("events", "replay", "--group", unique("unknown"), "--yes")

    assert (done.exit_code, done.stdout) == (1, "")
    assert f"There are: {group}." in done.stderr
