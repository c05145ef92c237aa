"""Which makers a type has: one row for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from testkit.factories.fields import (
    documents,
    members,
    network,
    numeric,
    ranges,
    texts,
    times,
    uuids,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testkit.factories.fields.field import Field, Plain, Unique

__all__ = ["Kind", "kind_of"]


class Kind(NamedTuple):
    """What compiles the makers of a type's values; None where there can be none."""

    plain: Callable[[Field], Plain | None]
    unique: Callable[[Field], Unique | None] | None


KINDS: Final[Mapping[type, Kind]] = {
    sa.String: Kind(texts.plain_text, texts.unique_text),
    sa.Enum: Kind(members.plain_member, members.unique_member),
    sa.Boolean: Kind(members.plain_member, members.unique_member),
    sa.Integer: Kind(numeric.plain_integer, numeric.unique_integer),
    pg.OID: Kind(numeric.plain_integer, numeric.unique_integer),
    sa.Numeric: Kind(numeric.plain_numeric, numeric.unique_numeric),
    sa.Float: Kind(numeric.plain_float, numeric.unique_float),
    pg.MONEY: Kind(numeric.plain_money, numeric.unique_money),
    sa.Date: Kind(times.plain_date, times.unique_date),
    sa.DateTime: Kind(times.plain_datetime, times.unique_datetime),
    sa.Time: Kind(times.plain_time, times.unique_time),
    sa.Interval: Kind(times.plain_interval, times.unique_interval),
    pg.INTERVAL: Kind(times.plain_interval, times.unique_interval),
    sa.Uuid: Kind(uuids.plain_uuid, uuids.unique_uuid),
    sa.LargeBinary: Kind(documents.plain_bytes, documents.unique_bytes),
    sa.BINARY: Kind(documents.plain_bytes, documents.unique_bytes),
    sa.VARBINARY: Kind(documents.plain_bytes, documents.unique_bytes),
    sa.PickleType: Kind(documents.plain_document, documents.unique_document),
    sa.JSON: Kind(documents.plain_document, documents.unique_document),
    pg.HSTORE: Kind(documents.plain_hstore, documents.unique_document),
    pg.JSONPATH: Kind(documents.plain_path, None),
    pg.TSVECTOR: Kind(documents.plain_vector, documents.unique_vector),
    pg.TSQUERY: Kind(documents.plain_query, documents.unique_query),
    pg.REGCLASS: Kind(lambda _: lambda _: "pg_class", None),
    pg.REGCONFIG: Kind(lambda _: lambda _: "english", None),
    pg.BIT: Kind(documents.plain_bits, documents.unique_bits),
    pg.INET: Kind(network.plain_inet, network.unique_inet),
    pg.CIDR: Kind(network.plain_network, network.unique_network),
    pg.MACADDR: Kind(network.plain_mac, network.unique_mac),
    pg.MACADDR8: Kind(network.plain_mac8, network.unique_mac8),
    pg.ranges.AbstractRange: Kind(ranges.plain_range, ranges.unique_range),
}
_LISTED: Final = Kind(members.plain_member, members.unique_member)


def kind_of(field: Field) -> Kind | None:
    """Return the nearest row for a column: that of a list where a CHECK lists the values."""
    for kind in type(field.type).__mro__:
        if row := KINDS.get(kind):
            return _LISTED if field.bounds.choices is not None else row
    return None
