"""The file of a record, whatever a test does to the process that writes it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from testkit.record.surroundings import masked_arguments
from testkit.record.writer import RecordWriter

if TYPE_CHECKING:
    from pathlib import Path


def test_a_closed_file_is_told_and_closing_it_again_is_no_error(tmp_path: Path) -> None:
    writer = RecordWriter.begin(tmp_path, started="a", run="b")
    os.close(writer._descriptor)

    with pytest.raises(OSError):  # noqa: PT011 - whatever the system says
        writer.write({"kind": "test"})
    writer.close()

    assert writer.path.read_text() == ""


def test_another_file_under_the_number_of_the_record_gets_no_line(tmp_path: Path) -> None:
    writer = RecordWriter.begin(tmp_path, started="a", run="b")
    other = tmp_path / "other"
    with other.open("wb") as file:
        os.dup2(file.fileno(), writer._descriptor)
    try:
        with pytest.raises(OSError, match="closed the file"):
            writer.write({"kind": "test"})
    finally:
        os.close(writer._descriptor)

    assert other.read_text() == ""


def test_a_path_among_the_arguments_is_told_as_text(tmp_path: Path) -> None:
    assert masked_arguments([tmp_path, "-q"]) == [str(tmp_path), "-q"]
