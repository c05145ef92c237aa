import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis

from cos.events.event import Event, partition_of, stream_name, to_fields
from tests.cos.commands import ROOT, environment_with, run
from tests.support.waiting import wait_until


def _event(module: uuid.UUID, sequence: int, kind: str = "health.changed") -> Event:
    return Event(
        id=uuid.uuid4(),
        type=kind,
        module_id=module,
        sequence=sequence,
        occurred_at=datetime(2030, 1, 31, 12, tzinfo=UTC),
        payload={"text": "\x1b[31mgrün"},
    )


def _publish(redis: Redis, *events: Event) -> list[str]:
    ids: list[Any] = []
    for event in events:
        fields: Any = to_fields(event)
        ids.append(redis.xadd(stream_name(partition_of(event.module_id)), fields))
    return [found.decode() for found in ids]


def test_what_stands_in_the_streams_is_printed_a_line_each(redis_client: Redis) -> None:
    module = uuid.uuid4()
    _publish(redis_client, _event(module, 1), _event(module, 2))
    done = run("events", "tail", "--since", "1h", "--count", "2")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"2030-01-31 12:00:00 UTC  health.changed  {module}  {sequence}"
        '  {"text": "\\\\u001b[31mgrün"}'.replace("\\\\", "\\")
        for sequence in (1, 2)
    ]


def test_json_is_one_document_a_line_with_the_place(redis_client: Redis) -> None:
    event = _event(uuid.uuid4(), 1)
    (name,) = _publish(redis_client, event)
    document = json.loads(run("events", "tail", "--json", "--since", "1h", "--count", "1").stdout)

    assert document == {
        "entry": f"{stream_name(partition_of(event.module_id))}/{name}",
        "id": str(event.id),
        "type": event.type,
        "version": 1,
        "module_id": str(event.module_id),
        "sequence": 1,
        "occurred_at": "2030-01-31T12:00:00+00:00",
        "correlation_id": "-",
        "payload": event.payload,
    }


def test_events_are_filtered_and_counted_after_that(redis_client: Redis) -> None:
    module = uuid.uuid4()
    _publish(
        redis_client,
        _event(uuid.uuid4(), 1),
        _event(module, 1, "module.removed"),
        _event(module, 2),
        _event(module, 3),
    )
    options = ("--module", str(module), "--type", "health.changed", "--count", "2", "--json")
    lines = run("events", "tail", "--since", "1h", *options).stdout.splitlines()

    assert [json.loads(line)["sequence"] for line in lines] == [2, 3]


def test_since_an_entry_is_what_stands_behind_it(redis_client: Redis) -> None:
    module = uuid.uuid4()
    first, _ = _publish(redis_client, _event(module, 1), _event(module, 2))
    done = run("events", "tail", "--since", first, "--count", "1", "--json")

    assert json.loads(done.stdout)["sequence"] == 2


def test_an_entry_that_is_no_event_is_said_and_passed_over(redis_client: Redis) -> None:
    name: Any = redis_client.xadd(stream_name(0), {"no": "event"})
    _publish(redis_client, _event(uuid.uuid4(), 1))
    done = run("events", "tail", "--since", "1h", "--count", "1")

    assert done.exit_code == 0
    assert done.stderr == (
        f"{stream_name(0)}/{name.decode()} is no event: the field payload is missing\n"
    )


def test_a_redis_that_is_down_is_told(closed_port: int) -> None:
    done = run("events", "tail", REDIS_URL=f"redis://:hunter2@127.0.0.1:{closed_port}/0")

    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith(f"Redis 127.0.0.1:{closed_port}/0 cannot be read: ")
    assert "Run now: python -m cos events tail, when Redis answers" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    "options", [["--since", "x"], ["--since", "1-"], ["--count", "0"], ["--module", "x"], ["more"]]
)
def test_anything_else_is_wrong_use(options: list[str]) -> None:
    done = run("events", "tail", *options)

    assert (done.exit_code, done.stdout) == (2, "")


@contextmanager
def _tailing(*options: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "cos", "events", "tail", *options],
        cwd=ROOT,
        env=environment_with({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for_a_reader(redis: Redis) -> None:
    wait_until(lambda: redis.info("clients")["blocked_clients"])


@pytest.mark.slow
def test_it_begins_with_what_is_new_survives_a_lost_redis_and_ends_with_ctrl_c(
    redis_client: Redis,
) -> None:
    module = uuid.uuid4()
    _publish(redis_client, _event(module, 1))
    with _tailing("--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        _wait_for_a_reader(redis_client)
        _publish(redis_client, _event(module, 2))
        lines = [process.stdout.readline()]
        redis_client.flushall()
        redis_client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # type: ignore[no-untyped-call]  # redis-py carries none
        _publish(redis_client, _event(module, 3))
        lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)

    assert [json.loads(line)["sequence"] for line in lines] == [2, 3]
    assert (process.returncode, rest) == (0, "")
    assert "Traceback" not in errors


@pytest.mark.slow
def test_a_reader_that_has_gone_is_no_error(redis_client: Redis) -> None:
    with _tailing() as process:
        assert process.stdout is not None
        assert process.stderr is not None
        _wait_for_a_reader(redis_client)
        process.stdout.close()
        _publish(redis_client, _event(uuid.uuid4(), 1))
        errors = process.stderr.read()
        code = process.wait(timeout=20)

    assert (code, errors) == (0, "")
