"""Tables: aligned for people, escaped for terminals and for Markdown."""

from __future__ import annotations

import pytest

from testkit.cli.tables import markdown_table, text_table
from testkit.reports.texts import printable


def test_columns_stand_under_their_headings() -> None:
    table = text_table(("name", "n"), [["a long name", "1"], ["b", ""]])

    assert table == "name         n\na long name  1\nb"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain é", "plain é"), ("a\x1b[2Jb", "a\\x1b[2Jb"), ("a\nb\t", "a\\nb\\t")],
)
def test_what_a_terminal_would_obey_is_spelt_out(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert expected in text_table(("x",), [[text]])


def test_marks_of_markdown_are_text_in_a_cell() -> None:
    table = markdown_table(("a",), [["x|y `z` <b> *"]])

    assert table == "| a |\n| --- |\n| x\\|y \\`z\\` \\<b\\> \\* |"
