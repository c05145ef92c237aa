"""What the text of a statement tells."""

from __future__ import annotations

import pytest

from testkit.isolation.rollback.words import read


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("BEGIN", "begin", None),
        ("begin isolation level serializable;", "begin", None),
        ("START TRANSACTION READ ONLY", "begin", None),
        ("/* why */ -- so\n COMMIT ;", "commit", None),
        ("END TRANSACTION", "commit", None),
        ("COMMIT AND CHAIN", "commit", None),
        ("COMMIT -- by shop", "commit", None),
        ("ROLLBACK TO SAVEPOINT s /* by shop */;", "rollback to", "s"),
        ("ABORT", "rollback", None),
        ("ROLLBACK TO SAVEPOINT sa_savepoint_1", "rollback to", "sa_savepoint_1"),
        ('rollback to "Own"', "rollback to", "Own"),
        ("SAVEPOINT Mine", "savepoint", "mine"),
        ("RELEASE sa_savepoint_1", "release", "sa_savepoint_1"),
        ("PREPARE TRANSACTION 'x'", "prepare", None),
        ("SET TRANSACTION READ ONLY", "set", None),
        ("SET transaction_isolation = 'serializable'", "set", None),
        ("SET search_path = x", "other", None),
        ("ROLLBACK PREPARED 'x'", "other", None),
        ("COMMIT PREPARED 'x'", "other", None),
        ("COMMIT; BEGIN", "other", None),
        ("SELECT 'COMMIT'", "other", None),
    ],
)
def test_what_a_statement_does_to_the_transaction(text: str, kind: str, name: str | None) -> None:
    assert read(text)[:2] == (kind, name)


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        ("SELECT 1", False),
        ("  (SELECT 1) UNION (SELECT 2)", False),
        ("-- why\nselect * from t", False),
        ("SELECT * FROM t FOR UPDATE", False),
        ("SELECT * FROM t FOR NO KEY UPDATE", False),
        ("WITH a AS (SELECT 1) SELECT * FROM a", False),
        ("SHOW search_path", False),
        ("FETCH 10 FROM c", False),
        ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", True),
        ("SELECT * INTO t2 FROM t", True),
        ("INSERT INTO t VALUES (1)", True),
        ("EXPLAIN ANALYZE DELETE FROM t", True),
        ("LOCK TABLE t", True),
        ("SET search_path = x", False),
        (";", False),
        ("", False),
        ("EXPLAIN DELETE FROM t", False),
    ],
)
def test_whether_it_writes(text: str, *, writes: bool) -> None:
    assert read(text).writes is writes


def test_what_a_transaction_that_stays_cannot_show() -> None:
    assert read("NOTIFY done").notifies
    assert read("SELECT pg_notify('done', '')").notifies
    assert not read("SELECT notify FROM notifications").notifies
    assert read("UPDATE t SET at = CURRENT_TIMESTAMP").takes_time
    assert not read("SELECT clock_timestamp(), known()").takes_time
    assert read('INSERT INTO public."Order" (id) VALUES (1)').table == "Order"
    assert read("insert into Orders values (1)").table == "orders"
    assert read("BEGIN ISOLATION LEVEL SERIALIZABLE").of_its_own
    assert read("SELECT 1 FROM t FOR UPDATE SKIP LOCKED").of_its_own
    assert read("CREATE TEMP TABLE t (id int) ON COMMIT DROP").of_its_own
    assert not read("BEGIN ISOLATION LEVEL READ COMMITTED").of_its_own
    assert not read("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING").of_its_own


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SET LOCAL app.tenant = '7'", ("app.tenant",)),
        ("set local ROLE guest", ("role",)),
        ("SET LOCAL TIME ZONE 'UTC'", ("timezone",)),
        ("SELECT set_config('app.tenant', %(id)s, true)", ("app.tenant",)),
        ("SELECT set_config('app.tenant', '7', false)", ()),
        ("SET app.tenant = '7'", ()),
        ("SET LOCAL transaction_read_only = on", ()),
    ],
)
def test_settings_that_last_as_long_as_a_transaction(text: str, names: tuple[str, ...]) -> None:
    assert read(text).local == names
