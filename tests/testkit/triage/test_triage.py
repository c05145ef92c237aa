"""From failures to causes: each under one, the same ones together, whatever their order."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING

import pytest

from testkit.core.runs.causes import triage_json
from testkit.triage.triage import triage
from tests.support.failures import evidence, failed
from tests.support.red_suites.hostile import hostile_failures

if TYPE_CHECKING:
    from testkit.core.runs.causes import Triage
    from testkit.core.runs.failure import Failure


def rules(found: Triage) -> list[tuple[str | None, int]]:
    """Return the rules of the causes and how many failures each has."""
    return [(cause.rule, len(cause.failures)) for cause in found.causes]


def deleted_constructor() -> list[Failure]:
    """Return what showed when a base class lost the constructor that had set the defaults."""
    body = (
        "1 validation error for ModuleOut\nactive\n  Input should be a valid boolean "
        "[type=bool_type, input_value=None, input_type=NoneType]"
    )
    return [
        failed(
            "AssertionError",
            "assert None is True\n +  where None = <app.models.Module object at 0x7f1>.active",
            line="assert Module(name='a').active is True",
            test="tests/test_models.py::test_new",
        ),
        failed(
            "TypeError",
            "unsupported operand type(s) for -: 'NoneType' and 'int'",
            test="tests/test_models.py::test_left",
            line="module = Module(name='b'); assert left(module) == 1",
            below=("app/limits.py:left", "return module.tries - 1"),
        ),
        failed(
            "AssertionError",
            "assert 409 == 201",
            evidence("http", method="POST", url="/modules", status=409, problem={"detail": body}),
            test="tests/test_api.py::test_create",
            line="assert answer.status_code == 201",
        ),
        failed(
            "KeyError",
            "'id'",
            evidence("http", method="POST", url="/modules", status=409, body=body),
            test="tests/test_api.py::test_id",
            line="assert client.post('/modules').json()['id']",
        ),
        failed(
            "ValueError",
            "badly formed hexadecimal UUID string",
            evidence("doubles", names=[{"name": "session", "type": "tests.fakes.FakeSession"}]),
            test="tests/test_ids.py::test_id",
            below=("app/ids.py:parsed", "return uuid.UUID(text)"),
        ),
    ]


def test_the_deleted_constructor_is_one_cause_with_all_its_symptoms() -> None:
    found = triage(deleted_constructor())

    assert rules(found) == [("default-none", 5)]
    assert "active, module" not in found.causes[0].title
    assert "active" in found.causes[0].title
    assert "tries" in found.causes[0].title


def test_a_bad_uuid_through_a_double_alone_is_the_double() -> None:
    found = triage(deleted_constructor()[-1:])

    assert rules(found) == [("double-numbers-rows", 1)]


def test_the_first_mapper_failure_explains_the_later_ones() -> None:
    later = "One or more mappers failed to initialize - can't proceed with initialization of other mappers."
    found = triage(
        [
            failed(
                "sqlalchemy.exc.InvalidRequestError",
                'Multiple classes found for path "Parent" in the registry',
                test="tests/test_a.py::test_1",
            ),
            *(
                failed(
                    "sqlalchemy.exc.InvalidRequestError",
                    f"{later} Triggering mapper: 'Mapper[C(c)]'. Original exception was: "
                    'Multiple classes found for path "Parent" in the registry',
                    test=f"tests/test_b.py::test_{n}",
                )
                for n in range(3)
            ),
            failed("sqlalchemy.exc.InvalidRequestError", later, test="tests/test_c.py::test_1"),
        ]
    )

    assert rules(found) == [("ambiguous-class", 5)]


def test_where_a_file_was_seen_under_two_names_that_is_the_cause() -> None:
    seen = evidence("double_import", names=["app.models", "models"], path="app/models.py")
    message = 'Multiple classes found for path "Parent" in the registry'
    found = triage(
        [
            failed("sqlalchemy.exc.InvalidRequestError", message, seen),
            failed("sqlalchemy.exc.InvalidRequestError", message),
            failed("ValueError", "something else", seen),
        ]
    )

    assert rules(found) == [("double-import", 2), (None, 1)]
    assert (
        found.causes[0].title
    ) == "app/models.py is imported under two names: app.models and models"


def test_a_conflict_is_the_violation_whose_value_its_answer_tells() -> None:
    found = triage(
        [
            failed(
                "sqlite3.IntegrityError",
                "UNIQUE constraint failed: account.name",
                wrapped=(
                    "sqlalchemy.exc.IntegrityError",
                    "(sqlite3.IntegrityError) UNIQUE constraint failed: account.name\n"
                    "[SQL: INSERT INTO account (id, name) VALUES (?, ?)]\n"
                    "[parameters: ('6b', 'acme')]",
                ),
            ),
            failed(
                "AssertionError",
                "assert 409 == 201",
                evidence("http", status=409, problem={"detail": "account 'acme' exists"}),
                test="tests/test_other.py::test_409",
            ),
        ]
    )

    assert rules(found) == [("unique-violation", 2)]


def test_two_constraints_on_different_columns_are_two_causes() -> None:
    found = triage(
        failed("sqlite3.IntegrityError", f"UNIQUE constraint failed: {column}")
        for column in ("account.name", "account.email")
    )

    assert rules(found) == [("unique-violation", 1), ("unique-violation", 1)]


def test_a_column_that_is_missing_where_it_is_read_and_written_is_one_cause() -> None:
    kind = "psycopg.errors.UndefinedColumn"
    failures = [
        failed(kind, 'column "net" of relation "products" does not exist', test="t/test_a.py::a"),
        failed(kind, "column products.net does not exist", test="t/test_b.py::b"),
    ]

    found = triage(failures)

    assert rules(found) == [("missing-column", 2)]
    assert found.causes[0].title == "The column products.net does not exist"


def test_what_a_method_of_a_model_finds_none_goes_to_the_default() -> None:
    made = failed(
        "AssertionError",
        "assert None == 'a'\n +  where None = <shop.models.Customer object at 0x7f1>.status",
        line="assert Customer(name='A').status == 'a'",
        test="tests/test_customers.py::test_new",
    )
    within = failed(
        "AttributeError",
        "'NoneType' object has no attribute 'upper'",
        line="assert Customer(name='A').label == 'A (ACTIVE)'",
        test="tests/test_customers.py::test_label",
        below=("shop/models.py:label", 'return f"{self.name} ({self.status.upper()})"'),
    )
    elsewhere = failed(
        "AttributeError",
        "'NoneType' object has no attribute 'upper'",
        line="assert Client(name='A').label == 'A (ACTIVE)'",
        test="tests/test_clients.py::test_label",
        below=("shop/clients.py:label", 'return f"{self.name} ({self.status.upper()})"'),
    )

    assert rules(triage([made, within])) == [("default-none", 2)]
    assert rules(triage([made, elsewhere])) == [("default-none", 1), (None, 1)]
    assert rules(triage([within])) == [(None, 1)]


def test_none_without_a_new_object_stays_unknown() -> None:
    found = triage(
        [
            failed(
                "AttributeError",
                "'NoneType' object has no attribute 'lower'",
                below=("app/mail.py:send", "host = settings_of(region).host.lower()"),
            )
        ]
    )

    assert rules(found) == [(None, 1)]


def test_parameters_of_one_test_with_one_form_of_assertion_are_one_unknown() -> None:
    found = triage(
        failed("AssertionError", f"assert {n} == {n + 1}", test=f"tests/test_a.py::test_sum[{n}]")
        for n in range(4)
    )

    assert rules(found) == [(None, 4)]


def test_what_one_statement_of_the_project_raised_is_one_unknown_whatever_it_names() -> None:
    def lent(title: str, line: str) -> Failure:
        test = f"t.py::test_{title}"
        below = "shop/library.py:lend", line
        return failed("NotLent", f"{title} cannot be lent", test=test, below=below)

    words = 'raise NotLent(f"{title} cannot be lent")'

    assert rules(triage([lent("Dune", words), lent("Emma", words)])) == [(None, 2)]
    assert rules(triage([lent("Dune", "raise error"), lent("Emma", "raise error")])) == [
        (None, 1),
        (None, 1),
    ]


def test_numbers_that_look_like_statuses_part_no_parameters() -> None:
    failures = [
        failed("AssertionError", f"assert {was} == {n}", test=f"tests/test_vat.py::test_gross[{n}]")
        for was, n in ((53, 60), (107, 120), (214, 240))
    ]

    assert rules(triage(failures)) == [(None, 3)]


def test_parameters_that_were_answered_otherwise_stay_apart() -> None:
    failures = [
        failed(
            "AssertionError",
            f"assert {status} == 200\n +  where {status} = <Answer>.state",
            line="assert asked(path).state == 200  # the status",
            test=f"tests/test_asked.py::test_asked[{status}]",
        )
        for status in (301, 302)
    ]

    assert len(triage(failures).causes) == 2


def test_bare_comparisons_of_two_tests_stay_apart() -> None:
    found = triage(
        failed("AssertionError", "assert 1 == 2", test=f"tests/test_a.py::test_{n}")
        for n in range(2)
    )

    assert rules(found) == [(None, 1), (None, 1)]


@pytest.mark.parametrize("seed", range(5))
def test_the_answer_does_not_depend_on_the_order_of_the_failures(seed: int) -> None:
    failures = [
        *deleted_constructor(),
        *(
            failed(
                "ValueError",
                f"order {n} is odd" if n % 2 else f"{n} is even",
                test=f"tests/test_many.py::test_{n}",
                order=n,
            )
            for n in range(120)
        ),
    ]
    shuffled = list(failures)
    Random(seed).shuffle(shuffled)

    assert triage(failures) == triage(shuffled)


def test_an_id_is_the_same_for_the_same_cause_in_a_run_of_other_tests() -> None:
    message = "no such table: audit"
    one = triage([failed("sqlite3.OperationalError", message, test="tests/test_a.py::test_1")])
    other = triage([failed("sqlite3.OperationalError", message, test="tests/test_b.py::test_2")])

    assert one.causes[0].id == other.causes[0].id
    assert len(one.causes[0].id) == 10
    assert one.causes[0].id[2:].isalpha()


def test_the_traceback_begins_below_the_test_and_the_place_is_the_projects() -> None:
    cause = triage(
        [
            failed(
                "sqlite3.OperationalError",
                "no such table: audit",
                line="audit(session)",
                below=("app/api.py:audit", "session.commit()"),
                wrapped=("sqlalchemy.exc.OperationalError", "(sqlite3.OperationalError) no …"),
            )
        ]
    ).causes[0]

    assert cause.place == "app/api.py:20"
    assert cause.traceback == (
        "app/api.py:20: in audit\n"
        "    session.commit()\n"
        "E   sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no …\n"
        "E   sqlite3.OperationalError: no such table: audit"
    )


def test_a_failure_with_nothing_but_a_message_has_a_cause() -> None:
    found = triage([failed("", ""), failed("", "boom", test="tests/test_b.py::test_2")])

    assert found.failures == 2


def test_counts_and_what_the_sources_lack_are_passed_on() -> None:
    found = triage([], counts={"passed": 3}, lacks=["no frames"], title="run 1", complete=False)

    assert found.counts == {"passed": 3}
    assert found.lacks == ("no frames",)
    assert found.title == "run 1"
    assert found.complete is False


def test_hostile_texts_come_under_causes() -> None:
    failures = hostile_failures()
    found = json.loads(json.dumps(triage_json(triage(failures))))

    assert found["totals"]["failures"] == len(failures)


def test_a_warning_that_did_not_come_is_named() -> None:
    told = "DID NOT WARN. No warnings of type (<class 'DeprecationWarning'>,) were emitted."
    found = triage([failed("Failed", told, test="tests/test_shop.py::test_old")])

    assert found.causes[0].title == "DeprecationWarning is not raised where the test expects it"
