"""When a failure was seen first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from testkit.triage.sources.seen import first_seen

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, day: int, *signatures: str) -> Path:
    started = f"2026-01-{day:02}T00:00:00Z"
    runs = root / ".testkit" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    lines = [{"kind": "run", "version": 1, "started": started}]
    lines += [
        {"kind": "test", "message": '"signature": "000000000000"', "signature": s}
        for s in signatures
    ]
    file = runs / f"202601{day:02}T000000Z-x.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


def test_the_first_run_of_each_signature_is_known(tmp_path: Path) -> None:
    for day, signatures in ((3, ["aaaaaaaaaaaa", "bbbbbbbbbbbb"]), (1, ["aaaaaaaaaaaa"]), (2, [])):
        write(tmp_path, day, *signatures)

    assert first_seen(tmp_path) == {
        "aaaaaaaaaaaa": "2026-01-01T00:00:00Z",
        "bbbbbbbbbbbb": "2026-01-03T00:00:00Z",
    }


def test_what_a_record_told_is_kept_when_it_is_gone(tmp_path: Path) -> None:
    old = write(tmp_path, 1, "aaaaaaaaaaaa")
    write(tmp_path, 2, "aaaaaaaaaaaa")
    first_seen(tmp_path)
    old.unlink()

    assert first_seen(tmp_path) == {"aaaaaaaaaaaa": "2026-01-01T00:00:00Z"}


def test_a_damaged_memory_is_made_anew(tmp_path: Path) -> None:
    write(tmp_path, 1, "aaaaaaaaaaaa")
    (tmp_path / ".testkit" / "seen.json").write_text("[")

    assert first_seen(tmp_path) == {"aaaaaaaaaaaa": "2026-01-01T00:00:00Z"}
    assert json.loads((tmp_path / ".testkit" / "seen.json").read_text())["version"] == 1


def test_a_project_without_records_gets_no_file(tmp_path: Path) -> None:
    assert first_seen(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []
