"""One failure as rules read it: what was said, innermost first, the places, the evidence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from testkit.core.runs.signature import innermost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from testkit.core.runs.failure import Failure, Frame, Json, Raised

__all__ = ["Compared", "Facts", "Said", "text_of"]

_NOISE: Final = re.compile(r"\n?\[SQL: .*|\n?\(Background on this error.*", re.DOTALL)
_WRAPPED: Final = re.compile(r"\((?P<type>[\w.]+)\) (?P<message>.+)", re.DOTALL)
_ORIGINAL: Final = re.compile(r"[Oo]riginal exception was: (?P<message>.+)", re.DOTALL)
_TYPED: Final = re.compile(
    r"(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning|Violation|Exit|Timeout)): "
    r"(?P<message>.+)",
    re.DOTALL,
)
_COMPARISON: Final = re.compile(
    r"^(?:E +)?(?:AssertionError: )?assert "
    r"(?P<left>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|.+?) "
    r"(?P<operator>==|!=|<=|>=|<|>|not in|in|is not|is) (?P<right>.+)$",
    re.MULTILINE,
)
_CONTENT: Final = 2_000
_LINE: Final = 400
# Exceptions that show an effect: the evidence beside them says more than they do.
_EFFECTS: Final = frozenset(
    (
        "AssertionError",
        "Failed",
        "HTTPError",
        "HTTPStatusError",
        "IndexError",
        "JSONDecodeError",
        "KeyError",
        "StopIteration",
        "",
    )
)


@dataclass(frozen=True, slots=True)
class Said:
    """One exception, or one text that tells of one: the short name of its type, and its message."""

    type: str
    text: str

    @property
    def first(self) -> str:
        """The first line."""
        return self.text.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison of an assertion; sides are texts as pytest draws them."""

    left: str
    operator: str
    right: str


class Facts:
    """What is known of one failure, unwrapped. Nothing is looked up elsewhere."""

    __slots__ = (
        "_compared",
        "_said",
        "evidence",
        "failure",
        "own",
        "project",
        "root",
        "status",
        "test",
    )

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        self.root = innermost(failure.chain)
        self.evidence: dict[str, list[Mapping[str, Json]]] = {}
        for one in failure.evidence:
            self.evidence.setdefault(one.kind, []).append(one.facts)
        self.project: Frame | None = None
        self.test: Frame | None = None
        # From the innermost exception outwards: what was raised deepest says where it hurt.
        for raised in (self.root, *reversed(failure.chain)) if self.root else ():
            self._look_at(raised)
        # The innermost exception itself.
        self.own = (
            _unwrapped(self.root.type, self.root.message)
            if self.root
            else _unwrapped("", failure.message)
        )
        # The status of the answer that the test did not want; the rules about answers look once.
        self.status: int | None = None
        self._said: tuple[Said, ...] | None = None
        self._compared: Compared | Literal[False] | None = False

    def _look_at(self, raised: Raised) -> None:
        if self.project and self.test:
            return
        for frame in reversed(raised.frames):
            if frame.owner == "project" and self.project is None:
                self.project = frame
            elif frame.owner == "test" and self.test is None:
                self.test = frame

    @property
    def said(self) -> tuple[Said, ...]:
        """What was said, the most telling first: rules are tried on each until one knows it."""
        if self._said is None:
            self._said = tuple(self._tell())
        return self._said

    @property
    def line(self) -> str:
        """The source line where it failed: the project's, or else the test's."""
        frame = self.project or self.test
        return frame.text[:_LINE] if frame else ""

    @property
    def effect(self) -> bool:
        """Whether the exception only shows that something else had gone wrong before."""
        return self.own.type in _EFFECTS

    @property
    def place(self) -> str:
        """The function of the project where it failed, or ""."""
        return f"{self.project.path}:{self.project.function}" if self.project else ""

    @property
    def base(self) -> str:
        """The test without its parameters."""
        return self.failure.nodeid.partition("[")[0]

    @property
    def compared(self) -> Compared | None:
        """The comparison of a failed assertion, None where there is none."""
        if self._compared is False:
            self._compared = self._compare()
        return self._compared

    def _compare(self) -> Compared | None:
        for one in self.evidence.get("assertion", ()):
            if one.get("operator"):
                return Compared(
                    text_of(one.get("left")), text_of(one["operator"]), text_of(one.get("right"))
                )
        own = self.own
        if own.type not in {"AssertionError", ""}:
            return None
        hit = _COMPARISON.search(own.text)
        return Compared(hit["left"], hit["operator"], hit["right"]) if hit else None

    @property
    def answer(self) -> Mapping[str, Json] | None:
        """The last HTTP exchange, where it was refused and the failure shows an effect."""
        exchanges = self.evidence.get("http")
        if not exchanges:
            return None
        last = exchanges[-1]
        status = last.get("status")
        return last if isinstance(status, int) and status >= 400 else None  # noqa: PLR2004

    def _tell(self) -> Iterator[Said]:
        own = self.own
        if not self.effect:
            yield own
        answer = self.answer if self.effect else None
        if answer:
            yield from _answered(answer)
        if self.effect or self.failure.phase != "call":
            for log in self.evidence.get("log", ())[-3:]:
                if told := text_of(log.get("exception")):
                    yield _unwrapped("", told)
        if self.effect:
            yield own
        for raised in reversed(self.failure.chain):
            if raised is not self.root:
                said = _unwrapped(raised.type, raised.message)
                if said != own:
                    yield said


def _answered(answer: Mapping[str, Json]) -> Iterator[Said]:
    for key in ("problem", "body"):
        if told := text_of(answer.get(key)):
            said = _unwrapped("", told)
            # A sentence of the application; not the exception of the test.
            yield Said(said.type or "Answer", said.text)


def _unwrapped(name: str, message: str) -> Said:
    short = name.rpartition(".")[2]
    text = message[: 2 * _CONTENT]
    if "riginal exception was: " in text:
        hit = _ORIGINAL.search(text)
        text = hit["message"] if hit else text
        hit = _TYPED.match(text)
        if hit:
            short, text = hit["type"].rpartition(".")[2], hit["message"]
    if text.startswith("("):
        hit = _WRAPPED.match(text)
        if hit:
            short, text = hit["type"].rpartition(".")[2], hit["message"]
    elif not short:
        hit = _TYPED.match(text)
        if hit:
            return _unwrapped(hit["type"], hit["message"])
    if "[SQL: " in text or "(Background on" in text:
        text = _NOISE.sub("", text)
    if "validation error" in text and "\\n" in text:
        # As it stands in the text of a JSON body.
        text = text.replace("\\n", "\n")
    return Said(short, text[:_CONTENT].strip())


def text_of(told: Json) -> str:
    """Return a text of what evidence holds: texts as they are, other values in one line."""
    if isinstance(told, str):
        return told
    if told is None:
        return ""
    if isinstance(told, dict):
        return "; ".join(f"{key}: {text_of(value)}" for key, value in told.items())
    if isinstance(told, list):
        return ", ".join(text_of(value) for value in told)
    return str(told)
