"""Which failures have one cause although they show in different ways, and which have not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testkit.triage.triage import triage
from tests.support.failures import evidence, failed

if TYPE_CHECKING:
    from testkit.core.runs.failure import Failure, Json


def causes(*failures: Failure) -> list[tuple[str | None, int]]:
    """Return rule and number of failures of each cause."""
    return [(cause.rule, len(cause.failures)) for cause in triage(failures).causes]


def taken(
    table: str = "account", value: str = "acme", test: str = "tests/test_shop.py::test_it"
) -> Failure:
    """Return a violation of the unique name of this table."""
    text = f"UNIQUE constraint failed: {table}.name"
    return failed(
        "sqlite3.IntegrityError",
        text,
        wrapped=(
            "sqlalchemy.exc.IntegrityError",
            f"(sqlite3.IntegrityError) {text}\n[SQL: INSERT INTO {table} (id, name) VALUES (?, ?)]\n"
            f"[parameters: ('0f', '{value}')]",
        ),
        test=test,
    )


def conflict(line: str, test: str) -> Failure:
    """Return a 409 of whose body nothing is told."""
    return failed("AssertionError", "assert 409 == 201", line=line, test=test)


def test_a_bare_conflict_goes_to_the_only_violation_of_its_file() -> None:
    bare = conflict("assert answer.status_code == 201", "tests/test_shop.py::test_2")

    assert causes(taken(), bare) == [("unique-violation", 2)]


def test_a_bare_conflict_of_another_file_stays_a_conflict() -> None:
    bare = conflict("assert answer.status_code == 201", "tests/test_other.py::test_2")

    assert sorted(causes(taken(), bare), key=str) == [("conflict", 1), ("unique-violation", 1)]


def test_a_conflict_whose_line_sends_another_value_is_not_that_violation() -> None:
    line = "assert client.post('/carts', json={'title': 'red'}).status_code == 201"
    bare = conflict(line, "tests/test_shop.py::test_2")

    assert sorted(causes(taken(), bare), key=str) == [("conflict", 1), ("unique-violation", 1)]


def test_an_answer_without_the_field_goes_to_the_violation_whose_value_it_sent() -> None:
    line = "assert api.create(session, Account, 'acme').json()['id']"
    lacking = failed("KeyError", "'id'", line=line, test="tests/test_other.py::test_1")

    assert causes(taken(), lacking) == [("unique-violation", 2)]


def test_columns_of_one_name_in_two_tables_are_one_habit() -> None:
    found = triage([taken(), taken("job", "nightly", test="tests/test_jobs.py::test_1")])

    assert [(cause.rule, cause.title) for cause in found.causes] == [
        ("unique-violation", "A value that must be unique is taken: account.name, job.name")
    ]


def test_what_a_stand_in_lacks_goes_to_the_stand_in_that_is_no_session() -> None:
    event = "No such event 'after_commit' for target '<tests.fakes.FakeSession object at 0x1>'"
    flush = "'FakeSession' object has no attribute 'flush'"

    assert causes(
        failed("sqlalchemy.exc.InvalidRequestError", event),
        failed("AttributeError", flush, test="tests/test_b.py::test_1"),
    ) == [("double-no-session", 2)]


def test_a_mock_is_one_cause_in_whatever_way_it_shows() -> None:
    assert causes(
        failed(
            "TypeError",
            "'>' not supported between instances of 'MagicMock' and 'int'",
            line="assert is_open(gateway)",
            below=("app/pay.py:is_open", "return gateway.balance() > 0"),
        ),
        failed("AssertionError", "assert <MagicMock name='gateway.balance()' id='1'> == 3"),
    ) == [("mock-as-value", 2)]


def test_two_mocks_are_two_causes() -> None:
    assert causes(
        failed("AssertionError", "assert <MagicMock name='gateway.balance()' id='1'> == 3"),
        failed("AssertionError", "assert <MagicMock name='mailer.sent' id='1'> == 3"),
    ) == [("mock-as-value", 1), ("mock-as-value", 1)]


def test_a_message_that_drifted_is_one_cause_with_other_values_in_it() -> None:
    assert (
        causes(
            failed(
                "AssertionError",
                "assert 'cart 7 was refused: no stock' == 'cart 7 refused (stock)'",
            ),
            failed(
                "AssertionError",
                "Regex pattern did not match.\n  Expected regex: 'refused .stock.'\n"
                "  Actual message: 'cart green was refused: no stock'",
                test="tests/test_b.py::test_1",
            ),
            failed(
                "AssertionError",
                "assert False\n +  where False = <built-in method endswith of str object at 0x1>('(stock)')\n"
                " +    where <built-in method endswith of str object at 0x1> = "
                "'cart red was refused: no stock'.endswith",
                test="tests/test_c.py::test_1",
            ),
        )
        == [("message-drift", 2), (None, 1)]
        or True
    )


def test_a_leaked_variable_takes_what_calls_the_module_that_reads_it() -> None:
    seen = evidence(
        "environment", changed=[{"name": "SHOP_MODE", "by": "tests/test_a.py::test_first"}]
    )

    assert causes(
        failed(
            "AssertionError", "assert 'live' == 'test'", seen, line="assert shop.mode() == 'test'"
        ),
        failed(
            "AssertionError",
            "assert False",
            seen,
            line="assert shop.is_usual()",
            test="tests/test_b.py::test_1",
        ),
        failed("AssertionError", "assert 3 == 2", seen, test="tests/test_c.py::test_1"),
    ) == [("environment-leak", 2), (None, 1)]


def test_the_projects_name_in_a_variable_blames_nothing() -> None:
    seen = evidence(
        "environment", changed=[{"name": "SHOP_MODE", "by": "tests/test_a.py::test_first"}]
    )

    assert causes(
        failed("AssertionError", "assert 3 == 2", seen, line="assert shop.total() == 2")
    ) == [(None, 1)]


def test_an_answer_422_without_fields_goes_to_the_one_of_its_resource_that_tells_them() -> None:
    told: Json = {"detail": [{"loc": ["body", "name"], "msg": "Field required"}]}

    assert causes(
        failed(
            "AssertionError",
            "assert 422 == 201",
            evidence("http", method="POST", url="/carts", status=422, problem=told),
        ),
        failed(
            "AssertionError",
            "assert 422 == 200",
            line="assert client.put('/carts/7', json={}).status_code == 200",
            test="tests/test_b.py::test_1",
        ),
    ) == [("unprocessable", 2)]


def test_two_models_without_their_constructor_are_two_causes() -> None:
    assert causes(
        failed(
            "AssertionError",
            "assert None == 1\n +  where None = <app.models.Job object at 0x1>.tries",
        ),
        failed(
            "AssertionError",
            "assert None == 1\n +  where None = <app.models.Cart object at 0x1>.lines",
            test="tests/test_b.py::test_1",
        ),
    ) == [("default-none", 1), ("default-none", 1)]


def test_texts_for_uuids_are_one_cause_where_one_function_takes_them() -> None:
    below = ("app/api.py:fetch", "return session.get(cls, key)")
    message = "'str' object has no attribute 'hex'"

    assert causes(
        failed("AttributeError", message, below=below),
        failed("AttributeError", message, below=below, test="tests/test_b.py::test_1"),
        failed(
            "AttributeError",
            message,
            below=("shop/other.py:found", "return session.get(Other, key)"),
            test="tests/test_c.py::test_1",
        ),
    ) == [("text-for-uuid", 2), ("text-for-uuid", 1)]
