-- Large objects. They lie in catalogs that take no trigger, so what they are is compared with what they
-- were: each owner's layer holds those that it made, changed or removed, and the newest layer of an object
-- says what a test starts with. Most databases have none; a test then pays for a look into two empty
-- tables.

-- `content` is NULL where the owner removed the object; -2 is the template.
CREATE TABLE pg_testkit.large_object (
    owner integer NOT NULL, object oid NOT NULL, content bytea, trace text
);

CREATE FUNCTION pg_testkit.large_objects_wanted()
RETURNS TABLE (owner integer, object oid, content bytea, trace text) LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (l.object) l.* FROM pg_testkit.large_object l ORDER BY l.object, l.owner DESC
$$;

CREATE FUNCTION pg_testkit.large_objects_differ()
RETURNS TABLE (object oid, there boolean, trace text, wanted_of integer, content bytea)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(n.object, w.object), n.object IS NOT NULL, n.trace, w.owner, w.content
    FROM pg_testkit.large_objects_now() AS n FULL JOIN pg_testkit.large_objects_wanted() AS w
         ON w.object = n.object
    WHERE (n.object IS NULL) <> (w.content IS NULL)
       OR n.object IS NOT NULL AND n.trace IS DISTINCT FROM w.trace
$$;

CREATE FUNCTION pg_testkit.claim_large_objects(new_owner integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_largeobject_metadata)
       AND NOT EXISTS (SELECT FROM pg_testkit.large_object) THEN RETURN; END IF;
    INSERT INTO pg_testkit.large_object
    SELECT new_owner, d.object, CASE WHEN d.there THEN lo_get(d.object) END, d.trace
    FROM pg_testkit.large_objects_differ() AS d;
END
$$;

-- Forget the layers of these owners, and put every object back. Answers how many were touched.
CREATE FUNCTION pg_testkit.undo_large_objects(owners integer[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    changed record;
    touched integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_largeobject_metadata)
       AND NOT EXISTS (SELECT FROM pg_testkit.large_object) THEN RETURN 0; END IF;
    DELETE FROM pg_testkit.large_object WHERE owner = ANY (owners);
    FOR changed IN SELECT * FROM pg_testkit.large_objects_differ() LOOP
        IF changed.there THEN PERFORM lo_unlink(changed.object); END IF;
        IF changed.content IS NOT NULL THEN
            PERFORM lo_from_bytea(changed.object, changed.content);
            UPDATE pg_testkit.large_object AS l SET trace = n.trace
            FROM pg_testkit.large_objects_now() AS n
            WHERE n.object = changed.object AND l.object = changed.object
              AND l.owner = changed.wanted_of;
        END IF;
        touched := touched + 1;
    END LOOP;
    RETURN touched;
END
$$;
