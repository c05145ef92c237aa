"""For each named cause failures that have it, and some that look like it and have not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.failures import evidence, failed

if TYPE_CHECKING:
    from testkit.core.runs.failure import Failure

__all__ = ["GOOD", "NEAR_MISSES"]

_SA: Final = "sqlalchemy.exc"
_LATER: Final = "One or more mappers failed to initialize - can't proceed with initialization"
_TWICE: Final = evidence("double_import", names=["app.models", "models"], path="app/models.py")
_FAKE: Final = evidence(
    "doubles", names=[{"name": "db", "type": "FakeSession", "where": "tests/fakes.py:3"}]
)


def _answer(status: int, detail: str = "", url: str = "/things") -> Failure:
    seen = evidence("http", method="POST", url=url, status=status, problem={"detail": detail})
    return failed("AssertionError", f"assert {status} == 201", seen, line="r.status_code == 201")


GOOD: Final[dict[str, tuple[Failure, ...]]] = {
    "aborted-transaction": (
        failed("psycopg.errors.InFailedSqlTransaction", "current transaction is aborted, commands"),
        failed(
            f"{_SA}.PendingRollbackError",
            "This Session's transaction has been rolled back due to a previous exception",
        ),
    ),
    "alembic-heads": (
        failed("alembic.util.exc.CommandError", "Multiple head revisions are present"),
    ),
    "alembic-revision": (
        failed("alembic.util.exc.CommandError", "Can't locate revision identified by 'ab12'"),
    ),
    "ambiguous-class": (
        failed(f"{_SA}.InvalidRequestError", 'Multiple classes found for path "Parent" in the'),
        failed(
            f"{_SA}.InvalidRequestError",
            f'{_LATER}. Original exception was: Multiple classes found for path "Parent" in',
        ),
    ),
    "answer-lacks-field": (failed("KeyError", "'id'", line="r.json()['id']"),),
    "async-not-run": (failed("Failed", "async def functions are not natively supported."),),
    "bad-uuid": (
        failed("ValueError", "badly formed hexadecimal UUID string"),
        failed(
            "psycopg.errors.InvalidTextRepresentation", 'invalid input syntax for type uuid: "7"'
        ),
    ),
    "bytes-for-text": (failed("AssertionError", "assert b'on' == 'on'"),),
    "check-violation": (
        failed("psycopg.errors.CheckViolation", 'row violates check constraint "ck_positive"'),
        failed("sqlite3.IntegrityError", "CHECK constraint failed: ck_positive"),
    ),
    "command-failed": (
        failed("CalledProcessError", "Command '['git', 'x']' returned non-zero exit status 1."),
    ),
    "conflict": (_answer(409, "the name 'a' is taken"), _answer(409)),
    "connection-lost": (
        failed("psycopg.OperationalError", "server closed the connection unexpectedly"),
        failed("redis.exceptions.ConnectionError", "Connection closed by server."),
    ),
    "deadlock": (failed("psycopg.errors.DeadlockDetected", "deadlock detected\nDETAIL: …"),),
    "default-none": (
        failed(
            "AssertionError",
            "assert None == 10\n +  where None = <app.models.Job object at 0x1>.tries",
        ),
        failed(
            "TypeError",
            "'<' not supported between instances of 'NoneType' and 'int'",
            line="assert Job(name='a').tries < 3",
        ),
    ),
    "detached-instance": (
        failed(
            "sqlalchemy.orm.exc.DetachedInstanceError",
            "Instance <Account at 0x7f> is not bound to a Session; attribute refresh",
        ),
        failed(
            "sqlalchemy.orm.exc.DetachedInstanceError",
            "Parent instance <Account at 0x7f> is not bound to a Session; lazy load",
        ),
    ),
    "disk-full": (failed("OSError", "[Errno 28] No space left on device"),),
    "docker-missing": (
        failed("docker.errors.DockerException", "Error while fetching server API version: x"),
    ),
    "double-import": (
        failed(f"{_SA}.InvalidRequestError", 'Multiple classes found for path "P" in', _TWICE),
        failed(f"{_SA}.InvalidRequestError", _LATER, _TWICE),
    ),
    "double-incomplete": (
        failed("AttributeError", "'FakeStore' object has no attribute 'expire'"),
        failed(
            "AttributeError",
            "'Ledger' object has no attribute 'sum'",
            evidence("doubles", names=[{"name": "x", "type": "tests.doubles.Ledger"}]),
        ),
    ),
    "double-no-session": (
        failed(
            f"{_SA}.InvalidRequestError",
            "No such event 'after_commit' for target '<tests.fakes.FakeSession object at 0x1>'",
        ),
        failed(
            f"{_SA}.NoInspectionAvailable",
            "No inspection system is available for object of type <class 'tests.FakeSession'>",
        ),
    ),
    "double-numbers-rows": (failed("ValueError", "badly formed hexadecimal UUID string", _FAKE),),
    "duplicate-metric": (
        failed("ValueError", "Duplicated timeseries in CollectorRegistry: requests"),
    ),
    "environment-leak": (
        failed(
            "AssertionError",
            "assert 'live' == 'test'",
            evidence(
                "environment", changed=[{"name": "SHOP_MODE", "by": "tests/test_a.py::test_x"}]
            ),
            line="assert settings.mode == 'test'",
        ),
    ),
    "exists-already": (
        failed("psycopg.errors.DuplicateTable", 'relation "account" already exists'),
    ),
    "fixture-called": (failed("Failed", 'Fixture "db" called directly. Fixtures are not meant'),),
    "fixture-failed": (
        failed(
            "LookupError",
            "no catalog",
            evidence("fixture", name="catalog", path="tests/conftest.py", line=4),
            phase="setup",
        ),
    ),
    "fixture-recursion": (
        failed("FixtureLookupError", "recursive dependency involving fixture 'db' detected"),
    ),
    "fixture-scope": (
        failed(
            "Failed",
            "ScopeMismatch: You tried to access the function scoped fixture db with a session",
        ),
    ),
    "fixture-yield": (failed("ValueError", "catalog did not yield a value", phase="setup"),),
    "foreign-key": (
        failed("sqlite3.IntegrityError", "FOREIGN KEY constraint failed"),
        failed("psycopg.errors.ForeignKeyViolation", 'violates foreign key constraint "line_fk"'),
    ),
    "host-unknown": (
        failed("socket.gaierror", "[Errno -2] Name or service not known"),
        failed(
            "psycopg.OperationalError", 'could not translate host name "db" to address: Name or'
        ),
    ),
    "lock-timeout": (
        failed("psycopg.errors.LockNotAvailable", "canceling statement due to lock timeout"),
        failed("sqlite3.OperationalError", "database is locked"),
    ),
    "mapper-failed": (failed(f"{_SA}.InvalidRequestError", _LATER),),
    "memory-error": (failed("MemoryError", ""),),
    "message-drift": (
        failed("AssertionError", "assert 'a thing is not here' == 'the thing is not there'"),
        failed(
            "AssertionError",
            "Regex pattern did not match.\n  Expected regex: 'is gone'\n"
            "  Actual message: 'the thing is no more'",
        ),
    ),
    "missing-attribute": (failed("AttributeError", "module 'app.api' has no attribute 'created'"),),
    "missing-column": (
        failed("sqlite3.OperationalError", "no such column: account.colour"),
        failed("psycopg.errors.UndefinedColumn", 'column "colour" does not exist'),
        failed(
            "psycopg.errors.UndefinedColumn",
            'column "colour" of relation "account" does not exist\nLINE 1: INSERT INTO account …',
        ),
    ),
    "missing-database": (
        failed("psycopg.OperationalError", 'FATAL:  database "shop" does not exist'),
    ),
    "missing-file": (
        failed("FileNotFoundError", "[Errno 2] No such file or directory: 'data/a.csv'"),
    ),
    "missing-fixture": (
        failed("FixtureLookupError", "fixture 'clint' not found\navailable fixtures: client"),
        failed("FixtureLookupError", "", evidence("fixture", missing="client")),
    ),
    "missing-greenlet": (
        failed(f"{_SA}.MissingGreenlet", "greenlet_spawn has not been called; can't call await"),
    ),
    "missing-in-database": (
        failed("psycopg.errors.UndefinedFunction", "function gen_uuid() does not exist"),
    ),
    "missing-module": (failed("ModuleNotFoundError", "No module named 'shop.carts'"),),
    "missing-name": (
        failed("ImportError", "cannot import name 'Cart' from 'shop.carts' (/srv/shop/carts.py)"),
    ),
    "missing-table": (
        failed("sqlite3.OperationalError", "no such table: audit"),
        failed("psycopg.errors.UndefinedTable", 'relation "audit" does not exist\nLINE 1: …'),
    ),
    "missing-variable": (
        failed("KeyError", "'SHOP_URL'", below=("app/settings.py:load", "os.environ['SHOP_URL']")),
    ),
    "mock-as-value": (
        failed("TypeError", "'>' not supported between instances of 'MagicMock' and 'int'"),
        failed("TypeError", "object MagicMock can't be used in 'await' expression"),
        failed("AssertionError", "assert <Mock name='gateway.balance()' id='1'> == 3"),
    ),
    "mock-calls": (
        failed("AssertionError", "Expected 'send' to have been called once. Called 0 times."),
    ),
    "mock-spec": (
        failed("AttributeError", "Mock object has no attribute 'sent'"),
        failed("AttributeError", "<module 'app.mail' from 'x'> does not have the attribute 'sent'"),
    ),
    "naive-datetime": (
        failed("TypeError", "can't compare offset-naive and offset-aware datetimes"),
    ),
    "no-join-condition": (
        failed(
            f"{_SA}.NoForeignKeysError",
            "Could not determine join condition between parent/child tables on relationship A.bs",
        ),
    ),
    "no-transaction-left": (failed(f"{_SA}.ResourceClosedError", "This Connection is closed"),),
    "not-awaited": (failed("AttributeError", "'coroutine' object has no attribute 'id'"),),
    "not-json": (failed("TypeError", "Object of type UUID is not JSON serializable"),),
    "not-null": (
        failed("sqlite3.IntegrityError", "NOT NULL constraint failed: account.name"),
        failed(
            "psycopg.errors.NotNullViolation",
            'null value in column "name" of relation "account" violates not-null constraint',
        ),
    ),
    "not-raised": (failed("Failed", "DID NOT RAISE <class 'ValueError'>"),),
    "number-out-of-range": (
        failed("psycopg.errors.NumericValueOutOfRange", "smallint out of range"),
    ),
    "other-loop": (
        failed("RuntimeError", "Task <x> got Future <y> attached to a different loop"),
        failed("RuntimeError", "Event loop is closed"),
    ),
    "out-of-memory": (failed("OSError", "[Errno 12] Cannot allocate memory"),),
    "password-refused": (
        failed("psycopg.OperationalError", 'password authentication failed for user "shop"'),
    ),
    "permission": (failed("PermissionError", "[Errno 13] Permission denied: '/srv/data'"),),
    "pool-exhausted": (
        failed(f"{_SA}.TimeoutError", "QueuePool limit of size 5 overflow 10 reached"),
    ),
    "recursion": (failed("RecursionError", "maximum recursion depth exceeded"),),
    "redis-auth": (
        failed("redis.exceptions.AuthenticationError", "NOAUTH Authentication required."),
    ),
    "redis-refuses": (
        failed("redis.exceptions.ReadOnlyError", "READONLY You can't write against a replica."),
    ),
    "redis-wrong-type": (
        failed("redis.exceptions.ResponseError", "WRONGTYPE Operation against a key holding"),
    ),
    "refused-answer": (_answer(404, "no such thing"),),
    "same-module-name": (
        failed(
            "CollectError",
            "import file mismatch:\nimported module 'test_a' has this",
            phase="collect",
        ),
    ),
    "serialization": (
        failed("psycopg.errors.SerializationFailure", "could not serialize access due to"),
    ),
    "server-error": (_answer(500, "Internal Server Error"),),
    "service-refused": (
        failed("ConnectionRefusedError", "[Errno 111] Connection refused"),
        failed(
            "redis.exceptions.ConnectionError",
            "Error 111 connecting to localhost:6379. Connection refused.",
        ),
    ),
    "service-timeout": (
        failed("redis.exceptions.TimeoutError", "Timeout reading from localhost:6379"),
        failed("httpx.ReadTimeout", "timed out"),
    ),
    "shared-session": (
        failed(
            "asyncpg.InterfaceError", "cannot perform operation: another operation is in progress"
        ),
    ),
    "signature": (failed("TypeError", "create() got an unexpected keyword argument 'colour'"),),
    "snapshot": (failed("AssertionError", "assert [+ received] == [- snapshot]"),),
    "statement-timeout": (
        failed("psycopg.errors.QueryCanceled", "canceling statement due to statement timeout"),
    ),
    "syntax-error": (failed("SyntaxError", "invalid syntax (carts.py, line 3)", phase="collect"),),
    "table-defined-twice": (
        failed(f"{_SA}.InvalidRequestError", "Table 'audit' is already defined for this MetaData"),
    ),
    "test-timeout": (failed("Failed", "Timeout (>5.0s) from pytest-timeout."),),
    "testkit": (failed("TestkitError", "TK101: no server for this run"),),
    "text-for-uuid": (failed("AttributeError", "'str' object has no attribute 'hex'"),),
    "timing-threshold": (
        failed("AssertionError", "assert 0.31 < 0.05", line="assert elapsed < 0.05"),
        failed("AssertionError", "slow", evidence("timing", seconds=0.3, limit=0.1)),
    ),
    "too-many-connections": (
        failed("psycopg.OperationalError", "FATAL:  sorry, too many clients already"),
    ),
    "too-many-files": (failed("OSError", "[Errno 24] Too many open files"),),
    "type-not-stored": (failed("psycopg.ProgrammingError", "cannot adapt type 'dict' using"),),
    "unauthorized": (_answer(401, "no token"), _answer(403)),
    "undefined-name": (failed("NameError", "name 'Cart' is not defined"),),
    "unexpected-pass": (failed("", "[XPASS(strict)] not yet"),),
    "unique-violation": (
        failed("sqlite3.IntegrityError", "UNIQUE constraint failed: account.name"),
        failed(
            "psycopg.errors.UniqueViolation",
            'duplicate key value violates unique constraint "uq_account_name"\n'
            "DETAIL:  Key (name)=(a) already exists.",
        ),
    ),
    "unlocated-class": (
        failed(
            f"{_SA}.InvalidRequestError",
            "When initializing mapper Mapper[A(a)], expression 'Cart' failed to locate a name",
        ),
    ),
    "unprocessable": (
        failed(
            "AssertionError",
            "assert 422 == 201",
            evidence(
                "http",
                method="POST",
                url="/things",
                status=422,
                problem={"detail": [{"loc": ["body", "name"], "msg": "Field required"}]},
            ),
        ),
    ),
    "validation": (
        failed(
            "pydantic_core.ValidationError",
            "1 validation error for Thing\ncount\n  Input should be a valid integer "
            "[type=int_type, input_value='x', input_type=str]",
        ),
    ),
    "value-too-long": (
        failed(
            "psycopg.errors.StringDataRightTruncation",
            "value too long for type character varying(5)",
        ),
    ),
    "vanished-row": (
        failed(
            "sqlalchemy.orm.exc.ObjectDeletedError", "Instance '<Account at 0x1>' has been deleted"
        ),
    ),
    "warning-as-error": (failed("DeprecationWarning", "use the other one"),),
    "worker-crashed": (failed("", "worker 'gw0' crashed while running 'tests/test_a.py::test_x'"),),
}

# The rule that a hasty reader would name: what the failure has is another cause, or none is known.
NEAR_MISSES: Final[dict[str, tuple[Failure, ...]]] = {
    "ambiguous-class": (failed("ValueError", "Multiple classes are in this school"),),
    "answer-lacks-field": (failed("KeyError", "'id'", line="rows[0]['id']"),),
    "bytes-for-text": (failed("AssertionError", "assert b'on' == 'off'"),),
    "conflict": (
        failed("AssertionError", "assert 409 == 201", line="assert count == 201"),
        _answer(404, "409 of them"),
    ),
    "default-none": (
        failed(
            "AttributeError",
            "'NoneType' object has no attribute 'lower'",
            below=("app/mail.py:send", "self.host.lower()"),
        ),
        failed("AssertionError", "assert None == 3", line="assert find(3) == 3"),
    ),
    "double-import": (failed("ValueError", "a bad value", _TWICE),),
    "double-incomplete": (failed("AttributeError", "'Account' object has no attribute 'colour'"),),
    "double-numbers-rows": (failed("ValueError", "badly formed hexadecimal UUID string"),),
    "environment-leak": (
        failed(
            "AssertionError",
            "assert 3 == 2",
            evidence(
                "environment", changed=[{"name": "SHOP_MODE", "by": "tests/test_a.py::test_x"}]
            ),
            line="assert len(carts) == 2",
        ),
    ),
    "exists-already": (failed("ValueError", "the account already exists"),),
    "fixture-failed": (
        failed("LookupError", "no catalog", evidence("fixture", name="catalog"), phase="call"),
    ),
    "message-drift": (
        failed("AssertionError", "assert 'open' == 'closed'"),
        failed("AssertionError", "assert 'all is well here' == 'of quite another kind'"),
    ),
    "missing-column": (failed("ValueError", "the column of smoke does not exist"),),
    "missing-variable": (failed("KeyError", "'name'"), failed("KeyError", "'OPEN'")),
    "mock-as-value": (
        failed("TypeError", "'>' not supported between instances of 'str' and 'int'"),
    ),
    "not-null": (failed("ValueError", "name cannot be null here"),),
    "other-loop": (failed("ValueError", "a loop is open"),),
    "redis-refuses": (failed("ValueError", "the file is read only"),),
    "service-refused": (failed("ValueError", "the card was refused"),),
    "service-timeout": (failed("ValueError", "timeout must be positive"),),
    "testkit": (failed("ValueError", "the code ATK101 is unknown"),),
    "text-for-uuid": (failed("AttributeError", "'int' object has no attribute 'hex'"),),
    "timing-threshold": (
        failed("AssertionError", "assert 3 < 2", line="assert len(carts) < 2"),
        failed("AssertionError", "assert 'fast' == 'slow'", line="assert elapsed == 'slow'"),
    ),
    "unauthorized": (failed("AssertionError", "assert 401 == 3", line="assert total == 3"),),
    "undefined-name": (failed("ValueError", "name 'x' is not defined in the plan"),),
    "unique-violation": (failed("ValueError", "names must be unique"),),
    "unprocessable": (failed("AssertionError", "assert 422 == 1", line="assert total == 1"),),
    "warning-as-error": (failed("ValueError", "DeprecationWarning"),),
    "worker-crashed": (failed("ValueError", "the car crashed"),),
}
