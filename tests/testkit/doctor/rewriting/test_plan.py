"""What a project would become: bytes around the edits stay, rounds end, what cannot be is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.doctor.rewriting.plan import diff_of, plan
from testkit.doctor.static.check import read_files

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.doctor.rewriting.plan import Rewrite

MODELS = "import sqlalchemy as sa\nx = '{word}'; c = sa.Column(sa.JSON, default=[])  # {word}\n"


def planned(path: Path) -> tuple[list[Rewrite], dict[str, str]]:
    return plan(read_files([path], {"TD201"}, path.parent))


@pytest.mark.parametrize(
    ("word", "encoding", "head"),
    [
        ("plain", "utf-8", b""),
        ("größe 😀", "utf-8", b""),
        ("größe", "utf-8-sig", b""),
        ("größe", "latin-1", b"# coding: latin-1\n"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encoding_mark_and_ends_of_lines_stay(
    word: str, encoding: str, head: bytes, end: str, tmp_path: Path
) -> None:
    path = tmp_path / "models.py"
    text = (head.decode() + MODELS.format(word=word)).replace("\n", end)
    path.write_bytes(text.encode(encoding))
    rewrites, refused = planned(path)

    assert refused == {}
    assert [each.data for each in rewrites] == [text.replace("[]", "list").encode(encoding)]


def test_a_file_whose_lines_end_in_different_ways_is_left(tmp_path: Path) -> None:
    path = tmp_path / "models.py"
    path.write_bytes(b"x = 1\r\n" + MODELS.encode())

    assert planned(path) == ([], {str(path): "its lines end in different ways"})


def test_a_rewrite_is_a_diff_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "models.py"
    path.write_text(MODELS.format(word="w").rstrip("\n"))
    (rewrite,), _ = planned(path)

    assert diff_of(rewrite, "app/models.py") == (
        "--- a/app/models.py\n+++ b/app/models.py\n@@ -1,2 +1,2 @@\n import sqlalchemy as sa\n"
        "-x = 'w'; c = sa.Column(sa.JSON, default=[])  # w\n\\ No newline at end of file\n"
        "+x = 'w'; c = sa.Column(sa.JSON, default=list)  # w\n\\ No newline at end of file\n"
    )
    assert [finding.code for finding in rewrite.findings] == ["TD201"]


def test_nothing_to_rewrite_is_no_rewrite(tmp_path: Path) -> None:
    path = tmp_path / "models.py"
    path.write_text("x = 1\n")

    assert planned(path) == ([], {})
