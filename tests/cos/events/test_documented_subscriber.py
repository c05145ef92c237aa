"""docs/control-center.md, "Subscribers": the example runs, the tables are the code's."""

import os
import re
import signal
import subprocess
import sys
import uuid
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import text
from sqlalchemy.orm import Session

from cos.api import ROOT as API
from cos.app import create_app
from cos.cli.dlq import command as dlq
from cos.cli.events import command as events
from cos.events.event import Event, partition_of, stream_name, to_fields
from cos.events.subscriber import SubscriberSettings
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]
SECTION = (ROOT / "docs/control-center.md").read_text().partition("\n## Subscribers\n")[2]
SECTION = SECTION.partition("\n## ")[0]


def _block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_table_of_settings_is_the_one_in_the_code() -> None:
    table = SECTION.partition("### Settings of a subscriber")[2].partition("###")[0]
    listed = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", table, re.MULTILINE)

    assert listed == [(field.name, f"{field.default:g}") for field in fields(SubscriberSettings)]


def test_every_command_is_in_the_table() -> None:
    table = SECTION.partition("### Commands")[2]
    for name, group in (("events", events), ("dlq", dlq)):
        (rows,) = [re.findall(rf"^\| `python -m cos {name} (.*?) \|", table, re.MULTILINE)]

        assert set(re.findall(r"\w+", " ".join(rows))) == set(group.commands)


def test_every_route_is_in_the_table() -> None:
    listed = set(re.findall(r"^\| `([A-Z]+) (\S+?)` \|", SECTION, re.MULTILINE))
    paths: dict[str, Any] = create_app().openapi()["paths"]
    found = {
        (method.upper(), path.replace("{letter_id}", "{id}"))
        for path, methods in paths.items()
        for method in methods
        if path.startswith((f"{API}/events", f"{API}/dead-letters"))
    }

    assert listed == found


@pytest.mark.slow
def test_the_example_runs(db_session: Session, redis_client: Redis, tmp_path: Path) -> None:
    db_session.execute(text(_block("sql")))
    db_session.commit()
    script = tmp_path / "outages.py"
    script.write_text(_block("python"))
    module = uuid.uuid4()
    events = [
        Event(uuid.uuid4(), kind, module, sequence, datetime.now(UTC), {"status": status})
        for sequence, (kind, status) in enumerate(
            [("health.changed", "offline"), ("health.changed", "healthy"), ("module.removed", "")],
            1,
        )
    ]
    stream = stream_name(partition_of(module))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script], env=environment) as process:
        try:
            wait_until(lambda: redis_client.exists(stream) and redis_client.xinfo_groups(stream))
            for event in events:
                entry: Any = to_fields(event)
                redis_client.xadd(stream, entry)
            wait_until(lambda: _progress(db_session) == 3)
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=20)
        finally:
            process.kill()
    rows = db_session.execute(text("SELECT module_id, since FROM outages")).all()

    assert code == 0
    assert [tuple(row) for row in rows] == [(module, events[0].occurred_at)]


def _progress(session: Session) -> object:
    session.rollback()
    return session.scalar(text("SELECT sequence FROM subscriptions WHERE group_name = 'outages'"))
