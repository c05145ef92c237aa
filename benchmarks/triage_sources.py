"""How long triage takes from a file on: 100,000 failures of 50 causes, and JUnit XML of 200 MB.

    python benchmarks/triage_sources.py [record] [junit] [record-unlike] [junit-unlike]

"unlike" are as many failures of which no two have one cause.

Each case runs in a process of its own. Times are of the processor, for a busy machine too; memory
is the peak of the process.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from testkit.triage.sources.reading import run_from
from testkit.triage.triage import triage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_FAILURES: Final = 100_000
_CAUSES: Final = 50
_TEXT: Final = """def test_{n}(shop):
>       shop.order({n})

tests/test_{file}.py:{line}:\x20
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

self = <shop.Shop object at 0x7f{n:010x}>, number = {n}

    def order(self, number):
        item = self.find(number)
        if item is None:
{source}>           raise GoneError(f"part {cause}: no item {{number}}")
E           shop.part_{cause}.GoneError: part {cause}: no item {n}

shop/part_{cause}.py:40: GoneError"""


def failures(count: int, lines: int, causes: int) -> Iterator[tuple[str, str, str, str]]:
    """Give module, name, message and drawn traceback with so many more source lines."""
    source = "            self.log.warning('one more line of the function')\n" * lines
    for n in range(count):
        cause, file = n % causes, n % 300
        message = f"shop.part_{cause}.GoneError: part {cause}: no item {n}"
        text = _TEXT.format(n=n, cause=cause, file=file, line=n % 400 + 1, source=source)
        yield f"tests.test_{file}", f"test_{n}", message, text


def write_junit(path: Path, causes: int = _CAUSES) -> None:
    """Write JUnit XML of about 200 MB."""
    with path.open("w") as out:
        out.write('<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest">')
        for module, name, message, text in failures(_FAILURES, 21, causes):
            out.write(
                f'<testcase classname="{module}" name="{name}" time="0.001">'
                f"<failure message={quoteattr(message)}>{escape(text)}</failure></testcase>\n"
            )
        out.write("</testsuite></testsuites>")


def write_record(path: Path, causes: int = _CAUSES) -> None:
    """Write a run record with chains, frames and evidence."""
    with path.open("w") as out:
        out.write(json.dumps({"kind": "run", "version": 1, "started": "2026-01-01T00:00:00Z"}))
        for n, (module, name, message, text) in enumerate(failures(_FAILURES, 3, causes)):
            file = module.replace(".", "/") + ".py"
            kind, _, told = message.partition(": ")
            frames = [
                [file, 5, name, f"shop.order({n})", "test"],
                [f"shop/part_{n % causes}.py", 40, "order", "raise GoneError(…)", "project"],
            ]
            line = {
                "kind": "test",
                "nodeid": f"{file}::{name}",
                "file": file,
                "phase": "call",
                "outcome": "failed",
                "worker": "gw0",
                "order": n,
                "attempt": 1,
                "call": 0.01,
                "message": message,
                "text": text,
                "chain": [{"type": kind, "message": told, "link": "raised", "frames": frames}],
                "evidence": [
                    {"kind": "locals", "values": {"number": str(n), "self": "<shop.Shop>"}},
                    {"kind": "before", "tests": [f"{file}::test_{n - 1}"], "count": n},
                ],
            }
            out.write("\n" + json.dumps(line))
        out.write("\n" + json.dumps({"kind": "end", "exitstatus": 1}))


_CASES: Final[Mapping[str, Callable[[Path], None]]] = {
    "record": write_record,
    "junit": write_junit,
    "record-unlike": partial(write_record, causes=_FAILURES),
    "junit-unlike": partial(write_junit, causes=_FAILURES),
}


def measure(path: Path) -> None:
    """Read one file as the command does, and print what it took."""
    gc.disable()
    begun = time.process_time()
    run = run_from([path])
    gc.enable()
    read = time.process_time()
    found = triage(run.failures, counts=run.counts, lacks=run.lacks)
    done = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{path.name}: {path.stat().st_size / 1e6:.0f} MB, {len(run.failures)} failures,"
        f" {len(found.causes)} causes: reading {read - begun:.1f} s,"
        f" triage {done - read:.1f} s, {peak} MB at most"
    )


def main() -> None:
    """Write and measure the named cases, or all."""
    if sys.argv[1:2] == ["--measure"]:
        measure(Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or _CASES:
            path = Path(folder) / name
            _CASES[name](path)
            subprocess.run([sys.executable, __file__, "--measure", str(path)], check=True)


if __name__ == "__main__":
    main()
