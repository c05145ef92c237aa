"""What the journal must know of a database: its tables, sequences and materialized views.

``pg_testkit`` in a query stands for the journal's schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "SEQUENCES_QUERY",
    "TABLES_QUERY",
    "VIEWS_QUERY",
    "SequenceName",
    "TableFacts",
    "ViewName",
]

SEQUENCES_QUERY: Final = """
SELECT s.seqrelid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND c.relnamespace <> 'pg_testkit'::regnamespace ORDER BY 1
"""

# Every table that is new or whose columns changed since it was last tracked. A partition is
# journalled under its root: a row may enter through the one and leave through the other.
TABLES_QUERY: Final = r"""
WITH RECURSIVE part AS (
    SELECT c.oid, c.oid AS root FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    UNION ALL
    SELECT i.inhrelid, part.root FROM pg_inherits i JOIN part ON i.inhparent = part.oid
    JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition AND c.relkind IN ('r', 'p')
), columns AS (
    SELECT a.attrelid,
           array_agg(a.attname::text ORDER BY a.attnum) AS names,
           array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = '') AS stored,
           string_agg(a.attname || ' ' || a.atttypid || a.attgenerated::text, ',' ORDER BY a.attnum) AS shape,
           array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = 'v') AS virtual,
           array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attidentity = 'a') AS fixed,
           -- Types that may hold a name of a relation, which reads as the search_path has it.
           bool_or(t.typtype IN ('c', 'd') OR e.typtype IN ('c', 'd')
                   OR (coalesce(e.typname, t.typname) LIKE 'reg%'
                       AND t.typnamespace = 'pg_catalog'::regnamespace)) AS by_name
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    WHERE a.attnum > 0 AND NOT a.attisdropped GROUP BY a.attrelid
), keys AS (
    -- Without what a key merely INCLUDEs; the operator by its schema, which need not be on the path.
    SELECT i.indrelid, array_agg(a.attname::text ORDER BY a.attnum) AS names,
           array_agg(coalesce('OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')', '=')
                     ORDER BY a.attnum) AS equals
    FROM pg_index i CROSS JOIN generate_series(0, i.indnkeyatts - 1) AS nth
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[nth]
    JOIN pg_opclass c ON c.oid = i.indclass[nth]
    LEFT JOIN pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree'
    LEFT JOIN pg_amop p ON p.amopmethod = m.oid AND p.amopfamily = c.opcfamily AND p.amopstrategy = 3
        AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype
    LEFT JOIN pg_operator o ON o.oid = p.amopopr LEFT JOIN pg_namespace n ON n.oid = o.oprnamespace
    WHERE i.indisprimary GROUP BY i.indrelid
), referenced AS (
    -- Also by a key to one partition alone.
    SELECT DISTINCT p.root AS oid FROM pg_constraint f JOIN part p ON p.oid = f.confrelid
    WHERE f.contype = 'f'
), facts AS (
    SELECT p.oid::int8 AS oid, p.root::int8 AS root, n.nspname::text AS schema, c.relname::text AS name,
           c.relkind = 'p' AS partitioned, coalesce(k.names, '{}') AS key,
           coalesce(k.equals, '{}') AS equals,
           coalesce(cols.stored, '{}') AS stored, rootcols.names AS root_columns,
           coalesce(rootcols.virtual, '{}') AS virtual,
           format('%I.%I', rn.nspname, rc.relname) AS root_name,
           cols.shape IS DISTINCT FROM rootcols.shape AS reordered,
           coalesce(cols.by_name, false) AS by_name,
           EXISTS (SELECT FROM pg_inherits i JOIN pg_class kid ON kid.oid = i.inhrelid
                   WHERE p.oid IN (i.inhrelid, i.inhparent) AND NOT kid.relispartition) AS inherits,
           c.relhasrules AS rules, c.relforcerowsecurity AS forced,
           p.root IN (SELECT oid FROM referenced) AS referenced,
           coalesce(cols.fixed, '{}') AS fixed,
           concat_ws('|', p.root, n.nspname, c.relname, cols.shape, k.names, c.relhasrules,
                     c.relforcerowsecurity,
                     p.root IN (SELECT oid FROM referenced)) AS shape
    FROM part p
    JOIN pg_class c ON c.oid = p.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class rc ON rc.oid = p.root JOIN pg_namespace rn ON rn.oid = rc.relnamespace
    LEFT JOIN columns cols ON cols.attrelid = p.oid
    LEFT JOIN columns rootcols ON rootcols.attrelid = p.root
    LEFT JOIN keys k ON k.indrelid = p.oid
    WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'pg_testkit')
      AND c.relpersistence <> 't'
)
SELECT f.* FROM facts f LEFT JOIN pg_testkit.tracked t ON t.rel = f.oid
WHERE t.shape IS DISTINCT FROM f.shape ORDER BY f.oid
"""

VIEWS_QUERY: Final = """
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm' ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One row of ``TABLES_QUERY``."""

    oid: int
    root: int
    schema: str
    name: str
    partitioned: bool
    key: list[str]
    equals: list[str]
    stored: list[str]
    root_columns: list[str] | None
    virtual: list[str]
    root_name: str
    reordered: bool
    by_name: bool
    inherits: bool
    rules: bool
    forced: bool
    referenced: bool
    fixed: list[str]
    shape: str


@dataclass(frozen=True, slots=True)
class SequenceName:
    """One row of ``SEQUENCES_QUERY``."""

    oid: int
    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class ViewName:
    """One row of ``VIEWS_QUERY``: a materialized view."""

    oid: int
    schema: str
    name: str
