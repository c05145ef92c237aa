"""The documents say what the code says; what they tell the reader to run, runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest

from cos.app import create_app
from cos.settings import Settings
from testkit.core.catalogue import CATALOGUE
from testkit.core.options import OPTIONS, Option, flag, variable
from testkit.doctor.groups import ALL_RULES
from testkit.doctor.page import page
from testkit.doctor.rules import REWRITTEN
from testkit.isolation.server_commands import FIRST_WORDS, REFUSED, server_command
from testkit.pytest_plugin import fixtures
from testkit.triage.rules import ALL
from tests.cos.asgi import client_of
from tests.support.suites import Suite

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "tests/*.md", "benchmarks/*.md", "examples/*/*.md")
    for path in ROOT.glob(pattern)
)
FENCED = re.compile(r"^```([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^()\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: what its opening line says, and the heading of level two it stands under."""

    document: Path
    line: int
    section: str
    words: tuple[str, ...]
    text: str

    @property
    def file(self) -> str | None:
        """The name in ``file=NAME``, if there is one."""
        named = [word.removeprefix("file=") for word in self.words if word.startswith("file=")]
        return named[0] if named else None

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks(document: Path) -> list[Block]:
    """Return the fenced blocks of a document, in order."""
    text = document.read_text("utf-8")
    found = []
    for match in FENCED.finditer(text):
        before = text[: match.start()]
        sections = [
            name for marks, name in HEADING.findall(FENCED.sub("", before)) if marks == "##"
        ]
        section = sections[-1] if sections else ""
        line = before.count("\n") + 1
        found.append(Block(document, line, section, tuple(match[1].split()), match[2]))
    return found


def rows(document: Path, heading: str) -> list[str]:
    """Return the body of the table under the first heading that reads ``heading``."""
    below = document.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in below.splitlines() if line.startswith("|")]
    return lines[2:]


def anchors(document: Path) -> set[str]:
    """Return the fragments that a link into the document may name, as GitHub makes them."""
    plain = FENCED.sub("", document.read_text("utf-8"))
    headings = [re.sub(r"[^\w\- ]", "", name.lower()) for _, name in HEADING.findall(plain)]
    return {name.replace(" ", "-") for name in headings}


RUN = [block for path in DOCUMENTS for block in blocks(path) if block.words[:2] == ("bash", "run")]
PROJECTS = [
    (f"{document.name}, {section}", list(found))
    for (document, section), found in groupby(
        (
            block
            for page in (
                *("use-in-your-project.md", "isolation.md", "factories.md"),
                *("faults.md", "clock.md"),
            )
            for block in blocks(DOCS / page)
            if block.file
        ),
        key=lambda block: (block.document, block.section),
    )
]


def key_row(option: Option) -> str:
    """Return the row of the configuration table that this key must have."""
    default = f"`{str(option.default).lower()}`" if option.default else "none"
    values = ", ".join(f"`{choice}`" for choice in option.choices) or option.kind
    return (
        f"| `{option.key}` | {default} | {option.help} | {values}"
        f" | `{variable(option.key)}` | `{flag(option.key)}` |"
    )


def test_the_table_of_keys_is_the_one_in_the_code() -> None:
    expected = [key_row(option) for option in OPTIONS]

    assert rows(DOCS / "configuration.md", "Keys") == expected


def test_the_list_of_messages_is_the_catalogue() -> None:
    expected = [f"| {code} | {message.title} |" for code, message in CATALOGUE.items()]

    assert rows(DOCS / "messages.md", "All messages") == expected


def test_the_table_of_rules_is_the_one_in_the_code() -> None:
    expected = [
        f"| {rule.code}{' ✎' * (rule.code in REWRITTEN)} | {rule.severity} | {rule.title} |"
        for rule in ALL_RULES.values()
    ]

    assert rows(DOCS / "commands.md", "`testkit doctor`") == expected


def test_the_page_of_rules_is_made_from_them() -> None:
    assert (DOCS / "doctor.md").read_text() == page(), (
        "python -m testkit.doctor.page > docs/doctor.md"
    )


def test_the_table_of_named_causes_is_the_one_in_the_code() -> None:
    causes = sorted(ALL, key=lambda rule: rule.id)
    expected = [f"| `{rule.id}` | {rule.title} | {rule.fix} |" for rule in causes]

    assert rows(DOCS / "triage.md", "The causes that have a name") == expected


def test_the_table_of_fixtures_names_every_fixture_with_its_scope() -> None:
    listed = [row.split("|")[1:3] for row in rows(DOCS / "fixtures.md", "All fixtures")]
    found = {name.strip(" `"): scope.strip() for name, scope in listed}
    expected = {
        name: getattr(fixtures, name)._fixture_function_marker.scope for name in fixtures.__all__
    }

    assert found == expected


def test_the_table_of_what_a_lease_refuses_is_the_one_in_the_code() -> None:
    table = rows(DOCS / "isolation.md", "On a leased database of Redis")
    *whole, numbered = (row.split("|")[1:3] for row in table)
    listed = {
        name: reason.strip() for names, reason in whole for name in re.findall("`(.+?)`", names)
    }
    others = {name for name in FIRST_WORDS if server_command([name, "3", "3", "DB", "3"], 14)}

    assert listed == REFUSED
    assert set(re.findall("`(.+?)`", numbered[0])) == others - REFUSED.keys()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_into_the_repository_leads_somewhere(document: Path) -> None:
    broken = []
    for link in LINK.findall(FENCED.sub("", document.read_text("utf-8"))):
        name, _, fragment = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if link.startswith(("https://", "http://")):
            continue
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.slow
@pytest.mark.parametrize("block", RUN, ids=str)
def test_a_documented_command_runs(block: Block, tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    environment = suite.environment()
    programs = str(Path(sys.executable).parent)
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("section", "files"), PROJECTS, ids=[name for name, _ in PROJECTS])
def test_a_documented_project_passes_its_tests(
    section: str, files: list[Block], tmp_path: Path
) -> None:
    suite = Suite(tmp_path / "project")
    # Its own pyproject.toml decides, as in the reader's project.
    (suite.folder / "pytest.ini").unlink()
    for block in files:
        assert block.file is not None
        suite.write(block.file, block.text)
    wanted = sum(
        len(re.findall(r"^(?:async )?def test_", block.text, re.MULTILINE)) for block in files
    )
    outcome = suite.run()

    assert wanted > 0, f"{section} shows no test"
    outcome.check(passed=wanted)


def test_the_table_of_settings_names_every_variable_with_its_default() -> None:
    listed = [row.split("|")[1:3] for row in rows(DOCS / "control-center.md", "Settings")]
    found = {name.strip(" `"): default.strip(" `") for name, default in listed}
    expected = {}
    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias or f"COS_{name.upper()}")
        no_default = field.is_required() or field.default in (None, ())
        expected[variable] = "none" if no_default else str(field.default)

    assert found == expected


async def test_the_curl_of_the_readme_registers_a_module_once() -> None:
    [block] = [b for b in blocks(ROOT / "README.md") if b.text.startswith("curl ")]
    _, *words = shlex.split(block.text)
    [url] = [word for word in words if word.startswith("http")]
    header, body = words[words.index("-H") + 1], words[words.index("-d") + 1]
    name, _, value = header.partition(": ")
    async with client_of(create_app()) as client:
        requests = [
            client.build_request("POST", url, headers={name: value}, content=body) for _ in range(2)
        ]
        answers = [(await client.send(request)).status_code for request in requests]

    assert (url, answers) == ("http://127.0.0.1:8000/cc/modules", [201, 409])


def test_the_readme_shows_just_the_two_commands_that_set_everything_up() -> None:
    shown = [line for block in blocks(ROOT / "README.md") for line in block.text.splitlines()]
    install = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt nox"
    expected = [f"{install} && .venv/bin/nox -s {session}" for session in ("demo", "fast")]

    assert [line for line in shown if line.startswith("python3 -m venv")] == expected
