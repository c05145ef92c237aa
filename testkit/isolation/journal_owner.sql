-- The journal where the role is no superuser, but owns the tables: the server tells nobody of DDL and
-- lets nobody silence foreign keys.
--
-- DDL is found by a look at the catalogs. Rows of all tables are put back in ONE statement, so that
-- foreign keys are checked, and cascade, when everything is in its place.

-- What `apply` joins to that statement for a table, by what is to be done to it.
CREATE TABLE pg_testkit.piece (
    rel oid PRIMARY KEY, takes_out text NOT NULL, puts_in text NOT NULL, does_both text NOT NULL,
    by_name boolean NOT NULL
);

-- How the user's triggers of a table and of its partitions are turned off, and on again.
CREATE TABLE pg_testkit.user_trigger (
    rel oid NOT NULL, turn_off text NOT NULL, turn_on text NOT NULL
);

CREATE FUNCTION pg_testkit.note_triggers() RETURNS void LANGUAGE sql AS $$
    DELETE FROM pg_testkit.user_trigger;
    INSERT INTO pg_testkit.user_trigger
    SELECT coalesce(pg_partition_root(c.oid), c.oid),
           format('ALTER TABLE ONLY %I.%I DISABLE TRIGGER %I', n.nspname, c.relname, t.tgname),
           format('ALTER TABLE ONLY %I.%I ENABLE %s TRIGGER %I', n.nspname, c.relname,
                  CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE '' END, t.tgname)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND c.relkind IN ('r', 'p')
      AND c.relpersistence <> 't'
      AND t.tgname NOT IN (' testkit i', ' testkit u', ' testkit d', ' testkit t');
$$;

-- Two levels. `sums` tells of every write to a catalog, also of those of TRUNCATE and of temporary
-- tables; only where it differs is compared what is in the catalogs, object by object.
CREATE TABLE pg_testkit.catalog_seen (sums text[] NOT NULL);
CREATE TABLE pg_testkit.catalog_mark (
    class oid NOT NULL, object oid NOT NULL, part integer NOT NULL, name text NOT NULL,
    content bigint NOT NULL
);

-- The catalogs of what tests hardly ever make: that one came or went is enough, save for those in
-- `rare_now`.
CREATE FUNCTION pg_testkit.rare_classes() RETURNS oid[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY[
        'pg_am', 'pg_cast', 'pg_collation', 'pg_conversion', 'pg_extension', 'pg_foreign_data_wrapper',
        'pg_foreign_server', 'pg_language', 'pg_opclass', 'pg_operator', 'pg_opfamily',
        'pg_statistic_ext', 'pg_transform', 'pg_ts_config', 'pg_ts_dict',
        'pg_ts_parser', 'pg_ts_template']::regclass[]::oid[]
        || to_regclass('pg_publication_namespace')::oid  -- which came with version 15
$$;

-- What an ordinary role may change besides. None of these has a row in most databases, or few.
CREATE FUNCTION pg_testkit.rare_now()
RETURNS TABLE (class oid, object oid, part integer, content text, writer xid)
LANGUAGE sql STABLE AS $$
    SELECT 'pg_publication'::regclass, t.oid, 0, t::text, t.xmin FROM pg_publication t
    UNION ALL SELECT 'pg_publication_rel'::regclass, t.oid, 0, t::text, t.xmin
        FROM pg_publication_rel t
    UNION ALL SELECT 'pg_statistic_ext'::regclass, t.oid, 0, t::text, t.xmin FROM pg_statistic_ext t
    UNION ALL SELECT 'pg_collation'::regclass, t.oid, 0, t::text, t.xmin FROM pg_collation t
        WHERE t.oid >= 16384
    UNION ALL SELECT 'pg_operator'::regclass, t.oid, 0, t::text, t.xmin FROM pg_operator t
        WHERE t.oid >= 16384
    UNION ALL SELECT 'pg_ts_dict'::regclass, t.oid, 0, t::text, t.xmin FROM pg_ts_dict t
        WHERE t.oid >= 16384
    UNION ALL SELECT 'pg_ts_config'::regclass, t.oid, 0, t::text, t.xmin FROM pg_ts_config t
        WHERE t.oid >= 16384
    UNION ALL SELECT 'pg_ts_config'::regclass, t.mapcfg, -1000 * t.maptokentype - t.mapseqno,
        t::text, t.xmin FROM pg_ts_config_map t WHERE t.mapcfg >= 16384
    UNION ALL SELECT 'pg_extension'::regclass, t.oid, 0, t::text, t.xmin FROM pg_extension t
        WHERE t.oid >= 16384
    -- The comment on a schema that initdb made.
    UNION ALL SELECT t.classoid, t.objoid, -3 - t.objsubid, t::text, t.xmin FROM pg_description t
        WHERE t.classoid = 'pg_namespace'::regclass AND t.objoid < 16384
$$;

-- What initdb made has numbers below 16384. age() counts back from the next transaction, so the age
-- of a fixed number is taken off: the sum stands still while nobody writes.
CREATE FUNCTION pg_testkit.catalog_sums() RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY[
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_trigger WHERE oid >= 16384),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_class WHERE oid >= 16384),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_attribute WHERE attrelid >= 16384),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_constraint WHERE oid >= 16384),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_proc WHERE oid >= 16384),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_type WHERE oid >= 16384),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_rewrite WHERE oid >= 16384),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_policy),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_sequence),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_namespace
         WHERE age(xmin) < 2147483647),  -- which is the age of what initdb made
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_enum),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_index WHERE indexrelid >= 16384),
        (SELECT count(*) * age('3'::xid) - sum(age(writer)) FROM pg_testkit.rare_now()
         WHERE age(writer) < 2147483647),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_default_acl),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_description WHERE objoid >= 16384),
        (SELECT count(*) * age('3'::xid) - sum(age(xmin)) FROM pg_depend
         WHERE classid = ANY (pg_testkit.rare_classes())),
        (SELECT string_agg(v.rel || ':' || v.content, ' ' ORDER BY v.rel)
         FROM pg_testkit.views_now() AS v)
    ]::text[]
$$;

-- Everything that DDL changes, with a hash of it. Of a relation that is what DDL alone writes: TRUNCATE
-- and VACUUM FULL give it another file. Part -1 is the content of a materialized view.
CREATE FUNCTION pg_testkit.catalog_now()
RETURNS TABLE (class oid, object oid, part integer, content bigint) LANGUAGE sql STABLE AS $$
    WITH hidden AS MATERIALIZED (
        SELECT oid FROM pg_namespace
        WHERE nspname ~ '^pg_(toast_)?temp_' OR nspname IN ('pg_toast', 'pg_testkit')
    ), shown AS MATERIALIZED (
        SELECT * FROM pg_class
        WHERE oid >= 16384 AND relpersistence <> 't' AND relnamespace NOT IN (SELECT oid FROM hidden)
    )
    SELECT found.class, found.object, found.part, hashtextextended(found.facts, 0)
    FROM (
        SELECT 'pg_class'::regclass::oid, c.oid, 0, ROW(
            c.relname, c.relnamespace, c.relowner, c.relam, c.reltablespace, c.relpersistence,
            c.relkind, c.relnatts, c.relchecks, c.relrowsecurity, c.relforcerowsecurity,
            c.relreplident, c.relispartition, c.relpartbound::text, c.reloptions, c.relacl,
            (SELECT t.typacl FROM pg_type t WHERE t.oid = c.reltype),
            (SELECT array_agg(i.inhparent ORDER BY i.inhseqno) FROM pg_inherits i
             WHERE i.inhrelid = c.oid),
            CASE c.relkind WHEN 'm' THEN c.relfilenode END)::text
        FROM shown c
        UNION ALL SELECT 'pg_class'::regclass, v.rel, -1, v.content FROM pg_testkit.views_now() v
        UNION ALL SELECT 'pg_class'::regclass, t.seqrelid, -2, t::text FROM pg_sequence t
            WHERE t.seqrelid IN (SELECT oid FROM shown)
        UNION ALL SELECT 'pg_class'::regclass, t.attrelid, t.attnum, t::text FROM pg_attribute t
            WHERE t.attnum > 0 AND t.attrelid IN (SELECT oid FROM shown)
        UNION ALL SELECT 'pg_class'::regclass, t.indexrelid, -4,
            ROW(t.indisunique, t.indisprimary, t.indimmediate, t.indisclustered, t.indisvalid,
                t.indisreplident)::text
            FROM pg_index t WHERE t.indexrelid IN (SELECT oid FROM shown)
        UNION ALL SELECT r.class, r.object, r.part, r.content FROM pg_testkit.rare_now() r
        UNION ALL SELECT 'pg_attrdef'::regclass, t.oid, 0, t::text FROM pg_attrdef t
            WHERE t.adrelid IN (SELECT oid FROM shown)
        UNION ALL SELECT 'pg_trigger'::regclass, t.oid, 0, t::text FROM pg_trigger t
            WHERE t.tgrelid IN (SELECT oid FROM shown)
        UNION ALL SELECT 'pg_rewrite'::regclass, t.oid, 0, t::text FROM pg_rewrite t
            WHERE t.ev_class IN (SELECT oid FROM shown)
        UNION ALL SELECT 'pg_policy'::regclass, t.oid, 0, t::text FROM pg_policy t
        UNION ALL SELECT 'pg_constraint'::regclass, t.oid, 0, t::text FROM pg_constraint t
            WHERE t.oid >= 16384 AND t.connamespace NOT IN (SELECT oid FROM hidden)
        UNION ALL SELECT 'pg_proc'::regclass, t.oid, 0, t::text FROM pg_proc t
            WHERE t.oid >= 16384 AND t.pronamespace NOT IN (SELECT oid FROM hidden)
        UNION ALL SELECT 'pg_type'::regclass, t.oid, 0, t::text FROM pg_type t
            -- Those of relations and of arrays come and go with what they are of.
            WHERE t.oid >= 16384 AND t.typnamespace NOT IN (SELECT oid FROM hidden)
                AND t.typrelid = 0 AND t.typcategory <> 'A'
        UNION ALL SELECT 'pg_namespace'::regclass, t.oid, 0, t::text FROM pg_namespace t
            WHERE t.oid NOT IN (SELECT oid FROM hidden)
        UNION ALL SELECT 'pg_type'::regclass, t.enumtypid, -t.oid::integer, t::text FROM pg_enum t
        UNION ALL SELECT 'pg_default_acl'::regclass, t.oid, 0, t::text FROM pg_default_acl t
        UNION ALL SELECT t.classoid, t.objoid, -3 - t.objsubid, t::text FROM pg_description t
            WHERE t.objoid >= 16384 AND NOT EXISTS (
                SELECT FROM pg_class c WHERE c.oid = t.objoid AND c.relpersistence = 't')
        UNION ALL SELECT t.classid, t.objid, -10000, string_agg(DISTINCT t.deptype::text, '')
            FROM pg_depend t WHERE t.objid >= 16384 AND t.classid = ANY (pg_testkit.rare_classes())
            GROUP BY 1, 2
    ) AS found (class, object, part, facts)
$$;

-- Write down, as DDL of the running test, what has changed in the catalogs since the last look.
CREATE FUNCTION pg_testkit.look_for_ddl() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    now_seen text[] := pg_testkit.catalog_sums();
BEGIN
    IF EXISTS (SELECT FROM pg_testkit.catalog_seen WHERE sums = now_seen) THEN RETURN; END IF;
    PERFORM pg_testkit.note_difference();
    UPDATE pg_testkit.catalog_seen SET sums = now_seen;
END
$$;

-- Names come with their schemas where none is on the path. Of the many changes that one command makes,
-- those are told that say most: relations, then columns, then the rest.
CREATE FUNCTION pg_testkit.note_difference() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog AS $$
DECLARE
    other record;
    best integer;
    words text[] := '{}';
BEGIN
    FOR other IN
        SELECT *, CASE WHEN part > 0 THEN 2 WHEN part < 0 OR class <> 'pg_class'::regclass THEN 3
                       WHEN how = 'changed' THEN 4 ELSE 1 END AS weight
        FROM (SELECT class, object, part, n.content,
                     coalesce(m.name, pg_testkit.name_of(class, object, part)) AS name,
                     CASE WHEN m.content IS NULL THEN 'made' WHEN n.content IS NULL THEN 'dropped'
                          ELSE 'changed' END AS how
              FROM pg_testkit.catalog_now() AS n FULL JOIN pg_testkit.catalog_mark AS m
                   USING (class, object, part)
              WHERE n.content IS DISTINCT FROM m.content) AS differing
        ORDER BY weight, name !~ '^(table|view|materialized view) ', object, part
    LOOP
        best := coalesce(best, other.weight);
        IF other.weight = best AND cardinality(words) < 3 THEN
            words := words || (other.name || ' was ' || other.how);
        END IF;
        DELETE FROM pg_testkit.catalog_mark AS m
        WHERE m.class = other.class AND m.object = other.object AND m.part = other.part;
        IF other.content IS NOT NULL THEN
            INSERT INTO pg_testkit.catalog_mark
            VALUES (other.class, other.object, other.part, other.name, other.content);
        END IF;
    END LOOP;
    INSERT INTO pg_testkit.journal (rel, sign, image)
    SELECT 0, 0, word FROM unnest(words) WITH ORDINALITY AS w (word, nth) ORDER BY nth;
END
$$;

CREATE FUNCTION pg_testkit.name_of(class oid, object oid, part integer) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT coalesce(pg_describe_object(class, object, greatest(part, 0)), 'an object')
$$;

-- Their pages are not for ordinary roles: the content tells whether an object is the same.
CREATE FUNCTION pg_testkit.large_objects_now() RETURNS TABLE (object oid, trace text)
LANGUAGE sql STABLE AS $$
    SELECT m.oid, concat(md5(lo_get(m.oid)), ' ', m.lomowner, ' ', m.lomacl)
    FROM pg_largeobject_metadata m
$$;

-- Nothing that there is now is DDL of a test.
CREATE FUNCTION pg_testkit.mark_catalog() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog AS $$
BEGIN
    DELETE FROM pg_testkit.catalog_mark;
    INSERT INTO pg_testkit.catalog_mark
    SELECT class, object, part, pg_testkit.name_of(class, object, part), content
    FROM pg_testkit.catalog_now();
    DELETE FROM pg_testkit.catalog_seen;
    INSERT INTO pg_testkit.catalog_seen VALUES (pg_testkit.catalog_sums());
END
$$;

-- See journal_superuser.sql. Where a key or a check stands in the way, what it raises is the caller's
-- to handle.
CREATE FUNCTION pg_testkit.apply(owners integer[], direction integer, settled pg_snapshot)
RETURNS oid[] LANGUAGE plpgsql AS $$
DECLARE
    tables oid[];
    pieces text;
    names boolean;
    off text;
    on_again text;
BEGIN
    SELECT array_agg(rel), bool_or(by_name),
           string_agg(CASE WHEN NOT went THEN takes_out WHEN NOT came THEN puts_in
                           ELSE does_both END, '')
    INTO tables, names, pieces
    FROM (SELECT rel, bool_or(net * direction < 0) AS came, bool_or(net * direction > 0) AS went
          FROM (SELECT rel, sum(sign) AS net FROM pg_testkit.journal
                WHERE owner = ANY (owners) AND rel <> 0 AND pg_visible_in_snapshot(xid, settled)
                GROUP BY rel, image) AS images
          WHERE net <> 0 GROUP BY rel) AS summed
         JOIN pg_testkit.piece USING (rel);
    IF tables IS NULL THEN RETURN NULL; END IF;
    -- A cascade that finds no row fires the statement triggers of its table all the same.
    SELECT string_agg(turn_off, ';'), string_agg(turn_on, ';') INTO off, on_again
    FROM pg_testkit.user_trigger
    WHERE rel = ANY (tables) OR rel IN (
        SELECT coalesce(pg_partition_root(conrelid), conrelid) FROM pg_constraint
        WHERE contype = 'f' AND confrelid IN (
            SELECT rel FROM pg_testkit.tracked
            WHERE coalesce(pg_partition_root(rel)::oid, rel) = ANY (tables)));
    IF off IS NOT NULL THEN EXECUTE off; END IF;
    IF names THEN PERFORM set_config('search_path', 'pg_catalog', true); END IF;
    PERFORM set_config('testkit.quiet', 'off', true);
    EXECUTE 'WITH net AS MATERIALIZED (
        SELECT rel, image, sum(sign) * $2 AS n FROM pg_testkit.journal
        WHERE owner = ANY ($1) AND rel <> 0 AND pg_visible_in_snapshot(xid, $3)
        GROUP BY rel, image HAVING sum(sign) <> 0
    )' || pieces || ' SELECT' USING owners, direction, settled;
    PERFORM set_config('testkit.quiet', 'on', true);
    PERFORM pg_testkit.check_applied(owners, direction, settled);
    IF off IS NOT NULL THEN
        -- No table can be altered while checks of it are still to come.
        SET CONSTRAINTS ALL IMMEDIATE;
        EXECUTE on_again;
        UPDATE pg_testkit.catalog_seen SET sums[1] = (pg_testkit.catalog_sums())[1];
    END IF;
    RETURN tables;
END
$$;

-- A key's CASCADE, SET NULL or SET DEFAULT looks at what a row was, not at whether another one has its
-- value now: it may take rows along that had nothing to do with it. So the journal also writes down what
-- `apply` does. Together with the lines that were to be applied it must come to nothing.
CREATE FUNCTION pg_testkit.check_applied(owners integer[], direction integer, settled pg_snapshot)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    this xid8 := pg_current_xact_id();
    wrong oid;
BEGIN
    SELECT rel INTO wrong FROM pg_testkit.journal
    WHERE owner = ANY (owners || 0) AND rel <> 0
      AND (xid = this OR owner = ANY (owners) AND pg_visible_in_snapshot(xid, settled))
    GROUP BY rel, image HAVING sum(CASE WHEN xid = this THEN sign * direction ELSE sign END) <> 0
    LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE integrity_constraint_violation USING
            MESSAGE = 'a key changed other rows of ' || wrong::regclass,
            SCHEMA = (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = wrong),
            TABLE = (SELECT relname FROM pg_class WHERE oid = wrong);
    END IF;
    DELETE FROM pg_testkit.journal WHERE owner = 0 AND xid = this;
END
$$;
