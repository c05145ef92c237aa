"""Failures are read from lines as they were written, and anything else is read without an error."""

from __future__ import annotations

import json
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from testkit.core.runs.failure import Evidence, Failure, Frame, Raised
from testkit.core.runs.lines import (
    chain_from,
    chain_json,
    evidence_from,
    evidence_json,
    failure_from,
)
from testkit.core.runs.signature import innermost, signature, stable_id

CHAIN: Final = (
    Raised("app.Conflict", "taken", "raised", (Frame("app/api.py", 3, "create", "raise x"),)),
    Raised("ValueError", "active is None", "cause", (Frame("app/m.py", 9, "check"),)),
    Raised("KeyError", "'id'", "context"),
)
EVIDENCE: Final = (Evidence("http", {"status": 409, "problem": {"title": "x"}}), Evidence("log"))
LINE: Final[dict[str, Any]] = {
    "kind": "test",
    "nodeid": "tests/test_a.py::test_b",
    "outcome": "failed",
    "phase": "call",
    "message": "taken",
    "chain": chain_json(CHAIN),
    "evidence": evidence_json(EVIDENCE),
    "order": 4,
    "call": 0.5,
}
# A few signs: what matters is of which type a value is, and all of Unicode takes seconds to set up.
TEXT: Final = st.text(alphabet="ab1:/.\n\x00\u00e9\ud800", max_size=6)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


def test_what_was_written_is_read() -> None:
    told = json.loads(json.dumps(LINE))

    assert chain_from(told["chain"]) == CHAIN
    assert evidence_from(told["evidence"]) == EVIDENCE
    assert failure_from(told) == Failure(
        "tests/test_a.py::test_b",
        "tests/test_a.py",
        message="taken",
        chain=CHAIN,
        evidence=EVIDENCE,
        order=4,
        seconds=0.5,
    )


def test_a_line_of_what_passed_is_no_failure() -> None:
    assert failure_from(LINE | {"outcome": "passed"}) is None
    assert failure_from({}) is None


def test_an_attempt_that_was_followed_by_another_is_not_the_final_one() -> None:
    told = failure_from(LINE | {"outcome": "rerun", "attempt": 2})

    assert told is not None
    assert (told.final, told.attempt) == (False, 2)


def test_an_error_of_the_set_up_is_an_error() -> None:
    told = failure_from(LINE | {"outcome": "error", "phase": "setup"})

    assert told is not None
    assert (told.phase, told.outcome) == ("setup", "error")


@given(st.dictionaries(st.sampled_from([*LINE, "worker", "attempt", "file"]), JSON))
def test_whatever_stands_in_a_line_is_read_without_an_error(line: dict[str, Any]) -> None:
    told = failure_from(line | {"outcome": "failed", "nodeid": "a::b"})

    assert told is not None
    assert isinstance(signature(told), str)


def test_what_only_happened_before_is_not_the_innermost_exception() -> None:
    found = innermost(CHAIN)

    assert found is not None
    assert found.type == "ValueError"
    assert innermost(()) is None


def test_a_signature_is_of_the_place_and_the_message_without_what_differs() -> None:
    def of(message: str, *, line: int = 3, path: str = "app/m.py") -> str:
        chain = (Raised("ValueError", message, frames=(Frame(path, line, "check"),)),)
        return signature(Failure("t.py::t", "t.py", chain=chain))

    assert of("row 3 [SQL: SELECT 1]") == of("row 77\n[SQL: SELECT 2]", line=90)
    assert of("row 3") != of("column 3")
    assert of("row 3") != of("row 3", path="app/other.py")


def test_an_id_tells_its_parts_apart() -> None:
    assert stable_id("ab", "c") != stable_id("a", "bc")
    assert len(stable_id("\ud800")) == 12
