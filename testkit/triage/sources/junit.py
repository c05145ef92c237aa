"""JUnit XML, as pytest and others write it, read as a stream.

Entities and external references are refused: no report needs them, and a small file can make
gigabytes of them.
"""

from __future__ import annotations

import codecs
import re
from datetime import datetime
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from testkit.core.messages import TestkitError
from testkit.core.runs.failure import Failure, Raised
from testkit.triage.sources.evidence import evidence_in, logged
from testkit.triage.sources.tracebacks import chain_of, named
from testkit.triage.sources.wrapped import unwrapped

if TYPE_CHECKING:
    from testkit.core.runs.failure import Evidence, Phase
    from testkit.triage.sources.gathered import Gathered
    from testkit.triage.sources.node_ids import NodeIds
    from testkit.triage.sources.opening import Opened

__all__ = ["read_junit"]

_HEAD, _TAIL = 24_000, 40_000
_MOST_READ: Final = 5_000
_MOST_SILENT: Final = 16 << 20
_LONGEST_RUN: Final = 1e9
_EPOCH: Final = 1970
_ENCODING: Final = re.compile(rb"<\?xml[^>]*encoding=[\"']([\w.-]+)[\"']")
_FAILED: Final = {"failure": "failed", "error": "error"}
_AGAIN: Final = ("rerun", "rerunFailure", "rerunError", "flakyFailure", "flakyError")
_KEPT: Final = ("failure", "error", "skipped", "system-out", "system-err")
_PHASE: Final = re.compile(r"failed on (setup|teardown) with \"(.*?)\"?", re.DOTALL)
_INVALID: Final = bytes(n if n in b"\t\n\r" or n >= ord(" ") else ord(" ") for n in range(256))
_LACKS: Final = (
    "JUnit XML holds no node ids: they were put together from class names and files.",
    (
        "JUnit XML holds neither values nor HTTP exchanges, statements, workers or the order of"
        " tests: causes rest on the drawn tracebacks."
    ),
    "JUnit XML does not tell which tests were deselected.",
)


def read_junit(source: Opened, into: Gathered, ids: NodeIds) -> None:
    """Take in one file. Raises TK703 for entities; what is broken ends in a note of the source."""
    reader = _Reader(into, ids)
    utf8 = _is_utf8(source.head)
    parser = expat.ParserCreate("utf-8" if utf8 else None)
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.buffer_text = True
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text

    def refuse(*_: object) -> int:
        raise TestkitError("TK703", path=source.path, line=parser.CurrentLineNumber)

    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    into.lacking(*_LACKS)
    decoded = _Utf8() if utf8 else None
    seen = silent = 0
    try:
        for piece in source.pieces():
            silent = silent + len(piece) if reader.events == seen else 0
            seen = reader.events
            if silent > _MOST_SILENT:
                source.notes.append(
                    f"{source.path.name}: a single piece of it is larger than 16 MiB;"
                    " what follows was not read."
                )
                into.complete = False
                return
            parser.Parse(decoded.mended(piece) if decoded else piece, False)
        parser.Parse(decoded.rest() if decoded else b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        into.complete = False
        source.notes.append(
            f"{source.path.name} is broken or cut ({error}); what stands before was read."
        )
    if source.notes:
        into.complete = False
    if ids.guessed:
        into.lacking("The files of some tests were not found; their node ids follow the spelling.")


def _is_utf8(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    found = _ENCODING.search(head[:200])
    named = found[1].lower() if found else b"utf-8"
    # What begins in ASCII is no UTF-16, whatever it says.
    return named in {b"utf-8", b"utf8", b"us-ascii", b"ascii"} or named.startswith(b"utf-16")


class _Utf8:
    """Replaces what is no UTF-8, and control characters that XML does not know."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def mended(self, piece: bytes) -> bytes:
        return self._decoder.decode(piece.translate(_INVALID)).encode()

    def rest(self) -> bytes:
        return self._decoder.decode(b"", final=True).encode()


class _Texts:
    """The beginning and the end of a text, however long it is."""

    def __init__(self) -> None:
        self._head: list[str] = []
        self._tail: list[str] = []
        self._room = _HEAD
        self._held = 0
        self._cut = False

    def add(self, text: str) -> None:
        if self._room > 0:
            self._head.append(text[: self._room])
            text, self._room = text[self._room :], self._room - len(text)
        if text:
            self._tail.append(text)
            self._held += len(text)
            if self._held > 4 * _TAIL:
                self._cut = True
                kept = "".join(self._tail)[-_TAIL:]
                self._tail, self._held = [kept], len(kept)

    def whole(self) -> str:
        tail = "".join(self._tail)
        if self._cut or len(tail) > _TAIL:
            return "".join(self._head) + "\n[…]\n" + tail[-_TAIL:]
        return "".join(self._head) + tail


class _Reader:
    """Handlers of the parser: one test case at a time."""

    def __init__(self, into: Gathered, ids: NodeIds) -> None:
        self.events = 0
        self._into = into
        self._ids = ids
        self._case: dict[str, str] | None = None
        self._parts: list[tuple[str, dict[str, str], str]] = []
        self._open: tuple[str, dict[str, str]] | None = None
        self._suites: list[str] = []
        self._texts = _Texts()
        self._read: dict[str, tuple[Raised, ...]] = {}
        self._shown: dict[tuple[tuple[Raised, ...], str], tuple[Evidence, ...]] = {}

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self.events += 1
        if name == "testcase":
            self._case, self._parts = attributes, []
        elif name == "testsuite":
            self._suites.append(attributes.get("name", ""))
            self._into.started = self._into.started or _started(attributes.get("timestamp", ""))
        elif self._open is None and (self._case is not None or name in _FAILED):
            self._open = name, attributes
            self._texts = _Texts()

    def text(self, text: str) -> None:
        if self._open is not None:
            self.events += 1
            self._texts.add(text)

    def end(self, name: str) -> None:
        self.events += 1
        if self._open is not None and name == self._open[0]:
            part = (*self._open, self._texts.whole())
            self._open = None
            if self._case is None:  # a suite that failed as a whole, in no test of it
                self._take({"name": self._suites[-1] if self._suites else ""}, [part])
            elif name in _KEPT or name in _AGAIN:
                self._parts.append(part)
        elif name == "testcase" and self._case is not None:
            self._take(self._case, self._parts)
            self._case = None
        elif name == "testsuite" and self._suites:
            self._suites.pop()

    def _take(self, case: dict[str, str], parts: list[tuple[str, dict[str, str], str]]) -> None:
        failed = [part for part in parts if part[0] in _FAILED]
        text = failed[0][2] if failed else ""
        collecting = bool(failed) and failed[0][1].get("message", "") == "collection failure"
        nodeid = self._into.masked(
            self._ids.of(
                case.get("classname", ""),
                case.get("name", ""),
                file=case.get("file", ""),
                text=text,
            )
        )
        again = sum(part[0] in _AGAIN for part in parts)
        if again:
            self._into.reruns[nodeid] = max(again, self._into.reruns.get(nodeid, 0))
        skipped = next((part for part in parts if part[0] == "skipped"), None)
        if not failed:
            outcome = "passed"
            if skipped is not None or case.get("status") in {"skipped", "disabled", "notrun"}:
                outcome = (
                    "xfailed" if skipped and "xfail" in skipped[1].get("type", "") else "skipped"
                )
            reason = skipped[1].get("message", "") if skipped else ""
            self._into.tested(nodeid, outcome, reason=self._into.masked(reason))
            return
        logs = logged("\n".join(part[2] for part in parts if part[0].startswith("system-")))
        # Subtests stand as failures of their test, with one behind them that only counts.
        subtests = len(failed) if all(part[0] == "failure" for part in failed) else 0
        for place, (element, attributes, drawn) in enumerate(failed, 1):
            subtest = f"{place}" if place < subtests else ""
            failure = self._failure(
                nodeid,
                element,
                attributes,
                drawn,
                collecting=collecting,
                subtest=subtest,
                logs=logs,
                seconds=_seconds(case.get("time")),
            )
            self._into.tested(nodeid, failure.outcome)
            self._into.failed(failure)

    def _failure(
        self,
        nodeid: str,
        element: str,
        attributes: dict[str, str],
        drawn: str,
        *,
        collecting: bool,
        subtest: str,
        logs: tuple[Evidence, ...],
        seconds: float,
    ) -> Failure:
        message = attributes.get("message", "")
        phase: Phase = "collect" if collecting else "call"
        if found := _PHASE.fullmatch(message):
            phase = "setup" if found[1] == "setup" else "teardown"
            message = found[2]
        masked = self._into.masked
        drawn = drawn.strip("\n")
        text = masked(drawn)
        message = message[:4_000]
        if text != drawn or message not in drawn:
            message = masked(message)
        chain = self._chain(text, message, attributes.get("type", ""))
        if chain and (not message or collecting or chain[0].type.endswith("FixtureLookupError")):
            message = _first(chain)
        key = chain, phase
        if key not in self._shown:
            self._shown[key] = evidence_in(chain, phase)
        return Failure(
            nodeid=nodeid,
            file=nodeid.partition("::")[0],
            phase=phase,
            outcome="error" if element == "error" else "failed",
            message=message,
            chain=chain,
            evidence=(*self._shown[key], *logs) if logs else self._shown[key],
            text=text,
            subtest=subtest,
            seconds=seconds,
        )

    def _chain(self, text: str, message: str, kind: str) -> tuple[Raised, ...]:
        chain = self._read.get(text)
        if chain is None:
            chain = unwrapped(chain_of(text, root=self._into.root))
            if len(self._read) < _MOST_READ:
                self._read[text] = chain
        return chain or _told(message or text, kind)


def _told(message: str, kind: str) -> tuple[Raised, ...]:
    """Make a chain of a message alone, as other tools write it."""
    message = message.strip()[:4_000]
    if not message and not kind:
        return ()
    name, rest = named(message)
    if kind and name.rpartition(".")[2] != kind.rpartition(".")[2]:
        name, rest = kind, message
    return unwrapped((Raised(name, rest),))


def _first(chain: tuple[Raised, ...]) -> str:
    return f"{chain[0].type}: {chain[0].message}".removeprefix(": ")


def _started(told: str) -> str:
    """Return a time as it is written; "" for what is none, or what a tool has not filled in."""
    try:
        return told if datetime.fromisoformat(told).year >= _EPOCH else ""
    except ValueError:
        return ""


def _seconds(told: str | None) -> float:
    try:
        seconds = float((told or "0").replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < _LONGEST_RUN else 0.0
