"""Rules about values that are None, of another type, or refused by a model of pydantic."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from testkit.triage.facts import text_of
from testkit.triage.rule import Found, Rule, found, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.triage.facts import Facts, Said

__all__ = ["DEFAULT_NONE", "RULES", "model_stem"]

DEFAULT_NONE: Final = "default-none"
_NO_ATTRIBUTE: Final = re.compile(r"'NoneType' object has no attribute '(?P<name>\w+)'")
_OPERAND: Final = re.compile(
    r"(?:not supported between instances of|unsupported operand type).*'NoneType'"
    r"|'NoneType' object is not (?:iterable|subscriptable|callable)"
    r"|argument of type 'NoneType'|must be \w+, not NoneType|, not 'NoneType'|NoneType found"
)
_WHERE: Final = re.compile(
    r"where None = (?:<(?P<path>[\w.]+)[^\n]*?>|(?P<name>\w+)\([^\n]*\)|[^\n]*?)\.(?P<attribute>\w+)$",
    re.MULTILINE,
)
_ACCESS: Final = re.compile(
    r"(?:(?P<made>[A-Z]\w*)\((?:[^()]|\([^()]*\))*\)|(?P<object>[a-z_]\w*))\.(?P<attribute>[a-z_]\w*)(?![\w(])"
)
_MADE: Final = re.compile(r"\b(?P<name>[A-Z]\w*[a-z]\w*)\(")
_MODEL: Final = re.compile(r"\d+ validation errors? for (?P<model>[\w.\[\]]+)")
_FIELD: Final = re.compile(
    r"^(?P<loc>[\w.\[\]'\"-]+)\n +(?P<message>.+?) \[type=(?P<type>\w+), input_value=(?P<value>.*?),"
    r" input_type=(?P<input>\w+)\]",
    re.MULTILINE,
)
_AFFIX: Final = re.compile(
    r"(?:Out|Read|Response|Create|Schema|Model|DTO|View|In|Base|Public|Payload)$"
)
_NO_MODEL: Final = re.compile(
    r"^(?:self|cls|settings?|config|response|resp|request|client|result|os|app)$|fake|mock|stub",
    re.IGNORECASE,
)
# Where the classes of tables stand in most projects: an object of one had a column.
_OF_MODELS: Final = re.compile(r"(?:^|\.)(?:models?|entities|orm|tables|domain|schema)(?:\.|$)")


@lru_cache(maxsize=4_096)
def model_stem(name: str) -> str:
    """Return the name of the thing that a class of models or of answers is about."""
    return _AFFIX.sub("", name.rpartition(".")[2]).casefold()


class _Access(NamedTuple):
    """An attribute that is None: ``new`` where its object was just made, or has columns."""

    of: str
    attribute: str
    new: bool
    shown: str


def _access(name: str, attribute: str, *, new: bool) -> _Access:
    short = name.rpartition(".")[2]
    # A class tells where to look; what a variable is called does not.
    shown = f"{short}.{attribute}" if short[:1].isupper() else attribute
    return _Access(model_stem(name), attribute.casefold(), new, shown)


def _accesses(line: str) -> Iterator[_Access]:
    for hit in _ACCESS.finditer(line):
        name = hit["made"] or hit["object"]
        if not _NO_MODEL.search(name):
            yield _access(name, hit["attribute"], new=bool(hit["made"]))


def _none_accesses(facts: Facts, said: Said) -> Iterator[_Access]:
    """Give what is None and an attribute of something."""
    for one in facts.evidence.get("assertion", ()):
        names = one.get("none")
        for name in names if isinstance(names, list) else ():
            yield from _accesses(text_of(name))
    for hit in _WHERE.finditer(said.text):
        name = hit["path"] or hit["name"] or ""
        if name and not _NO_MODEL.search(name.rpartition(".")[2]):
            yield _access(name, hit["attribute"], new=bool(_OF_MODELS.search(name)))
    if "NoneType" not in said.text:
        return
    frame = facts.root.frames[-1] if facts.root and facts.root.frames else None
    line = frame.text[:400] if frame and frame.owner in {"project", "test"} else facts.line
    lacks = _NO_ATTRIBUTE.search(said.text)
    if lacks:
        if frame and _OF_MODELS.search(frame.path.replace("/", ".")):
            # A method of a model: what it reads of itself is a column, or made of columns.
            for hit in re.finditer(rf"\bself\.([a-z_]\w*)\.{re.escape(lacks['name'])}\b", line):
                yield _access("", hit[1], new=False)
        line = re.sub(rf"\.{re.escape(lacks['name'])}\b(?:\([^)]*\))?", " ", line)
    elif not _OPERAND.search(said.text):
        return
    yield from _accesses(line)


def _made(facts: Facts) -> set[str]:
    """Return what the lines on the way to the failure make, by the stems of the names."""
    return {
        model_stem(hit["name"])
        for raised in facts.failure.chain
        for frame in raised.frames
        if frame.owner in {"test", "project"}
        for hit in _MADE.finditer(frame.text[:400])
    }


def _is_column(facts: Facts, attribute: str) -> bool:
    for one in facts.evidence.get("assertion", ()):
        columns = one.get("columns")
        for column in columns if isinstance(columns, list) else ():
            if text_of(column).casefold().endswith(f".{attribute}"):
                return True
    return False


def _default_none(facts: Facts, said: Said) -> Found | None:
    accesses = list(_none_accesses(facts, said))
    made = _made(facts)
    if not accesses:
        return _answered_none(said, made)
    threads = {f"attribute:{one.attribute}" for one in accesses}
    # A name such as `one` or `result` ties nothing: only that of what was made does.
    threads |= {f"of:{one.of}" for one in accesses if one.new or one.of in made}
    if facts.place:
        threads.add(f"at:{facts.place}")
    proof = any(one.new or one.of in made or _is_column(facts, one.attribute) for one in accesses)
    return Found(
        ("",),
        {"what": max(one.shown for one in accesses if one.attribute == accesses[0].attribute)},
        frozenset(threads),
        proof=proof,
    )


def _answered_none(said: Said, made: set[str]) -> Found | None:
    """Find a function that answered None of what the test's line made: only a tie makes it one."""
    if (
        not made
        or not said.text.startswith("assert None")
        or "where None = <function" not in said.text
    ):
        return None
    return Found(("",), {}, frozenset(f"of:{name}" for name in made), proof=False)


def _validated(facts: Facts, said: Said) -> Iterator[tuple[str, str, str, str, str]]:
    """Give model, place, kind, message and type of the input, of each error."""
    hit = _MODEL.search(said.text)
    model = hit["model"] if hit else ""
    seen = False
    for error in _FIELD.finditer(said.text):
        seen = True
        yield model, error["loc"], error["type"], error["message"], error["input"]
    if seen or not (hit or "alidation" in said.type or facts.effect):
        return
    for one in facts.evidence.get("validation", ()):
        errors = one.get("errors")
        for each in errors if isinstance(errors, list) else ():
            if isinstance(each, dict):
                loc = each.get("loc")
                where = ".".join(map(text_of, loc)) if isinstance(loc, list) else text_of(loc)
                yield (
                    text_of(one.get("model")) or model,
                    where,
                    text_of(each.get("type")),
                    text_of(each.get("message")),
                    text_of(each.get("input_type")),
                )


def _validation(facts: Facts, said: Said) -> Found | None:
    errors = list(_validated(facts, said))
    if not errors:
        return None
    model = errors[0][0]
    fields = sorted({f"{where}" for _, where, _, _, _ in errors})
    kinds = sorted({kind for _, _, kind, _, _ in errors})
    missing = [where for _, where, _, _, given in errors if given == "NoneType"]
    threads = {f"attribute:{where.rpartition('.')[2].casefold()}" for where in missing}
    if missing and model:
        threads.add(f"of:{model_stem(model)}")
    return Found(
        (model, ",".join(fields), ",".join(kinds)),
        {
            "model": model or "a body",
            "fields": ", ".join(fields),
            "message": errors[0][3] or ", ".join(kinds),
        },
        frozenset(threads),
    )


RULES: Final = (
    Rule(
        DEFAULT_NONE,
        "Defaults are None on objects that were just made: {what}",
        "A column's default is set when the row is flushed, not when the object is made; a"
        " constructor of the base class that set them earlier is gone, or never ran. What is None"
        " then shows as a type error, as a refused answer, or as an id that a stand-in invents.",
        "Set defaults at construction again (in the base class' `__init__` or an `init` event), or"
        " flush before the attribute is read.",
        _default_none,
        cues=("None",),
        kinds=("assertion", "validation", "http"),
    ),
    Rule(
        "validation",
        "{model} refuses {fields}: {message}",
        "What is given does not fit the model: a field was renamed, is missing, or has another type.",
        "Compare the model with what the evidence shows as input.",
        _validation,
        cues=("validation error",),
        kinds=("validation", "http"),
    ),
    Rule(
        "naive-datetime",
        "Times with and without a time zone are mixed",
        "One side comes from `utcnow()`, from SQLite or from a column without time zone.",
        "Use `datetime.now(UTC)` and `DateTime(timezone=True)` on both sides.",
        says(r"offset-naive and offset-aware|naive datetime"),
        cues=("naive",),
    ),
    Rule(
        "not-json",
        "An object of type {type} does not go into JSON",
        "A value is given to `json.dumps` that it does not know: UUID, datetime, Decimal, a model.",
        "Use the framework's encoder, or turn it into a text before.",
        says(r"Object of type (?P<type>\w+) is not JSON serializable", "type"),
        cues=("JSON serializable",),
    ),
    Rule(
        "type-not-stored",
        "The database driver takes no {type}",
        "A dict, list, enum or mock is given as a parameter for a column of another type.",
        "Give the column its type (JSON, Enum), or convert the value.",
        says(
            r"can't adapt type '(?P<type>\w+)'|type '(?P<type2>\w+)' is not supported"
            r"|cannot adapt type '(?P<type3>\w+)'",
            "type",
        ),
        cues=("adapt type", "is not supported"),
        kinds=("sql",),
    ),
)


def _bytes(facts: Facts, said: Said) -> Found | None:
    compared = facts.compared
    if compared is None or compared.operator not in {"==", "in"} or not said.text:
        return None
    pair = (compared.left[:2], compared.right[:2])
    left, right = (side in {"b'", 'b"'} for side in pair)
    if left == right:
        return None
    text = compared.right if left else compared.left
    raw = compared.left if left else compared.right
    return found("") if raw[1:] == text else None


BYTES: Final = Rule(
    "bytes-for-text",
    "Bytes are compared with a text",
    "The Redis client was made without `decode_responses=True`, or a body was not decoded.",
    "Decode in one place: where the client is made.",
    _bytes,
)
