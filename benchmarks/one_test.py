"""What Postgres and Redis add to a run of one test.

    python benchmarks/one_test.py [--rounds 9] [--cold]

Pairs, interleaved: a test that uses both servers, and one that only imports SQLAlchemy, psycopg and
redis, each in a pytest process of its own. The difference of a pair is the extra time. With
``--cold`` each run has an empty cache directory: initdb, template and binaries are made again.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import interleaved, machine, row

_FILES = {
    "pyproject.toml": "[tool.testkit]\n",
    "conftest.py": "",
    "test_without.py": "import psycopg, redis, sqlalchemy\n\ndef test_it():\n    pass\n",
    "test_with.py": (
        "import psycopg, redis, sqlalchemy\n\n"
        "def test_it(database, redis_client):\n"
        "    with database.engine.begin() as connection:\n"
        '        assert connection.scalar(sqlalchemy.text("SELECT 1")) == 1\n'
        "    assert redis_client.incr('n') == 1\n"
    ),
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cold", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in _FILES.items():
            (folder / file).write_text(text)
        folder.chmod(0o755)
        actions = {
            "without": lambda: _run(folder, "test_without.py", cold=arguments.cold),
            "with Postgres and Redis": lambda: _run(folder, "test_with.py", cold=arguments.cold),
        }
        times = interleaved(actions, rounds=arguments.rounds)
    extra = [b - a for a, b in zip(*times.values(), strict=True)]
    print("| run of one test, ms | median | least | most | runs |\n|---|---|---|---|---|")
    for label, seconds in times.items():
        print(row(label, seconds))
    print(row("extra, pair by pair", extra))
    cache = "empty cache" if arguments.cold else "warm cache"
    print(f"\nextra: {1000 * statistics.median(extra):.0f} ms, {cache}; {machine()}")


def _run(folder: Path, test: str, *, cold: bool) -> None:
    environment = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as cache:
        Path(cache).chmod(0o711)
        if cold:
            environment["TESTKIT_CACHE_DIR"] = cache
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "testkit.pytest_plugin.hooks", test],
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    main()
