"""Builders of inputs that are no input: each writes one and answers its path.

``BUILDERS`` has those that end at once and that a reader must answer with what it could read or with
a clear error. ``huge_junit`` and ``fifo`` are apart: one is large, the other waits for a writer.
"""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["BUILDERS", "fifo", "gzip_bomb", "huge_junit", "record_lines", "truncated_record"]

_HEAD: Final = '<?xml version="1.0" encoding="utf-8"?>\n'
_CASE: Final = (
    '<testcase classname="tests.test_a" name="test_{n}" time="0.001">'
    '<failure message="assert {n} == 0">def test_{n}():\n'
    "&gt;       assert {n} == 0\nE       assert {n} == 0\n\ntests/test_a.py:{n}: AssertionError"
    "{padding}</failure></testcase>\n"
)


def record_lines() -> list[str]:
    """Return the lines of a whole record of two tests, one of them red."""
    frame = ["tests/test_a.py", 3, "test_red", "assert broken() == 1", "test"]
    lines = [
        {"kind": "run", "version": 1, "id": "abc", "started": "2026-01-01T00:00:00Z", "root": "/x"},
        {
            "kind": "selected",
            "nodeids": ["tests/test_a.py::test_green", "tests/test_a.py::test_red"],
        },
        {
            "kind": "test",
            "nodeid": "tests/test_a.py::test_green",
            "file": "tests/test_a.py",
            "phase": "call",
            "outcome": "passed",
            "call": 0.1,
        },
        {
            "kind": "test",
            "nodeid": "tests/test_a.py::test_red",
            "file": "tests/test_a.py",
            "phase": "call",
            "outcome": "failed",
            "message": "assert 0 == 1",
            "chain": [
                {"type": "AssertionError", "message": "x", "link": "raised", "frames": [frame]}
            ],
            "evidence": [{"kind": "assertion", "left": "0", "right": "1", "operator": "=="}],
        },
        {"kind": "end", "exitstatus": 1, "counts": {"passed": 1, "failed": 1}, "seconds": 0.2},
    ]
    return [json.dumps(line) for line in lines]


def truncated_record(folder: Path, *, cut: int = 40) -> Path:
    """Write a record as a killed run leaves it: its last line lacks ``cut`` characters."""
    path = folder / "truncated.jsonl"
    path.write_text("\n".join(record_lines()[:-1])[:-cut])
    return path


def gzip_bomb(folder: Path, *, megabytes: int = 1000) -> Path:
    """Write a small compressed file of that many megabytes of spaces inside an XML element."""
    path = folder / "bomb.xml.gz"
    with gzip.open(path, "wb", compresslevel=9) as out:
        out.write(b"<testsuites>")
        for _ in range(megabytes):
            out.write(b" " * 1_000_000)
        out.write(b"</testsuites>")
    return path


def huge_junit(folder: Path, *, megabytes: int = 200, padding: int = 1000) -> tuple[Path, int]:
    """Write a JUnit file of about that size; answer how many failures it holds as well."""
    path = folder / "huge.xml"
    cases = 0
    with path.open("w", encoding="utf-8") as out:
        out.write(_HEAD + '<testsuites><testsuite name="pytest">\n')
        while out.tell() < megabytes * 1_000_000:
            for _ in range(100):
                out.write(_CASE.format(n=cases, padding="\n" + "x" * padding))
                cases += 1
        out.write("</testsuite></testsuites>\n")
    return path, cases


def fifo(folder: Path) -> Path:
    """Make a named pipe that nobody writes into: opening it for reading waits for ever."""
    path = folder / "pipe.xml"
    os.mkfifo(path)
    return path


def _written(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def _directory(folder: Path) -> Path:
    path = folder / "directory.xml"
    path.mkdir()
    return path


def _unreadable_link(folder: Path) -> Path:
    path = folder / "loop.xml"
    path.symlink_to(path)
    return path


def _laughs() -> str:
    levels = "".join(f'<!ENTITY l{n} "{"".join([f"&l{n - 1};"] * 10)}">' for n in range(1, 10))
    body = '<testsuites><testsuite><testcase name="x"><failure message="&l9;"/></testcase></testsuite></testsuites>'
    return f'{_HEAD}<!DOCTYPE x [<!ENTITY l0 "ha">{levels}]>{body}'


def _cases(*numbers: int) -> str:
    return "".join(_CASE.format(n=n, padding="") for n in numbers)


_WHOLE: Final = (
    f'{_HEAD}<testsuites><testsuite name="pytest">{_cases(1, 2)}</testsuite></testsuites>'
)

#: By what is broken about it: what writes one into a folder and answers its path.
BUILDERS: Final[Mapping[str, Callable[[Path], Path]]] = {
    "truncated record": truncated_record,
    "record without a first line": _written("headless.jsonl", "\n".join(record_lines()[2:])),
    "record with a broken line": _written(
        "broken.jsonl", "\n".join([*record_lines()[:2], "{not json", *record_lines()[2:]])
    ),
    "record of another version": _written(
        "version.jsonl", '{"kind": "run", "version": 99}\n' + "\n".join(record_lines()[1:])
    ),
    "record of other types": _written(
        "types.jsonl",
        '{"kind": "run", "version": 1}\n[]\n3\nnull\n"text"\n{"kind": 7}\n'
        '{"kind": "test", "nodeid": 3, "outcome": "failed"}\n'
        '{"kind": "test", "nodeid": "a::b", "outcome": "failed", "chain": 5, "evidence": {"x": 1}}\n'
        '{"kind": "test", "nodeid": "a::c", "outcome": "failed", "chain": [{"frames": [[1], 2]}]}\n',
    ),
    "record of deep nesting": _written(
        "deep.jsonl", '{"kind": "run", "version": 1}\n' + "[" * 100_000 + "\n"
    ),
    "record with nulls": _written("nulls.jsonl", record_lines()[0].encode() + b"\n" + b"\0" * 4096),
    "entity expansion": _written("laughs.xml", _laughs()),
    "external entity": _written(
        "external.xml",
        _HEAD
        + '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><testsuites><testsuite>'
        + '<testcase name="x"><failure message="m">&e;</failure></testcase></testsuite></testsuites>',
    ),
    "truncated xml": _written("cut.xml", _WHOLE[:-120]),
    "xml of something else": _written("page.xml", "<html><body><p>404</p></body></html>"),
    "xml in a stated but wrong encoding": _written(
        "encoding.xml", _WHOLE.replace("utf-8", "utf-16").encode()
    ),
    "xml in utf-16": _written("utf16.xml", _WHOLE.replace("utf-8", "utf-16").encode("utf-16")),
    "invalid utf-8 in xml": _written(
        "latin.xml", _WHOLE.encode().replace(b"assert 1", b"\xff\xfe\xe9")
    ),
    "invalid utf-8 in a record": _written(
        "latin.jsonl", "\n".join(record_lines()).encode().replace(b"broken()", b"\xff\xc3(")
    ),
    "control characters in xml": _written(
        "control.xml", _WHOLE.replace("assert 1", "a\x00\x1b\x08")
    ),
    "deep xml": _written("deep.xml", "<testsuites>" + "<a>" * 50_000),
    "empty": _written("empty.xml", ""),
    "empty record": _written("empty.jsonl", ""),
    "blank": _written("blank.xml", " \n \n"),
    "random bytes": _written("noise.xml", bytes(range(256)) * 64),
    "compressed": lambda folder: gzip_bomb(folder, megabytes=1),
    "directory": _directory,
    "link to itself": _unreadable_link,
    "missing": lambda folder: folder / "missing.xml",
}
