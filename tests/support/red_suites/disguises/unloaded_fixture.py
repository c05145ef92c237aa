"""A fixture is defined in a file that pytest never loads."""

from __future__ import annotations

from typing import Final

from tests.support.red_suites.disguise import Disguise

__all__ = ["DISGUISE"]

_FIXTURES: Final = """
    import pytest


    @pytest.fixture
    def api_client():
        return object()


    @pytest.fixture
    def signed_in(api_client):
        return api_client
"""
_CONFTEST: Final = """
    import pytest


    @pytest.fixture
    def with_client(api_client):
        return api_client
"""
_TESTS: Final = """
    import pytest


    @pytest.mark.parametrize("path", ["/a", "/b"])
    def test_a_page_is_answered(api_client, path):
        assert path


    def test_the_start_page(with_client):
        assert with_client


    def test_nothing_is_needed():
        assert [] == []
"""
_OTHER: Final = """
    def test_an_order_is_sent(api_client, tmp_path):
        assert tmp_path


    class TestOrders:
        def test_they_are_listed(self, with_client):
            assert with_client
"""

DISGUISE: Final = Disguise(
    cause="api_client stands in a file that is not loaded",
    files={
        "tests/api_fixtures.py": _FIXTURES,
        "tests/conftest.py": _CONFTEST,
        "tests/test_pages.py": _TESTS,
        "tests/test_orders.py": _OTHER,
    },
    red=(
        "tests/test_pages.py::test_a_page_is_answered[/a]",
        "tests/test_pages.py::test_a_page_is_answered[/b]",
        "tests/test_pages.py::test_the_start_page",
        "tests/test_orders.py::test_an_order_is_sent",
        "tests/test_orders.py::TestOrders::test_they_are_listed",
    ),
    green=("tests/test_pages.py::test_nothing_is_needed",),
    names=("api_client", "tests/api_fixtures.py"),
    rules=("fixture",),
)
