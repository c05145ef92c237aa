from datetime import UTC, datetime, timedelta

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.cli.parameters import TIME
from tests.cos.commands import run


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-01-31T12:00", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00+02:00", datetime(2030, 1, 31, 10, tzinfo=UTC)),
        ("2030-01-31T12:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31", datetime(2030, 1, 31, tzinfo=UTC)),
    ],
)
def test_a_time_is_in_utc_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    assert TIME.convert(text, None, None) == moment


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
    ],
)
def test_a_time_may_be_how_long_ago_it_is(text: str, ago: timedelta) -> None:
    before = datetime.now(UTC)
    moment = TIME.convert(text, None, None)

    assert before - ago <= moment <= datetime.now(UTC) - ago


@pytest.mark.parametrize(
    "text", ["", "yesterday", "15", "-1h", "999999d", "0001-01-01T00:00+14:00"]
)
def test_anything_else_is_wrong_use(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time; write"):
        TIME.convert(text, None, None)


@given(st.text(max_size=30))
def test_whatever_is_written_is_a_time_in_utc_or_wrong_use(text: str) -> None:
    try:
        moment = TIME.convert(text, None, None)
    except click.BadParameter:
        return

    assert moment.utcoffset() == timedelta()


@pytest.mark.parametrize(
    "arguments",
    [
        ("token", "revoke"),
        ("events", "list", "--type"),
        ("events", "tail", "--type"),
        ("events", "replay", "--yes", "--group"),
        ("dlq", "list", "--group"),
        ("dlq", "replay", "--all", "--yes", "--group"),
        ("dlq", "drop", "--all", "--yes", "--group"),
        ("modules", "show"),
        ("health", "show"),
    ],
)
def test_bytes_that_are_no_text_are_wrong_use(arguments: tuple[str, ...]) -> None:
    # What the shell hands over of a file's name, say: Python reads b"\xff" as this.
    done = run(*arguments, "\udcff")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "lone surrogate" in done.stderr
