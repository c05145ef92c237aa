"""What a whole suite costs: 1,433 tests on real servers, beside the same tests without them.

    python benchmarks/suite.py [--tests 1433] [--rounds 3] [--isolation reset]

A third of the tests write and read by the ORM and commit, a third create and read through an ASGI
application, a third do that and count in Redis. The same suite runs with all calls to database and
Redis left out: the same imports, application, requests and assertions. Both at ``-n 0`` and
``-n 2``, in turn; each run is a pytest process of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from measure import interleaved, machine, row

_FILES: Final = 24
_APPLICATION: Final = """
import os

import redis.asyncio
from fastapi import FastAPI
from sqlalchemy import ForeignKey, String, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

BARE = "BARE" in os.environ


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(50), unique=True)
    customer: Mapped[int | None] = mapped_column(ForeignKey("customer.id"))


for _n in range(18):
    type(f"Other{_n}", (Base,), {
        "__tablename__": f"other_{_n}", "__module__": __name__,
        "__annotations__": {"id": Mapped[int], "order": Mapped[int | None]},
        "id": mapped_column(primary_key=True), "order": mapped_column(ForeignKey("order.id")),
    })

engine = create_async_engine(os.environ.get("DATABASE_URL", "postgresql+psycopg://nowhere"))
cache = redis.asyncio.Redis.from_url(os.environ.get("REDIS_URL", "redis://nowhere"))
app = FastAPI()


@app.post("/orders/{number}", status_code=201)
async def create(number: str) -> dict[str, object]:
    if BARE:
        return {"number": number}
    async with AsyncSession(engine) as session:
        session.add(Order(number=number))
        await session.commit()
    return {"number": number}


@app.get("/orders/{number}")
async def read(number: str) -> dict[str, object]:
    if BARE:
        return {"number": number}
    async with AsyncSession(engine) as session:
        order = (await session.scalars(select(Order).where(Order.number == number))).one()
        return {"number": order.number}


@app.post("/counted/{number}", status_code=201)
async def create_counted(number: str) -> dict[str, object]:
    made = await create(number)
    return made | {"count": 1 if BARE else await cache.incr("orders")}
"""
_TESTS: Final = """
import httpx
import pytest
from application import BARE, Customer, Order, app, cache
from sqlalchemy import select


def client():
    transport = httpx.ASGITransport(app)
    # A proxy of the environment would cost a TLS context for each client.
    return httpx.AsyncClient(transport=transport, base_url="http://test", trust_env=False)


@pytest.mark.parametrize("n", range({third}))
def test_orm(n, request):
    if BARE:
        assert Order(number="1").number == "1"
        return
    session = request.getfixturevalue("db_session")
    customer = Customer(name="ada")
    session.add(customer)
    session.commit()
    session.add(Order(number="1", customer=customer.id))
    session.commit()
    assert session.scalars(select(Order)).one().number == "1"


@pytest.mark.asyncio
@pytest.mark.parametrize("n", range({third}))
async def test_api(n):
    async with client() as http:
        assert (await http.post("/orders/1")).status_code == 201
        assert (await http.get("/orders/1")).json() == {{"number": "1"}}


@pytest.mark.asyncio
@pytest.mark.parametrize("n", range({rest}))
async def test_api_and_redis(n):
    async with client() as http:
        assert (await http.post("/counted/1")).json() == {{"number": "1", "count": 1}}
        assert (await http.get("/orders/1")).json() == {{"number": "1"}}
    if not BARE:
        await cache.aclose()
"""
_CONFIGURATION: Final = """
[tool.testkit]
schema = "metadata:application:Base.metadata"
env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }
[tool.pytest.ini_options]
asyncio_default_fixture_loop_scope = "function"
"""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tests", type=int, default=1433)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--isolation", default="reset")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        _write(folder, arguments.tests)
        options = ("--testkit-isolation", arguments.isolation)
        actions = {
            f"{words}, -n {number}": lambda b=bare, n=number: _run(
                folder, n, bare=b, options=options
            )
            for number in (0, 2)
            for words, bare in (("on real servers", False), ("without them", True))
        }
        times = interleaved(actions, rounds=arguments.rounds)
    print(f"| {arguments.tests} tests, ms | median | least | most | runs |\n|---|---|---|---|---|")
    for label, seconds in times.items():
        print(row(label, seconds))
    for number in (0, 2):
        real, bare = times[f"on real servers, -n {number}"], times[f"without them, -n {number}"]
        extra = statistics.median(a - b for a, b in zip(real, bare, strict=True))
        print(f"\n-n {number}: {1000 * extra / arguments.tests:.2f} ms more for each test")
    print(f"\nisolation {arguments.isolation}; {machine()}")


def _write(folder: Path, tests: int) -> None:
    (folder / "application.py").write_text(_APPLICATION)
    (folder / "pyproject.toml").write_text(_CONFIGURATION)
    (folder / "conftest.py").write_text("")
    for number in range(_FILES):
        share = tests // _FILES + (number < tests % _FILES)
        third = share // 3
        text = _TESTS.format(third=third, rest=share - 2 * third)
        (folder / f"test_{number:02}.py").write_text(text)


def _run(folder: Path, processes: int, *, bare: bool, options: tuple[str, ...]) -> None:
    given = ["-p", "no:testkit"] if bare else list(options)
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(processes), "-p", "no:randomly"]
    done = subprocess.run(
        [*command, *given],
        cwd=folder,
        env=os.environ | ({"BARE": "1"} if bare else {}) | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-2000:])


if __name__ == "__main__":
    main()
