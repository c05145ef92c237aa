"""Rules about rows: what a constraint, a type or an id of the database refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.triage.facts import text_of
from testkit.triage.rule import Found, Rule, found, says

if TYPE_CHECKING:
    from testkit.triage.facts import Facts, Said

__all__ = ["RULES"]

_UNIQUE: Final = re.compile(
    r"UNIQUE constraint failed: (?P<columns>[\w., ]+)"
    r"|violates unique constraint \"(?P<constraint>[^\"]+)\""
    r"|Duplicate entry .* for key '(?P<key>[^']+)'"
)
_PARAMETER: Final = re.compile(r"'([^'\n]{2,60})'")
_DETAIL: Final = re.compile(r"Key \((?P<columns>[^)]+)\)=\((?P<values>[^)]*)\) already exists")
_NOT_NULL: Final = re.compile(
    r"NOT NULL constraint failed: (?P<table>\w+)\.(?P<column>\w+)"
    r"|null value in column \"(?P<pgcolumn>[^\"]+)\"(?: of relation \"(?P<pgtable>[^\"]+)\")?"
    r"|Column '(?P<mycolumn>[^']+)' cannot be null"
)
_FOREIGN: Final = re.compile(
    r"violates foreign key constraint \"(?P<constraint>[^\"]+)\"|FOREIGN KEY constraint failed"
    r"|a foreign key constraint fails.*?CONSTRAINT `(?P<my>[^`]+)`"
)
_TABLE: Final = re.compile(r"(?:INSERT INTO|UPDATE|FROM) \"?(?P<table>[\w.]+)", re.IGNORECASE)
_BAD_UUID: Final = re.compile(
    r"badly formed hexadecimal UUID string"
    r"|invalid input syntax for type uuid: \"(?P<value>[^\"]*)\""
    r"|invalid UUID '(?P<other>[^']*)'"
)


def _sql(facts: Facts, key: str) -> str:
    for one in facts.evidence.get("sql", ()):
        if told := text_of(one.get(key)):
            return told
    return ""


def _columns_of(constraint: str, table: str) -> str:
    """Return what a constraint's name says of its columns, without the table and the affixes."""
    name = constraint.rpartition(".")[2]
    if table:
        name = name.replace(table, "", 1)
    return re.sub(r"(?:^|_)(?:uq|uix|ux|unique|key|idx|ix)(?=_|$)", "", name).strip("_") or name


def _unique(facts: Facts, said: Said) -> Found | None:
    hit = _UNIQUE.search(said.text)
    if hit is None and _sql(facts, "sqlstate") != "23505":
        return None
    columns = (hit and hit["columns"]) or ""
    constraint = (hit and (hit["constraint"] or hit["key"])) or _sql(facts, "constraint")
    detail = _DETAIL.search(said.text)
    table = _sql(facts, "table")
    names = columns or (detail["columns"] if detail else "")
    bare = ",".join(part.rpartition(".")[2].strip() for part in names.split(",")).replace(" ", "")
    # The columns, not the constraint: a habit such as writing names by hand breaks those of
    # several tables alike.
    key = bare or _columns_of(constraint, table)
    shown = constraint or columns.strip() or key
    value = detail["values"] if detail else ""
    return Found(
        (key.lower(),),
        {"what": shown, "value": f" ({value})" if value else ""},
        also=_literals(facts, value),
    )


def _literals(facts: Facts, value: str) -> frozenset[str]:
    """Return the texts that were to be written: an answer may tell of one of them."""
    given = facts.failure.message.partition("[parameters: ")[2][:400]
    return frozenset(_PARAMETER.findall(given)) | frozenset(filter(None, value.split(", ")))


def _not_null(facts: Facts, said: Said) -> Found | None:
    hit = _NOT_NULL.search(said.text)
    if hit is None:
        return None
    table = hit["table"] or hit["pgtable"] or _sql(facts, "table")
    column = hit["column"] or hit["pgcolumn"] or hit["mycolumn"]
    what = f"{table}.{column}" if table else column
    threads = frozenset((f"attribute:{column.lower()}",))
    return Found((what.lower(),), {"what": what}, threads)


def _foreign(facts: Facts, said: Said) -> Found | None:
    hit = _FOREIGN.search(said.text)
    if hit is None:
        return None
    name = hit["constraint"] or hit["my"] or _sql(facts, "constraint") or _sql(facts, "table")
    if not name:
        statement = _TABLE.search(_sql(facts, "statement") or facts.failure.message)
        name = statement["table"] if statement else ""
    return found(name.lower(), what=name or "a foreign key")


def _double(facts: Facts) -> str:
    for one in facts.evidence.get("doubles", ()):
        names = one.get("names")
        for each in names if isinstance(names, list) else ():
            if isinstance(each, dict) and re.search(
                r"session|engine|repo|conn|db|store|database",
                text_of(each.get("type")),
                re.IGNORECASE,
            ):
                return text_of(each.get("type"))
    return ""


def _number_for_uuid(facts: Facts, said: Said) -> Found | None:
    hit = _BAD_UUID.search(said.text)
    double = _double(facts) if hit else ""
    if not hit or not double:
        return None
    return found(double, what=double)


def _text_for_uuid(facts: Facts, said: Said) -> Found | None:
    if not re.search(r"'str' object has no attribute 'hex'|\bexpected UUID, got str", said.text):
        return None
    hit = _TABLE.search(_sql(facts, "statement") or facts.failure.message)
    threads = {f"table:{hit['table'].lower()}"} if hit else set()
    if facts.place:
        threads.add(f"at:{facts.place}")
    return Found(("",), {"what": hit["table"] if hit else ""}, frozenset(threads))


def _bad_uuid(_: Facts, said: Said) -> Found | None:
    hit = _BAD_UUID.search(said.text)
    return found("", value=hit["value"] or hit["other"] or "") if hit else None


RULES: Final = (
    Rule(
        "unique-violation",
        "A value that must be unique is taken: {what}{value}",
        "Tests write the same value by hand into a unique column, or a row of an earlier test, of a"
        " fixture or of the baseline is still there.",
        "Draw the value (`unique(…)`, a factory), or undo what tests write (`isolation = reset`).",
        _unique,
        cues=("nique constraint", "UNIQUE constraint", "Duplicate entry"),
        mend="test",
        kinds=("sql", "http"),
    ),
    Rule(
        "not-null",
        "NULL where the column needs a value: {what}",
        "The object was made without the value and neither the column nor the model has a default,"
        " or the default is set only at the flush that another statement bypassed.",
        "Give the value where the row is made, or a default to the column.",
        _not_null,
        cues=("NOT NULL constraint", "null value in column", "cannot be null"),
        kinds=("sql",),
    ),
    Rule(
        "foreign-key",
        "A row points to a parent that is not there: {what}",
        "The parent was never written, was written by another connection that has not committed, or"
        " was undone before; or rows are deleted in the wrong order.",
        "Make the parent in the same session first; a factory with a parent does.",
        _foreign,
        cues=("foreign key constraint", "FOREIGN KEY constraint"),
        kinds=("sql",),
    ),
    Rule(
        "check-violation",
        "A CHECK constraint refused a row: {constraint}",
        "The value is outside what the constraint allows; SQLite or a fake did not check it.",
        "Mend the value that the test or the code writes.",
        says(
            r"(?:violates check constraint \"|CHECK constraint failed: )(?P<constraint>\w+)",
            "constraint",
        ),
        cues=("check constraint", "CHECK constraint"),
        kinds=("sql",),
    ),
    Rule(
        "value-too-long",
        "A text is longer than its column: {type}",
        "The generated or computed value does not fit the length that the column has in Postgres;"
        " SQLite does not look at it.",
        "Shorten the value, or widen the column in a migration.",
        says(r"value too long for type (?P<type>[\w ]+(?:\(\d+\))?)", "type"),
        cues=("value too long",),
        kinds=("sql",),
    ),
    Rule(
        "number-out-of-range",
        "A number does not fit its column: {what}",
        "The value is beyond the integer type of the column.",
        "Use a smaller value, or a wider type in a migration.",
        says(
            r"(?P<what>(?:small|big)?int(?:eger)?) out of range|(?P<what2>numeric field overflow)",
            "what",
        ),
        cues=("out of range", "field overflow"),
        types=frozenset(("NumericValueOutOfRange", "NumericValueOutOfRangeError", "DataError")),
        kinds=("sql",),
    ),
    Rule(
        "double-numbers-rows",
        "{what} gives rows ids that are no UUIDs",
        "A hand-written session numbers what it stores, or an id that should have been set when the"
        " object was made is missing; the real database never sees such an id.",
        "Use a real session (`db_session`) instead of the stand-in, and look why the id is not set.",
        _number_for_uuid,
        cues=("UUID", "uuid"),
        kinds=("doubles",),
    ),
    Rule(
        "text-for-uuid",
        "A text is given where a uuid.UUID is wanted",
        "The column is a Uuid: SQLAlchemy wants the object, not its text, in `==`, in `get`, in"
        " values and in constructors.",
        "Give `uuid.UUID(…)`: in the code for what comes from outside, in tests for literals.",
        _text_for_uuid,
        cues=("attribute 'hex'", "expected UUID"),
        mend="test",
        kinds=("sql",),
        doctor="TD105",
    ),
    Rule(
        "bad-uuid",
        "A text that is no UUID reaches a UUID: {value}",
        "An id was written by hand, numbered, or cut.",
        "Follow the value back to where it was made; a test's id is `uuid.uuid4()`.",
        _bad_uuid,
        cues=("UUID", "uuid"),
    ),
)
