"""Writing a red suite whose causes are known: the same files for the same seed."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from random import Random
from string import Template
from typing import TYPE_CHECKING, Final

from tests.support.red_suites.table import CAUSES, REPEATABLE
from tests.support.red_suites.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.support.red_suites.planted import Form, Planted

__all__ = ["RedSuite", "generate", "kinds_of"]

_CONFTEST: Final = "import pytest\n"
_WAYS: Final = ("plain", "plain", "plain", "class", "parametrized")


@dataclass(frozen=True, slots=True)
class RedSuite:
    """A suite that was written: ``truth`` has the cause of every test that must fail."""

    folder: Path
    truth: Mapping[str, str]
    green: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Test:
    imports: str
    source: str
    ids: tuple[str, ...]
    label: str = ""


def kinds_of(seed: int, causes: int) -> list[str]:
    """Return the kinds of causes that this seed draws; some may be there twice, on other things."""
    draw = Random(f"kinds {seed}")
    kinds = draw.sample(sorted(CAUSES), min(causes, len(CAUSES)))
    for place in range(1, len(kinds)):
        if draw.random() < 0.15 and kinds[place - 1] in REPEATABLE:
            kinds[place] = kinds[place - 1]
    return kinds


def generate(
    folder: Path, *, seed: int, causes: int = 8, kinds: Sequence[str] | None = None
) -> RedSuite:
    """Write a project with that many planted causes, its tests and ``truth.json``.

    Nothing listens, nothing is shared between two suites. ``kinds`` names the causes instead of
    drawing them. The truth is node id -> label of the cause.
    """
    draw = Random(f"suite {seed}")
    words = Words(draw)
    planted = [CAUSES[kind](words) for kind in (kinds or kinds_of(seed, causes))]
    files = _placed(planted, words, draw)
    for path, text in {
        "pytest.ini": "[pytest]\n",
        "pyproject.toml": "",
        "app/__init__.py": "",
        "tests/conftest.py": _CONFTEST + "".join(f"\n\n{one.conftest}" for one in planted),
        **{path: text for one in planted for path, text in one.modules.items()},
        **{path: _text(tests) for path, tests in files.items()},
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    labels = {
        f"{path}::{one}": test.label
        for path, tests in files.items()
        for test in tests
        for one in test.ids
    }
    truth = {nodeid: label for nodeid, label in labels.items() if label}
    (folder / "truth.json").write_text(json.dumps(truth, indent=1))
    return RedSuite(folder, truth, frozenset(labels) - truth.keys())


def _placed(planted: Sequence[Planted], words: Words, draw: Random) -> dict[str, list[_Test]]:
    """Return the tests of each file: a cause shows in several, most files show several causes."""
    paths = [f"tests/test_{words.noun()}.py" for _ in range(len(planted) + 2)]
    folder = words.noun()
    paths += [f"tests/{folder}/test_{words.noun()}.py" for _ in range(3)]
    files: dict[str, list[_Test]] = {path: [] for path in paths}
    for one in planted:
        homes = draw.sample(paths, draw.randint(2, 4))
        red = draw.randint(len(one.red), max(len(one.red) + 2, 18))
        for form, label in [
            *((one.red[n % len(one.red)], one.label) for n in range(red)),
            *((form, "") for form in one.green for _ in range(draw.randint(1, 3))),
        ]:
            files[draw.choice(homes)].append(_written(form, one.imports, label, words, draw))
    for path in paths:
        files[path] += [_passing(words) for _ in range(draw.randint(1, 4))]
        draw.shuffle(files[path])
    early = [
        _written(form, one.imports, "", words, draw, way="plain")
        for one in planted
        for form in one.first
    ]
    # pytest runs the files and the folders of a folder in one order, by name.
    first = min(paths, key=lambda path: path.split("/"))
    files[first][:0] = early
    return {path: tests for path, tests in files.items() if tests}


def _passing(words: Words) -> _Test:
    name = f"test_{words.noun()}_adds_up"
    number = words.number()
    return _Test("", f"def {name}():\n    assert {number} + 1 == {number + 1}\n", (name,))


def _written(
    form: Form, imports: str, label: str, words: Words, draw: Random, *, way: str = ""
) -> _Test:
    subject, number = words.noun(), words.number()
    way = way or draw.choice(_WAYS)
    name = f"test_{subject}_{draw.choice(('works', 'is_kept', 'answers', 'holds', 'can_be_used'))}"
    body = Template(textwrap.dedent(form.body).strip("\n")).safe_substitute(n=number, word=subject)
    arguments = [one for one in form.fixtures.split(", ") if one]
    head = ""
    ids: tuple[str, ...] = (name,)
    if way == "parametrized":
        head = f'@pytest.mark.parametrize("turn", ["{subject}", "2 b"])\n'
        ids = (f"{name}[{subject}]", f"{name}[2 b]")
        arguments.append("turn")
    if way == "class":
        arguments.insert(0, "self")
    source = f"{head}def {name}({', '.join(arguments)}):\n{textwrap.indent(body, '    ')}\n"
    if way == "class":
        group = f"Test{subject.title().replace('_', '')}"
        source = f"class {group}:\n{textwrap.indent(source, '    ')}"
        ids = tuple(f"{group}::{one}" for one in ids)
    return _Test(imports, source, ids, label)


def _text(tests: Sequence[_Test]) -> str:
    lines = {line: None for test in tests for line in test.imports.splitlines()}
    return "\n".join(["import pytest", *lines]) + "".join(f"\n\n\n{test.source}" for test in tests)
