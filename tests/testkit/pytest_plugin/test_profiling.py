"""``--testkit-profile-factories``: what factories made, how long it took, and what nobody read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.suites import WITHOUT, Outcome, Suite

if TYPE_CHECKING:
    from pathlib import Path

FLAG: Final = "--testkit-profile-factories"
MODELS: Final = """
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
    from testkit.factories import Factory

    class Base(DeclarativeBase):
        pass

    class Region(Base):
        __tablename__ = "region"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Customer(Base):
        __tablename__ = "customer"
        id: Mapped[int] = mapped_column(primary_key=True)
        region_id: Mapped[int] = mapped_column(sa.ForeignKey("region.id"))
        region: Mapped[Region] = relationship()

    class Order(Base):
        __tablename__ = "Order"
        id: Mapped[int] = mapped_column(primary_key=True)
        customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customer.id"))
        customer: Mapped[Customer] = relationship()

    class CustomerFactory(Factory[Customer]):
        pass

    class OrderFactory(Factory[Order]):
        pass
"""
BUILT: Final = """
    from models import OrderFactory

    def test_it():
        OrderFactory.build()
"""
#: A test's name says what becomes of its rows.
ROWS: Final = """
    import subprocess
    import sys
    from concurrent.futures import ThreadPoolExecutor

    import psycopg
    import psycopg2
    import pytest
    import sqlalchemy as sa
    from sqlalchemy.exc import IntegrityError

    from models import Customer, CustomerFactory, OrderFactory, Region
    from testkit.factories import Factory

    @pytest.fixture
    def engine(database):
        engine = sa.create_engine(database.url())
        yield engine
        engine.dispose()

    @pytest.fixture(scope="module")
    def raw(database):
        with psycopg.connect(database.url("libpq"), autocommit=True) as connection:
            yield connection

    @pytest.fixture
    def customer():
        return CustomerFactory.create()

    def test_unread_created(database):
        assert OrderFactory.create().id

    def test_unread_fixture(customer):
        assert customer.id

    def test_unread_bulk(engine):
        OrderFactory.bulk(50)
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1

    async def test_unread_async(database):
        await OrderFactory.acreate_batch(2)

    def test_read_by_the_session(customer, db_session):
        assert db_session.scalars(sa.select(Customer)).all()

    def test_read_by_another_engine(engine):
        OrderFactory.create_batch(2)
        with engine.connect() as connection:
            assert connection.scalar(sa.text('SELECT count(*) FROM "Order"')) == 2

    def test_read_in_another_thread(engine, customer):
        def count():
            with engine.connect() as connection:
                return connection.scalar(sa.text("SELECT count(*) FROM customer"))

        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(count).result() == 1

    async def test_read_async(async_db_session):
        order = await OrderFactory.acreate()
        await async_db_session.refresh(order)

    def test_unclear_identity_map(customer, db_session):
        assert customer in db_session

    def test_unclear_session_of_the_factory(database):
        with database.session() as session:
            class OwnFactory(Factory[Region]):
                class Meta:
                    sqlalchemy_session = session

            region = OwnFactory.create()
            assert region in session

    def test_read_by_a_foreign_key(engine, customer):
        with engine.begin() as connection:
            connection.execute(
                sa.text('INSERT INTO "Order" (customer_id) VALUES (:id)'), {"id": customer.id}
            )

    def test_read_by_a_constraint(customer):
        with pytest.raises(IntegrityError):
            CustomerFactory.create(id=customer.id, region_id=customer.region_id)

    def test_unclear_psycopg(database, customer):
        with psycopg.connect(database.url("libpq")) as connection:
            assert connection.execute("SELECT count(*) FROM customer").fetchone() == (1,)

    def test_unclear_psycopg2(database, customer):
        connection = psycopg2.connect(database.url("libpq"))
        connection.cursor().execute("SELECT count(*) FROM customer")
        connection.close()

    def test_unclear_older_connection(raw, customer):
        assert raw.execute("SELECT count(*) FROM customer").fetchone() == (1,)

    def test_unclear_raw_connection_of_an_engine(engine, customer):
        connection = engine.raw_connection()
        connection.cursor().execute("SELECT count(*) FROM customer")
        connection.close()

    def test_unclear_process(customer):
        subprocess.run([sys.executable, "-c", ""], check=True)

    def test_unclear_view(engine, customer):
        with engine.begin() as connection:
            connection.execute(sa.text("SELECT * FROM v"))
"""
WITH_VIEW: Final = """
    import sqlalchemy as sa
    from models import Base

    class Schema:
        def fingerprint(self):
            return "profiled"

        def apply(self, url):
            engine = sa.create_engine(url)
            Base.metadata.create_all(engine)
            with engine.begin() as connection:
                connection.execute(sa.text("CREATE VIEW v AS SELECT id FROM customer"))
            engine.dispose()

    schema = Schema()
"""


def suite_of(folder: Path, tests: str) -> Suite:
    suite = Suite(folder, models=MODELS, schema=WITH_VIEW, test_it=tests)
    suite.configure('schema = "schema:schema"')
    return suite


def lines_of(outcome: Outcome) -> list[str]:
    """Return the lines of the profile: those behind the bill."""
    lines = [line for line in outcome.text.splitlines() if line.startswith("testkit:")]
    return lines[next(n for n, line in enumerate(lines) if "factories took" in line) :]


@pytest.mark.slow
def test_a_bare_flag_profiles(tmp_path: Path) -> None:
    told = suite_of(tmp_path, BUILT).run(FLAG)

    told.check(passed=1)
    assert re.fullmatch(
        r"testkit: factories took \d+ ms of \S+ m?s \(\d+%\): 3 objects, 1 at the top level and"
        r" 2 in cascades",
        lines_of(told)[0],
    )
    assert [line.split()[1:8] for line in lines_of(told)[2:5]] == [
        ["1", "1", "0", "1", "0", "0", "0"],
        ["1", "0", "1", "1", "0", "0", "0"],
        ["1", "0", "1", "1", "0", "0", "0"],
    ]
    assert [line.split()[-1] for line in lines_of(told)[2:5]] == [
        "OrderFactory",
        "CustomerFactory",
        "RegionFactory",
    ]


@pytest.mark.slow
def test_without_it_nothing_is_told(tmp_path: Path) -> None:
    outcome = suite_of(tmp_path, BUILT).run(f"{FLAG}=false")

    outcome.check(passed=1)
    assert "factories took" not in outcome.text


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(("-n", "2"), marks=pytest.mark.slow),
        pytest.param((), marks=pytest.mark.soak),
        pytest.param(("--testkit-isolation=clone",), marks=pytest.mark.soak),
    ],
)
def test_tests_are_told_apart_by_what_became_of_their_rows(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    suite = suite_of(tmp_path, ROWS)
    suite.write("pytest.ini", "[pytest]\nasyncio_mode = auto\n")
    outcome = suite.run(FLAG, "-v", *how)
    lines = lines_of(outcome)
    told = [line for line in lines if "test_it.py::" in line]

    outcome.check(passed=18)
    assert sorted(line.split(" row")[0].split()[-1] for line in told) == ["2", "3", "52", "6"], told
    assert {line.rpartition("::test_")[2] for line in told} == {
        "unread_created",
        "unread_fixture",
        "unread_bulk",
        "unread_async",
    }
    assert any(line.startswith("testkit: 8 tests not judged:") for line in lines), lines
    orders = next(line.split() for line in lines if line.endswith("OrderFactory"))
    assert orders[1:8] == ["56", "56", "0", "0", "2", "4", "50"]


@pytest.mark.slow
def test_a_test_that_failed_is_not_judged(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, ROWS + "\n        assert False\n")
    outcome = suite.run(FLAG, "-k", "view")

    outcome.check(code=1, failed=1)
    assert "not judged" not in outcome.text


@pytest.mark.soak
def test_a_server_that_a_factory_starts_is_no_reason_not_to_judge(tmp_path: Path) -> None:
    tests = "from models import OrderFactory\ndef test_it():\n    OrderFactory.create()\n"
    suite = Suite(tmp_path, models=MODELS)
    suite.write("test_it.py", tests)
    suite.configure('schema = "metadata:models:Base.metadata"')
    outcome = suite.run(FLAG)

    outcome.check(passed=1)
    assert "1 test wrote rows that no query read" in outcome.text


@pytest.mark.slow
def test_without_factory_boy_the_extra_is_named(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "def test_it(): pass")
    suite.write("sitecustomize.py", WITHOUT.replace("{module}", "factory"))
    outcome = suite.run(FLAG)

    assert (outcome.code, outcome.tests) == (4, {})
    assert "TK003" in outcome.text
    assert "Traceback" not in outcome.text


@pytest.mark.slow
def test_a_path_behind_the_bare_flag_is_told_what_to_write(tmp_path: Path) -> None:
    outcome = suite_of(tmp_path, BUILT).run(FLAG, "test_it.py")

    assert outcome.code == 4
    assert f"in front of a path write {FLAG}=true" in outcome.text
