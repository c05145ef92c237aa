-- The journal: what a test committed, written down by statement triggers, so that it can be undone.
--
-- Every INSERT, UPDATE, DELETE and TRUNCATE appends the rows that it took away (sign +1) and the
-- rows that it brought (sign -1). The state before is "now, minus what came, plus what went": a sum,
-- so it does not depend on the order in which transactions, cascades and nested triggers wrote.
-- `owner` says whose the change is: 0 the running test, n > 0 a wider-scoped fixture, -1 what was
-- done before the first test. A line with rel 0 is a command that rows cannot undo (DDL).
--
-- What depends on the role stands in journal_superuser.sql and journal_owner.sql: how DDL is noticed
-- (`look_for_ddl`), and how rows are taken out and put back (`apply`).
--
-- `pg_testkit` stands for the journal's schema.

SET testkit.quiet = 'on';

CREATE SCHEMA pg_testkit;

-- No unique index and no row that two writers share: nobody may ever wait for the journal.
CREATE SEQUENCE pg_testkit.line;
CREATE UNLOGGED TABLE pg_testkit.journal (
    line bigint NOT NULL DEFAULT nextval('pg_testkit.line'),
    rel oid NOT NULL,
    owner integer NOT NULL DEFAULT 0,
    sign smallint NOT NULL,
    image text NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX ON pg_testkit.journal (owner);

CREATE TABLE pg_testkit.tracked (rel oid PRIMARY KEY, shape text NOT NULL);

-- Where each sequence must stand when a test begins, and where it stood before a fixture moved it.
CREATE TABLE pg_testkit.sequence_mark (
    rel oid PRIMARY KEY, last_value bigint NOT NULL, is_called boolean NOT NULL
);
CREATE TABLE pg_testkit.sequence_before (
    owner integer NOT NULL, rel oid NOT NULL, last_value bigint NOT NULL, is_called boolean NOT NULL
);

-- The text of a row must not depend on the session that wrote it. Setting these only where they
-- differ costs 2 µs a statement; SET clauses on the trigger function would cost 50 (measured).
CREATE FUNCTION pg_testkit.use_settings(wanted text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    names text[] := ARRAY['TimeZone', 'DateStyle', 'IntervalStyle', 'bytea_output',
                          'extra_float_digits', 'search_path'];
    kept text[];
BEGIN
    FOR i IN 1 .. 6 LOOP
        kept[i] := current_setting(names[i]);
        PERFORM set_config(names[i], wanted[i], true);
    END LOOP;
    RETURN kept;
END
$$;

CREATE FUNCTION pg_testkit.settings_differ() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT current_setting('TimeZone') <> 'UTC'
        OR current_setting('DateStyle') NOT LIKE 'ISO%'
        OR current_setting('IntervalStyle') <> 'postgres'
        OR current_setting('bytea_output') <> 'hex'
        OR current_setting('extra_float_digits') < '1'
$$;

CREATE FUNCTION pg_testkit.note_replacement() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF current_setting('testkit.quiet', true) = 'on' THEN RETURN NULL; END IF;
    INSERT INTO pg_testkit.journal (rel, sign, image)
    VALUES (0, 0, TG_OP || ' on ' || TG_RELID::regclass || ' (' || TG_ARGV[0] || ')');
    RETURN NULL;
END
$$;

-- What began after that moment in this database and has not ended: the sessions in a transaction, and
-- prepared transactions, which nobody holds; NULL for none. A session that is older than that is somebody
-- else's: its transaction counts where it holds changes, which it may still commit. What was rolled back to
-- a savepoint holds no lock any more. Prepared transactions are looked for only where any transaction of
-- the server that wrote has not ended: age() counts from the number that the next one will get. And whether
-- another session of this database holds an advisory lock.
--
-- pg_stat_activity and pg_locks cost 50 us each (measured). So the backends are asked one by one first, which
-- costs 15, whether any is in such a transaction, and whether any ran a statement since the last call.
CREATE FUNCTION pg_testkit.unfinished(since timestamptz, OUT open integer[], OUT prepared text[],
                                      OUT locked boolean)
LANGUAGE plpgsql AS $$
DECLARE
    looked timestamptz := coalesce(nullif(current_setting('testkit.looked', true), ''), '-infinity');
    moment timestamptz := clock_timestamp();
    here oid := (SELECT oid FROM pg_database WHERE datname = current_database());
    in_transaction boolean;
    active boolean;
BEGIN
    IF since IS NULL THEN RETURN; END IF;
    SELECT bool_or(pg_stat_get_backend_xact_start(i) >= since),
           bool_or(coalesce(pg_stat_get_backend_activity_start(i), 'infinity') >= looked)
    INTO in_transaction, active FROM pg_stat_get_backend_idset() AS i
    WHERE pg_stat_get_backend_dbid(i) = here AND pg_stat_get_backend_pid(i) <> pg_backend_pid();
    PERFORM set_config('testkit.looked', moment::text, false);
    IF active THEN
        locked := EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
                          AND pid <> pg_backend_pid() AND database = here);
    END IF;
    IF in_transaction THEN
        SELECT array_agg(a.pid) INTO open FROM pg_stat_activity a
        WHERE a.xact_start >= since AND a.datid = here
          AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
          AND (a.backend_start >= since OR a.backend_xid IS NOT NULL AND EXISTS (
            SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
            WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.granted
              AND l.mode <> 'AccessShareLock'
              AND c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
              AND c.relnamespace <> 'pg_testkit'::regnamespace));
    END IF;
    IF age(pg_snapshot_xmin(pg_current_snapshot())::xid) = 0 THEN RETURN; END IF;
    SELECT array_agg(p.gid) INTO prepared FROM pg_prepared_xacts p
    WHERE p.database = current_database() AND p.prepared >= since
      AND (p.owner = current_user OR current_setting('is_superuser') = 'on');
END
$$;

-- Undo every change of these owners. Answers who may still write, after `since` (then nothing was undone
-- and the caller waits or ends them; NULL does not look), the DDL that stands in the way (then nothing was
-- undone and the database must be replaced), the tables and the number of sequences put back, and
-- the WAL position where it looked and found nothing to do: while the position stands there, nothing
-- has been written on the server since, and the next call answers at once.
--
-- The caller's session must be quiet and, a superuser's, in replica role; both are set once, at
-- connect: a change of role throws every cached plan away, which costs 0.6 ms a reset (measured).
CREATE FUNCTION pg_testkit.undo(owners integer[], seen pg_lsn, since timestamptz,
                                OUT open integer[], OUT prepared text[], OUT blocked_by text[],
                                OUT tables oid[], OUT sequences integer, OUT wal pg_lsn,
                                OUT locked boolean)
LANGUAGE plpgsql AS $$
DECLARE
    moved record;
    settled pg_snapshot;
BEGIN
    sequences := 0;
    SELECT u.* INTO open, prepared, locked FROM pg_testkit.unfinished(since) AS u;
    IF open IS NOT NULL OR prepared IS NOT NULL THEN RETURN; END IF;
    -- Each statement sees more than the one before it: lines that a background job commits meanwhile
    -- are neither undone nor deleted, but left to the next reset.
    settled := pg_current_snapshot();
    wal := pg_current_wal_insert_lsn();
    IF wal = seen THEN RETURN; END IF;
    PERFORM pg_testkit.look_for_ddl();
    IF EXISTS (SELECT FROM pg_testkit.journal WHERE owner = ANY (owners)) THEN
        wal := NULL;
        SELECT array_agg(image ORDER BY line) INTO blocked_by
        FROM pg_testkit.journal WHERE owner = ANY (owners) AND rel = 0;
        IF blocked_by IS NOT NULL THEN RETURN; END IF;
        tables := pg_testkit.apply(owners, 1, settled);
        DELETE FROM pg_testkit.journal
        WHERE owner = ANY (owners) AND pg_visible_in_snapshot(xid, settled);
    END IF;
    FOR moved IN
        SELECT m.* FROM pg_testkit.sequence_mark m, pg_testkit.sequence_now(m.rel) AS v
        WHERE v.last_value <> m.last_value OR v.is_called <> m.is_called
    LOOP
        PERFORM setval(moved.rel, moved.last_value, moved.is_called);
        sequences := sequences + 1;
        wal := NULL;
    END LOOP;
    IF pg_testkit.undo_large_objects(owners) > 0 THEN wal := NULL; END IF;
END
$$;

CREATE FUNCTION pg_testkit.next_owner(moved oid, after_owner integer) RETURNS integer
LANGUAGE sql STABLE AS $$
    SELECT min(owner) FROM pg_testkit.sequence_before WHERE rel = moved AND owner > after_owner
$$;

-- Where two owners changed the same row, one of them cannot put it back alone: the other would put
-- back what nobody had. Then the lines of the row go from the giver to the taker; together they say
-- what was there before both. `hand_on_<table>` does it, by the table's key.
CREATE FUNCTION pg_testkit.hand_on(giver integer, takers integer[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    shared oid;
BEGIN
    FOR shared IN
        SELECT DISTINCT g.rel FROM pg_testkit.journal g
        WHERE g.owner = giver AND g.rel <> 0 AND EXISTS (
            SELECT FROM pg_testkit.journal t WHERE t.rel = g.rel AND t.owner = ANY (takers))
    LOOP
        EXECUTE format('SELECT pg_testkit.hand_on_%s($1, $2)', shared) USING giver, takers;
    END LOOP;
END
$$;

CREATE FUNCTION pg_testkit.later_owners(than integer) RETURNS integer[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(DISTINCT owner) FROM pg_testkit.journal WHERE owner > than
$$;

-- The owner's rows cannot be put back yet (a later owner has their place in a unique index): they
-- go with the next owner that ends. Answers whether there is one.
CREATE FUNCTION pg_testkit.postpone(ended integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    next_one integer := (SELECT min(o) FROM unnest(pg_testkit.later_owners(ended)) AS o);
BEGIN
    UPDATE pg_testkit.journal SET owner = next_one
    WHERE owner = ended AND rel <> 0 AND next_one IS NOT NULL;
    RETURN next_one IS NOT NULL;
END
$$;

-- What the owner shares with later ones becomes theirs; its sequences are to go back to where they
-- stood before it.
CREATE FUNCTION pg_testkit.release(ended integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- A later owner moved the sequence on: then that one's "before" is ours.
    UPDATE pg_testkit.sequence_before l SET last_value = b.last_value, is_called = b.is_called
    FROM pg_testkit.sequence_before b
    WHERE b.owner = ended AND l.rel = b.rel AND l.owner = pg_testkit.next_owner(b.rel, ended);
    UPDATE pg_testkit.sequence_mark m SET last_value = b.last_value, is_called = b.is_called
    FROM pg_testkit.sequence_before b
    WHERE b.owner = ended AND b.rel = m.rel AND pg_testkit.next_owner(b.rel, ended) IS NULL;
    DELETE FROM pg_testkit.sequence_before WHERE owner = ended;
    PERFORM pg_testkit.hand_on(ended, pg_testkit.later_owners(ended));
END
$$;

-- The owner ends: its sequences go back, then its rows go.
CREATE FUNCTION pg_testkit.undo_owner(ended integer, since timestamptz, OUT open integer[],
                                      OUT prepared text[], OUT blocked_by text[], OUT tables oid[],
                                      OUT sequences integer, OUT wal pg_lsn, OUT locked boolean)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT u.* INTO open, prepared, locked FROM pg_testkit.unfinished(since) AS u;
    IF open IS NOT NULL OR prepared IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_testkit.release(ended);
    SELECT u.open, u.prepared, u.blocked_by, u.tables, u.sequences, u.wal
    INTO open, prepared, blocked_by, tables, sequences, wal
    FROM pg_testkit.undo(ARRAY[0, ended], NULL, NULL) AS u;
END
$$;

-- What was committed after the snapshot `since` (NULL: ever) and has no owner yet becomes this owner's;
-- by snapshot, because a line may be drawn long before it is committed. A row of the running test that
-- the owner changed stays the test's. Answers the owner's DDL, and the time: transactions that began
-- before it are the owner's too.
CREATE FUNCTION pg_testkit.claim(new_owner integer, since pg_snapshot, OUT changed bigint,
                                 OUT ddl text[], OUT moment timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
    moment := clock_timestamp();
    PERFORM pg_testkit.look_for_ddl();
    UPDATE pg_testkit.journal SET owner = new_owner
    WHERE owner = 0 AND (since IS NULL OR NOT pg_visible_in_snapshot(xid, since));
    GET DIAGNOSTICS changed = ROW_COUNT;
    PERFORM pg_testkit.hand_on(new_owner, ARRAY[0]);
    PERFORM pg_testkit.claim_large_objects(new_owner);
    SELECT array_agg(image ORDER BY line) INTO ddl
    FROM pg_testkit.journal WHERE owner = new_owner AND rel = 0;
    -- Behind DDL the caller finds out first which sequences there are.
    IF ddl IS NULL THEN PERFORM pg_testkit.claim_sequences(new_owner); END IF;
END
$$;

CREATE FUNCTION pg_testkit.claim_sequences(new_owner integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pg_testkit.sequence_before
    SELECT new_owner, m.* FROM pg_testkit.sequence_mark m, pg_testkit.sequence_now(m.rel) AS v
    WHERE (v.last_value <> m.last_value OR v.is_called <> m.is_called)
      -- An owner that claims once more stood where it stood at first.
      AND NOT EXISTS (SELECT FROM pg_testkit.sequence_before b
                      WHERE b.owner = new_owner AND b.rel = m.rel);
    UPDATE pg_testkit.sequence_mark m SET last_value = v.last_value, is_called = v.is_called
    FROM pg_testkit.sequence_before b, pg_testkit.sequence_now(b.rel) AS v
    WHERE b.owner = new_owner AND b.rel = m.rel;
    PERFORM pg_testkit.settle_sequences();
END
$$;

-- nextval writes WAL only every 32nd time; setval makes the next one write again, so that the WAL
-- position tells that a sequence moved.
CREATE FUNCTION pg_testkit.settle_sequences() RETURNS void LANGUAGE sql AS $$
    SELECT setval(rel, last_value, is_called) FROM pg_testkit.sequence_mark
$$;
