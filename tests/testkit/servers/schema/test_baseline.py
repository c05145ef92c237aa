"""Rows that every test starts with: made once, a part of the template."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.isolation.reset import DatabaseReset
from testkit.isolation.template import JournalTemplate
from tests.support.alembic_project import AlembicProject

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testkit.servers.run import Run
    from testkit.servers.templates.cluster import ClusterCache

ROWS = """
    import os
    import pathlib
    import sqlalchemy as sa

    with pathlib.Path("loaded").open("a") as file:
        file.write("x")

    def rows(session):
        session.execute(sa.text("INSERT INTO shop VALUES (1, 'first')"))
        # The project's own engine leads there, too.
        session.commit()
        with sa.create_engine(os.environ["SHOP_URL"]).begin() as connection:
            connection.execute(sa.text("INSERT INTO shop VALUES (2, 'second')"))

    async def later(session):
        pass

    def fails(session):
        session.execute(sa.text("INSERT INTO shops VALUES (1)"))
"""
ENV = {"SHOP_URL": "{database.url}"}


@pytest.fixture
def project(tmp_path: Path) -> AlembicProject:
    project = AlembicProject(tmp_path / "project")
    project.write("seed.py", ROWS)
    return project


def settings(baseline: str = "seed:rows") -> Settings:
    return Settings(schema="alembic", baseline=baseline, env=ENV)


@pytest.mark.slow
def test_each_database_and_each_test_starts_with_its_rows(
    new_run: Callable[..., Run], project: AlembicProject, cache: Path
) -> None:
    run = new_run(project.root, settings(), cache=cache)
    server = run.ensure_database()
    reset = DatabaseReset(server, run.database, replaced=lambda: None)
    query = "SELECT id, name FROM shop ORDER BY id"
    try:
        with server.connect(run.database) as connection:
            before = connection.execute(query).fetchall()
            connection.execute("DELETE FROM shop WHERE id = 1")
            connection.execute("UPDATE shop SET name = 'changed'")
            reset.finish("a test")
            after = connection.execute(query).fetchall()
    finally:
        reset.close()

    assert before == [(1, "first"), (2, "second")]
    assert after == before


@pytest.mark.slow
def test_the_template_is_built_again_when_the_code_of_the_rows_changed(
    clusters: ClusterCache, project: AlembicProject
) -> None:
    def built() -> Path:
        return clusters.with_schema(settings(), project.root, JournalTemplate()).data

    one, same = built(), built()
    loaded = (project.root / "loaded").read_text()
    project.write("seed.py", textwrap.dedent(ROWS).replace("first", "1st"))
    other = built()

    assert one == same
    assert loaded == "xx"  # once to learn what it is made of, once to make the rows
    assert other != one


@pytest.mark.slow
@pytest.mark.parametrize(
    ("baseline", "code", "words"),
    [
        ("seeds:rows", "TK204", "baseline = 'seeds:rows' could not be loaded"),
        ("seed:later", "TK204", "later in seed is no plain function of a session"),
        pytest.param(
            *("seed:fails", "TK201", 'relation "shops" does not exist'), marks=pytest.mark.slow
        ),
    ],
)
def test_rows_that_cannot_be_made_are_one_message(
    clusters: ClusterCache, project: AlembicProject, baseline: str, code: str, words: str
) -> None:
    with pytest.raises(TestkitError, match=code) as caught:
        clusters.with_schema(settings(baseline), project.root, JournalTemplate())

    assert words in str(caught.value)
