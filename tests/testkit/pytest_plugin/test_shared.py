"""``testkit.shared``: data that is built once and to which every test of a scope is reset."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import testkit
from testkit.core.messages import TestkitError
from tests.support.suites import Suite

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
def test_a_scope_that_it_does_not_know_is_refused_where_it_stands(scope: Any) -> None:
    def shop() -> None: ...

    with pytest.raises(TestkitError, match=r"TK342.*(?s:.*)test_shared.py:\d+ in .*shop"):
        testkit.shared(scope=scope)(shop)


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


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["clone", "rollback"])
def test_tests_start_from_it_in_other_modes_too(suite: Suite, isolation: str) -> None:
    suite.configure(ENV + f'    isolation = "{isolation}"\n')
    suite.write("test_a.py", CORE)
    suite.write("test_b.py", AFTER)
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=9)


@pytest.mark.slow
def test_without_isolation_it_is_a_fixture_like_any_other(suite: Suite) -> None:
    suite.configure(ENV + '    isolation = "none"\n')
    suite.write(
        "test_a.py",
        """
        import testkit
        from models import Shop

        @testkit.shared
        def shop(database):
            with database.session() as session:
                session.add(Shop(name="corner"))
                session.commit()
                session.add(Shop(name="never committed"))

        def test_one(shop, names, db_session):
            assert names() == ["corner"]
            db_session.add(Shop(name="another"))
            db_session.commit()

        def test_two(shop, names):
            assert names() == ["another", "corner"]
        """,
    )
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=2)


@pytest.mark.slow
@pytest.mark.parametrize(("dist", "most"), [("load", 2), ("loadscope", 1)])
def test_each_worker_that_needs_it_builds_it_once(suite: Suite, dist: str, most: int) -> None:
    suite.write(
        "test_a.py",
        """
        import os, pathlib
        import pytest
        import testkit
        from models import Shop

        @testkit.shared
        def shop(database):
            with pathlib.Path("built").open("a") as file:
                print(os.environ["PYTEST_XDIST_WORKER"], file=file)
            with database.session() as session:
                session.add(Shop(name="corner"))
                session.commit()

        @pytest.mark.parametrize("n", range(8))
        def test_it(n, shop, names):
            assert names() == ["corner"]
        """,
    )
    outcome = suite.run("-n", "2", "--dist", dist)
    built = (suite.folder / "built").read_text().split()

    outcome.check(passed=8)
    assert 1 <= len(built) <= most
    assert len(built) == len({*built})


@pytest.mark.slow
def test_it_stands_wherever_a_fixture_may_stand(suite: Suite) -> None:
    for name in ("__init__", "conftest", "test_one", "test_two"):
        suite.write(f"inner/{name}.py", "")
    suite.write(
        "inner/conftest.py",
        """
        import testkit
        from models import Shop

        @testkit.shared(scope="package", autouse=True)
        def of_the_package(database):
            with database.session() as session, session.begin():
                session.add(Shop(name="of the package"))
        """,
    )
    suite.write(
        "inner/test_one.py",
        """
        import testkit
        from models import Shop

        class TestIt:
            @testkit.shared(scope="class")
            @classmethod
            def shop(cls, database, request):
                assert request.cls is cls
                with database.session() as session:
                    session.add(Shop(name="of the class"))
                    session.commit()
                yield cls

            @testkit.shared(scope="class")
            @staticmethod
            async def later(shop, database):
                async with database.async_session() as session:
                    session.add(Shop(name="of the class, too"))
                    await session.commit()

            def test_one(self, shop, later, names):
                assert shop is TestIt
                assert names() == ["of the class", "of the class, too", "of the package"]
        """,
    )
    suite.write(
        "inner/test_decorated.py",
        """
        import functools
        import testkit
        from models import Shop

        def decorated(function):
            @functools.wraps(function)
            def inner(*arguments, **named):
                return function(*arguments, **named)
            return inner

        @testkit.shared
        @decorated
        def shop(database, of_the_package, **others):
            assert others == {}
            with database.session() as session, session.begin():
                session.add(Shop(name="shop"))

        def test_it(shop, names):
            assert names() == ["of the package", "shop"]
        """,
    )
    suite.write(
        "inner/test_two.py", 'def test_it(names):\n    assert names() == ["of the package"]\n'
    )
    suite.write("test_outside.py", "def test_it(names):\n    assert names() == []\n")
    outcome = suite.run("-p", "no:randomly")

    outcome.check(passed=4)


@pytest.mark.slow
def test_what_pytest_says_of_a_fixture_it_says_of_a_shared_one(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        '''
        import testkit

        @testkit.shared
        def never(database):
            if False:
                yield

        @testkit.shared
        def twice(database):
            """A fixture that goes on too long."""
            yield 1
            yield 2

        @testkit.shared
        async def twice_later():
            yield 1
            yield 2

        def test_never(never):
            pass

        def test_twice(twice):
            pass

        def test_twice_later(twice_later):
            pass
        ''',
    )
    outcome = suite.run("-p", "no:randomly")
    shown = suite.run("--fixtures")

    assert "2 passed, 2 errors" in outcome.text, outcome.text
    assert "never did not yield a value" in outcome.text
    assert outcome.text.count("fixture function has more than one 'yield'") == 2
    assert re.findall(r"test_it\.py:(\d+)$", outcome.text, re.MULTILINE) == ["9", "15"]
    assert "twice [module scope] -- test_it.py:9" in shown.text
    assert "A fixture that goes on too long." in shown.text


@pytest.mark.soak
def test_mypy_knows_it(tmp_path: Path) -> None:
    file = tmp_path / "typed.py"
    file.write_text(
        """
import testkit

@testkit.shared
def plain() -> int:
    return 1

@testkit.shared(scope="session", params=[1, 2], ids=str, name="other", autouse=True)
async def named() -> int:
    return 1

reveal_type(plain)
reveal_type(named)
testkit.shared(scope="function")
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", file],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=Suite(tmp_path).environment(MYPYPATH=str(Path(testkit.__file__).parents[1])),
    )

    assert 'Revealed type is "def () -> int"' in done.stdout, done.stdout
    assert "Coroutine[Any, Any, int]" in done.stdout.replace("typing.", "").replace("builtins.", "")
    assert re.findall(r"error: .*\[([a-z-]+)\]", done.stdout) == ["call-overload"], done.stdout


@pytest.mark.slow
def test_factories_create_rows_in_it(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        import testkit
        from models import Shop
        from testkit.factories import Factory, Unique

        class ShopFactory(Factory[Shop]):
            class Meta:
                model = Shop

            name = Unique("shop")

        @testkit.shared
        def shops():
            shops = ShopFactory.create_batch(2)
            assert shops[0].id == 1
            yield shops
            ShopFactory.build()

        @testkit.shared(scope="class")
        async def more(shops):
            return ShopFactory.create()

        @pytest.mark.parametrize("n", range(2))
        class TestMore:
            def test_it(self, n, shops, more, names):
                own = ShopFactory.create()
                assert names() == sorted(shop.name for shop in (*shops, more, own))

        def test_after(shops, names):
            assert names() == sorted(shop.name for shop in shops)

        @pytest.fixture(scope="class")
        def plain():
            ShopFactory.create()

        def test_plain(plain):
            pass
        """,
    )
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, passed=3, error=1)
    assert "TK401: ShopFactory was asked to create a row outside a test" in outcome.text
