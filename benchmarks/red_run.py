"""What a red run costs: 113 failures deep in SQLAlchemy, their tracebacks drawn in three ways.

    python benchmarks/red_run.py [--rounds 5] [--suite FOLDER] [--python PATH]

Whole processes, interleaved, each on one worker: `--tb=native`, which draws least; testkit's
`fast_tracebacks`; pytest alone. A red suite of your own is measured with `--suite`, another version
of pytest with `--python`. It also says whether both drew the same text.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from measure import machine

_ROOT: Final = Path(__file__).parents[1]
_FAILURES: Final = 113
_SUITE: Final = """
import uuid
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(unique=True)

@pytest.fixture
def session():
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()

@pytest.mark.parametrize("number", range({failures}))
def test_red(session, number):
    session.add(User(id=uuid.UUID(int=1), name="one"))
    session.commit()
    match number % 4:
        case 0:
            session.add(User(id=uuid.UUID(int=2), name="one"))
            session.commit()
        case 1:
            session.get_one(User, "no uuid")
        case 2:
            session.execute(sa.text("SELECT * FROM missing"))
        case 3:
            session.scalars(sa.select(User).where(User.nothing == 1)).all()
"""
_WAYS: Final = {
    "--tb=native": ("--tb=native", "--testkit-fast-tracebacks=false"),
    "fast_tracebacks": ("--testkit-fast-tracebacks=true",),
    "pytest alone": ("--testkit-fast-tracebacks=false",),
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--suite", type=Path)
    parser.add_argument("--python", default=sys.executable)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        suite = arguments.suite or Path(folder)
        if not arguments.suite:
            (suite / "test_red.py").write_text(_SUITE.replace("{failures}", str(_FAILURES)))
        times: dict[str, list[float]] = {way: [] for way in _WAYS}
        texts: dict[str, str] = {}
        for _ in range(arguments.rounds):
            for way, options in _WAYS.items():
                began = time.perf_counter()
                texts[way] = _run(arguments.python, suite, *options)
                times[way].append(time.perf_counter() - began)
    print(machine())
    print(f"{_told(texts['pytest alone'])}\n")
    print("| tracebacks | seconds, median | least | most | times native |")
    print("|---|---|---|---|---|")
    native = statistics.median(times["--tb=native"])
    for way, seconds in times.items():
        median = statistics.median(seconds)
        print(
            f"| {way} | {median:.2f} | {min(seconds):.2f} | {max(seconds):.2f} "
            f"| {median / native:.2f} |"
        )
    if arguments.suite:
        return  # its tests may draw values that differ from run to run
    same = _drawn(texts["fast_tracebacks"]) == _drawn(texts["pytest alone"])
    print(f"\nthe text is {'the same' if same else 'NOT the same'}")


def _run(python: str, suite: Path, *options: str) -> str:
    command = [python, "-m", "pytest", "-p", "testkit.pytest_plugin.hooks", "-p", "no:randomly"]
    command += ["-p", "no:cacheprovider", "--testkit-record=false", "--testkit-summary=pytest"]
    path = os.pathsep.join([str(suite), str(_ROOT)])
    done = subprocess.run(
        [*command, *options],
        cwd=suite,
        env=os.environ | {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 1:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def _told(text: str) -> str:
    return text.rstrip().splitlines()[-1].strip("= ")


def _drawn(text: str) -> str:
    failures = text.partition("FAILURES =")[2] or text
    return re.sub(r"[0-9a-f-]{32,36}|0x[0-9a-f]+|in [0-9.]+s|={3,}", "", failures)


if __name__ == "__main__":
    main()
