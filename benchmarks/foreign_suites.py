"""What triage says of the suites of other projects, broken in known ways.

    python benchmarks/foreign_suites.py FOLDER [--project NAME]

Needs a package registry. Each project is fetched as its source package, gets an environment of its
own with this checkout of testkit in it, and is run as it is, with each change alone and with all of
them together. The truth: a test that exactly one change alone makes red, and that is red with all
of them, is that change's; what several changes make red is left out, and so is what was red before.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(_ROOT))

from testkit.triage.sources.reading import ReadRun, run_from  # noqa: E402 - of this checkout
from testkit.triage.triage import triage  # noqa: E402
from tests.support.red_suites.judging import (  # noqa: E402
    adjusted_rand_index,
    told,
    verdict,
    wrong_merges,
)

_COLUMNS: Final = (
    "project",
    "tests",
    "red before",
    "red with all",
    "of one change",
    "changes",
    "causes told",
    "index",
    "wrong merges",
)


@dataclass(frozen=True)
class Change:
    """One way to break a project: a text of a file that becomes another one."""

    label: str
    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Project:
    """A source package; ``source`` is where its code stands in it."""

    package: str
    source: str
    needs: tuple[str, ...]
    options: tuple[str, ...]
    changes: tuple[Change, ...]


PROJECTS: Final = (
    Project(
        package="flask-sqlalchemy==3.1.1",
        source="src",
        needs=("flask>=3.1", "sqlalchemy>=2.0,<2.1", "pytest>=8"),
        options=("-W", "default"),
        changes=(
            Change(
                "the instance folder is not made",
                "src/flask_sqlalchemy/extension.py",
                "os.makedirs(app.instance_path, exist_ok=True)",
                "pass",
            ),
            Change(
                "pages are not counted",
                "src/flask_sqlalchemy/pagination.py",
                "            total = self._query_count()\n",
                "            total = None\n",
            ),
            Change(
                "table names keep their capitals",
                "src/flask_sqlalchemy/model.py",
                'return name.lower().lstrip("_")',
                'return name.lstrip("_")',
            ),
            Change(
                "a change is recorded without its object",
                "src/flask_sqlalchemy/track_modifications.py",
                "_model_changes[key] = (target, operation)",
                "_model_changes[key] = operation",
            ),
        ),
    ),
    Project(
        package="marshmallow-sqlalchemy==1.6.0",
        source="src",
        needs=("marshmallow>=4", "sqlalchemy>=2.0", "pytest>=8", "pytest-lazy-fixtures"),
        options=(),
        changes=(
            Change(
                "the tests' tables are not made",
                "tests/conftest.py",
                "    Base.metadata.create_all(bind=engine)\n",
                "",
            ),
            Change(
                "a related object is always written with its columns",
                "src/marshmallow_sqlalchemy/fields.py",
                "return ret if len(ret) > 1 else next(iter(ret.values()))",
                "return ret",
            ),
            Change(
                "columns with a default are required",
                "src/marshmallow_sqlalchemy/convert.py",
                "not column.nullable and not _has_default(column)",
                "not column.nullable",
            ),
        ),
    ),
    Project(
        package="starlette==1.10.0",
        source=".",
        needs=(
            *("anyio", "httpx", "httpx2", "itsdangerous", "jinja2", "pytest>=9.1"),
            *("python-multipart", "pyyaml", "trio", "typing_extensions"),
        ),
        options=("--ignore=tests/middleware/test_opentelemetry.py",),
        changes=(
            Change(
                "names of headers keep their capitals",
                "starlette/datastructures.py",
                '[(key.lower().encode("latin-1"), value.encode("latin-1")) for key',
                '[(key.encode("latin-1"), value.encode("latin-1")) for key',
            ),
            Change(
                "numbers in paths stay texts",
                "starlette/convertors.py",
                "        return int(value)\n\n    def to_string(self, value: int)",
                "        return value\n\n    def to_string(self, value: int)",
            ),
            Change(
                "a redirect is permanent",
                "starlette/responses.py",
                "status_code: int = 307",
                "status_code: int = 308",
            ),
        ),
    ),
)


def main() -> None:
    """Fetch, break, run, and print a table and what triage said."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--project")
    arguments = parser.parse_args()
    rows = []
    for project in PROJECTS:
        if arguments.project in (None, project.package.partition("==")[0]):
            row, detail = _judged(project, arguments.folder.resolve())
            rows.append(row)
            print(f"{project.package}\n{detail}\n", flush=True)
    print(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}")
    print("\n".join(rows))


def _judged(project: Project, folder: Path) -> tuple[str, str]:
    home = folder / project.package.replace("==", "-")
    home.mkdir(parents=True, exist_ok=True)
    sources, python = _fetched(project, home), _environment(project, home)
    before = _run(project, home, python, sources, ())
    red_before = _red(before)
    alone = {
        change.label: _red(_run(project, home, python, sources, (change,))) - red_before
        for change in project.changes
    }
    everything = _run(project, home, python, sources, project.changes)
    truth = {}
    for nodeid in _red(everything) - red_before:
        labels = [label for label, red in alone.items() if nodeid in red]
        if len(labels) == 1:
            truth[nodeid] = labels[0]
    answer = triage([one for one in everything.failures if one.nodeid not in red_before])
    index = adjusted_rand_index(truth, told(answer))
    cells = (
        project.package,
        len(everything.outcomes),
        len(red_before),
        len(_red(everything)),
        len(truth),
        len(project.changes),
        len(answer.causes),
        f"{index:.3f}",
        len(wrong_merges(truth, answer)),
    )
    row = f"| {' | '.join(map(str, cells))} |"
    return row, verdict(truth, answer)


def _red(run: ReadRun) -> set[str]:
    return {failure.nodeid for failure in run.failures}


def _fetched(project: Project, home: Path) -> Path:
    """Return the folder of the unpacked source package."""
    if not list(home.glob("*.tar.gz")):
        _call(
            *(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"),
            *("-d", str(home), project.package),
        )
    (archive,) = home.glob("*.tar.gz")
    target = home / "source"
    if not target.exists():
        with tarfile.open(archive) as packed:
            packed.extractall(target, filter="data")
    (inner,) = target.iterdir()
    return inner


def _environment(project: Project, home: Path) -> Path:
    python = home / "venv" / "bin" / "python"
    if not python.exists():
        _call(sys.executable, "-m", "venv", str(home / "venv"))
        _call(str(python), "-m", "pip", "install", "-q", "-e", str(_ROOT), *project.needs)
    return python


def _run(
    project: Project, home: Path, python: Path, sources: Path, changes: tuple[Change, ...]
) -> ReadRun:
    """Return what a run said of a copy of the sources with these changes."""
    copy = home / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(sources, copy)
    for change in changes:
        path = copy / change.path
        text = path.read_text()
        if text.count(change.old) != 1:
            raise SystemExit(f"{change.path} does not hold the text of {change.label!r} once")
        path.write_text(text.replace(change.old, change.new))
    subprocess.run(
        [str(python), "-m", "pytest", "-q", "--tb=native", "--testkit-record", *project.options],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(copy / project.source), str(_ROOT)])},
        stdout=subprocess.DEVNULL,
        timeout=900,
        check=False,
    )
    (record,) = (copy / ".testkit" / "runs").glob("*.jsonl")
    return run_from([record], root=copy)


def _call(*command: str) -> None:
    subprocess.run(command, check=True, timeout=600)


if __name__ == "__main__":
    main()
