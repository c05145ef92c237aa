"""``testkit ps``: what testkit has on this machine, whose it is, and since when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from testkit.cli.settings import find_settings
from testkit.cli.tables import format_option, markdown_table, text_table
from testkit.servers.ownership.verdicts import IN_USE, UNJUDGED
from testkit.servers.upkeep.inventory import Places, take_inventory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testkit.servers.ownership.verdicts import Inventory, Leftover, Server, State

__all__ = ["command", "left_as_data"]

_NOTHING: Final = "testkit has nothing on this machine: no server is running, nothing was left."
_SERVERS: Final = ("server", "backend", "keeper", "owner", "started", "url", "run", "chosen")
_RUNS: Final = ("run", "started by", "state", "project")
_LEFT: Final = ("left over", "state", "owner", "age", "path")
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR

Table = tuple[str, "Sequence[str]", "Sequence[Sequence[str]]"]


@click.command("ps")
@format_option
def command(*, form: str) -> None:
    """List the servers that are running, whose they are, and what runs have left."""
    settings, _ = find_settings(Path.cwd())
    click.echo(_FORMS[form](take_inventory(Places.of(settings))))


def _as_json(inventory: Inventory) -> str:
    facts = {
        "version": 1,
        "servers": [_server_as_data(server) for server in inventory.servers],
        "leftovers": [left_as_data(left) for left in inventory.without_server()],
    }
    return json.dumps(facts, indent=2)


def _server_as_data(server: Server) -> dict[str, object]:
    return {
        "kind": server.kind,
        "backend": server.backend,
        "pid": server.pid,
        "container": server.container,
        "url": server.url,
        "owner_pid": server.owner_pid,
        "owner_alive": _alive(server.state),
        "started": server.started,
        "directory": server.directory,
        "server_version": server.version,
        "reason": server.reason,
        "state": server.state,
        "run": server.run,
        "worker": server.worker or None,
        "project": server.project or None,
        "started_by": server.started_by or None,
    }


def left_as_data(left: Leftover) -> dict[str, object]:
    """Return the fields of something left over, for JSON; ``owner_alive`` is null if unknown."""
    return {
        "kind": left.kind,
        "path": left.path,
        "pid": left.process and left.process.pid,
        "owner_pid": left.owner_pid,
        "owner_alive": _alive(left.state),
        "age_seconds": left.age_seconds,
        "state": left.state,
        "run": left.run or None,
    }


def _alive(state: State) -> bool | None:
    return None if state == UNJUDGED else state == IN_USE


def _as_text(inventory: Inventory) -> str:
    tables = [text_table(headings, rows) for _, headings, rows in _tables(inventory) if rows]
    return "\n\n".join(tables) or _NOTHING


def _as_markdown(inventory: Inventory) -> str:
    tables = [
        f"## {title}\n\n{markdown_table(headings, rows)}"
        for title, headings, rows in _tables(inventory)
        if rows
    ]
    return "\n\n".join(tables) or _NOTHING


def _tables(inventory: Inventory) -> list[Table]:
    runs = {server.run: server for server in inventory.servers}
    return [
        ("Servers", _SERVERS, [_server_row(server) for server in inventory.servers]),
        ("Runs", _RUNS, [_run_row(server) for server in runs.values()]),
        ("Left over", _LEFT, [_left_row(left) for left in inventory.without_server()]),
    ]


def _server_row(server: Server) -> list[str]:
    return [
        f"{server.kind} {server.version}",
        server.backend,
        str(server.pid or server.container),
        str(server.owner_pid),
        f"{server.started[:19].replace('T', ' ')} UTC",
        server.url,
        f"{server.run} {server.worker}".rstrip(),
        server.reason,
    ]


def _run_row(server: Server) -> list[str]:
    # A run of an older testkit does not say where it was called.
    known = (server.started_by or "unknown", server.state, server.project or "unknown")
    return [server.run, *known]


def _left_row(left: Leftover) -> list[str]:
    kind = left.kind if left.process is None else f"{left.kind}, process {left.process.pid}"
    owner = "unknown" if left.owner_pid is None else str(left.owner_pid)
    return [kind, left.state, owner, _age(left.age_seconds), left.path]


def _age(seconds: int) -> str:
    for unit, word in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {word}"
    return f"{seconds} seconds"


_FORMS: Final[dict[str, Callable[[Inventory], str]]] = {
    "text": _as_text,
    "json": _as_json,
    "markdown": _as_markdown,
}
