import json
from datetime import UTC, datetime, timedelta, timezone

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cos.cli.output import as_text, json_option, print_rows

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


@click.command()
@json_option
@click.pass_obj
def show(rows: list[dict[str, object]], *, as_json: bool) -> None:
    print_rows(rows, ("kind", "last_used"), as_json=as_json, empty="Nothing there.")


def test_a_table_has_a_head_and_aligned_columns() -> None:
    rows = [{"kind": "ada", "last_used": NOON, "id": 1}, {"kind": "b", "last_used": None, "id": 2}]
    done = CliRunner().invoke(show, obj=rows)

    assert done.stdout.splitlines() == [
        "KIND  LAST USED",
        "ada   2030-01-02 12:00:00 UTC",
        "b     -",
    ]


def test_json_has_every_field_of_every_row() -> None:
    rows = [{"kind": "ada", "last_used": NOON, "scopes": {"write", "read"}, "id": 1}]
    done = CliRunner().invoke(show, ["--json"], obj=rows)

    assert json.loads(done.stdout) == [
        {
            "kind": "ada",
            "last_used": "2030-01-02T12:00:00+00:00",
            "scopes": ["read", "write"],
            "id": 1,
        }
    ]


def test_without_rows_nothing_is_on_standard_output() -> None:
    done = CliRunner().invoke(show, obj=[])

    assert (done.stdout, done.stderr) == ("", "Nothing there.\n")


def test_without_rows_json_is_an_empty_list() -> None:
    assert CliRunner().invoke(show, ["--json"], obj=[]).stdout == "[]\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (3, "3"),
        (["read", "write"], "read, write"),
        (datetime(2030, 1, 2, 12, tzinfo=timezone(timedelta(hours=2))), "2030-01-02 10:00:00 UTC"),
        ("a\x1b[31m\nb", "a\\x1b[31m\\nb"),
        ("grüße 🙂", "grüße 🙂"),
        ("\u202etxt", "\\u202etxt"),
    ],
)
def test_values_are_written_for_people(value: object, text: str) -> None:
    assert as_text(value) == text


@given(st.text())
def test_no_text_reaches_a_terminal_as_a_command(text: str) -> None:
    assert as_text(text).isprintable()
