"""What a template depends on: what must change its key, and what must not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.servers.schema.key import schema_files, schema_key
from tests.support.alembic_project import AlembicProject

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VERSION = """
    import shop.kinds
    from shop import sizes
    from shop.colours import RED
    from alembic import op
    import json

    revision = "0001"
    down_revision = None
"""


@pytest.fixture
def project(tmp_path: Path) -> AlembicProject:
    project = AlembicProject(tmp_path)
    project.write("migrations/versions/0001.py", VERSION)
    project.write("migrations/script.py.mako", "")
    project.write("migrations/env.py", "from shop.models import Shop\n")
    for name in ("__init__", "kinds", "sizes", "models", "unused"):
        project.write(f"shop/{name}.py", "")
    project.write("shop/colours.py", "from shop.paints import RED\n")
    project.write("shop/paints.py", "RED = 1\n")
    project.write("sql/views.sql", "")
    return project


def key(project: AlembicProject, *, server: str = "18.6", own: str = "journal", **v: Any) -> str:
    return schema_key(project.settings(**v), project.root, server=server, own=own, fingerprint="")


def test_the_same_content_has_the_same_key(project: AlembicProject) -> None:
    found = key(project)

    assert key(project) == found
    assert len(found) == 16
    assert int(found, 16) >= 0


@pytest.mark.parametrize(
    "name",
    [
        "alembic.ini",
        "migrations/env.py",
        "migrations/script.py.mako",
        "migrations/versions/0001.py",
        "shop/kinds.py",
        "shop/sizes.py",
        "shop/colours.py",
        "shop/paints.py",
        "sql/views.sql",
    ],
)
def test_an_edit_of_what_the_schema_depends_on_changes_the_key(
    project: AlembicProject, name: str
) -> None:
    before = key(project, schema_inputs=("sql/*.sql",))
    with (project.root / name).open("a") as file:
        file.write("\n# edited\n")

    assert key(project, schema_inputs=("sql/*.sql",)) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda project: project.write("shop/models.py", "class Shop: ..."),
        lambda project: project.write("shop/unused.py", "x = 1"),
        lambda project: project.write("sql/views.sql", "SELECT 1"),
        lambda project: project.write("migrations/__pycache__/env.cpython-311.pyc", "x"),
        lambda project: project.write("migrations/versions/__pycache__/0001.pyc", "x"),
        lambda project: project.write("pyproject.toml", "[tool.testkit]"),
    ],
    ids=["model of env.py", "module of nobody", "no input", "pyc", "pyc of a version", "pyproject"],
)
def test_an_edit_of_anything_else_rebuilds_nothing(
    project: AlembicProject, change: Callable[[AlembicProject], object]
) -> None:
    before = key(project)
    change(project)

    assert key(project) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda project: (project.root / "migrations/versions/0001.py").rename(
            project.root / "migrations/versions/0002.py"
        ),
        lambda project: project.version("0002", "pass", after="0001"),
        lambda project: (project.root / "migrations/versions/0001.py").unlink(),
    ],
    ids=["renamed", "added", "removed"],
)
def test_another_set_of_version_scripts_has_another_key(
    project: AlembicProject, change: Callable[[AlembicProject], object]
) -> None:
    before = key(project)
    change(project)

    assert key(project) != before


def test_server_and_journal_are_part_of_the_key(project: AlembicProject) -> None:
    keys = {key(project), key(project, server="18.7"), key(project, own="journal 2")}

    assert len(keys) == 3


def test_the_place_of_the_project_is_no_part_of_the_key(tmp_path: Path) -> None:
    one, two = AlembicProject(tmp_path / "one"), AlembicProject(tmp_path / "two")

    assert key(one) == key(two)


def test_without_a_schema_there_are_no_files(tmp_path: Path) -> None:
    AlembicProject(tmp_path)

    assert schema_files(Settings(), tmp_path) == []


def test_scripts_of_other_version_locations_count(project: AlembicProject) -> None:
    project.write(
        "alembic.ini",
        """
        [alembic]
        script_location = %(here)s/migrations
        version_locations = %(here)s/migrations/versions %(here)s/more
    """,
    )
    more = project.write("more/0002.py", "revision = '0002'\n")

    assert more in schema_files(project.settings(), project.root)


@pytest.mark.parametrize("separator", ["os", "newline"])
def test_version_locations_are_separated_as_the_ini_file_says(
    project: AlembicProject, separator: str
) -> None:
    sign = ":" if separator == "os" else "\n    "
    (project.root / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/migrations\n"
        f"path_separator = {separator}\n"
        f"version_locations = %(here)s/migrations/versions{sign}%(here)s/more ones\n"
    )
    more = project.write("more ones/0002.py", "revision = '0002'\n")

    assert more in schema_files(project.settings(), project.root)


@pytest.mark.parametrize("location", ["db/migrations", "db:migrations", "%(here)s/migrations"])
def test_the_scripts_are_found_where_alembic_run_in_the_root_finds_them(
    project: AlembicProject, location: str
) -> None:
    project.write("db/alembic.ini", f"[alembic]\nscript_location = {location}\n")
    project.write("db/__init__.py", "")
    env = project.write("db/migrations/env.py", "")
    settings = project.settings(alembic_ini="db/alembic.ini")

    assert env in schema_files(settings, project.root)


def test_a_script_that_cannot_be_parsed_is_left_to_alembic(project: AlembicProject) -> None:
    before = key(project)
    project.write("migrations/versions/0002.py", "def (:")

    assert key(project) != before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "the file cannot be read (No such file or directory)"),
        ("", "the file does not say where the scripts are"),
        ("script_location = x", "the file does not say where the scripts are"),
        ("[alembic]\nurl = x", "the file does not say where the scripts are"),
        ("[alembic]\nscript_location = nowhere", "nowhere is no folder"),
    ],
)
def test_an_ini_file_that_names_no_scripts_is_said_to(
    tmp_path: Path, text: str | None, reason: str
) -> None:
    ini = tmp_path / "alembic.ini"
    if text is not None:
        ini.write_text(text)
    with pytest.raises(TestkitError) as caught:
        schema_key(Settings(schema="alembic"), tmp_path, server="", own="", fingerprint="")

    assert (caught.value.code, caught.value.values["ini"]) == ("TK203", ini)
    assert reason in str(caught.value.values["reason"])
