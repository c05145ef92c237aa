"""Whatever a source holds, triage answers: each failure under one cause, nothing raised."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from testkit.core.runs.failure import Evidence, Failure, Frame, Raised
from testkit.triage.triage import triage
from tests.support.failures import failed
from tests.support.rule_examples import GOOD

KINDS: Final = (
    "assertion",
    "doubles",
    "double_import",
    "environment",
    "fixture",
    "http",
    "locals",
    "log",
    "mapper",
    "sql",
    "timing",
    "validation",
)
KEYS: Final = (
    "body",
    "changed",
    "errors",
    "exception",
    "left",
    "message",
    "missing",
    "name",
    "names",
    "none",
    "operator",
    "path",
    "problem",
    "right",
    "status",
    "url",
    "values",
)
# Words that rules look for, so that what is drawn at random comes further than the first line.
TEXTS: Final = st.one_of(
    st.text(max_size=20),
    st.sampled_from(sorted({one.message for many in GOOD.values() for one in many})),
    st.sampled_from(("assert 409 == 201", "assert None == 1", "'id'", "(a.B) ", "==", "None")),
)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from((*KEYS, "loc", "type", "input_type")), inner, max_size=3)
    ),
    max_leaves=6,
)
EVIDENCE: Final = st.builds(
    Evidence,
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4),
)
RAISED: Final = st.builds(
    Raised,
    st.sampled_from(
        ("AssertionError", "KeyError", "TypeError", "ValueError", "a.TimeoutError", "")
    ),
    TEXTS,
    st.sampled_from(("raised", "cause", "context", "orig")),
    st.lists(
        st.builds(
            Frame,
            st.sampled_from(("app/a.py", "tests/test_a.py")),
            st.integers(),
            TEXTS,
            TEXTS,
            st.sampled_from(("test", "project", "library")),
        ),
        max_size=3,
    ).map(tuple),
)
FAILURES: Final[st.SearchStrategy[Failure]] = st.builds(
    Failure,
    st.sampled_from(("tests/test_a.py::test_1", "tests/test_a.py::test_2[x]", "")),
    st.just("tests/test_a.py"),
    st.sampled_from(("setup", "call", "collect")),
    message=TEXTS,
    chain=st.lists(RAISED, max_size=3).map(tuple),
    evidence=st.lists(EVIDENCE, max_size=3).map(tuple),
    text=TEXTS,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(FAILURES, max_size=6), st.randoms(use_true_random=False))
def test_each_failure_stands_under_one_cause_whatever_it_holds(
    failures: list[Failure], draw: Any
) -> None:
    found = triage(failures)
    shuffled = list(failures)
    draw.shuffle(shuffled)

    assert found.failures == len(failures)
    assert len({cause.id for cause in found.causes}) == len(found.causes)
    assert [cause.id for cause in triage(shuffled).causes] == [cause.id for cause in found.causes]


def test_what_is_shown_holds_no_secret_and_no_control_character() -> None:
    cause = triage(
        [
            failed(
                "ValueError",
                "\x1b[31mno answer\x07 from postgresql://shop:hunter2@db/shop\u202e",
                line="connect('postgresql://shop:hunter2@db/shop')",
            )
        ]
    ).causes[0]
    told = "\n".join((cause.title, cause.traceback, *(one.text for one in cause.symptoms)))

    assert "hunter2" not in told
    assert not {character for character in told if character in "\x1b\x07\u202e"}


def test_a_message_of_a_megabyte_is_read_to_its_first_part() -> None:
    long = "assert '" + "a b " * 250_000 + "' == 'x y'"

    assert len(triage([failed("AssertionError", long)]).causes[0].title) <= 240
