"""TD731: a fixture in a file that pytest never loads."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.module import is_test_file
from testkit.doctor.static.names import uses_of
from testkit.doctor.static.project import Project, Spot, is_test_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from testkit.doctor.static.fixtures import Fixtures

__all__ = ["BAD", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD731",
    "A fixture stands in a file that pytest never loads",
    "error",
    "pytest knows fixtures of plugins, of `conftest.py` files above a test, and of the test's own file. Another file is one like any other until "
    'something loads it: each test that asks for its fixture ends in "fixture not found".',
    'Name the file in the topmost conftest.py: pytest_plugins = ["tests.api_fixtures"]. Or move the fixture into a conftest.py.',
)
NEEDS: Final = ("fixtures", "imports")
BAD: Final = (
    """
    # file: tests/api_fixtures.py
    import pytest

    @pytest.fixture
    def api_client():  # here
        return object()

    @pytest.fixture
    def nobody_asks():
        return object()
    # file: tests/conftest.py
    import pytest

    @pytest.fixture
    def signed_in(api_client):
        return api_client
    # file: tests/test_pages.py
    def test_a_page(api_client, tmp_path):
        assert api_client

    class TestMore:
        def test_more(self, signed_in):
            assert signed_in
    """,
)
GOOD: Final = (
    """
    # file: tests/api_fixtures.py
    import pytest

    @pytest.fixture
    def api_client():
        return object()
    # file: tests/db_fixtures.py
    import pytest

    @pytest.fixture
    def session():
        return object()
    # file: tests/conftest.py
    from tests.db_fixtures import session
    pytest_plugins = ["tests.api_fixtures"]
    # file: tests/test_pages.py
    def test_a_page(api_client, session):
        assert api_client
    """,
    """
    # file: tests/api_fixtures.py
    import pytest

    @pytest.fixture
    def client():
        return object()
    # file: tests/other/conftest.py
    import pytest

    @pytest.fixture
    def client():
        return object()
    # file: tests/other/test_pages.py
    def test_a_page(client):
        assert client
    # file: tests/test_more.py
    import pytest

    @pytest.mark.parametrize("client", [1])
    def test_it(client):
        assert client
    """,
    """
    # file: src/kit/fixtures.py
    import pytest

    @pytest.fixture
    def api_client():
        return object()
    # file: tests/conftest.py
    def pytest_configure(config):
        config.pluginmanager.import_plugin("kit.fixtures")
    # file: tests/test_pages.py
    def test_a_page(api_client):
        assert api_client
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each fixture of a file among tests that a test cannot get from anywhere else."""
    told: Mapping[str, Fixtures] = project.of("fixtures")
    loading = {project.home(path) for path, each in told.items() if each["loads"]}
    named = {name for each in told.values() for name in each["plugins"]}
    loaded = set(uses_of(project))
    for path, each in told.items():
        if (
            not each["defined"]
            or project.home(path) in loading
            or path in loaded
            or not is_test_path(project.relative(path))
            or is_test_file(path)
            or any(_is_file(path, name) for name in named)
        ):
            continue
        asking = _asking(project, told, path)
        for name, line in each["defined"].items():
            if name in asking:
                more = f" and {len(asking[name]) - 1} more" if len(asking[name]) > 1 else ""
                reason = f"{asking[name][0]}{more} asks for {name}, and nothing loads this file"
                yield Spot(path, line, 1, reason)


def _asking(project: Project, told: Mapping[str, Fixtures], path: str) -> dict[str, list[str]]:
    """Return by name the places that ask for a fixture which no file within their reach has."""
    sources: dict[str, list[str]] = defaultdict(list)
    for source, each in told.items():
        for name in each["defined"] if source != path else ():
            sources[name].append(source)
    found: dict[str, list[str]] = defaultdict(list)
    for file, each in told.items():
        if file == path or project.home(file) != project.home(path):
            continue
        for name, line in each["asked"].items():
            if not any(_reaches(source, file) for source in sources[name]):
                found[name].append(f"{project.relative(file)}:{line}")
    return found


def _reaches(source: str, file: str) -> bool:
    """Return whether a file gets what another one defines: its own, and conftests above it."""
    return source == file or (
        posixpath.basename(source) == "conftest.py"
        and file.startswith(f"{posixpath.dirname(source)}/")
    )


def _is_file(path: str, name: str) -> bool:
    return path.removesuffix(".py").endswith("/" + name.replace(".", "/"))
