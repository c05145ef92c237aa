"""What clients see of a fault is the same on every road by which their servers came."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from tests.contracts.conftest import Road

ROOT = Path(__file__).parents[2]
# Each fault of a network, and of commands and statements; redis-py, psycopg and asyncpg, both ways.
FILES = ["test_network.py", "test_protocol_faults.py", "test_routes.py"]
ROADS = [
    pytest.param("docker", marks=pytest.mark.slow),
    pytest.param("local", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("postgres_road", ROADS, indirect=True)
def test_each_fault_is_seen_as_on_embedded_servers(tmp_path: Path, postgres_road: Road) -> None:
    environment = Suite(tmp_path).environment()
    del environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    road = postgres_road.option
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"),
            *(f"--testkit-postgres={road}", f"--testkit-redis={road}"),
            *("-m", "not slow and not soak"),
            *(f"tests/testkit/faults/{file}" for file in FILES),
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
