"""From a draft to a cause as people read it: title, symptoms, evidence, traceback, place."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from testkit.core.runs.causes import Cause, Symptom
from testkit.core.runs.masking import without_secrets
from testkit.core.runs.signature import innermost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.runs.failure import Evidence, Failure, Frame, Raised
    from testkit.triage.drafts import Draft

__all__ = ["cause_of", "stable_letters"]

_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SYMPTOMS: Final = 12
_EVIDENCE: Final = 6
_EACH_KIND: Final = 2
_FRAMES: Final = 12
_LINES: Final = 30
_TITLE: Final = 240
_SHOWN: Final = 5
_MESSAGE_LINES: Final = 6
_WIDE: Final = 400
_KINDS: Final = (
    "double_import",
    "mapper",
    "validation",
    "sql",
    "http",
    "fixture",
    "doubles",
    "timing",
    "assertion",
    "log",
    "environment",
    "locals",
    "statements",
    "warnings",
)


class _Values(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def stable_letters(*parts: str) -> str:
    """Return eight letters of these texts, the same in every run."""
    number = int.from_bytes(sha256("\0".join(parts).encode(errors="replace")).digest()[:8])
    letters = []
    for _ in range(8):
        number, rest = divmod(number, 26)
        letters.append(chr(ord("a") + rest))
    return "".join(letters)


def cause_of(draft: Draft) -> Cause:
    """Return the cause of a draft."""
    failures, whole = draft.settled()
    rule = draft.rule
    return Cause(
        id=f"C-{stable_letters(rule.id if rule else '', *draft.key)}",
        title=_shown(_title(draft)),
        rule=rule.id if rule else None,
        failures=tuple(failures),
        why=rule.why if rule else "",
        fix=rule.fix if rule else "",
        doctor=rule.doctor if rule else "",
        place=_place(draft),
        symptoms=tuple(
            Symptom(_shown(text), count)
            for text, count in sorted(draft.symptoms.items(), key=lambda pair: (-pair[1], pair[0]))[
                :_SYMPTOMS
            ]
        ),
        evidence=tuple(_best(whole, (*(rule.kinds if rule else ()), *_KINDS))),
        traceback=_shown(_shortest(whole)),
    )


def _shown(text: str) -> str:
    """Return a text of the run to show: no secrets, no control characters but newlines."""
    return _CONTROL.sub(" ", without_secrets(text))


def _title(draft: Draft) -> str:
    if draft.rule is None:
        return f"Unknown: {draft.values.get('what', '')}"[:_TITLE]
    values = _Values(draft.values)
    if len(draft.shown) > 1:
        shown = sorted(draft.shown)
        more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        values["what"] = ", ".join(shown[:_SHOWN]) + more
        values["value"] = ""
    title = draft.rule.title.format_map(values)
    return " ".join(title.split())[:_TITLE].rstrip(" :")


def _place(draft: Draft) -> str:
    if told := draft.values.get("place"):
        return told
    if not draft.places:
        return ""
    (path, line), _ = min(draft.places.items(), key=lambda pair: (-pair[1], pair[0]))
    return f"{path}:{line}"


def _best(failures: list[Failure], kinds: tuple[str, ...]) -> Iterator[Evidence]:
    """Give evidence, the most telling kinds first, none twice, a few of each kind."""
    seen: set[str] = set()
    many = 0
    for kind in dict.fromkeys(kinds):
        each = 0
        for failure in failures:
            for one in failure.evidence:
                if one.kind != kind or each == _EACH_KIND or many == _EVIDENCE:
                    continue
                text = kind + json.dumps(one.facts, sort_keys=True, default=str)
                if text not in seen:
                    seen.add(text)
                    each += 1
                    many += 1
                    yield one


def _shortest(failures: list[Failure]) -> str:
    """Draw the shortest traceback, from the frame below the test."""
    drawn = [_drawn(failure) for failure in failures]
    told = [one for one in drawn if one]
    return min(told, key=lambda one: (one.count("\n"), one)) if told else ""


def _drawn(failure: Failure) -> str:
    raised = _with_frames(failure)
    if raised is None:
        last = failure.text[-_LINES * _WIDE :].strip().splitlines()[-_LINES:]
        return "\n".join(line[:_WIDE] for line in last)
    frames = list(_below(raised.frames))[-_FRAMES:]
    lines = []
    for frame in frames:
        lines.append(f"{frame.path}:{frame.line}: in {frame.function}")
        if frame.text:
            lines.append(f"    {frame.text[:_WIDE]}")
    root = innermost(failure.chain)
    for one in dict.fromkeys((raised, root)):
        if one is not None:
            text = one.message[: _MESSAGE_LINES * _WIDE].strip()
            told = [line[:_WIDE] for line in text.splitlines()[:_MESSAGE_LINES]] or [""]
            lines.append(f"E   {one.type}: {told[0]}".rstrip(": "))
            lines += [f"E     {line}" for line in told[1:]]
    return "\n".join(lines)


def _with_frames(failure: Failure) -> Raised | None:
    """Return the exception whose frames lead from the test down."""
    for one in failure.chain:
        if any(frame.owner in {"test", "project"} for frame in one.frames):
            return one
    return failure.chain[0] if failure.chain and failure.chain[0].frames else None


def _below(frames: tuple[Frame, ...]) -> Iterator[Frame]:
    """Give the project's frames below the test and the place where they end."""
    last = max((at for at, frame in enumerate(frames) if frame.owner == "test"), default=-1)
    below = [frame for frame in frames[last + 1 :] if frame.owner == "project"]
    if below:
        yield from below
    elif last >= 0:
        yield frames[last]
    else:
        yield frames[-1]
