from __future__ import annotations

from typing import TYPE_CHECKING

from testkit.core.runs.failure import Evidence, Failure, Frame, Raised
from testkit.triage.triage import triage

if TYPE_CHECKING:
    from testkit.core.runs.failure import Json

_LEFT: dict[str, Json] = {"changed": [{"name": "COS_MODE", "by": "tests/test_a.py::test_first"}]}
_DOUBLE: dict[str, Json] = {
    "names": [{"name": "db", "type": "tests.conftest.FakeSession", "where": "tests/conftest.py:3"}]
}


def _assertion(name: str, line: str, text: str, *evidence: Evidence) -> Failure:
    frame = Frame("tests/test_x.py", 5, name, line, "test")
    raised = Raised("AssertionError", text, frames=(frame,))
    return Failure(
        f"tests/test_x.py::{name}", "tests/test_x.py", chain=(raised,), evidence=evidence
    )


def _raised(name: str, kind: str, text: str, path: str, *evidence: Evidence) -> Failure:
    frames = (
        Frame("tests/test_x.py", 5, name, "call()", "test"),
        Frame(path, 9, "call", "self.wait()", "project"),
    )
    return Failure(
        f"tests/test_x.py::{name}",
        "tests/test_x.py",
        chain=(Raised(kind, text, frames=frames),),
        evidence=evidence,
    )


def _groups(*failures: Failure) -> dict[str | None, int]:
    return {cause.rule: len(cause.failures) for cause in triage(failures).causes}


def test_what_fails_in_a_module_that_reads_a_leaked_variable_is_its_effect() -> None:
    left = Evidence("environment", _LEFT)
    named = _assertion("test_a", "assert settings.mode() == 'd'", "assert 'p' == 'd'", left)
    other = _assertion("test_b", "assert settings.limit() == 100", "assert 5 == 100", left)
    apart = _assertion("test_c", "assert prices.limit() == 100", "assert 5 == 100", left)

    assert _groups(named, other, apart) == {"environment-leak": 2, None: 1}


def test_a_word_that_every_test_of_http_has_proves_no_leaked_variable() -> None:
    changed: dict[str, Json] = {"changed": [{"name": "SHOP_GROUP_CODE", "by": "t.py::test_0"}]}
    left = Evidence("environment", changed)
    refused = _assertion(
        "test_a", "assert answer.status_code == 201", "assert 422 == 201\n status_code", left
    )
    other = _assertion("test_b", "assert answer.json()['id']", "KeyError: 'id'", left)
    grouped = _assertion("test_c", "assert shop.group() == 'a'", "assert 'b' == 'a'", left)
    found = {each.rule: len(each.failures) for each in triage([refused, other, grouped]).causes}

    assert found["environment-leak"] == 1


def test_what_failed_before_the_variable_was_leaked_is_no_effect_of_it() -> None:
    left = Evidence("environment", _LEFT)
    named = _assertion("test_a", "assert settings.mode() == 'd'", "assert 'p' == 'd'", left)
    before = _assertion("test_b", "assert settings.limit() == 100", "assert 5 == 100")

    assert _groups(named, before) == {"environment-leak": 1, None: 1}


def test_a_hook_that_stays_silent_beside_a_stand_in_is_an_effect_of_it() -> None:
    double = Evidence("doubles", _DOUBLE)
    told = _raised(
        "test_a",
        "sqlalchemy.exc.InvalidRequestError",
        "No such event 'after_commit' for target '<tests.conftest.FakeSession object at 0x1>'",
        "app/store.py",
        double,
    )
    silent = _assertion("test_b", "assert published == ['x']", "assert [] == ['x']", double)
    wrong = _assertion("test_c", "assert total == 3", "assert 4 == 3", double)

    assert _groups(told, silent, wrong) == {"double-no-session": 2, None: 1}


def test_a_503_that_tells_of_a_wait_is_an_effect_of_the_silent_server() -> None:
    address = "Timeout reading from localhost:6379"
    waited = _raised("test_a", "redis.exceptions.TimeoutError", address, "app/cache.py")
    bare = _raised("test_b", "TimeoutError", "timed out", "app/cache.py")
    elsewhere = _raised("test_c", "TimeoutError", "timed out", "app/mail.py")
    http = Evidence(
        "http",
        {"method": "GET", "url": "http://t/x", "status": 503, "problem": {"detail": "timed out"}},
    )
    line = "assert client.get('/x').status_code == 200"
    answer = _assertion("test_d", line, "assert 503 == 200\n +  where 503 = <Response>", http)

    causes = triage((waited, bare, elsewhere, answer)).causes

    assert sorted(len(cause.failures) for cause in causes) == [1, 3]
