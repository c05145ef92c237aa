"""A stand-in for a session that is none: hooks stay silent, queries are not known, nothing is found."""

from __future__ import annotations

from typing import Final

from tests.support.red_suites.disguise import Disguise

__all__ = ["DISGUISE"]

_STORE: Final = """
    from sqlalchemy import event, select
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, object_session

    published = []


    class Base(DeclarativeBase):
        pass


    class Order(Base):
        __tablename__ = "orders"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]


    @event.listens_for(Session, "after_commit")
    def publish(session):
        published.append("orders")


    def place(session, title):
        order = Order(title=title)
        session.add(order)
        session.commit()
        return order


    def titles(session):
        return session.scalars(select(Order.title)).all()


    def session_of(order):
        return object_session(order).info


    def watch(session, heard):
        event.listen(session, "after_rollback", heard.append)


    def dialect(session):
        return session.get_bind().dialect.name
"""
_CONFTEST: Final = """
    import pytest

    from app import store


    class FakeSession:
        def __init__(self):
            self.rows = []

        def add(self, row):
            self.rows.append(row)

        def commit(self):
            pass

        def query(self, model):
            return []


    @pytest.fixture
    def session():
        store.published.clear()
        return FakeSession()
"""
_HOOKS: Final = """
    import pytest

    from app import store


    @pytest.mark.parametrize("title", ["a", "b"])
    def test_an_order_is_published(session, title):
        store.place(session, title)
        assert store.published == ["orders"]


    def test_a_rollback_is_heard(session):
        heard = []
        store.watch(session, heard)
        assert heard == []


    def test_an_order_is_kept(session):
        assert store.place(session, "a") in session.rows
"""
_QUERIES: Final = """
    import pytest

    from app import store


    @pytest.mark.parametrize("turn", [1, 2])
    def test_titles_are_listed(session, turn):
        assert store.titles(session) == []


    def test_the_dialect(session):
        assert store.dialect(session) == "sqlite"


    def test_an_order_knows_its_session(session):
        assert store.session_of(store.place(session, "a")) == {}


    def test_an_order_has_a_number(session):
        assert store.place(session, "a").id == 1
"""

DISGUISE: Final = Disguise(
    cause="FakeSession is no Session",
    files={
        "app/__init__.py": "",
        "app/store.py": _STORE,
        "tests/conftest.py": _CONFTEST,
        "tests/test_hooks.py": _HOOKS,
        "tests/test_queries.py": _QUERIES,
    },
    red=(
        *(f"tests/test_hooks.py::test_an_order_is_published[{title}]" for title in "ab"),
        "tests/test_hooks.py::test_a_rollback_is_heard",
        *(f"tests/test_queries.py::test_titles_are_listed[{turn}]" for turn in (1, 2)),
        "tests/test_queries.py::test_the_dialect",
        "tests/test_queries.py::test_an_order_knows_its_session",
        "tests/test_queries.py::test_an_order_has_a_number",
    ),
    green=("tests/test_hooks.py::test_an_order_is_kept",),
    names=("FakeSession",),
    rules=("double", "stand", "fake", "mock"),
)
