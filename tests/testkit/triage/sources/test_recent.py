"""What ``last`` and ``previous`` mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from testkit.core.messages import TestkitError
from testkit.triage.sources.recent import files_of


def test_the_words_mean_the_newest_records(tmp_path: Path) -> None:
    runs = tmp_path / ".testkit" / "runs"
    runs.mkdir(parents=True)
    for name in (
        "20260102T000000Z-b.jsonl",
        "20260101T000000Z-c.jsonl",
        "20251231T000000Z-a.jsonl",
    ):
        (runs / name).write_text("{}")

    assert [file.name[-7:] for file in files_of(["previous", "last"], tmp_path)] == [
        "c.jsonl",
        "b.jsonl",
    ]
    assert files_of([], tmp_path) == files_of(["last"], tmp_path)
    assert files_of(["./x.xml", "./x.xml"], tmp_path) == [Path("x.xml")]


def test_a_missing_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(TestkitError, match=r'TK704: No record is "last"'):
        files_of([], tmp_path)
