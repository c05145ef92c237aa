"""Isolation, and what a test is told of its own doing: TK3."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["ISOLATION"]

ISOLATION: Final[dict[str, Message]] = {
    "TK301": Message(
        "A change of the schema cannot be undone here",
        "{who} changed the schema ({commands}), and {holder} had changed it before.",
        "database {database}",
        "A database with schema changes of a wider-scoped fixture cannot be made anew from the\n"
        "template: the template does not know them.",
        "testkit explain TK301",
        'Give the schema to testkit (schema = "alembic"): then the database is replaced from the\n'
        "template behind the same name. Or let fixture and test use the same scope.",
    ),
    "TK302": Message(
        "A test left connections in use",
        "{seconds:g} s after the test these were in a transaction, held a lock, or were not back in their pool:\n{blockers}",
        "database {database}",
        "A session or connection was not closed, or a thread or task of the test still uses it.",
        "testkit explain TK302",
        "The connections were ended and everything undone; the next test starts clean. Close sessions where\n"
        "you open them, for example with `with Session() as s:`, and wait for threads and tasks. What must stay\n"
        'open belongs in a wider-scoped fixture. Or: leaks = "warn", @pytest.mark.leaks("warn") for one test.',
    ),
    "TK303": Message(
        "The server of this run is gone",
        "{server} stopped in the middle of the run: {reason}.",
        "{directory}",
        "The last lines of its log say why:\n{log}",
        "testkit explain TK303",
        "A crash of the server, or somebody ended the process: the kernel, for want of memory, or a\n"
        "person. The run ends with exit code 3 at the end of the test in which this is noticed; with -n\n"
        "every worker ends so. A test that was at work on the server has failed for it. Start it again.",
    ),
    "TK304": Message(
        "A connection to a server that testkit did not provide",
        "{library} was about to connect to {place} (database {database}), a server that testkit did not provide.",
        "{where}",
        "Settings read a variable that `env` does not name, a .env file, or a default in the code.\n"
        "Name the variable in [tool.testkit.env]. If tests may reach that server, open it:\n"
        'allow_hosts = ["{entry}"] in [tool.testkit].',
        "testkit explain TK304",
        "Once `env` is set, tests reach what testkit provides, what the test process itself listens on, and\n"
        "what allow_hosts names (host or host:port): a suite must not write into somebody's real database.\n"
        "The connection was not made. A test whose code catches this error fails at its end all the same.",
    ),
    "TK305": Message(
        "There is no such snapshot",
        "database.restore() found no snapshot of this test to go back to.",
        "the running test",
        "Snapshots end with their test, and with the restoring of an earlier one.",
        "testkit explain TK305",
        "Call database.snapshot() in the same test, or in a function-scoped fixture of it, before.",
    ),
    "TK306": Message(
        "There are no snapshots in this mode",
        "database.snapshot() and restore() were called with the isolation 'none' or 'rollback'.",
        "the running test",
        "A snapshot is of what is committed, and is kept by the journal: without isolation there is no journal, and\n"
        "in a transaction that is rolled back nothing is committed.",
        "testkit explain TK306",
        "Let the test run with real commits, @pytest.mark.isolation(\"reset\") with isolation = 'reset' in\n"
        "[tool.testkit], or use a savepoint: session.begin_nested().",
    ),
    "TK307": Message(
        "A statement gave up waiting for a lock",
        "A statement waited {seconds:g} s for a lock:\n  {statement}\nLocks were held, with nothing going on, by:\n{holders}",
        "database {database}",
        "A transaction of the test itself was still open: a session that was not committed, mostly\n"
        "the test's own, while the code under test used another connection.",
        "testkit explain TK307",
        "Commit before the other connection needs the row. In a test's database lock_timeout is 2 s, so\n"
        "that no test waits for itself for ever; where a wait is meant to be longer, SET lock_timeout\n"
        "in its session.",
    ),
    "TK308": Message(
        "A marker for the isolation cannot be followed",
        "@pytest.mark.{marker}: {reason}.",
        "{nodeid}",
        "The marker says for one test, class, module or folder what undoes it.",
        "testkit explain TK308",
        'Write @pytest.mark.isolation with "reset", "rollback", "clone" or "none". Where most tests are to run\n'
        "without isolation, leave isolation = 'reset' in the configuration all the same, and mark their\n"
        'folder: pytestmark = pytest.mark.isolation("none") in its conftest.py.',
    ),
    "TK309": Message(
        "Rows of a wider-scoped fixture could not be put back",
        "After {who} the database was made anew, and what {holder} had committed did not fit in: {reason}.",
        "database {database}",
        "A test without isolation had changed the schema before, and the fixture wrote to what that had\n"
        "made. Or, without superuser, where rows that others refer to are changed one by one, the fixture\n"
        "had let two of them change places under a unique key.",
        "testkit explain TK309",
        "The fixture's rows are gone until it is set up again. Do not mix tests without isolation that\n"
        "change the schema with others in the scope of one fixture. Let it make rows of its own instead of\n"
        "swapping values of those that are there, or name a superuser in the URL.",
    ),
    "TK310": Message(
        "Redis could not be put back",
        "What the test did to Redis could not be undone ({what}): {reason}.",
        "{place}",
        "The test left the server so that testkit cannot work on it: paused (CLIENT PAUSE ... ALL), asleep,\n"
        "in a script that wrote and does not end, or without a user that may do anything.",
        "testkit explain TK310",
        "Keys, settings, users, functions and clients are put back behind each test, by a user of testkit's own\n"
        "named testkit. What follows on this server may fail for what was left. Undo it in the test, or let\n"
        "the test have a server of its own: `testkit run` starts one.",
    ),
    "TK311": Message(
        "A test left clients of Redis listening or blocked",
        "{seconds:g} s after the test these clients still waited for what the next test would send:\n{clients}",
        "{place}",
        "A subscriber was not closed, or a thread or task of the test still waits in a blocking command.",
        "testkit explain TK311",
        "They were disconnected; the next test starts clean. Close subscribers where you open them, for example\n"
        "with `with client.pubsub() as p:`, and wait for threads and tasks. What must go on listening belongs in\n"
        'a wider-scoped fixture. Or: leaks = "warn", @pytest.mark.leaks("warn") for one test.',
    ),
    "TK312": Message(
        "A marker for leaks cannot be followed",
        '@pytest.mark.{marker}: it takes "error" or "warn".',
        "{nodeid}",
        "The marker says what becomes of connections that the test leaves in use.",
        "testkit explain TK312",
        'Write @pytest.mark.leaks("warn") to be told in the summary of warnings, "error" to fail the test.',
    ),
    "TK321": Message(
        "Another number of statements than expected",
        "This block was to send {expected}, but sent {sent}.",
        "{where}",
        "What was sent, the most frequent first:\n{statements}",
        "testkit explain TK321",
        "A statement is one execute or executemany of a cursor by SQLAlchemy, on any engine for the test's\n"
        "database, in any thread or task; not BEGIN, COMMIT, ROLLBACK, savepoints, first connections, pings.\n"
        "Below each statement stands the line of your code that caused it.",
    ),
    "TK322": Message(
        "One statement for each row (N+1)",
        "One statement was sent from one place with {sent} different parameters; {most} were allowed.",
        "{where}",
        "What was sent in a loop, or by attributes that load when they are read:\n{statements}",
        "testkit explain TK322",
        "A loop over N objects that reads a relationship asks the database N times. Load it with the\n"
        "objects: select(Parent).options(selectinload(Parent.children)). A loop of your own becomes one\n"
        "statement with IN, a join, or a list of parameters. each_at_most=N is how many may differ.",
    ),
    "TK323": Message(
        "queries.expect was called in a way that means nothing",
        "database.queries.expect: {problem}.",
        "{where}",
        "It wants one of exactly, at_most, at_least (numbers from 0 on) and each_at_most (from 1 on).",
        "testkit explain TK323",
        "with database.queries.expect(at_most=3): … counts; expect(each_at_most=2) finds N+1;\n"
        "with database.queries.record() as seen: … only records.",
    ),
    "TK324": Message(
        "A test took longer than the budget",
        "The test took {took}; a test that is not marked slow may take {budget}.",
        "{test}",
        "{queries}",
        "testkit explain TK324",
        "The time is that of the test without its fixtures. Mark it @pytest.mark.slow if it must take so\n"
        "long, or raise `budget`: on a machine under load every test takes several times as long.",
    ),
    "TK331": Message(
        "A change of what belongs to the whole Postgres",
        "{who} changed what belongs to the whole server, and left it so:\n{changes}",
        "database {database}",
        "Roles, other databases, tablespaces and settings of the server are in no database: the journal\n"
        "does not see them, and other workers do.",
        "testkit explain TK331",
        "What is said to be put back is as it was; the rest stays until the run ends. Undo such changes in\n"
        "the test or its fixture. A wider-scoped fixture may make a role: it stays until the fixture\n"
        "removes it.",
    ),
    "TK332": Message(
        "A command that would reach beyond a leased database of Redis",
        "{command} was not sent to {place}, where testkit has leased database {database} and no more: {reason}.",
        "{where}",
        "That Redis is not testkit's own: other workers, other runs and other people use it as well.\n"
        "Where tests need this command, let them have a Redis of their own: take the URL out of `redis`\n"
        '("auto" is the default). There everything may be sent, and is undone.',
        "testkit explain TK332",
        "Nothing was sent, neither this command nor the pipeline around it. redis_disposable = true changes\n"
        "nothing here: testkit may empty databases then, and the server has others all the same. What a Lua\n"
        "script calls is not seen. A test whose code catches this error fails at its end all the same.",
    ),
    "TK333": Message(
        "A connection to another database of a leased Redis",
        "A connection to database {asked} of {place} was refused: testkit has leased database {database} there.",
        "{where}",
        "What is in that database is somebody else's. Settings read a number that `env` does not name, or\n"
        "there is one in the code. Name the variable in [tool.testkit.env]: the placeholder redis.url has\n"
        "the number of the leased database in it, redis.name is the number alone.",
        "testkit explain TK333",
        "An application that uses several databases wants a Redis of its own: take the URL out of `redis`\n"
        '("auto" is the default). Nothing was sent. A test whose code catches this error fails at its end\n'
        "all the same.",
    ),
    "TK341": Message(
        "A test's database could not be exchanged",
        "{who} asked for a database that is thrown away, but {holder} had changed the schema.",
        "database {database}",
        "A copy of the template would not have what that fixture made, and the fixture still stands. What\n"
        "the test wrote was undone by the journal instead; ALTER DATABASE ... SET, for one, was not.",
        "testkit explain TK341",
        "Put what the fixture does into the migrations, let it be a function-scoped one, or let the test have\n"
        '@pytest.mark.isolation("reset").',
    ),
    "TK351": Message(
        "The database of a failed test was not kept",
        "the database of this test was not kept: {reason}",
        "{nodeid}",
        "Only what is committed can be kept, by a pg_dump that is at least as new as the server, in a folder\n"
        "that can be written.",
        "testkit explain TK351",
        "The test failed for another reason, and nothing else fails for this one. A transaction of the\n"
        "test that is still open and holds a table in ACCESS EXCLUSIVE mode (DDL, TRUNCATE, LOCK) keeps\n"
        "pg_dump out. A dump lies in .testkit/kept below pytest's root folder. keep_failed = 0 turns it off.",
    ),
    "TK352": Message(
        "No database of that test is kept",
        "Nothing is kept of {wanted!r}. Kept are:\n{kept}",
        "{place}",
        "The databases of the first failed tests of a run are kept (option keep_failed), those of the last\n"
        "five runs in which any test failed.",
        "testkit psql --kept",
        "Name the test as pytest does, or by any part of that which only one kept test has. A test that\n"
        "used no database leaves none. What is for psql itself stands behind --.",
    ),
    "TK353": Message(
        "Several kept databases are meant",
        "{wanted!r} is a part of the names of several tests of which a database is kept:\n{kept}",
        "{place}",
        "A part of a test's name is enough where only one kept test has it.",
        "testkit psql --kept",
        "Write more of the name, or all of it.",
    ),
    "TK354": Message(
        "A kept database does not fit the server here",
        "The database of {nodeid} cannot be restored on Postgres {version} ({backend}): {reason}.",
        "{place}",
        "The server that the configuration leads to now is not like the one that the test ran on.",
        "testkit psql --kept",
        "Choose another one for the command, as for a run: TESTKIT_POSTGRES=docker testkit psql …. A server\n"
        "that testkit itself starts gets the roles that the dump names; on a server of `testkit up` or of\n"
        "others they must be there.",
    ),
    "TK355": Message(
        "A kept database could not be restored",
        "pg_restore could not restore the database of {nodeid}:\n{log}",
        "{place}",
        "The dump wants what this server or this role does not allow or have.",
        "testkit psql --kept",
        "The dump stays. It is of pg_dump's custom format, so that pg_restore can be tried on it by hand. The\n"
        "triggers and event triggers in it whose names contain testkit are not the project's: leave them out.",
    ),
    "TK361": Message(
        "Not a pool that can be followed",
        "database.follow was called with an object of {kind}.",
        "the call of database.follow",
        "It takes pools of drivers: psycopg_pool.ConnectionPool and AsyncConnectionPool, asyncpg.Pool, the\n"
        "classes of psycopg2.pool. Engines and pools of SQLAlchemy are followed without a call.",
        "testkit explain TK361",
        "Give it the pool itself, not what holds it. For a pool of another kind make a new one for each test,\n"
        "in a function-scoped fixture that closes it.",
    ),
    "TK362": Message(
        "A pool of a version that cannot be followed",
        "The pools of the installed {module} have no {missing}.",
        "the call of database.follow",
        "Behind each test the pool has to be emptied. psycopg_pool can do that since 3.3.",
        "testkit explain TK362",
        'Install a newer one: pip install -U "psycopg-pool>=3.3". Where it is newer than this testkit, or\n'
        "must not change: make a new pool for each test, in a function-scoped fixture that closes it.",
    ),
    "TK371": Message(
        "A constraint did not hold at the end of a test",
        "What the test had committed breaks a constraint that waits for the end of a transaction: {reason}.",
        "isolation rollback",
        "A deferred constraint is checked at every commit. Here others were in transactions of their own and\n"
        "had written, and the check is of all that was written: it was put off to the end.",
        "testkit explain TK371",
        "With real commits the commit would have failed. Write what the constraint wants, or let the test run\n"
        'with @pytest.mark.isolation("reset").',
    ),
    "TK372": Message(
        "A second connection, which does not see what the test did",
        "{what}.",
        "isolation rollback",
        "In this mode a test runs in one transaction. Engines of SQLAlchemy on psycopg, sync and async, that connect\n"
        "as the owner of the database and without `options` are given it; connections of other drivers, of `creator`\n"
        "functions, of raw pools and of other processes are not: what the test committed is invisible to them, and\n"
        "rows that it holds locked stay so. What they commit themselves is undone behind the test.",
        "testkit explain TK372",
        'Let the test run with real commits, @pytest.mark.isolation("reset"), or let it use one driver.',
    ),
    "TK373": Message(
        "NOTIFY, which nobody hears before a commit",
        "A statement notifies, or listens: {statement}",
        "isolation rollback",
        "The server sends notifications when the transaction is committed. This one never is.",
        "testkit explain TK373",
        'Let the test run with real commits: @pytest.mark.isolation("reset").',
    ),
    "TK374": Message(
        "now() stands still",
        "More than one transaction of the test took its time from the server: {statement}",
        "isolation rollback",
        "now(), CURRENT_TIMESTAMP and the defaults of columns that use them tell when the transaction began, and\n"
        "in this mode all transactions of a test are one: their times are equal.",
        "testkit explain TK374",
        "Do not sort or compare by them in such a test, use clock_timestamp(), or let the test run with real commits:\n"
        '@pytest.mark.isolation("reset").',
    ),
    "TK375": Message(
        "What only a transaction of its own has",
        "This asked for what is not in force: {what}",
        "isolation rollback",
        "Isolation levels, READ ONLY, ON COMMIT DROP, and locks that keep other transactions out (NOWAIT, SKIP LOCKED,\n"
        "pg_try_advisory_lock) need a transaction that begins, ends and stands beside others. In this mode those\n"
        "of a test are parts of one: READ COMMITTED, which may write, and which all locks belong to.",
        "testkit explain TK375",
        'Let the test run with real commits: @pytest.mark.isolation("reset").',
    ),
    "TK376": Message(
        "A rollback took along what another connection wrote",
        "The transaction {one} was rolled back, and what {other} wrote after it began is gone with it.",
        "isolation rollback",
        "In this mode transactions are savepoints of one, which lie on each other. Two of them overlapped, both\n"
        "wrote, and the first one was rolled back.",
        "testkit explain TK376",
        "Commit or roll back before another connection writes, or let the test run with real commits:\n"
        '@pytest.mark.isolation("reset").',
    ),
    "TK377": Message(
        "The transaction that a test ran in was to be ended",
        "This statement ends it, or one just before: {statement}",
        "isolation rollback",
        "COMMIT within a string of several statements, or PREPARE TRANSACTION. What the test had written until then\n"
        "was committed indeed; it is undone behind the test all the same.",
        "testkit explain TK377",
        'Send COMMIT by itself, or let the test run with real commits: @pytest.mark.isolation("reset").',
    ),
    "TK378": Message(
        "A statement would wait for ever",
        "A statement was sent while {what}, which could not go on before it.",
        "isolation rollback",
        "In this mode all connections share one session, which does one thing at a time. Synchronous database code was\n"
        "called in a coroutine while another task waited for its answer, or another connection was used inside\n"
        "a block that reads or writes row by row (COPY, cursor.stream).",
        "testkit explain TK378",
        "Call it by asyncio.to_thread, await the other task before, or let the test run with real commits:\n"
        '@pytest.mark.isolation("reset").',
    ),
    "TK379": Message(
        "The session that a test ran in has ended",
        "The server or the driver ended the session that all connections of the test shared. Sent last: {statement}",
        "isolation rollback",
        "Its transaction went with it: what the test had committed was gone in the middle of the test. A backend was\n"
        "terminated, a session timed out, or a statement could not be interrupted.",
        "testkit explain TK379",
        'Let a test that ends sessions run with real commits: @pytest.mark.isolation("reset").',
    ),
}
