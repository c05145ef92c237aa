"""``testkit.shared``: data that is built once and to which every test of a scope is reset."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import testkit
from testkit.core.messages import TestkitError
from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

ENV = """
    schema = "metadata:models:Base.metadata"
    env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }
"""
MODELS = """
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase):
        pass

    class Shop(Base):
        __tablename__ = "shop"

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(unique=True)
"""
CONFTEST = """
    import os
    import pytest
    import redis
    from sqlalchemy import create_engine, delete, select, text
    from models import Shop

    cache = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)

    @pytest.fixture
    def names(database):
        def ask():
            with database.session() as session:
                return list(session.scalars(select(Shop.name).order_by(Shop.name)))
        return ask
"""
CORE = """
    import pytest
    import testkit
    from conftest import cache
    from models import Shop

    built = []

    @testkit.shared
    def shop(database):
        built.append("shop")
        with database.session(expire_on_commit=False) as session:
            shop = Shop(name="corner")
            session.add(shop)
            session.commit()
        cache.set("of", "the module")
        return shop

    @testkit.shared(scope="class", name="stall", params=["a", "b"], ids=["first", "second"])
    def stalls(request, database, shop):
        with database.session() as session:
            session.add(Shop(name=f"stall {request.param} of {shop.name}"))
            session.commit()
        yield request.param
        built.append(f"end of {request.param}")

    @pytest.mark.parametrize("n", range(3))
    def test_every_test_starts_from_it(n, shop, db_session, names):
        assert names() == ["corner"]
        assert (cache.get("of"), cache.dbsize()) == ("the module", 1)
        assert (shop.id, shop.name) == (1, "corner")
        row = db_session.get(Shop, shop.id)
        row.name = "changed"
        db_session.add(Shop(name="another"))
        db_session.commit()
        cache.set("of", "the test")
        cache.set("more", n)

    class TestStalls:
        @pytest.mark.parametrize("n", range(2))
        def test_it(self, n, stall, names, db_session):
            assert names() == ["corner", f"stall {stall} of corner"]
            db_session.query(Shop).delete()
            db_session.commit()

    def test_at_the_end(shop, names):
        assert names() == ["corner"]
        assert built == ["shop", "end of a", "end of b"]
"""
AFTER = """
    from conftest import cache

    def test_nothing_is_left(names):
        assert names() == []
        assert cache.dbsize() == 0
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    suite = Suite(tmp_path, models=MODELS, conftest=CONFTEST)
    suite.configure(ENV)
    return suite


def test_importing_testkit_loads_nothing_else() -> None:
    script = "import sys, typing; before = {*sys.modules}; import testkit; print({*sys.modules} - before)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout == "{'testkit'}\n"


@pytest.mark.parametrize("scope", ["function", "test", "Module", None])
def test_a_scope_that_it_does_not_know_is_refused_where_it_stands(scope: str) -> None:
    def shop() -> None: ...

    with pytest.raises(TestkitError, match=r"TK342.*(?s:.*)test_shared.py:\d+ in .*shop"):
        testkit.shared(scope=scope)(shop)  # type: ignore[call-overload]


@pytest.mark.parametrize("function", ["module", Suite, pytest.fixture(lambda: 1)])
def test_what_is_no_function_is_refused(function: object) -> None:
    with pytest.raises(TestkitError, match="TK342"):
        testkit.shared(function)  # type: ignore[call-overload]


def test_a_name_that_the_package_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fixture'"):
        testkit.fixture  # type: ignore[attr-defined] # noqa: B018


def test_every_test_of_its_scope_starts_from_what_it_built(suite: Suite) -> None:
    suite.write("test_a.py", CORE)
    suite.write("test_b.py", AFTER)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=9)
