"""Rules about code that cannot be loaded, or is called by another name or form than it has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.triage.rule import Found, Rule, found, says

if TYPE_CHECKING:
    from testkit.triage.facts import Facts, Said

__all__ = ["RULES"]

_SYNTAX: Final = frozenset(("IndentationError", "SyntaxError", "TabError"))
_FILE_LINE: Final = re.compile(r"\((?P<file>[\w./-]+\.py), line (?P<line>\d+)\)")
_TEXT_FILE: Final = re.compile(r"File \"(?P<file>[^\"]+)\", line (?P<line>\d+)")
_ATTRIBUTE: Final = re.compile(
    r"module '(?P<module>[\w.]+)' has no attribute '(?P<name>\w+)'"
    r"|type object '(?P<class>\w+)' has no attribute '(?P<of>\w+)'"
    r"|'(?P<type>\w+)' object has no attribute '(?P<attribute>\w+)'"
)
_CALLED: Final = re.compile(
    r"(?P<name>[\w.<>]+)\(\) (?:got (?:an unexpected|multiple values)|missing \d+ required|takes "
    r"|got some positional-only)"
    r"|(?P<keyword>'\w+' is an invalid keyword argument for \w+)"
)
_BUILTINS: Final = frozenset(
    ("NoneType", "bool", "bytes", "dict", "float", "function", "int", "list", "set", "str", "tuple")
)


def _syntax(facts: Facts, said: Said) -> Found | None:
    if said.type not in _SYNTAX:
        return None
    hit = _FILE_LINE.search(said.text) or _TEXT_FILE.search(facts.failure.text[-4000:])
    if hit:
        file, line = hit["file"], hit["line"]
        return found(file.rpartition("/")[2], line, where=f"{file}:{line}", place=f"{file}:{line}")
    return found(facts.failure.file, where=facts.failure.file)


def _attribute(_: Facts, said: Said) -> Found | None:
    hit = _ATTRIBUTE.search(said.text)
    if hit is None or said.type not in {"AttributeError", ""} or hit["type"] in _BUILTINS:
        return None
    owner = hit["module"] or hit["class"] or hit["type"]
    name = hit["name"] or hit["of"] or hit["attribute"]
    return found(owner, name, owner=owner, name=name)


def _called(_: Facts, said: Said) -> Found | None:
    hit = _CALLED.search(said.text) if said.type in {"TypeError", ""} else None
    if hit is None:
        return None
    name = hit["name"] or hit["keyword"]
    return found(name, said.first[:160], what=said.first[:160])


RULES: Final = (
    Rule(
        "missing-module",
        "The module {name} cannot be imported",
        "A package is not installed, was renamed, or its folder is not on sys.path.",
        "Install it, or mend the import.",
        says(r"No module named '?(?P<name>[\w.]+)", "name"),
        cues=("No module named",),
    ),
    Rule(
        "missing-name",
        "{module} has no {name} to import",
        "The name was moved or removed, or the two modules import each other and one is only half"
        " loaded.",
        "Import it from where it is; break a circle by importing inside the function or by moving"
        " what both need.",
        says(
            r"cannot import name '(?P<name>\w+)' from (?:partially initialized module )?"
            r"'(?P<module>[\w.]+)'",
            "module",
            "name",
        ),
        cues=("cannot import name",),
    ),
    Rule(
        "syntax-error",
        "{where} is no valid Python",
        "A change left the file half written, or it needs another version of Python.",
        "Mend the line.",
        _syntax,
        types=_SYNTAX,
    ),
    Rule(
        "same-module-name",
        "Two test files are called {name}",
        "Folders without `__init__.py` share one namespace of test modules.",
        "Rename one, remove `__pycache__`, or use `--import-mode=importlib`.",
        says(r"import file mismatch:\n?imported module '(?P<name>[\w.]+)'", "name"),
        cues=("import file mismatch",),
        mend="test",
    ),
    Rule(
        "async-not-run",
        "Tests written with `async def` are not run: no plugin runs them",
        "pytest-asyncio or anyio is not installed, not active, or needs a mark.",
        'Install it and set `asyncio_mode = "auto"`, or mark the tests.',
        says(r"async def functions are not natively supported"),
        cues=("not natively supported",),
        mend="test",
    ),
    Rule(
        "not-awaited",
        "A coroutine is used without await: {name}",
        "The function became asynchronous, and a caller does not await it.",
        "Await it.",
        says(
            r"coroutine '(?P<name>[\w.<>]+)' was never awaited"
            r"|'(?P<name2>coroutine)' object (?:has no|is not)",
            "name",
        ),
        cues=("coroutine",),
    ),
    Rule(
        "signature",
        "A call does not fit the function: {what}",
        "The function's or the constructor's arguments were changed, and a caller was not.",
        "Change the caller, or take the old argument as well.",
        _called,
        cues=("got ", "missing ", "takes ", "invalid keyword"),
    ),
    Rule(
        "missing-attribute",
        "{owner} has no {name}",
        "The name was changed or removed, or the object is not of the class that was expected.",
        "Use the new name, or look why the object is another one.",
        _attribute,
        cues=("has no attribute",),
    ),
    Rule(
        "undefined-name",
        "The name {name} is not defined",
        "An import or an assignment was removed or misspelt.",
        "Import or define it.",
        says(
            r"name '(?P<name>\w+)' is not defined"
            r"|local variable '(?P<name2>\w+)'",
            "name",
        ),
        cues=("is not defined", "local variable"),
        types=frozenset(("NameError", "UnboundLocalError")),
    ),
)
