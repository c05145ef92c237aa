"""``testkit redis-cli``: a shell on a Redis of a running run."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from testkit.cli.child import exit_like, run_child
from testkit.cli.shell import ShellCommand, arguments_of, chosen, which_options
from testkit.core.messages import TestkitError
from testkit.servers.shells.redis_prompt import Conversation, converse, raw, shown
from testkit.servers.shells.target import facts_of, find_client, redis_variables
from testkit.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["command"]

_CLIENTS: Final = ("valkey-cli", "redis-cli")
_LOST: Final = 1  # as redis-cli ends when the server is gone


@click.command("redis-cli", cls=ShellCommand)
@which_options
@click.pass_context
def command(ctx: click.Context, *, token: str | None, worker: str | None) -> None:
    """Open redis-cli on the newest run of this checkout.

    ARGS go to redis-cli or valkey-cli, whose exit code and signals are passed on. Without either
    program a prompt of testkit's own takes commands.
    """
    server = chosen("redis", token, worker)
    facts = facts_of(server)
    arguments = arguments_of(ctx)
    host, port = str(facts.get("host") or LOOPBACK), str(facts["port"])
    program = find_client(facts, *_CLIENTS)
    if program is None:
        exit_like(_prompt(host, int(port), facts, arguments))
    variables = os.environ | redis_variables(facts)
    place = ["-h", host, "-p", port, "-n", str(facts.get("database", 0))]
    if facts.get("user") not in (None, "", "default"):
        place += ["--user", str(facts["user"])]
    if facts.get("tls"):
        place.append("--tls")
    exit_like(run_child([program, *place, *arguments], variables))


def _prompt(host: str, port: int, facts: Mapping[str, Any], arguments: list[str]) -> int:
    """Answer one command, or those of standard input; answer the exit status."""
    if arguments and arguments[0].startswith("-"):
        why = f"testkit's own prompt takes commands, but no option such as {arguments[0]}."
        place = facts.get("bin_folder", "-")
        raise TestkitError("TK506", program=" or ".join(_CLIENTS), place=place, why=why)
    if facts.get("tls"):
        why = "The server wants TLS, which testkit's own prompt does not speak."
        raise TestkitError("TK506", program=" or ".join(_CLIENTS), place="PATH", why=why)
    typed = sys.stdin.isatty() and not arguments
    lines = iter([shlex.join(arguments)]) if arguments else _lines(f"{host}:{port}> ", typed=typed)
    words_for = shown if sys.stdout.isatty() else raw
    try:
        user, database = str(facts.get("user") or ""), int(facts.get("database", 0))
        with Conversation(
            host, port, str(facts["password"]), user=user, database=database
        ) as conversation:
            converse(conversation, lines, say=_say, words_for=words_for)
    except KeyboardInterrupt:
        return -signal.SIGINT
    except OSError as error:
        click.echo(f"testkit: {error}", err=True)
        return _LOST
    return 0


def _lines(prompt: str, *, typed: bool) -> Iterator[str]:
    if not typed:
        yield from sys.stdin
        return
    import readline  # noqa: F401 - gives input() its history and its keys

    while True:
        try:
            yield input(prompt)
        except EOFError:
            click.echo()
            return


def _say(text: str) -> None:
    sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "surrogateescape"))
    sys.stdout.flush()
