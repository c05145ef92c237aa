"""One failure, whatever source told of it: facts that were caught, nothing that was concluded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Evidence", "Failure", "Frame", "Json", "Link", "Owner", "Phase", "Raised"]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Phase = Literal["collect", "setup", "call", "teardown"]
Owner = Literal["test", "project", "library", "testkit", "python"]
Link = Literal["raised", "cause", "context", "suppressed", "group", "orig", "text"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One place of a traceback: ``path`` relative to the root of the run where it lies below it.

    ``owner``: ``test`` is a test module or a conftest, ``project`` other code of the project,
    ``library`` what is installed, ``python`` the standard library. ``text`` is the source line,
    stripped.
    """

    path: str
    line: int
    function: str
    text: str = ""
    owner: Owner = "project"


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception of a chain; ``type`` is dotted where its module is known.

    ``link`` says how it hangs on the one before it in the chain: ``raised`` is what pytest saw,
    ``cause`` its ``__cause__``, ``context`` its ``__context__``, ``suppressed`` a context behind
    ``from None``,
    ``group`` a member of an exception group, ``orig`` what an attribute such as SQLAlchemy's
    holds,
    ``text`` what a message only tells of ("Original exception was: …"). ``frames`` are outermost
    first.
    """

    type: str
    message: str
    link: Link = "raised"
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was seen when a test failed; the keys of ``facts`` follow from ``kind``.

    Texts are masked and cut, values are what JSON knows. Kinds and keys (each key may be missing):

    - ``assertion``: ``left``, ``right``, ``operator``, ``text``; ``none``: names or expressions
      that were None. Values are texts (``repr`` of builtins; ``<module.Class>`` of anything else,
      never its own ``repr``).
    - ``http``: ``method``, ``url``, ``status``, ``problem`` (title, detail and type of a problem
      document, or FastAPI's ``detail``), ``body``, ``request_body``, ``ago`` (seconds before the
      failure), ``error`` (the type of the exception that came instead of an answer).
    - ``sql``: ``statement``, ``sqlstate``, ``constraint``, ``table``, ``column``, ``schema``,
      ``message``, ``code`` (SQLAlchemy's), ``dialect``; of the error that is in the chain.
    - ``statements``: ``last``: the texts of the last statements, oldest first.
    - ``validation``: ``model``, ``errors``: list of ``{loc, type, message, input_type}`` of
      pydantic or FastAPI.
    - ``log``: ``level``, ``logger``, ``message``, ``exception`` (type and message); errors and
      criticals only.
    - ``fixture``: ``name``, ``scope``, ``path``, ``line``; the fixture whose set-up or teardown
      failed.
      ``missing``: the name of a fixture that nobody provides, ``defined_in``: files that define it
      but are not loaded.
    - ``mapper``: ``type``, ``message``, ``nodeid``: the first mapper failure of this process.
    - ``doubles``: ``names``: list of ``{name, type, spec, where}``: mocks and hand-written
      stand-ins in the frames.
    - ``environment``: ``changed``: list of ``{name, by}``: variables that differ from what they
      were when the run began; ``by`` is the node id (or fixture) that changed it. Values are never
      told.
    - ``before``: ``tests``: the last node ids that ran on this worker before, oldest first;
      ``count``.
    - ``locals``: ``values``: ``{name: text}`` of the failing frame, builtins only.
    - ``timing``: ``seconds``, ``limit``, ``text``: a comparison of a measured time in the
      assertion.
    - ``double_import``: ``names``: the modules that are one file under two names; ``path``.
    - ``warnings``: ``messages``: the warnings of the test that were captured.
    """

    kind: str
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed phase of one attempt at one test, or one module that could not be collected.

    ``file`` is the test's file, relative to the root, ``order`` its place in its worker's order
    (0-based, -1 unknown), ``outcome`` pytest's word: ``failed`` where the test did, ``error``
    where set-up, teardown or collection did. ``chain`` begins with what pytest saw. ``text`` is
    the drawn traceback where the source has one. ``final`` is False where a rerun followed.
    ``lacks`` names what the source cannot tell.
    """

    nodeid: str
    file: str
    phase: Phase = "call"
    outcome: Literal["failed", "error"] = "failed"
    message: str = ""
    chain: tuple[Raised, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    text: str = ""
    worker: str = "master"
    order: int = -1
    attempt: int = 1
    final: bool = True
    subtest: str = ""
    seconds: float = 0.0
