"""Rules about the run itself: limits of the machine, of time, of pytest, and testkit's own messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.core.runs.masking import without_variables
from testkit.triage.rule import Found, Rule, found, says

if TYPE_CHECKING:
    from testkit.triage.facts import Facts, Said

__all__ = ["RULES"]

_CODE: Final = re.compile(r"(?:^|[\s\[(])(?P<code>T[KD]\d{3})\b:? ?(?P<told>[^\n]*)")
_CRASH: Final = re.compile(r"worker '?(?P<worker>\w+)'? crashed|crashed while running")
_EXIT: Final = re.compile(r"Command .*? (?:returned non-zero exit status|died with)")


def _testkit(_: Facts, said: Said) -> Found | None:
    hit = _CODE.search(said.text[:600])
    if hit is None:
        return None
    told = hit["told"].strip()
    return found(
        hit["code"],
        without_variables(told)[:160],
        code=hit["code"],
        told=f": {told[:120]}" if told else "",
    )


def _test_timeout(facts: Facts, said: Said) -> Found | None:
    if not re.search(r"Timeout \(?>? ?\d[\d.]*s?\)? from pytest-timeout|Timeout >\d", said.text):
        return None
    where = facts.place or facts.base
    return found(where, where=where)


def _crashed(facts: Facts, said: Said) -> Found | None:
    if not _CRASH.search(said.text) and not _CRASH.search(facts.failure.message[:400]):
        return None
    return found("")


def _warning(_: Facts, said: Said) -> Found | None:
    if not said.type.endswith("Warning"):
        return None
    first = said.first[:160]
    return found(said.type, without_variables(first), type=said.type, told=first)


def _recursion(facts: Facts, said: Said) -> Found | None:
    if said.type != "RecursionError" and "maximum recursion depth" not in said.text:
        return None
    return found(facts.place or facts.base, where=facts.place or facts.base)


def _command(_: Facts, said: Said) -> Found | None:
    if not _EXIT.search(said.text):
        return None
    first = said.first[:160]
    return found(without_variables(first), told=first)


def _file(_: Facts, said: Said) -> Found | None:
    hit = re.search(r"No such file or directory: ['\"](?P<path>[^'\"]+)", said.text)
    if hit is None or said.type not in {"FileNotFoundError", ""}:
        return None
    name = hit["path"].rstrip("/").rpartition("/")[2]
    return found(without_variables(name), name=name)


RULES: Final = (
    Rule(
        "testkit",
        "{code}{told}",
        "testkit itself refused, or found something that the test left.",
        "`testkit explain` with the code tells what it means and what to do.",
        _testkit,
        cues=("TK", "TD"),
    ),
    Rule(
        "worker-crashed",
        "A worker process crashed",
        "An extension ended the process (a signal, too little memory), or a test called `os._exit`.",
        "Run the tests that it was at alone, with `-n 0` and `-X faulthandler`.",
        _crashed,
        cues=("crashed",),
    ),
    Rule(
        "test-timeout",
        "Tests ran into pytest-timeout, in {where}",
        "Something waits for ever: a lock, a server without an answer, a loop without an end.",
        "The traceback shows where it waits; give that wait a limit of its own.",
        _test_timeout,
        cues=("imeout",),
    ),
    Rule(
        "recursion",
        "A recursion does not end, in {where}",
        "Two functions or properties call each other, often a `__getattr__` or a `__repr__`.",
        "The frames that repeat show the circle.",
        _recursion,
        cues=("recursion",),
    ),
    Rule(
        "disk-full",
        "The disk is full",
        "Nothing can be written any more; Postgres and caches fail with it.",
        "Free space; `testkit reap` removes what dead runs left.",
        says(r"No space left on device|disk full|Disk quota exceeded|could not extend file"),
        cues=("No space left", "disk full", "Disk quota", "could not extend"),
    ),
    Rule(
        "out-of-memory",
        "Memory ran out",
        "The machine or the container has too little for so many workers, or a test holds too much.",
        "Use fewer workers (`-n 2`), or give more memory.",
        says(
            r"Cannot allocate memory|[Oo]ut of memory|^(?:std::bad_alloc)|could not resize shared"
        ),
        cues=("allocate memory", "ut of memory", "bad_alloc", "could not resize shared"),
    ),
    Rule(
        "memory-error",
        "Memory ran out in Python",
        "A test or the code holds too much at once.",
        "Look at what the frame holds.",
        lambda facts, said: (
            found(facts.place or facts.base) if said.type == "MemoryError" else None
        ),
        types=frozenset(("MemoryError",)),
    ),
    Rule(
        "too-many-files",
        "Too many files or sockets are open",
        "Clients, engines or files are not closed; each test adds some.",
        "Close them in fixtures; `ulimit -n` only puts it off.",
        says(r"Too many open files"),
        cues=("Too many open files",),
    ),
    Rule(
        "permission",
        "This user may not touch {path}",
        "The file belongs to another user, often to root after a run in a container.",
        "Give the folder to this user, or write below `tmp_path`.",
        says(r"Permission denied: ['\"](?P<path>[^'\"]+)", "path"),
        cues=("Permission denied",),
    ),
    Rule(
        "missing-file",
        "The file {name} is not there",
        "The path is relative to another folder than the one that pytest was started in, or the file"
        " is not in the repository.",
        "Build the path from `__file__`, or add the file.",
        _file,
        cues=("No such file",),
    ),
    Rule(
        "command-failed",
        "A program that the tests call fails: {told}",
        "It is another version, misses something, or was given wrong arguments.",
        "Run the command by hand.",
        _command,
        cues=("Command ",),
    ),
    Rule(
        "warning-as-error",
        "{type} is an error here: {told}",
        "`filterwarnings = error` makes failures of warnings; a library or the code warns anew.",
        "Mend what it warns of, or name the warning in `filterwarnings`.",
        _warning,
    ),
    Rule(
        "unexpected-pass",
        "A test marked xfail passes",
        "What was expected to fail works now.",
        "Remove the mark.",
        says(r"\[XPASS\(strict\)\]"),
        cues=("XPASS",),
        mend="test",
    ),
    Rule(
        "duplicate-metric",
        "Something is registered twice in this process: {what}",
        "A module with registrations is imported or run twice, or each test makes the application"
        " anew in one process-wide registry.",
        "Give each application its own registry.",
        says(r"(?P<what>Duplicated timeseries in CollectorRegistry: [^\n]{0,80})", "what"),
        cues=("Duplicated timeseries",),
    ),
)
