"""Evidence of a whole run: fixtures, imports inside tests, what an earlier test left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.suites import RecordedSuite

if TYPE_CHECKING:
    from pathlib import Path

_TESTS = """
    import os

    import pytest


    @pytest.fixture(scope="module")
    def broken():
        raise LookupError("no server")


    @pytest.fixture
    def ends_badly():
        yield
        raise LookupError("not closed")


    @pytest.fixture
    def ends_worse():
        yield
        raise KeyError("nor this one")


    @pytest.fixture
    def mode():
        os.environ["SHOP_MODE"] = "hunter2"


    def test_leaks(mode):
        pass


    @pytest.mark.parametrize("n", [1, 2])
    def test_set_up(broken, n):
        pass


    def test_torn_down(ends_badly):
        pass


    def test_torn_down_twice(ends_badly, ends_worse):
        pass


    def test_missing(shop):
        pass


    def test_imports_late():
        import httpx

        answer = httpx.MockTransport(lambda _: httpx.Response(503, json={"detail": "down"}))
        with httpx.Client(transport=answer) as client:
            assert client.get("http://app/").status_code == 200


    def test_loads_as_ever():
        import httpx
        import importlib.resources
        import inspect

        assert type(httpx.__spec__.loader).__name__ == "SourceFileLoader"
        assert type(httpx.__loader__).__name__ == "SourceFileLoader"
        assert "class Client" not in inspect.getsource(httpx)
"""
_FAKES = """
    import pytest


    @pytest.fixture
    def shop():
        return 1
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The evidence of a run, by test and phase."""
    folder: Path = tmp_path_factory.mktemp("evidence")
    suite = RecordedSuite(folder, test_shop=_TESTS, helpers__fakes=_FAKES)
    told = folder / "caught.jsonl"

    suite.run("-p", "tests.support.evidence_plugin", EVIDENCE_FILE=str(told))

    read = [json.loads(line) for line in told.read_text().splitlines()]
    return {f"{one['nodeid'].partition('::')[2]} {one['when']}": one for one in read}


def _only(line: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [one for one in line["evidence"] if one["kind"] == kind]
    return found  # type: ignore[no-any-return]  # of JSON


@pytest.mark.slow
def test_the_fixture_that_failed_is_told_for_each_of_its_tests(lines: dict[str, Any]) -> None:
    found = [_only(lines[f"test_set_up[{n}] setup"], "fixture") for n in (1, 2)]

    assert found[0] == found[1]
    assert (found[0]["name"], found[0]["scope"], found[0]["path"]) == (
        "broken",
        "module",
        "test_shop.py",
    )


@pytest.mark.slow
def test_a_fixture_that_ends_badly_is_told(lines: dict[str, Any]) -> None:
    assert _only(lines["test_torn_down teardown"], "fixture")["name"] == "ends_badly"


@pytest.mark.slow
def test_two_fixtures_that_end_badly_are_both_told(lines: dict[str, Any]) -> None:
    line = lines["test_torn_down_twice teardown"]
    names = [one["name"] for one in line["evidence"] if one["kind"] == "fixture"]

    assert sorted(names) == ["ends_badly", "ends_worse"]
    # Two fixtures' own places, and nothing of pytest's before them.
    assert [member["frames"][0][0] for member in line["chain"][1:]] == ["test_shop.py"] * 2


@pytest.mark.slow
def test_a_missing_fixture_is_told_with_the_file_that_nobody_loads(lines: dict[str, Any]) -> None:
    found = _only(lines["test_missing setup"], "fixture")

    assert (found["missing"], found["defined_in"]) == ("shop", ["helpers/fakes.py"])


@pytest.mark.slow
def test_a_client_that_the_test_itself_imports_is_watched(lines: dict[str, Any]) -> None:
    found = _only(lines["test_imports_late call"], "http")

    assert (found["status"], found["problem"]) == (503, "down")


@pytest.mark.slow
def test_a_watched_library_looks_as_if_nobody_watched(lines: dict[str, Any]) -> None:
    assert "test_loads_as_ever call" not in lines


@pytest.mark.slow
def test_a_variable_is_told_with_the_fixture_that_left_it(lines: dict[str, Any]) -> None:
    found = _only(lines["test_missing setup"], "environment")

    assert found["changed"] == [
        {"name": "SHOP_MODE", "by": "test_shop.py::test_leaks (fixture mode)"}
    ]
    assert "hunter2" not in json.dumps(lines)
