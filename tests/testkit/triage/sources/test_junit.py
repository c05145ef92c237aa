"""JUnit XML of pytest and of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

import pytest

from testkit.triage.sources.node_ids import NodeIds
from testkit.triage.sources.reading import ReadRun, run_from
from tests.support.drawn_tracebacks import LONG, LOOKUP

if TYPE_CHECKING:
    from pathlib import Path


def case(
    inner: str = "", *, classname: str = "tests.test_a", name: str = "test_x", more: str = ""
) -> str:
    named = f"classname={quoteattr(classname)} name={quoteattr(name)}"
    return f'<testcase {named} time="0.5" {more}>{inner}</testcase>'


def failure(text: str, message: str, *, kind: str = "failure", more: str = "") -> str:
    return f"<{kind} message={quoteattr(message)} {more}>{escape(text)}</{kind}>"


def read(tmp_path: Path, *cases: str, root: Path | None = None) -> ReadRun:
    path = tmp_path / "report.xml"
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    return run_from([path], root=root)


def test_a_failure_has_its_chain_its_text_and_its_seconds(tmp_path: Path) -> None:
    (one,) = read(tmp_path, case(failure(LONG, "shop.errors.WrappedError: wrapped"))).failures

    assert (one.nodeid, one.phase, one.outcome) == ("tests/test_a.py::test_x", "call", "failed")
    assert [raised.type for raised in one.chain] == ["shop.errors.WrappedError", "ValueError"]
    assert (one.text, one.seconds) == (LONG, 0.5)


def test_setup_and_teardown_are_told_by_the_message(tmp_path: Path) -> None:
    run = read(
        tmp_path,
        case(failure(LONG, 'failed on setup with "ValueError: no"', kind="error")),
        case(
            failure(LONG, 'failed on teardown with "ValueError: no"', kind="error"), name="test_y"
        ),
        case(
            failure(LOOKUP, 'failed on setup with "file x\n[+4 more lines]', kind="error"),
            name="test_z",
        ),
    )

    assert [(one.phase, one.message) for one in run.failures] == [
        ("setup", "ValueError: no"),
        ("teardown", "ValueError: no"),
        ("setup", "_pytest.fixtures.FixtureLookupError: fixture 'nofixture' not found"),
    ]
    assert dict(run.counts) == {"error": 3}


def test_a_module_that_was_not_collected_is_a_failure_of_collection(tmp_path: Path) -> None:
    text = "tests/test_bad.py:1: in <module>\n    import gone\nE   ModuleNotFoundError: No module named 'gone'"
    (one,) = read(
        tmp_path,
        case(
            failure(text, "collection failure", kind="error"), classname="", name="tests.test_bad"
        ),
    ).failures

    assert (one.nodeid, one.phase) == ("tests/test_bad.py", "collect")
    assert one.message == "ModuleNotFoundError: No module named 'gone'"


def test_skips_expected_failures_and_passes_are_counted(tmp_path: Path) -> None:
    run = read(
        tmp_path,
        case('<skipped type="pytest.skip" message="no network">x</skipped>', name="a"),
        case('<skipped type="pytest.xfail" message="later"/>', name="b"),
        case("<properties><property name='a' value='b'/></properties>", name="c"),
        case("<system-out>out</system-out>", name="d"),
    )

    assert dict(run.counts) == {"skipped": 1, "xfailed": 1, "passed": 2}
    assert run.reasons["tests/test_a.py::a"] == "no network"


def test_what_passed_in_the_end_is_no_failure_but_counted(tmp_path: Path) -> None:
    run = read(
        tmp_path,
        case('<flakyFailure message="no"><stackTrace>x</stackTrace></flakyFailure>', name="a"),
        case(failure("x", "no") + '<rerunFailure message="no">x</rerunFailure>', name="b"),
        case('<rerun message="no">x</rerun>', name="c"),
    )

    assert dict(run.counts) == {"passed": 2, "failed": 1, "rerun": 3}
    assert [one.nodeid for one in run.failures] == ["tests/test_a.py::b"]


def test_failed_subtests_are_failures_and_their_number_is_none(tmp_path: Path) -> None:
    parts = [failure("x", "assert 1 == 2"), failure("x", "contains 1 failed subtest")]
    run = read(tmp_path, case("".join(parts)))

    assert [(one.subtest, one.message) for one in run.failures] == [("1", "assert 1 == 2")]


def test_other_tools_give_type_and_message(tmp_path: Path) -> None:
    inner = failure(
        "at shop.Shop.open(Shop.java:3)", "no shop", more='type="java.lang.IllegalStateException"'
    )
    (one,) = read(tmp_path, case(inner, classname="shop.ShopTest", name="opens")).failures

    assert [(raised.type, raised.message) for raised in one.chain] == [
        ("java.lang.IllegalStateException", "no shop")
    ]


def test_a_suite_that_failed_as_a_whole_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(
        '<testsuites><testsuite name="outer"><testsuite name="inner"/>'
        '<error message="no set-up" type="ValueError">there is none</error>'
        f"{case()}</testsuite></testsuites>"
    )
    run = run_from([path])
    (one,) = run.failures

    assert (one.nodeid, one.outcome) == ("outer.py", "error")
    assert one.message == "no set-up"
    assert run.counts == {"error": 1, "passed": 1}


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ("2026-01-02T03:04:05.123", "2026-01-02T03:04:05.123"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("0001-01-01T00:00:00", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_only_a_time_is_one(told: str, known: str, tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(f'<testsuite timestamp="{told}">{case()}</testsuite>')

    assert run_from([path]).started == known


def test_secrets_are_masked_in_names_messages_and_tracebacks(tmp_path: Path) -> None:
    secret = "postgresql://user:hunter22@db/x"
    run = read(tmp_path, case(failure(f"E   ValueError: {secret}", secret), name=f"test[{secret}]"))

    assert "hunter22" not in repr(run)


def test_a_very_long_text_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    text = "begin\n" + "x" * 3_000_000 + "\nE   ValueError: at the end"
    (one,) = read(tmp_path, case(failure(text, "m"))).failures

    assert len(one.text) < 70_000
    assert (one.text[:5], one.chain[0].message) == ("begin", "at the end")


@pytest.mark.parametrize("classname", ["a" * 5_000, "..etc.passwd", "/etc/x", "a\\b", "a b", "."])
def test_class_names_that_are_no_modules_do_no_harm(classname: str, tmp_path: Path) -> None:
    run = read(tmp_path, case(classname=classname), root=tmp_path)

    assert len(run.outcomes) == 1


def test_node_ids_are_found_in_the_project(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "checks.py").write_text("")
    run = read(
        tmp_path, case(classname="odd.checks.Group.Inner", name="it[a::b/c.d]"), root=tmp_path
    )

    assert list(run.outcomes) == ["odd/checks.py::Group::Inner::it[a::b/c.d]"]
    assert "follow the spelling" not in " ".join(run.lacks)


@pytest.mark.parametrize(
    ("classname", "file", "text", "expected"),
    [
        ("tests.test_a.TestX", "", "", "tests/test_a.py::TestX::t"),
        ("tests.unit.test_a", "", "", "tests/unit/test_a.py::t"),
        ("test_a.TestX.TestY", "", "", "test_a.py::TestX::TestY::t"),
        ("pkg.tests", "", "", "pkg/tests.py::t"),
        ("pkg.tests.views.Group", "", "", "pkg/tests/views.py::Group::t"),
        ("checks.shop.Group", "", "", "checks/shop.py::Group::t"),
        ("checks.shop.Group", "checks/shop.py", "", "checks/shop.py::Group::t"),
        ("shop.Group", "checks/shop.py", "", "checks/shop.py::Group::t"),
        ("checks.shop.group", "", "checks/shop.py:3: ValueError", "checks/shop.py::group::t"),
        ("My tests for shops", "", "", "My tests for shops::t"),
    ],
)
def test_node_ids_follow_file_traceback_and_spelling(
    classname: str, file: str, text: str, expected: str
) -> None:
    assert NodeIds().of(classname, "t", file=file, text=text) == expected
