-- The journal where the role is a superuser: event triggers tell of DDL as it happens, and in replica
-- role foreign keys and user triggers keep still while rows are put back, in any order.
--
-- The schema's name starts with pg_ so that reflection, pg_dump and `alembic check` pass it by.

-- Event triggers have told already.
CREATE FUNCTION pg_testkit.look_for_ddl() RETURNS void LANGUAGE sql AS '';

CREATE FUNCTION pg_testkit.note_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF current_setting('testkit.quiet', true) = 'on' THEN RETURN; END IF;
    IF TG_EVENT = 'sql_drop' THEN
        INSERT INTO pg_testkit.journal (rel, sign, image)
        SELECT 0, 0, TG_TAG || ' ' || min(object_identity)
        FROM pg_event_trigger_dropped_objects()
        WHERE original AND NOT is_temporary HAVING count(*) > 0;
    ELSIF TG_TAG LIKE 'DROP %' OR TG_TAG = 'REINDEX' THEN
        RETURN;
    ELSE
        -- Some commands (GRANT, ALTER DEFAULT PRIVILEGES) name no schema: they count as well.
        INSERT INTO pg_testkit.journal (rel, sign, image)
        SELECT 0, 0, TG_TAG || coalesce(' ' || min(object_identity), '')
        FROM pg_event_trigger_ddl_commands()
        WHERE schema_name IS NULL OR schema_name NOT LIKE 'pg_temp%' HAVING count(*) > 0;
    END IF;
END
$$;

CREATE EVENT TRIGGER testkit_ddl ON ddl_command_end EXECUTE FUNCTION pg_testkit.note_ddl();
CREATE EVENT TRIGGER testkit_drop ON sql_drop EXECUTE FUNCTION pg_testkit.note_ddl();
ALTER EVENT TRIGGER testkit_ddl ENABLE ALWAYS;
ALTER EVENT TRIGGER testkit_drop ENABLE ALWAYS;

-- Who wrote last to an object's pages tells whether it is the same.
CREATE FUNCTION pg_testkit.large_objects_now() RETURNS TABLE (object oid, trace text)
LANGUAGE sql STABLE AS $$
    SELECT m.oid, concat(count(p.loid), ' ', count(p.loid) * age('3'::xid) - sum(age(p.xmin)), ' ',
                         m.lomowner, ' ', m.lomacl)
    FROM pg_largeobject_metadata m LEFT JOIN pg_largeobject p ON p.loid = m.oid
    GROUP BY m.oid, m.lomowner, m.lomacl
$$;

-- Take the changes of these owners out of the tables (direction 1), or put them in again (-1) where
-- a database was made anew: the lines that were committed at `settled`. Equal lines cancel; what is
-- left over is the difference.
CREATE FUNCTION pg_testkit.apply(owners integer[], direction integer, settled pg_snapshot)
RETURNS oid[]
LANGUAGE plpgsql AS $$
DECLARE
    change record;
    tables oid[];
BEGIN
    FOR change IN
        SELECT rel, array_agg(image) FILTER (WHERE net * direction < 0) AS came,
               array_agg(image) FILTER (WHERE net * direction > 0) AS went
        FROM (SELECT rel, image, sum(sign) AS net FROM pg_testkit.journal
              WHERE owner = ANY (owners) AND rel <> 0 AND pg_visible_in_snapshot(xid, settled)
              GROUP BY rel, image) AS summed,
             generate_series(1, abs(net))
        GROUP BY rel
    LOOP
        tables := tables || change.rel;
        EXECUTE format('SELECT pg_testkit.undo_%s($1, $2)', change.rel)
        USING change.came, change.went;
    END LOOP;
    RETURN tables;
END
$$;
