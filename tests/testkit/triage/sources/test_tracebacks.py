"""Chains of exceptions, read from what pytest and Python draw."""

from __future__ import annotations

import re

from testkit.core.runs.failure import Frame, Raised
from testkit.triage.sources.evidence import evidence_in, logged
from testkit.triage.sources.tracebacks import chain_of, named
from testkit.triage.sources.wrapped import unwrapped
from tests.support.drawn_tracebacks import GROUP, LINE, LONG, LOOKUP, NATIVE, SHORT, SQL


def shown(chain: tuple[Raised, ...]) -> list[tuple[str, str, str]]:
    return [(one.link, one.type, one.message) for one in chain]


def places(raised: Raised) -> list[tuple[str, int, str, str, str]]:
    return [(f.path, f.line, f.function, f.text, f.owner) for f in raised.frames]


def test_the_long_style_gives_both_exceptions_their_types_and_places() -> None:
    chain = chain_of(LONG)

    assert shown(chain) == [
        ("raised", "shop.errors.WrappedError", "wrapped"),
        ("cause", "ValueError", "bad x\n  second line"),
    ]
    library = "/env/lib/python3.11/site-packages/library/core.py"
    assert places(chain[0]) == [
        ("tests/test_a.py", 19, "test_wrap", "wrap(1)", "test"),
        (library, 1494, "call", "return meth(", "library"),
        (
            "shop/core.py",
            10,
            "wrap",
            'raise shop.WrappedError("wrapped") from error',
            "project",
        ),
    ]
    assert places(chain[1])[-1] == ("shop/core.py", 3, "wrap", "return deep(x)", "project")


def test_the_short_style_gives_a_context() -> None:
    chain = chain_of(SHORT)

    assert shown(chain) == [("raised", "KeyError", "'k'"), ("context", "ValueError", "bad x")]
    assert [frame.function for frame in chain[0].frames] == ["test_context", "context"]


def test_the_native_style_begins_at_the_test_and_below_the_root() -> None:
    chain = chain_of(NATIVE, root="/p")

    assert shown(chain) == [("raised", "ValueError", "bad x\nsecond line")]
    assert places(chain[0]) == [
        ("tests/test_a.py", 4, "test_it", "call()", "test"),
        ("shop/core.py", 3, "deep", 'raise ValueError("bad x")', "project"),
    ]


def test_a_style_without_places_gives_types_and_messages() -> None:
    assert shown(chain_of(LINE)) == [
        ("raised", "RuntimeError", "wrapped"),
        ("cause", "ValueError", "bad x\nsecond line"),
    ]


def test_one_line_gives_its_place() -> None:
    chain = chain_of("/p/shop/core.py:3: ValueError: bad x", root="/p")

    assert chain == (
        Raised("ValueError", "bad x", frames=(Frame("shop/core.py", 3, "", "", "project"),)),
    )


def test_the_members_of_a_group_follow_it_also_those_of_a_group_within() -> None:
    chain = chain_of(GROUP, root="/p")

    assert shown(chain) == [
        ("raised", "ExceptionGroup", "both (2 sub-exceptions)"),
        ("group", "ExceptionGroup", "inner (1 sub-exception)"),
        ("group", "ValueError", "bad x"),
        ("group", "KeyError", "'kk'"),
    ]
    assert [raised.frames[0].line for raised in chain] == [23, 20, 3, 23]


def test_a_missing_fixture_is_named() -> None:
    chain = chain_of(LOOKUP, root="/p")
    (evidence,) = evidence_in(chain, "setup")

    assert shown(chain) == [
        ("raised", "_pytest.fixtures.FixtureLookupError", "fixture 'nofixture' not found")
    ]
    assert (evidence.kind, dict(evidence.facts)) == ("fixture", {"missing": "nofixture"})


def test_a_driver_s_error_in_the_message_is_unwrapped_and_its_constraint_named() -> None:
    chain = unwrapped(chain_of(SQL))
    (evidence,) = evidence_in(chain, "call")

    assert [(one.link, one.type) for one in chain] == [
        ("raised", "sqlalchemy.exc.IntegrityError"),
        ("orig", "psycopg.errors.UniqueViolation"),
    ]
    assert chain[1].message.endswith("DETAIL:  Key (name)=(a) already exists.")
    assert evidence.facts["constraint"] == "uq_shop_name"
    assert evidence.facts["statement"] == "INSERT INTO shop (name) VALUES (%(name)s)"
    assert evidence.facts["code"] == "gkpj"


def test_a_driver_s_error_that_is_the_cause_is_not_told_twice() -> None:
    chain = (
        Raised("sqlalchemy.exc.IntegrityError", "(sqlite3.IntegrityError) no\n[SQL: x]"),
        Raised("sqlite3.IntegrityError", "no", "cause"),
    )

    assert unwrapped(chain) == chain


def test_the_original_exception_of_a_message_is_told() -> None:
    message = (
        "One or more mappers failed to initialize. Original exception was: Multiple classes found"
    )

    assert unwrapped([Raised("InvalidRequestError", message)])[1:] == (
        Raised("", "Multiple classes found", "text"),
    )


def test_an_assertion_on_none_names_what_was_none() -> None:
    message = "told\nassert None == {'a': 1}\n +  where None = find(2)"
    (evidence,) = evidence_in((Raised("AssertionError", message),), "call")

    assert dict(evidence.facts) == {
        "text": message,
        "left": "None",
        "operator": "==",
        "right": "{'a': 1}",
        "none": ["find(2)"],
    }


def test_a_response_in_an_assertion_gives_its_status() -> None:
    message = "assert 409 == 201\n +  where 409 = <Response [409 Conflict]>.status_code"
    evidence = evidence_in((Raised("AssertionError", message),), "call")

    assert dict(evidence[1].facts) == {"status": 409}


def test_errors_of_a_captured_log_are_found() -> None:
    (evidence,) = logged("--- Captured Log ---\nINFO  a:b.py:1 x\nERROR    shop:core.py:5 bad: 1\n")

    assert dict(evidence.facts) == {"level": "ERROR", "logger": "shop", "message": "bad: 1"}


def test_a_sentence_names_no_type() -> None:
    assert [named("assert 1 == 2"), named("no: type"), named("shop.gone: away")] == [
        ("", "assert 1 == 2"),
        ("", "no: type"),
        ("", "shop.gone: away"),
    ]


def test_texts_that_are_no_traceback_give_an_answer() -> None:
    texts = [
        "",
        "\n" * 50,
        "E",
        "E   ",
        "> ",
        "x.py:1:",
        "Traceback (most recent call last):",
        "+-+",
    ]
    marks = "The above exception was the direct cause of the following exception:"
    deep = f"\n{marks}\n".join(f"E   ValueError: {n}" for n in range(500))

    assert [len(chain_of(text)) <= 1 for text in texts] == [True] * len(texts)
    assert len(chain_of(deep)) == 20
    assert re.fullmatch(
        r"ValueError: 499", f"{chain_of(deep)[0].type}: {chain_of(deep)[0].message}"
    )
