"""Rules about doubles: what stands for the real thing and does not behave like it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.triage.facts import text_of
from testkit.triage.rule import Found, Rule, found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from testkit.core.runs.failure import Json
    from testkit.triage.facts import Facts, Said

__all__ = ["RULES"]

_MOCK: Final = r"(?:Async|Magic|NonCallableMagic|NonCallable|Property)?Mock"
_USED: Final = re.compile(
    rf"'{_MOCK}'|object {_MOCK} can't be used|type {_MOCK}\b|input_type={_MOCK}\b|<{_MOCK} "
    rf"|\b{_MOCK} object|not \"?{_MOCK}\b"
)
# A name that a call of the test's line is given, and nothing beside it.
_GIVEN: Final = re.compile(r"\w\(([a-z_]\w{3,})\)")
_MOCK_LACKS: Final = re.compile(r"Mock object has no attribute '(?P<name>\w+)'")
_TARGET: Final = re.compile(r"^(?P<target>.+?) does not have the attribute '(?P<name>\w+)'")
_CALLS: Final = re.compile(
    r"Expected '?(?P<name>[\w.]+)'? to (?:not )?have been (?:called|awaited)"
    r"|[Ee]xpected (?:call|await) not found|(?P<call>\w+)\(.*\) call not found|Calls not found"
)
_NO_ATTRIBUTE: Final = re.compile(r"'(?P<type>\w+)' object has no attribute '(?P<name>\w+)'")
_CALLED_WRONG: Final = re.compile(
    r"(?P<type>\w+)\.(?P<name>\w+)\(\) (?:got an unexpected keyword|missing \d+ required|takes \d+)"
)
_NO_SESSION: Final = re.compile(
    r"No such event '(?P<event>\w+)' for target '?<?(?P<target>[\w.]+)"
    r"|No inspection system is available for object of type <class '(?P<type>[\w.]+)'>"
    r"|object of type '?(?P<other>\w*Session\w*)'? is not a (?:SQLAlchemy )?[Ss]ession"
    r"|Class '(?P<unmapped>[\w.]+)' is not mapped"
    r"|expected (?:a )?(?:Async)?Session\b.*?got (?P<got>\w+)"
)
_NAMED_SO: Final = re.compile(
    r"^_?(?:Fake|Stub|Dummy|Mock|InMemory|Spy|Null|Test)[A-Z]|Double$|Stub$"
)


def _standing_in(facts: Facts) -> Iterator[Mapping[str, Json]]:
    for one in facts.evidence.get("doubles", ()):
        names = one.get("names")
        yield from (
            (each for each in names if isinstance(each, dict)) if isinstance(names, list) else ()
        )


def _is_double(facts: Facts, name: str) -> bool:
    short = name.rpartition(".")[2]
    return bool(_NAMED_SO.search(short)) or any(
        text_of(each.get("type")).rpartition(".")[2] == short for each in _standing_in(facts)
    )


def _mock_of(facts: Facts) -> Mapping[str, Json]:
    for each in _standing_in(facts):
        if "Mock" in text_of(each.get("type")):
            return each
    return {}


def _used(facts: Facts, said: Said) -> Found | None:
    if not _USED.search(said.text):
        return None
    mock = _mock_of(facts)
    name, where = text_of(mock.get("name")), text_of(mock.get("where"))
    named = re.search(r"<\w+ (?:name='(?P<name>[^']+)'|spec='(?P<spec>[^']+)')", said.text)
    if not name and named:
        name = named["name"] or named["spec"]
    # The mock itself, not what hangs on it: a.b() is an answer of a.
    name = re.split(r"[.(\[]", name)[0]
    threads = {f"mock:{name}"} if name else set()
    if facts.place:
        threads.add(f"at:{facts.place}")
    given = _GIVEN.findall(facts.test.text) if facts.test else []
    if len(set(given)) == 1:
        threads.add(f"mock:{given[0]}")
    place = facts.place or facts.base
    return Found(
        (name or place,),
        {"what": name or f"in {place}", "place": where if ":" in where else ""},
        frozenset(threads),
    )


def _lacks(_: Facts, said: Said) -> Found | None:
    hit = _MOCK_LACKS.search(said.text)
    if hit and said.type in {"AttributeError", ""}:
        return found(hit["name"], what=f"a mock has no {hit['name']}")
    hit = _TARGET.search(said.text)
    if hit and said.type in {"AttributeError", ""}:
        target = re.sub(r" at 0x\w+| from '.*?'", "", hit["target"])[:80]
        return found(target, hit["name"], what=f"{target} has no {hit['name']}")
    return None


def _calls(facts: Facts, said: Said) -> Found | None:
    hit = _CALLS.search(said.text)
    if hit is None or said.type not in {"AssertionError", ""}:
        return None
    name = hit["name"] or hit["call"] or ""
    return found(name or facts.base, what=name or "a mock")


def _no_session(facts: Facts, said: Said) -> Found | None:
    hit = _NO_SESSION.search(said.text)
    if hit is None:
        return None
    name = hit["target"] or hit["type"] or hit["other"] or hit["unmapped"] or hit["got"]
    short = name.rpartition(".")[2]
    if not (_is_double(facts, name) or "Session" in short or "Engine" in short):
        return None
    return found(short, what=short, place=_where(facts, short))


def _where(facts: Facts, short: str) -> str:
    for each in _standing_in(facts):
        if text_of(each.get("type")).rpartition(".")[2] == short:
            return text_of(each.get("where"))
    return ""


def _incomplete(facts: Facts, said: Said) -> Found | None:
    hit = _NO_ATTRIBUTE.search(said.text) or _CALLED_WRONG.search(said.text)
    if hit is None or not _is_double(facts, hit["type"]):
        return None
    return found(hit["type"], what=hit["type"], name=hit["name"], place=_where(facts, hit["type"]))


RULES: Final = (
    Rule(
        "double-no-session",
        "{what} stands for a session and is none",
        "SQLAlchemy's events, inspection and hooks work on real sessions; a hand-written one passes"
        " until something asks what it is.",
        "Use a real session (`db_session`): it costs about a millisecond.",
        _no_session,
        cues=("No such event", "No inspection", "is not a", "is not mapped", "expected "),
        mend="test",
        kinds=("doubles",),
    ),
    Rule(
        "mock-spec",
        "What is mocked has another shape: {what}",
        "The attribute was renamed or removed in the code, and the test patches or expects the old"
        " name.",
        "Patch the new name; `autospec=True` finds the next one.",
        _lacks,
        cues=("has no attribute", "does not have the attribute"),
        mend="test",
        kinds=("doubles",),
    ),
    Rule(
        "mock-as-value",
        "A mock stands where a value is wanted: {what}",
        "Every attribute of a mock is another mock; it was not given the value that the code now"
        " compares, awaits, stores or sends.",
        "Set the value on the mock (`return_value`), use AsyncMock for what is awaited, or use the"
        " real part.",
        _used,
        cues=("Mock",),
        kinds=("doubles",),
    ),
    Rule(
        "mock-calls",
        "A mock was called otherwise than the test expects: {what}",
        "The code calls it with other arguments, another number of times, or through another name.",
        "Look at the calls that were made; assert the outcome instead of the call where one can.",
        _calls,
        cues=("have been", "not found"),
        mend="test",
        kinds=("doubles",),
    ),
    Rule(
        "double-incomplete",
        "{what}, a stand-in, does not do what the code asks of it: {name}",
        "The real class has grown, the hand-written one has not.",
        "Use the real part, or keep both under one contract test.",
        _incomplete,
        cues=("has no attribute", "got an unexpected", "missing ", "takes "),
        mend="test",
        kinds=("doubles",),
    ),
)
