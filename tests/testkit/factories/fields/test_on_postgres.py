"""Postgres takes the values of every type, keeps them, and holds the unique ones to be different."""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import uuid
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import TypeDecorator, TypeEngine

from testkit.core.messages import TestkitError
from testkit.factories.fields import Bounds, plain, read_checks, unique
from tests.support.counted_draws import counted_draws

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testkit.isolation.database import Database

ROWS: Final = 200


class Colour(enum.Enum):
    red = "r"
    green = "g"
    blue = "b"


class Moment(TypeDecorator[dt.datetime]):
    """Seconds since 1970, as many projects keep them."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else int(value.timestamp())

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> dt.datetime | None:  # noqa: ARG002 - the same
        return None if value is None else dt.datetime.fromtimestamp(value, dt.UTC)


class Guid(TypeDecorator[uuid.UUID]):
    """The recipe of SQLAlchemy's documentation."""

    impl = sa.CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(pg.UUID() if dialect.name == "postgresql" else sa.CHAR(32))

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:  # noqa: ARG002 - the same
        return value if value is None or isinstance(value, uuid.UUID) else uuid.UUID(value)


COLOUR: Final = sa.Enum(Colour, name="colour")
TYPES: Final[dict[str, TypeEngine[Any]]] = {
    "string": sa.String(),
    "string_50": sa.String(50),
    "string_12": sa.String(12),
    "string_3": sa.String(3),
    "text": sa.Text(),
    "unicode": sa.Unicode(80),
    "char_8": sa.CHAR(8),
    "char_36": sa.CHAR(36),
    "email": sa.String(254),
    "short_email": sa.String(16),
    "url": sa.String(200),
    "citext": pg.CITEXT(),
    "collated": sa.String(collation="C"),
    "integer": sa.Integer(),
    "small": sa.SmallInteger(),
    "big": sa.BigInteger(),
    "numeric": sa.Numeric(),
    "numeric_5_2": sa.Numeric(5, 2),
    "numeric_4_4": sa.Numeric(4, 4),
    "numeric_38_10": sa.DECIMAL(38, 10),
    "numeric_6": sa.Numeric(6),
    "numeric_float": sa.Numeric(10, 3, asdecimal=False),
    "float": sa.Float(),
    "float_24": sa.Float(24),
    "real": sa.REAL(),
    "double": sa.Double(),
    "money": pg.MONEY(),
    "boolean": sa.Boolean(),
    "date": sa.Date(),
    "time": sa.Time(),
    "time_zone": sa.Time(timezone=True),
    "time_0": pg.TIME(precision=0),
    "datetime": sa.DateTime(),
    "datetime_zone": sa.DateTime(timezone=True),
    "timestamp_0": pg.TIMESTAMP(precision=0),
    "timestamp_3_zone": pg.TIMESTAMP(timezone=True, precision=3),
    "interval": sa.Interval(),
    "interval_old": sa.Interval(native=False),
    "interval_day": pg.INTERVAL(fields="DAY"),
    "interval_0": pg.INTERVAL(precision=0),
    "uuid": sa.Uuid(),
    "uuid_text": sa.Uuid(as_uuid=False),
    "uuid_char": sa.Uuid(native_uuid=False),
    "uuid_pg": pg.UUID(),
    "enum": COLOUR,
    "enum_values": sa.Enum(
        Colour,
        name="colour_value",
        values_callable=lambda members: [each.value for each in members],
    ),
    "enum_char": sa.Enum(Colour, native_enum=False, create_constraint=True, name="colour_char"),
    "enum_texts": pg.ENUM("one", "two", name="texts"),
    "domain": pg.DOMAIN("percentage", sa.Integer, check="VALUE BETWEEN 0 AND 100"),
    "bytes": sa.LargeBinary(),
    "bytea": pg.BYTEA(),
    "json": sa.JSON(),
    "jsonb": pg.JSONB(),
    "hstore": pg.HSTORE(),
    "array": sa.ARRAY(sa.Integer),
    "array_texts": pg.ARRAY(sa.String(20)),
    "array_2": pg.ARRAY(sa.Integer, dimensions=2),
    "array_enum": pg.ARRAY(COLOUR),
    "array_tuple": pg.ARRAY(sa.Uuid(), as_tuple=True),
    "inet": pg.INET(),
    "cidr": pg.CIDR(),
    "mac": pg.MACADDR(),
    "mac8": pg.MACADDR8(),
    "int4range": pg.INT4RANGE(),
    "int8range": pg.INT8RANGE(),
    "numrange": pg.NUMRANGE(),
    "daterange": pg.DATERANGE(),
    "tsrange": pg.TSRANGE(),
    "tstzrange": pg.TSTZRANGE(),
    "int4multirange": pg.INT4MULTIRANGE(),
    "nummultirange": pg.NUMMULTIRANGE(),
    "datemultirange": pg.DATEMULTIRANGE(),
    "tsmultirange": pg.TSMULTIRANGE(),
    "tstzmultirange": pg.TSTZMULTIRANGE(),
    "bit_20": pg.BIT(20),
    "bit_varying": pg.BIT(varying=True),
    "oid": pg.OID(),
    "tsvector": pg.TSVECTOR(),
    "tsquery": pg.TSQUERY(),
    "jsonpath": pg.JSONPATH(),
    "regclass": pg.REGCLASS(),
    "regconfig": pg.REGCONFIG(),
    "pickle": sa.PickleType(),
    "variant": sa.Text().with_variant(pg.JSONB(), "postgresql"),
    "moment": Moment(),
    "guid": Guid(),
}
CHECKS: Final[list[tuple[TypeEngine[Any], str]]] = [
    (sa.Integer(), "{c} > 0"),
    (sa.Integer(), "{c} < -5"),
    (sa.Integer(), "{c} BETWEEN 5000 AND 5300 AND {c} NOT IN (5000, 5002, 5300)"),
    (sa.Integer(), "{c} > 5000 OR {c} IS NULL"),
    (sa.Integer(), "{c} % 5 = 0 AND {c} > 7"),
    (sa.SmallInteger(), "NOT ({c} < 32000 AND {c} > -32000)"),
    (sa.BigInteger(), "{c} >= 9000000000000000000"),
    (sa.Numeric(10, 2), "{c} > 0 AND {c} < 10"),
    (sa.Numeric(4, 3), "{c} > 0 AND {c} < 0.5"),
    (sa.Numeric(), "{c} >= 99.99"),
    (sa.Float(), "{c} > 0 AND {c} < 1"),
    (sa.REAL(), "{c} BETWEEN -90 AND 90"),
    (sa.Double(), "{c} > 1e9"),
    (sa.Date(), "{c} >= '2031-05-01' AND {c} < DATE '2032-05-01'"),
    (sa.Date(), "{c} <= CURRENT_DATE"),
    (sa.DateTime(timezone=True), "{c} > now()"),
    (sa.DateTime(timezone=True), "{c} > '2020-01-01 10:00+02' AND {c} < '2020-01-01 11:00+02'"),
    (sa.DateTime(), "{c} < '1990-01-01 12:30'::timestamp"),
    (sa.String(), "{c} <> ''"),
    (sa.String(40), "length(trim({c})) >= 30"),
    (sa.String(6), "length({c}) = 6"),
    (sa.String(12), "char_length({c}) BETWEEN 11 AND 12"),
    (sa.Text(), "length({c}) > 300"),
    (sa.Text(), "lower({c}) = {c}"),
    (sa.String(20), "upper({c}) = {c}"),
    (sa.CHAR(3), "{c} ~ '^[A-Z]{3}$'"),
    (sa.String(30), "{c} ~ '^[a-z0-9]+(-[a-z0-9]+)*$'"),
    (sa.Text(), "{c} ~ '^\\+[1-9][0-9]{6,14}$'"),
    (sa.Text(), "{c} ~* '^(https?)://[^ ]+$'"),
    (sa.Text(), "{c} ~ '^[[:alpha:]_][[:alnum:]_]{2,30}$'"),
    (sa.Text(), "{c} ~ '^#[0-9a-f]{6}$'"),
    (sa.Text(), "{c} ~ '^(red|green) [0-9]{3}$'"),
    (sa.String(80), "{c} LIKE '%@%' AND position('@' IN {c}) > 1"),
    (sa.Text(), "{c} LIKE 'usr\\_%' AND {c} NOT LIKE '% %'"),
    (pg.CITEXT(), "{c} ~ '^[^@[:space:]]+@[^@[:space:]]+\\.[a-z]{2,}$'"),
    (sa.Text(), "{c} !~ '\\s'"),
    (sa.LargeBinary(), "octet_length({c}) = 32"),
    (pg.ARRAY(sa.Text), "cardinality({c}) >= 5"),
    (pg.ARRAY(sa.Integer), "array_length({c}, 1) = 2"),
    (sa.Interval(), "{c} > '0'"),
    (pg.JSONB(), "jsonb_typeof({c}) = 'object'"),
    (pg.MONEY(), "{c} > 0::money"),
]
# As few values as these have no room for all rows.
LISTS: Final[list[tuple[TypeEngine[Any], str]]] = [
    (sa.String(10), "{c} IN ('new', 'open', 'closed')"),
    (
        sa.Text(),
        "({c})::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])",
    ),
    (sa.Integer(), "{c} = 1 OR {c} = 2"),
    (sa.Date(), "{c} IN ('2020-01-01', '2020-01-02')"),
    (sa.Numeric(3, 1), "{c} IN (0.5, 1)"),
    (sa.Boolean(), "{c} IS TRUE"),
    (COLOUR, "{c} <> 'red'"),
    (sa.String(1), "{c} IN ('Y', 'N')"),
]
# Types that Postgres cannot compare, or of which a reference may come twice.
NOT_COMPARED: Final = {"json", "jsonpath", "regclass", "regconfig"}
# How many values there are where there are not enough for all rows.
FEW: Final = {
    "boolean": 2,
    "enum": 3,
    "enum_values": 3,
    "enum_char": 3,
    "enum_texts": 2,
    "domain": 101,
    "array_enum": 3,
}
# What a driver gives back in another form than it takes.
AS_TEXT: Final = {"inet", "cidr"}
CHANGED: Final = {"money", "tsvector", "tsquery", "jsonpath"}


@pytest.fixture
def tables(database: Database) -> Database:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS citext")
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS hstore")
    return database


def written_and_read(
    database: Database, makers: Mapping[str, Callable[[], object]], *, unique: bool
) -> None:
    """Insert rows of one value for each column, and compare them with what is read back."""
    metadata = sa.MetaData()
    few = {name: FEW.get(name, ROWS) if unique else ROWS for name in makers}
    table = sa.Table(
        "wide",
        metadata,
        sa.Column("row", sa.Integer, primary_key=True),
        *(
            sa.Column(name, TYPES[name], unique=unique and name not in NOT_COMPARED)
            for name in makers
        ),
    )
    rows = [
        {"row": row} | {name: make() if row < few[name] else None for name, make in makers.items()}
        for row in range(ROWS)
    ]
    with database.engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(table.insert(), rows)
    with database.engine.connect() as connection:
        read = connection.execute(table.select().order_by(table.c.row)).mappings().all()

    differing = [
        (name, given[name], found[name])
        for given, found in zip(rows, read, strict=True)
        for name in makers
        if name not in CHANGED and not _same(name, given[name], found[name])
    ]
    assert differing == []


def _same(name: str, given: object, found: object) -> bool:
    return given == (str(found) if name in AS_TEXT and found is not None else found)


def test_plain_values_of_every_type_are_taken_and_kept(tables: Database) -> None:
    random = Random(20)
    compiled = {name: plain(column_type, Bounds(), name) for name, column_type in TYPES.items()}
    assert [name for name, make in compiled.items() if make is None] == []

    makers = {name: _bound(make, random) for name, make in compiled.items()}
    written_and_read(tables, makers, unique=False)


def test_unique_values_of_every_type_are_different_as_postgres_compares_them(
    tables: Database,
) -> None:
    draws = counted_draws()
    compiled = {
        name: unique(column_type, Bounds(), name, f"wide.{name}", "wide")
        for name, column_type in TYPES.items()
    }
    none = {name for name, make in compiled.items() if make is None}
    assert none == NOT_COMPARED - {"json"}

    makers = {name: _bound(make, draws) for name, make in compiled.items() if make}
    written_and_read(tables, makers, unique=True)


def _bound(make: Any, source: object) -> Callable[[], object]:
    return lambda: make(source)


def checked(
    metadata: sa.MetaData, rows: list[tuple[TypeEngine[Any], str]], **options: Any
) -> sa.Table:
    """Return a table of a column with a CHECK for each row, named after their order."""
    table = sa.Table(f"checked_{len(metadata.tables)}", metadata)
    for at, (column_type, check) in enumerate(rows):
        text = check.replace("{c}", f"column_{at}").replace(":", r"\:")
        table.append_column(sa.Column(f"column_{at}", column_type, **options))
        table.append_constraint(sa.CheckConstraint(sa.text(text)))
    return table


def read(check: str, name: str) -> Bounds:
    return read_checks([check.replace("{c}", name)], [name]).get(name, Bounds())


def written(database: Database, table: sa.Table, makers: list[Any], source: object) -> int:
    """Write as many rows as there are, and return how many have come."""
    assert [at for at, make in enumerate(makers) if make is None] == []
    rows = [{f"column_{at}": make(source) for at, make in enumerate(makers)} for _ in range(ROWS)]
    with database.engine.begin() as connection:
        table.metadata.create_all(connection)
        connection.execute(table.insert(), rows)
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_plain_values_hold_to_the_checks_that_are_read(tables: Database) -> None:
    table = checked(sa.MetaData(), CHECKS + LISTS)
    makers = [
        plain(column.type, read(check, column.name), column.name)
        for column, (_, check) in zip(table.columns, CHECKS + LISTS, strict=True)
    ]

    assert written(tables, table, makers, Random(21)) == ROWS


def test_unique_values_hold_to_the_checks_that_are_read(tables: Database) -> None:
    table = checked(sa.MetaData(), CHECKS, unique=True)
    makers = [
        unique(column.type, read(check, column.name), column.name, column.name, "row")
        for column, (_, check) in zip(table.columns, CHECKS, strict=True)
    ]

    assert written(tables, table, makers, counted_draws()) == ROWS


def test_checks_are_read_as_postgres_writes_them_too(tables: Database) -> None:
    table = checked(sa.MetaData(), CHECKS + LISTS)
    table.metadata.create_all(tables.engine)
    found = sa.inspect(tables.engine).get_check_constraints(table.name)
    names = table.columns.keys()
    theirs = read_checks([each["sqltext"] for each in found], names)
    ours = {name: read(check, name) for name, (_, check) in zip(names, CHECKS + LISTS, strict=True)}

    assert {name: spelled(each) for name, each in ours.items() if each != Bounds()} == {
        name: spelled(each) for name, each in theirs.items()
    }


def spelled(bounds: Bounds) -> Bounds:
    """Return bounds whose choices are texts: Postgres writes the type of each to it."""
    return replace(bounds, choices=bounds.choices and tuple(map(str, bounds.choices)))


@pytest.mark.parametrize(("column_type", "check"), LISTS, ids=[check for _, check in LISTS])
def test_a_list_is_given_once_up_to_its_last_value(
    column_type: TypeEngine[Any], check: str
) -> None:
    make, draws = unique(column_type, read(check, "status"), "", "status", "row"), counted_draws()
    assert make is not None

    given: list[object] = []
    with contextlib.suppress(TestkitError):
        given.extend(make(draws) for _ in range(ROWS))

    assert 1 <= len(set(given)) == len(given) <= 3
