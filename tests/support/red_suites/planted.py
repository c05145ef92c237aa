"""What one cause puts into a generated suite: application files, fixtures, tests."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.red_suites.words import Words

    Plant = Callable[[Words], "Planted"]

__all__ = ["Form", "Plant", "Planted", "fill"]


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a test: the lines of its body, and the fixtures that it asks for.

    ``$n`` and ``$word`` in the body are another number and another word in each test.
    """

    body: str
    fixtures: str = ""


@dataclass(frozen=True, slots=True)
class Planted:
    """One cause: ``red`` are the ways in which it shows, ``green`` tests beside them that pass.

    ``label`` is what the truth calls it. ``modules`` are files of the application by path,
    ``imports`` what a test file needs that holds one of its tests, ``conftest`` what stands in the
    suite's conftest. ``first`` are tests that pass and must run before all others.
    """

    label: str
    red: tuple[Form, ...]
    green: tuple[Form, ...] = ()
    first: tuple[Form, ...] = ()
    modules: Mapping[str, str] = field(default_factory=dict)
    imports: str = ""
    conftest: str = ""


def fill(text: str, **names: object) -> str:
    """Return a dedented text with ``$names`` replaced; those that are not given stay."""
    return Template(textwrap.dedent(text).strip("\n")).safe_substitute(names) + "\n"
