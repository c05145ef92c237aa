"""Many runs at once: in checkouts of their own and in the same one, none sees another's data."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.alembic_project import AlembicProject
from tests.support.suites import Suite

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = 8
CONFIGURATION = """
    schema = "alembic"
    env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }
"""
# Every run writes the same keys and unique names, with its own mark: MARK names the run.
SUITE = """
    import os
    import pytest
    import redis
    import sqlalchemy as sa

    MARK = os.environ["MARK"]

    @pytest.fixture(scope="module")
    def engine():
        engine = sa.create_engine(os.environ["DATABASE_URL"])
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO shop VALUES (1000, :mark)"), {"mark": MARK})
        yield engine
        engine.dispose()

    def names(engine):
        with engine.connect() as connection:
            return connection.scalars(sa.text("SELECT name FROM shop ORDER BY id")).all()

    @pytest.mark.parametrize("n", range(8))
    def test_it(n, engine):
        assert names(engine) == [MARK]
        with redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True) as client:
            assert client.keys() == []
            client.publish("news", MARK)
            for number in range(20):
                with engine.begin() as connection:
                    connection.execute(
                        sa.text("INSERT INTO shop VALUES (:n, :mark)"), {"n": number, "mark": MARK}
                    )
                client.rpush("shops", MARK)
                assert names(engine) == [MARK] * (number + 2)
                assert client.lrange("shops", 0, -1) == [MARK] * (number + 1)
"""


def runs(mark: str, folders: int, *options: str) -> Any:
    """Return a row of parameters: how many folders with one run each, and the runs' options."""
    return pytest.param(
        folders, options, id=f"{folders} folders", marks=[getattr(pytest.mark, mark)]
    )


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the servers' user can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="testkit-test-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("folders", "options"), [runs("slow", 3), runs("soak", 10, "-n", "2")])
def test_runs_at_the_same_time_see_only_what_is_their_own(
    place: Path, folders: int, options: tuple[str, ...]
) -> None:
    suites = []
    for number in range(folders + 1):
        suite = Suite(place / f"checkout-{number}", test_it=SUITE)
        AlembicProject(suite.folder).version(
            "0002", 'op.execute("ALTER TABLE shop ADD UNIQUE (id, name)")', after="0001"
        )
        suite.configure(CONFIGURATION)
        suites.append(suite)
    # Two in the same folder. All begin together with one empty cache: one builds, the others wait.
    processes = []
    for number, suite in enumerate([*suites, suites[-1]]):
        variables = {"MARK": f"run {number}", "TESTKIT_CACHE_DIR": str(place / "cache")}
        with (place / f"output-{number}").open("wb") as output:
            processes.append(suite.start(*options, output=output, new_session=True, **variables))
    codes = [process.wait(500) for process in processes]
    texts = [(place / f"output-{number}").read_text() for number in range(len(processes))]
    built = sum(text.count("applying the schema to a template") for text in texts)
    clusters = [path.name for path in (place / "cache/clusters").iterdir() if path.is_dir()]

    assert codes == [0] * (folders + 2), "\n".join(texts)
    assert [f"{TESTS} passed" in text for text in texts] == [True] * len(texts)
    assert built == 1
    assert sorted(re.sub("[0-9a-f]{8,}", "", name) for name in clusters) == ["", "base-"]
