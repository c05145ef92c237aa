"""What random programs are made of: statements on a schema that has something of everything, Redis commands."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.keyspaces import LIBRARY

__all__ = ["COMMANDS", "DEFINITIONS", "ENDS", "OTHERS", "SCHEMA", "STATEMENTS", "STEPS", "Command"]

Command = tuple[str, ...]

SCHEMA = (
    "CREATE TABLE a (id int PRIMARY KEY, n serial, name text UNIQUE, of_b int)",
    "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE DEFERRABLE)",
    "ALTER TABLE a ADD FOREIGN KEY (of_b) REFERENCES b ON DELETE SET NULL DEFERRABLE",
    "CREATE TABLE c (word text, n int)",
    "CREATE TABLE d (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part)",
    "CREATE TABLE d0 PARTITION OF d FOR VALUES IN (0, 1)",
    "CREATE TABLE d2 PARTITION OF d DEFAULT",
    "CREATE TABLE e (n int, twice int GENERATED ALWAYS AS (n * 2) VIRTUAL)",
    "INSERT INTO e VALUES (1), (1), (2)",
    "CREATE TABLE audit (what text)",
    "CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN INSERT INTO audit VALUES (TG_OP); UPDATE a SET name = name WHERE id = NEW.id;"
    " RETURN NULL; END $$",
    "CREATE TRIGGER audited AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION audited()",
    "INSERT INTO a (id, name) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    "INSERT INTO b VALUES (1, 1), (2, 2)",
    "UPDATE a SET of_b = 2 WHERE id = 1",
    "INSERT INTO c VALUES ('x', 1), ('x', 1), ('y', 2)",
    "INSERT INTO d VALUES (1, 0), (2, 1), (3, 7)",
    "SELECT lo_from_bytea(1, 'one')",
    "SELECT lo_create(2)",
)
_KEY = st.integers(1, 6)
STATEMENTS = st.one_of(
    st.builds("INSERT INTO a (id, name) VALUES ({0}, 'name {1}')".format, _KEY, _KEY),
    st.builds("UPDATE a SET id = {1}, name = name || '!' WHERE id = {0}".format, _KEY, _KEY),
    st.builds("DELETE FROM a WHERE id = {0}".format, _KEY),
    st.builds(
        "INSERT INTO a (id, name) VALUES ({0}, 'u') ON CONFLICT (id) DO UPDATE SET n = a.n + 1".format,
        _KEY,
    ),
    st.builds("INSERT INTO b VALUES ({0}, {1})".format, _KEY, _KEY),
    st.builds("DELETE FROM b WHERE a = {0}".format, _KEY),
    st.builds("INSERT INTO c VALUES ('x', {0})".format, _KEY),
    st.builds(
        "DELETE FROM c WHERE ctid IN (SELECT ctid FROM c WHERE n = {0} LIMIT 1)".format, _KEY
    ),
    st.builds("INSERT INTO e VALUES ({0})".format, _KEY),
    st.builds("UPDATE e SET n = {0} WHERE twice = 2".format, _KEY),
    st.builds("INSERT INTO d VALUES ({0}, {1})".format, _KEY, _KEY),
    st.builds("UPDATE d SET part = {1} WHERE id = {0}".format, _KEY, _KEY),
    st.builds("DELETE FROM d0 WHERE id = {0}".format, _KEY),
    st.builds("SELECT lo_put({0}, {1}, 'abc')".format, _KEY, _KEY),
    st.builds("SELECT lo_unlink({0})".format, _KEY),
    st.builds("SELECT lo_from_bytea({0}, 'd')".format, _KEY),
    st.sampled_from(
        ["TRUNCATE c", "TRUNCATE e", "TRUNCATE b CASCADE", "TRUNCATE d RESTART IDENTITY", "SELECT nextval('a_n_seq')",
         "SAVEPOINT s", "ROLLBACK TO s", "SET CONSTRAINTS ALL DEFERRED", "SET LOCAL TimeZone = 'Asia/Tokyo'"]
    ),
)  # fmt: skip
ENDS = ("BEGIN", "COMMIT", "ROLLBACK", "PREPARE TRANSACTION 'p'", "COMMIT PREPARED 'p'")
ACTIONS = st.one_of(STATEMENTS, STATEMENTS, st.sampled_from(ENDS))
STEPS = st.tuples(st.integers(0, 2), ACTIONS)

_REDIS_KEY = st.sampled_from(["a", "b", "list", "set", "sorted", "hash", "stream"])
_NUMBER = st.integers(0, 3).map(str)
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.tuples(st.just("SET"), _REDIS_KEY, _NUMBER),
    st.tuples(st.just("SET"), _REDIS_KEY, _NUMBER, st.just("PX"), st.sampled_from(["1", "100000"])),
    st.tuples(st.just("RPUSH"), st.just("list"), _NUMBER),
    st.tuples(st.just("SADD"), st.just("set"), _NUMBER),
    st.tuples(st.just("ZADD"), st.just("sorted"), _NUMBER, _NUMBER),
    st.tuples(st.just("HSET"), st.just("hash"), _NUMBER, _NUMBER),
    st.tuples(st.just("XADD"), st.just("stream"), st.just("*"), st.just("f"), _NUMBER),
    st.tuples(st.just("XGROUP"), st.just("CREATE"), st.just("stream"), _NUMBER, st.just("0")),
    st.tuples(st.just("XREADGROUP"), st.just("GROUP"), _NUMBER, st.just("me"), st.just("STREAMS"), st.just("stream"), st.just(">")),
    st.tuples(st.sampled_from(["DEL", "PERSIST", "WATCH"]), _REDIS_KEY),
    st.tuples(st.just("RENAME"), _REDIS_KEY, _REDIS_KEY),
    st.tuples(st.just("MOVE"), _REDIS_KEY, _NUMBER),
    st.tuples(st.just("EXPIRE"), _REDIS_KEY, st.just("100")),
    st.tuples(st.just("SELECT"), _NUMBER),
    st.tuples(st.just("SWAPDB"), _NUMBER, _NUMBER),
    st.tuples(st.just("EVAL"), st.builds("redis.call('incr', 'n'); return {0}".format, _NUMBER), st.just("0")),
    st.tuples(st.just("CONFIG"), st.just("SET"), st.sampled_from(["timeout", "hz", "min-replicas-to-write", "maxmemory-samples"]), st.integers(1, 3).map(str)),
    st.tuples(st.just("CONFIG"), st.just("SET"), st.just("maxmemory"), st.sampled_from(["1", "1gb"])),
    st.tuples(st.just("CONFIG"), st.just("SET"), st.just("requirepass"), st.sampled_from(["x", ""])),
    st.tuples(st.just("ACL"), st.just("SETUSER"), st.sampled_from(["alice", "default", "kept"]), st.sampled_from(["on", "off", "nopass", "resetpass", ">pw", "~a:*", "-@all", "+get", "(+set ~b)"])),
    st.tuples(st.just("ACL"), st.just("DELUSER"), st.sampled_from(["alice", "kept"])),
    st.tuples(st.just("FUNCTION"), st.sampled_from(["FLUSH"])),
    st.tuples(st.just("FUNCTION"), st.just("DELETE"), st.sampled_from(["mine", "theirs"])),
    st.tuples(st.just("FUNCTION"), st.just("LOAD"), st.just("REPLACE"), st.sampled_from([LIBRARY, LIBRARY.replace("42", "43")])),
    st.tuples(st.sampled_from(["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "PUBLISH"]), st.just("news"), st.just("x")),
    st.tuples(st.just("BLPOP"), st.just("list"), st.just("0")),
    st.tuples(st.just("WAIT"), st.just("1"), st.just("0")),
    st.tuples(st.just("CLIENT"), st.just("PAUSE"), st.just("60000"), st.just("WRITE")),
    st.tuples(st.just("CLIENT"), st.just("REPLY"), st.sampled_from(["OFF", "SKIP"])),
    st.tuples(st.just("CLIENT"), st.just("KILL"), st.just("TYPE"), st.just("normal")),
    st.tuples(st.just("REPLICAOF"), st.just("127.0.0.1"), st.just("1")),
    st.sampled_from([
        ("MULTI",), ("MULTI",), ("EXEC",), ("EXEC",), ("DISCARD",), ("MONITOR",), ("FLUSHALL",), ("RESET",), ("SCRIPT", "FLUSH"),
        ("CONFIG", "RESETSTAT"), ("SLOWLOG", "RESET"), ("CLIENT", "TRACKING", "ON"), ("CLIENT", "UNPAUSE"), ("SAVE",),
    ]),
)  # fmt: skip

#: Statements beside rows that make no definition.
OTHERS = st.one_of(
    st.builds("NOTIFY news, '{0}'".format, _KEY),
    st.builds("SELECT setval('a_n_seq', {0}, false)".format, _KEY),
    st.sampled_from(
        ["REFRESH MATERIALIZED VIEW counted", "LISTEN news", "UNLISTEN *", "CREATE TEMPORARY TABLE mine (n int)",
         "SET search_path = ''", "SELECT pg_advisory_lock(1)", "SELECT nextval('alone')"]
    ),
)  # fmt: skip
#: Definitions, which only a database that is made anew undoes.
DEFINITIONS = st.one_of(
    st.builds("CREATE TABLE made_{0} (id serial PRIMARY KEY, n int)".format, _KEY),
    st.builds("INSERT INTO made_{0} (n) VALUES ({1})".format, _KEY, _KEY),
    st.builds("ALTER TABLE c ADD COLUMN more_{0} int DEFAULT {1}".format, _KEY, _KEY),
    st.builds("CREATE INDEX ON c (n, (n + {0}))".format, _KEY),
    st.builds("ALTER SEQUENCE a_n_seq RESTART WITH {0}".format, _KEY),
    st.sampled_from(
        ["DROP TABLE e", "DROP TABLE b CASCADE", "ALTER TABLE c RENAME COLUMN word TO term", "CREATE VIEW seen AS SELECT * FROM c",
         "CREATE TYPE mood AS ENUM ('good')", "COMMENT ON TABLE a IS 'of the test'", "GRANT SELECT ON a TO PUBLIC",
         "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ALTER TABLE a DISABLE TRIGGER USER",
         "CREATE MATERIALIZED VIEW summed AS SELECT sum(n) FROM c", "DROP MATERIALIZED VIEW counted",
         "DROP SCHEMA public CASCADE", "CREATE SCHEMA other", "CREATE TABLE other.t (id int)"]
    ),
)  # fmt: skip
