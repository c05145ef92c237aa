"""TD211: what runs at a commit, and tests that never commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.project import Spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.project import Project

__all__ = ["BAD", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD211",
    "A hook of the commit never runs in tests",
    "warning",
    "A session whose `commit` is `flush` calls neither before_commit nor after_commit, and checks no deferred constraint. A session that joins a test's transaction (create_savepoint, rollback_only) calls both, but its "
    "connection never commits: listeners on an Engine are not called. What they do, send or clear, no test with that session has seen.",
    'Let the session commit into a savepoint (join_transaction_mode="create_savepoint"), listen on the Session rather than the Engine, and test the rest on a session that really commits.',
)
NEEDS: Final = ("commits",)
BAD: Final = (
    """
    # file: app/hooks.py
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    @event.listens_for(Session, "after_commit")
    def publish(session):
        outbox.send()
    # file: tests/conftest.py
    @pytest.fixture
    def session(connection):
        session = Session(connection)
        session.commit = session.flush  # here
        yield session

    @pytest.fixture
    def other(db, monkeypatch):
        monkeypatch.setattr(db.session, "commit", db.session.flush)  # here
    """,
    """
    # file: app/hooks.py
    import sqlalchemy as sa
    from sqlalchemy import event

    event.listen(sa.Engine, "commit", clear_cache)
    # file: tests/conftest.py
    @pytest.fixture
    def session(connection):
        with Session(connection, join_transaction_mode="create_savepoint") as session:  # here
            yield session
    """,
)
GOOD: Final = (
    """
    # file: app/hooks.py
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    @event.listens_for(Session, "after_commit")
    def publish(session):
        outbox.send()
    # file: tests/conftest.py
    @pytest.fixture
    def session(connection):
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            yield session
    """,
    """
    # file: app/hooks.py
    from sqlalchemy import event

    @event.listens_for(Session, "before_flush")
    def publish(session):
        outbox.send()
    # file: tests/conftest.py
    def session(connection):
        session.commit = session.flush
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each place of tests that keeps a session from what a listener of the project waits for."""
    told = project.of("commits")
    for path, each in told.items():
        for kept in each["kept"]:
            hook = next(
                (
                    f"{hook['event']} of {project.relative(other)}:{hook['line']}"
                    for other, commits in told.items()
                    if project.home(other) == project.home(path)
                    for hook in commits["hooks"]
                    if hook["event"] in kept["never"]
                ),
                "",
            )
            if hook:
                reason = f"{kept['how']}: {hook} never runs"
                yield Spot(path, kept["line"], kept["column"], reason)
