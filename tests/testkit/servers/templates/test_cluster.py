"""Templates: migrated once per content, kept only when they are whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.isolation.template import JournalTemplate
from testkit.servers.postgres import TEMPLATE
from testkit.system.files import private_directory, scratch_root
from testkit.system.pack import Pack
from tests.support.alembic_project import AlembicProject
from tests.support.processes import processes_below
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.servers.run import Run
    from testkit.servers.templates.cluster import Cluster, ClusterCache

# Notes each migration in a file, so that a test can count them.
COUNTED = 'open("migrated", "a").write("x"); op.execute("CREATE TABLE shop (id int)")'
ASYNC_ENV = """
    import asyncio
    from alembic import context
    from sqlalchemy.ext.asyncio import create_async_engine

    def run(connection):
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()

    async def main():
        engine = create_async_engine(context.config.get_main_option("sqlalchemy.url"))
        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
        await engine.dispose()

    asyncio.run(main())
"""
ENV_OF_ITS_OWN = """
    import os
    from alembic import context
    from sqlalchemy import create_engine

    with create_engine(os.environ["{variable}"]).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""
BUILD = """
import sys
from pathlib import Path
from testkit.core.options import Settings
from testkit.isolation.template import JournalTemplate
from testkit.servers.roads.choice import find_postgres
from testkit.servers.templates.cluster import ClusterCache
from testkit.servers.templates.place import cache_directory
root, folder = Path(sys.argv[1]), Path(sys.argv[2])
binaries = find_postgres(Settings(), (), cache_directory(Settings())[0])
print(ClusterCache(folder, binaries, lambda words: None).with_schema(
    Settings(schema="alembic"), root, JournalTemplate()).data)
"""


@pytest.fixture
def project(tmp_path: Path) -> AlembicProject:
    return AlembicProject(tmp_path / "project")


def built(clusters: ClusterCache, project: AlembicProject, **values: Any) -> Cluster:
    return clusters.with_schema(project.settings(**values), project.root, JournalTemplate())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def workshops() -> set[Path]:
    roots = {Path("/dev/shm"), scratch_root()}
    mine = f"testkit-build-{os.geteuid()}-{os.getpid()}-*"
    return {found for root in roots if root.is_dir() for found in root.glob(mine)}


def test_a_template_holds_the_schema_and_the_journal_and_takes_no_connection(
    new_run: Callable[..., Run], project: AlembicProject, cache: Path
) -> None:
    run = new_run(project.root, project.settings(), cache=cache)
    with run.ensure_database().connect(run.database) as connection:
        tables = connection.execute(
            "SELECT n.nspname || '.' || relname FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = relnamespace WHERE relname IN ('shop', 'alembic_version', 'journal')"
        ).fetchall()
        template = connection.execute(
            "SELECT datistemplate, datallowconn FROM pg_database WHERE datname = %s", (TEMPLATE,)
        ).fetchone()
        triggers = connection.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop'::regclass"
        ).fetchone()

    assert {name for (name,) in tables} == {
        "public.shop", "public.alembic_version", "pg_testkit.journal"
    }  # fmt: skip
    assert template == (True, False)
    assert triggers == (4,)


@pytest.mark.slow
def test_a_second_run_migrates_nothing_and_a_new_version_builds_anew(
    clusters: ClusterCache, project: AlembicProject
) -> None:
    project.version("0001", COUNTED)
    migrated = project.root / "migrated"
    first, again = built(clusters, project), built(clusters, project)
    once = migrated.read_text()
    project.version("0002", 'op.execute("CREATE TABLE more (id int)")', after="0001")
    other = built(clusters, project)

    assert (first, once) == (again, "x")
    assert other.data != first.data
    assert migrated.read_text() == "xx"
    assert workshops() == set()


@pytest.mark.slow
def test_two_processes_that_need_one_template_build_it_once(
    clusters: ClusterCache, project: AlembicProject
) -> None:
    project.version("0001", COUNTED)
    command = [sys.executable, "-c", BUILD, str(project.root), str(clusters.folder)]
    with ThreadPoolExecutor(2) as threads:
        done = list(
            threads.map(
                lambda _: subprocess.run(command, capture_output=True, text=True, check=False),
                range(2),
            )
        )

    assert [run.returncode for run in done] == [0, 0], done
    assert done[0].stdout == done[1].stdout
    assert (project.root / "migrated").read_text() == "x"


@pytest.mark.slow
def test_an_asynchronous_env_py_works(
    new_run: Callable[..., Run], project: AlembicProject, cache: Path
) -> None:
    project.write("migrations/env.py", ASYNC_ENV)
    run = new_run(project.root, project.settings(), cache=cache)
    with run.ensure_database().connect(run.database) as connection:
        found = connection.execute("SELECT to_regclass('public.shop')::text").fetchone()

    assert found == ("shop",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "env"),
    [
        ("SHOP_DB", {"SHOP_DB": "{database.url}", "R": "{redis.url}"}),
        pytest.param("DATABASE_URL", {}, marks=pytest.mark.slow),
    ],
)
def test_an_env_py_that_reads_a_variable_of_env_finds_the_database(
    clusters: ClusterCache, project: AlembicProject, variable: str, env: dict[str, str]
) -> None:
    project.write("migrations/env.py", ENV_OF_ITS_OWN.format(variable=variable))
    cluster = built(clusters, project, env=env)

    assert "PG_VERSION" in {name for name, _, _ in Pack.read(cluster.data).entries}


@pytest.mark.slow
def test_a_failing_migration_is_shown_with_its_output_and_leaves_nothing(
    clusters: ClusterCache, project: AlembicProject
) -> None:
    before = names(clusters.folder)
    project.version("0002", 'print("about to"); op.execute("SELECT 1/0")', after="0001")
    with pytest.raises(TestkitError) as caught:
        built(clusters, project)
    left = {name for name in names(clusters.folder) - before if not name.endswith(".lock")}

    assert caught.value.code == "TK201"
    assert caught.value.values["code"] == 1
    assert "division by zero" in str(caught.value)
    assert left == set()
    assert workshops() == set()
    assert processes_below(project.root) == []


@pytest.mark.slow
def test_a_syntax_error_in_a_version_is_shown_with_its_file(
    clusters: ClusterCache, project: AlembicProject
) -> None:
    path = project.write("migrations/versions/0002.py", "def (:\n")
    with pytest.raises(TestkitError, match="TK201") as caught:
        built(clusters, project)

    assert path.name in str(caught.value)
    assert "SyntaxError" in str(caught.value)


@pytest.mark.slow
def test_migrations_that_went_elsewhere_are_noticed(
    clusters: ClusterCache, project: AlembicProject
) -> None:
    env = (project.root / "migrations/env.py").read_text()
    url = f"sqlite:///{project.root}/elsewhere.sqlite"
    project.write("migrations/env.py", re.sub(r"url = .*", f'url = "{url}"', env))
    with pytest.raises(TestkitError) as caught:
        built(clusters, project)

    assert caught.value.code == "TK202"
    assert (project.root / "elsewhere.sqlite").exists()
    assert not [name for name in names(clusters.folder) if re.fullmatch("[0-9a-f]{16}", name)]


def test_a_missing_ini_file_starts_nothing(clusters: ClusterCache, tmp_path: Path) -> None:
    with pytest.raises(TestkitError, match="TK203"):
        clusters.with_schema(Settings(schema="alembic"), tmp_path, JournalTemplate())

    assert processes_below(tmp_path) == []


@pytest.mark.slow
def test_a_folder_with_spaces_and_a_percent_sign_can_be_migrated(
    clusters: ClusterCache, tmp_path: Path
) -> None:
    project = AlembicProject(tmp_path / "my shöp, 100%")
    project.write("alembic.ini", "[alembic]\nscript_location = migrations\n")
    cluster = built(clusters, project)

    assert "PG_VERSION" in {name for name, _, _ in Pack.read(cluster.data).entries}


@pytest.mark.slow
@pytest.mark.slow
def test_what_nobody_used_for_a_month_goes_with_the_next_build(
    clusters: ClusterCache, project: AlembicProject
) -> None:
    old = built(clusters, project).data.parent
    project.version("0002", 'op.execute("CREATE TABLE two (id int)")', after="0001")
    used = built(clusters, project).data.parent
    note = private_directory(clusters.folder.parent / "fingerprints") / "0.json"
    note.write_text("{}")
    for path in (old / "cluster.json", used / "cluster.json", note):
        os.utime(path, (0, 0))
    built(clusters, project)  # uses the second one
    project.version("0003", 'op.execute("CREATE TABLE three (id int)")', after="0002")
    new = built(clusters, project).data.parent

    assert [path.exists() for path in (old, used, new, note)] == [False, True, True, False]


@pytest.mark.slow
def test_what_a_builder_of_another_container_has_begun_stays(
    clusters: ClusterCache, project: AlembicProject
) -> None:
    """Its pid means somebody else here, or nobody."""
    draft = clusters.folder / f".draft-{os.getpid()}-0-0badcafe-x"
    draft.mkdir()
    built(clusters, project)

    assert draft.is_dir()


@pytest.mark.slow
def test_what_a_killed_builder_left_goes_with_the_next_build(
    clusters: ClusterCache, project: AlembicProject
) -> None:
    project.version("0001", 'open("migrated", "w"); op.execute("SELECT pg_sleep(600)")')
    command = [sys.executable, "-c", BUILD, str(project.root), str(clusters.folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as builder:
        wait_until((project.root / "migrated").exists)
        builder.kill()
    wait_until(lambda: not processes_below(project.root))
    project.version("0001", COUNTED)
    cluster = built(clusters, project)
    left = {
        name
        for name in names(clusters.folder)
        if not name.endswith(".lock") and not name.startswith("base-")
    }
    roots = (Path("/dev/shm"), scratch_root())
    shops = {p for r in roots for p in r.glob(f"testkit-build-*-{builder.pid}-*")}

    assert left == {cluster.data.parent.name}
    assert shops == set()


def test_the_cluster_of_the_cache_is_private_and_its_password_too(base: Path) -> None:
    modes = {
        path.name: path.stat().st_mode & 0o777
        for folder in base.glob("base-*")
        if folder.is_dir()
        for path in (folder, folder / "data.pack", folder / "cluster.json")
    }

    assert (modes.pop("cluster.json"), modes.pop("data.pack")) == (0o600, 0o600)
    assert set(modes.values()) == {0o700}
    assert base.stat().st_mode & 0o777 == 0o700
