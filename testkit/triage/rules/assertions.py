"""Rules about assertions: times, texts, what was left in the environment, what did not happen."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from testkit.core.runs.masking import without_variables
from testkit.triage.facts import text_of
from testkit.triage.rule import Found, Rule, found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.triage.facts import Facts, Said

__all__ = ["RULES", "called_modules"]

_TIME: Final = re.compile(
    r"elapsed|duration|\btook\b|latency|perf_counter|monotonic|time\.time\(|seconds_taken"
    r"|\bspent\b|(?<![a-z])(?:run|wall|response|query|total)_?time|_ms\b|throughput|per_second",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_QUOTED: Final = re.compile(r"^(?:'[^']*'|\"[^\"]*\")$")
_PATTERN: Final = re.compile(
    r"Regex pattern did not match\.?\s*\n\s*(?:Expected regex|Regex): (?P<wanted>.+)\n"
    r"\s*(?:Actual message|Input): (?P<told>.+)"
)
_LETTERS: Final = re.compile(r"[a-z]{3,}")
_CALLED: Final = re.compile(r"\b([a-z_]\w*)\.[a-z_]")
_NO_MODULES: Final = frozenset(
    (
        *(
            "answer",
            "answers",
            "app",
            "body",
            "client",
            "data",
            "db",
            "json",
            "os",
            "page",
            "pytest",
        ),
        *("reply", "request", "response", "result", "results", "row", "self", "session", "sys"),
    )
)
_METHOD: Final = re.compile(
    r"where False = <built-in method \w+ of str[^>]*>\(['\"](?P<wanted>.*?)['\"]\)\n"
    r"\s*\+\s*where [^\n]*> = ['\"](?P<told>[^\n]*)['\"]\.\w+"
)
_DRAWN: Final = re.compile(r"^\s*(?P<side>[-+]) (?!where )(?P<text>\S[^\n]*)$", re.MULTILINE)
_WORDS: Final = re.compile(r"[^\W\d_]{2,}")
_RAISE: Final = re.compile(r"DID NOT (?P<what>RAISE|WARN)[^<('\"\w]*(?P<type>.*)")
_LIKE: Final = 0.6
_MOST: Final = 200
_WORD: Final = 4
_FEW: Final = 3
_FOUR: Final = 4


def _changed(facts: Facts) -> Iterator[tuple[str, str]]:
    for one in facts.evidence.get("environment", ()):
        changed = one.get("changed")
        for each in changed if isinstance(changed, list) else ():
            if isinstance(each, dict):
                yield text_of(each.get("name")), text_of(each.get("by"))


_COMMON: Final = frozenset(
    (
        *("code", "status", "name", "id", "ids", "key", "keys", "value", "values", "type", "text"),
        *("data", "json", "body", "path", "file", "url", "test", "tests"),
        *("error", "message", "detail", "result", "client", "response"),
    )
)


def _leaked(facts: Facts, said: Said) -> Found | None:
    told = ""
    for name, by in _changed(facts):
        if by.partition("[")[0] == facts.base:
            continue
        told = told or _seen(facts, said)
        first, *others = name.lower().split("_")
        words = set(_LETTERS.findall(told))
        # Words such as that of `status_code` stand in lines that have nothing to do with it.
        telling = [one for one in others if one not in _COMMON] or ([] if others else [first])
        said_of = [one in words or (len(one) >= _WORD and one in told) for one in telling]
        # One word of many, such as PATH or DEFAULT, stands in many a line.
        named = name.lower() in told or 0 < len(telling) <= sum(said_of) * 2
        # The first word is often that of the whole project: alone it proves nothing.
        if named or (len(first) >= _WORD and first in told):
            who = f", changed by {by}" if by else ""
            return Found(
                (name,),
                {"name": name, "who": who},
                frozenset(f"{name} {module}" for module in _modules(facts)),
                proof=named,
            )
    return None


def called_modules(text: str) -> Iterator[str]:
    """Give the names whose attributes a line of a test uses, as far as they may be modules."""
    return (name for name in _CALLED.findall(text) if name not in _NO_MODULES)


def _modules(facts: Facts) -> Iterator[str]:
    """Give the modules of the project whose functions failed or were called by the test's line."""
    if facts.project:
        yield facts.project.path.rpartition("/")[2].removesuffix(".py")
    if facts.test:
        yield from called_modules(facts.test.text)


def _seen(facts: Facts, said: Said) -> str:
    """Return what was written where it failed: words of the variable's name stand in it."""
    parts = [said.text[: _MOST * 2]]
    for raised in facts.failure.chain:
        parts += [
            f"{frame.text[: _MOST * 2]} {frame.function if frame.owner == 'project' else ''}"
            for frame in raised.frames[-6:]
            if frame.owner in {"project", "test"}
        ]
    for one in facts.evidence.get("locals", ()):
        values = one.get("values")
        parts += values if isinstance(values, dict) else ()
    return " ".join(parts).lower()


def _variable(facts: Facts, said: Said) -> Found | None:
    if said.type != "KeyError":
        return None
    name = said.text.strip().strip("'\"")
    if not re.fullmatch(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", name):
        return None
    frames = facts.root.frames if facts.root else ()
    if frames and not any(
        "environ" in frame.text
        or frame.path.endswith("os.py")
        or frame.path.endswith("<frozen os>")
        for frame in frames[-2:]
    ):
        return None
    return found(name, name=name)


def _timing(facts: Facts, said: Said) -> Found | None:
    if facts.evidence.get("timing"):
        return found("")
    compared = facts.compared
    if compared is None or compared.operator not in {"<", "<=", ">", ">="}:
        return None
    line = facts.test or facts.project
    names = f"{said.text[:_MOST]} {line.text if line else ''}"
    if not _TIME.search(names):
        return None
    return found("") if _NUMBER.search(compared.left) and _NUMBER.search(compared.right) else None


def _told(facts: Facts, said: Said) -> tuple[str, str]:
    """Return the text that was wanted and the one that was told, "" and "" where it is no text."""
    hit = _PATTERN.search(said.text)
    if hit:
        return hit["wanted"].strip(), hit["told"].strip().strip("'\"")
    hit = _METHOD.search(said.text)
    if hit:
        return hit["wanted"], hit["told"]
    compared = facts.compared
    if compared is None or compared.operator not in {"==", "in"}:
        return "", ""
    left, right = compared.left.strip(), compared.right.strip()
    if not (_QUOTED.match(left) and _QUOTED.match(right)):
        return "", ""
    if compared.operator == "in":
        return left[1:-1], right[1:-1]
    # pytest shortens the two sides, and draws them whole in the lines below.
    whole = dict(_DRAWN.findall(said.text))
    return whole.get("+", left[1:-1]), whole.get("-", right[1:-1])


def _drifted(facts: Facts, said: Said) -> Found | None:
    wanted, told = (one[:_MOST] for one in _told(facts, said))
    # A message has words; of single words nobody can tell whether one drifted from the other.
    if " " not in told or not _common(wanted, told):
        return None
    # Which side is the code's is not told by `==`: what two failures have in common is.
    sides = (told,) if _METHOD.search(said.text) or _PATTERN.search(said.text) else (wanted, told)
    threads = {thread for side in sides for thread in _threads(side)}
    return Found((min(threads, default=told),), {"told": told[:120]}, frozenset(threads))


def _common(one: str, other: str) -> bool:
    """Tell whether two texts are wordings of one message."""
    words = [{word.lower() for word in _WORDS.findall(side)} for side in (one, other)]
    if len(words[0] & words[1]) >= 1 and min(map(len, words)) <= _FEW:
        return True
    return SequenceMatcher(None, one.lower(), other.lower()).ratio() >= _LIKE


def _threads(text: str) -> Iterator[str]:
    """Give four words that follow each other, of all: values between them differ by the test."""
    words = _WORDS.findall(without_variables(text).lower())
    if len(words) <= _FOUR:
        yield "text:" + " ".join(words)
    for at in range(len(words) - _FOUR + 1):
        yield "text:" + " ".join(words[at : at + _FOUR])


def _snapshot(facts: Facts, said: Said) -> Found | None:
    line = facts.test.text if facts.test else ""
    if not re.search(
        r"\bsnapshot\b|does not match snapshot|[Gg]olden file", said.text + " " + line
    ):
        return None
    return found(facts.failure.file, file=facts.failure.file)


def _not_raised(facts: Facts, said: Said) -> Found | None:
    hit = _RAISE.search(said.first)
    if hit is None:
        return None
    classes = re.findall(r"<class '([\w.]+)'>", hit["type"])
    name = ", ".join(classes)[:80] or hit["type"][:80].strip("() ,.") or "the exception"
    where = facts.place or facts.failure.file
    short = ", ".join(one.rpartition(".")[2] for one in classes)[:80]
    return found(hit["what"], name, where, name=short or name)


RULES: Final = (
    Rule(
        "environment-leak",
        "The environment variable {name} is not what it was when the run began{who}",
        "A test or a wide fixture set it and did not put it back; every later test of this worker"
        " sees it.",
        "Set it with `monkeypatch.setenv`, or put it back in the fixture's teardown.",
        _leaked,
        kinds=("environment",),
    ),
    Rule(
        "missing-variable",
        "The environment variable {name} is not set",
        "The machine or the CI job does not have it, or an earlier test removed it.",
        "Set it in `env` of `[tool.testkit]`, or give the code a default.",
        _variable,
        types=frozenset(("KeyError",)),
        kinds=("environment",),
    ),
    Rule(
        "timing-threshold",
        "A time measured on this machine is compared with a limit",
        "Wall-clock limits fail on slower or busier machines, not because the code is wrong.",
        "Move the clock (`clock`), count what is done (`database.queries`), or make it a benchmark.",
        _timing,
        types=frozenset(("AssertionError", "Failed", "")),
        mend="test",
        kinds=("timing", "assertion"),
    ),
    Rule(
        "snapshot",
        "A snapshot differs from what is made now, in {file}",
        "The output was changed, or the snapshot holds what differs from run to run.",
        "Look at the difference; update the snapshot if it is meant.",
        _snapshot,
        types=frozenset(("AssertionError", "Failed", "")),
        mend="test",
        kinds=("assertion",),
    ),
    Rule(
        "message-drift",
        "A text is not worded as the test expects: {told}",
        "The message was changed in the code, or comes from a library that changed it.",
        "Assert what the message is about (its type, its code), or write the new wording.",
        _drifted,
        types=frozenset(("AssertionError", "Failed", "")),
        mend="test",
        kinds=("assertion",),
    ),
    Rule(
        "not-raised",
        "{name} is not raised where the test expects it",
        "The check was removed or moved, or the case no longer reaches it.",
        "Look whether the code or the expectation changed.",
        _not_raised,
        types=frozenset(("Failed",)),
        cues=("DID NOT",),
        mend="test",
    ),
)
