"""Rules about mappers: one failure explains all that come later in the process."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.core.runs.masking import without_variables
from testkit.triage.facts import text_of
from testkit.triage.rule import Found, Rule, found

if TYPE_CHECKING:
    from testkit.triage.facts import Facts, Said

__all__ = ["RULES"]

_MULTIPLE: Final = re.compile(r"Multiple classes found for path \"(?P<name>[^\"]+)\"")
_TWICE: Final = re.compile(r"Table '(?P<name>[^']+)' is already defined for this MetaData")
_UNLOCATED: Final = re.compile(r"expression (?P<quoted>['\"].+?['\"]) failed to locate a name")
_JOIN: Final = re.compile(
    r"(?:Could not determine|Can't find any foreign key).*?relationship (?P<name>[\w.]+)", re.DOTALL
)
_LATER: Final = re.compile(r"One or more mappers failed to initialize|failed to initialize - can't")
_MAPPER: Final = re.compile(r"(?:Mapper\[|[Mm]apper ')(?P<name>\w+)")


def _first(facts: Facts, said: Said) -> str:
    """Return the message of the first failure of a mapper, which the later ones only repeat."""
    if _LATER.search(said.text):
        for one in facts.evidence.get("mapper", ()):
            if told := text_of(one.get("message")):
                return told.rpartition("riginal exception was: ")[2]
    return said.text


def _names_imported_twice(facts: Facts) -> tuple[str, str]:
    for one in facts.evidence.get("double_import", ()):
        return text_of(one.get("path")), text_of(one.get("names")).replace(", ", " and ")
    return "", ""


def _double_import(facts: Facts, said: Said) -> Found | None:
    path, names = _names_imported_twice(facts)
    if not names:
        return None
    message = _first(facts, said)
    if not (_MULTIPLE.search(message) or _TWICE.search(message) or _LATER.search(said.text)):
        return None
    return found(path or names, path=path or "one file", names=names)


def _ambiguous(facts: Facts, said: Said) -> Found | None:
    hit = _MULTIPLE.search(_first(facts, said))
    return found(hit["name"], name=hit["name"]) if hit else None


def _defined_twice(facts: Facts, said: Said) -> Found | None:
    hit = _TWICE.search(_first(facts, said))
    return found(hit["name"], name=hit["name"]) if hit else None


def _unlocated(facts: Facts, said: Said) -> Found | None:
    hit = _UNLOCATED.search(_first(facts, said))
    name = hit["quoted"].strip("'\"") if hit else ""
    return found(name, name=name) if hit else None


def _no_join(facts: Facts, said: Said) -> Found | None:
    hit = _JOIN.search(_first(facts, said))
    return found(hit["name"], name=hit["name"]) if hit else None


def _mapper(facts: Facts, said: Said) -> Found | None:
    message = _first(facts, said)
    first = message.partition("\n")[0][:160]
    if _LATER.search(message):
        # No original was told: all that is known is that a mapper had failed before.
        return found("", name="a mapper failed before, in another test")
    hit = _MAPPER.search(message)
    if not hit or said.type not in {"ArgumentError", "InvalidRequestError"}:
        return None
    return found(without_variables(first), name=first)


_CUES: Final = ("mapper", "Mapper", "Multiple classes", "already defined", "relationship")

RULES: Final = (
    Rule(
        "double-import",
        "{path} is imported under two names: {names}",
        "The file's folder and a folder above it are both on sys.path, so that one import line"
        " loads its models a second time; the first relationship that is resolved by name fails, and"
        " every mapper after it.",
        "Find the import that uses the shorter name and write the one that the rest of the project"
        " uses; one line in one test file is enough to cause it.",
        _double_import,
        cues=_CUES,
        kinds=("double_import", "mapper"),
    ),
    Rule(
        "ambiguous-class",
        "Two classes answer to the name {name} in one registry",
        "A models module was imported under two names, or two modules define a class of this name."
        " SQLAlchemy tells it once; every mapper after it fails without telling.",
        "Look for the second import (`import models` beside `import app.models`), or give the whole"
        ' path in `relationship("app.models.…")`.',
        _ambiguous,
        cues=_CUES,
        kinds=("mapper",),
    ),
    Rule(
        "table-defined-twice",
        "The table {name} is defined twice in one MetaData",
        "A models module was imported under two names, or was run again by a reload.",
        "Import it by one name; do not silence it with `extend_existing`.",
        _defined_twice,
        cues=_CUES,
        kinds=("mapper",),
    ),
    Rule(
        "unlocated-class",
        "A relationship names {name}, which no imported module defines",
        "The module of the other class was not imported before the mappers were configured, or the"
        " name is misspelt.",
        "Import every models module in one place that all tests load.",
        _unlocated,
        cues=_CUES,
        kinds=("mapper",),
    ),
    Rule(
        "no-join-condition",
        "The relationship {name} has no foreign key to join by",
        "The foreign key is missing, or there are several and none is named.",
        "Add the ForeignKey, or name it with `foreign_keys=`.",
        _no_join,
        cues=_CUES,
        kinds=("mapper",),
    ),
    Rule(
        "mapper-failed",
        "A mapper could not be configured: {name}",
        "One mapper's failure stops every later use of any model in this process.",
        "Mend the first failure; the others go with it.",
        _mapper,
        cues=_CUES,
        kinds=("mapper",),
    ),
)
