"""Schemas that the project's own modules tell: metadata, and objects of its own."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.isolation.template import JournalTemplate
from testkit.servers.schema.models import ModelSchema
from tests.support.alembic_project import AlembicProject
from tests.support.processes import processes_below

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testkit.servers.run import Run
    from testkit.servers.templates.cluster import ClusterCache

MODELS = """
    import enum
    import os
    import pathlib
    from app.names import LONGEST
    from sqlalchemy import Enum, ForeignKey, Index, MetaData, String
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    with pathlib.Path("loaded").open("a") as file:
        file.write(os.environ["SHOP_URL"] + "\\n")

    class Base(DeclarativeBase):
        pass

    class Mood(enum.Enum):
        GLAD = "glad"

    class Shop(Base):
        __tablename__ = "shop"
        __table_args__ = (Index("by_name", "name"), {"schema": "trade"})
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(LONGEST))
        mood: Mapped[Mood]

    class Item(Base):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True)
        shop: Mapped[int] = mapped_column(ForeignKey("trade.shop.id"))

    nothing = MetaData()
"""
OBJECT = """
    import pathlib
    import sqlalchemy as sa

    class Schema:
        def fingerprint(self):
            with pathlib.Path("asked").open("a") as file:
                file.write("x")
            return pathlib.Path("schema.sql").read_text()

        def apply(self, url):
            with sa.create_engine(url).begin() as connection:
                connection.execute(sa.text(pathlib.Path("schema.sql").read_text()))

    schema = Schema()
"""
METADATA = "metadata:app.models:Base.metadata"
ENV = {"SHOP_URL": "{database.url}"}


def slow(*values: object) -> Any:
    """Return a row of parameters that only a slow run tries."""
    return pytest.param(*values, marks=pytest.mark.slow)


class Project(AlembicProject):
    """A package ``app`` below ``root``."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.write("app/__init__.py", "")
        self.write("app/names.py", "LONGEST = 80\n")
        self.write("app/models.py", MODELS)
        self.write("app/own.py", OBJECT)
        self.write("schema.sql", "CREATE TABLE item (id int)")

    def lines(self, name: str) -> int:
        return len((self.root / name).read_text().splitlines())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def fingerprint(project: Project, tmp_path: Path) -> Callable[..., str]:
    """Return what a schema says of itself, asked as each run asks it."""

    def ask(name: str = METADATA) -> str:
        schema = ModelSchema(
            name,
            project.root,
            env={"SHOP_URL": "nowhere"},
            extensions=[],
            folder=tmp_path / "notes",
        )
        try:
            return schema.fingerprint()
        finally:
            schema.close()

    return ask


@pytest.mark.slow
def test_tables_types_indexes_and_schemas_are_in_the_template(
    new_run: Callable[..., Run], project: Project, cache: Path
) -> None:
    settings = Settings(schema=METADATA, env=ENV, extensions=("pg_trgm",))
    run = new_run(project.root, settings, cache=cache)
    with run.ensure_database().connect(run.database) as connection:
        connection.execute("INSERT INTO trade.shop (name, mood) VALUES ('x', 'GLAD')")
        journal = connection.execute("SELECT count(*) FROM pg_testkit.journal").fetchone()
        found = connection.execute(
            "SELECT to_regclass('trade.by_name') IS NOT NULL, to_regclass('item') IS NOT NULL,"
            " (SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm')"
        ).fetchone()

    assert journal == (1,)
    assert found == (True, True, 1)


@pytest.mark.slow
def test_the_variables_of_env_are_set_at_import_and_lead_nowhere(
    clusters: ClusterCache, project: Project
) -> None:
    clusters.with_schema(Settings(schema=METADATA, env=ENV), project.root, JournalTemplate())
    url = (project.root / "loaded").read_text()

    assert url.startswith("postgresql+psycopg://postgres@127.0.0.1:1/")
    assert "@127.0.0.1:1/" in url


@pytest.mark.slow
def test_the_project_is_not_imported_again_while_nothing_changed(
    fingerprint: Callable[..., str], project: Project
) -> None:
    first = fingerprint()

    assert (fingerprint(), project.lines("loaded")) == (first, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        ("app/names.py", "LONGEST = 80  # letters\n", False),
        ("app/names.py", "LONGEST = 90\n", True),
        ("app/more.py", "", False),
        ("app/models.py", MODELS + "    # a comment\n", False),
        ("app/models.py", MODELS.replace("id: Mapped", "size: Mapped[int]; id: Mapped"), True),
    ],
)
def test_the_project_is_imported_again_when_a_file_changed_that_may_decide(
    fingerprint: Callable[..., str], project: Project, name: str, text: str, *, changes: bool
) -> None:
    first = fingerprint()
    project.write(name, text)
    second = fingerprint()

    assert (second != first, project.lines("loaded")) == (changes, 2)


@pytest.mark.slow
def test_each_fingerprint_has_its_template(clusters: ClusterCache, project: Project) -> None:
    settings = Settings(schema=METADATA, env=ENV)
    one = clusters.with_schema(settings, project.root, JournalTemplate())
    same = clusters.with_schema(settings, project.root, JournalTemplate())
    project.write("app/names.py", "LONGEST = 90\n")
    other = clusters.with_schema(settings, project.root, JournalTemplate())

    assert one.data == same.data
    assert one.data != other.data


@pytest.mark.slow
def test_an_object_is_asked_each_time_and_applies_itself(
    new_run: Callable[..., Run], project: Project, cache: Path, fingerprint: Callable[..., str]
) -> None:
    first = fingerprint("app.own:schema")
    run = new_run(project.root, Settings(schema="app.own:schema"), cache=cache)
    with run.ensure_database().connect(run.database) as connection:
        row = connection.execute("SELECT count(*) FROM item").fetchone()
    project.write("schema.sql", "CREATE TABLE item (id bigint)")

    assert row == (0,)
    assert fingerprint("app.own:schema") != first
    assert (project.root / "asked").read_text() == "xxx"


@pytest.mark.slow
def test_a_src_folder_is_on_the_path(fingerprint: Callable[..., str], project: Project) -> None:
    (project.root / "src").mkdir()
    (project.root / "app").rename(project.root / "src" / "app")

    assert len(fingerprint()) == 64


@pytest.mark.parametrize(
    ("schema", "code", "words"),
    [
        slow("metadata:app.modles:Base.metadata", "TK204", "No module named 'app.modles'"),
        ("metadata:app.models:Bass.metadata", "TK204", "has no attribute 'Bass'"),
        slow("metadata:app.models:Base", "TK204", "is a DeclarativeAttributeIntercept"),
        slow("app.models:nothing", "TK204", "write schema = 'metadata:app.models:nothing'"),
        slow("app.models:missing", "TK204", "has no attribute 'missing'"),
        slow("metadata:app.models:nothing", "TK205", "makes no table"),
        slow("app.elsewhere:schema", "TK205", "makes no table"),
        slow("app.broken:schema", "TK201", "syntax error"),
        slow("app.mute:schema", "TK204", "fingerprint() answered None"),
    ],
)
def test_what_cannot_be_used_is_one_message_and_nothing_is_kept(
    clusters: ClusterCache, project: Project, schema: str, code: str, words: str
) -> None:
    project.write("app/elsewhere.py", OBJECT + "    schema.apply = lambda url: None\n")
    project.write("app/broken.py", OBJECT)
    project.write("app/mute.py", OBJECT + "    schema.fingerprint = lambda: None\n")
    project.write("schema.sql", "CREATE TABL item (id int)")
    with pytest.raises(TestkitError, match=code) as caught:
        clusters.with_schema(Settings(schema=schema, env=ENV), project.root, JournalTemplate())
    text = str(caught.value)
    kept = [path.name for path in clusters.folder.iterdir() if path.name.startswith(".draft")]

    assert words in text
    assert "testkit/servers/schema/load.py" not in text
    assert kept == []
    assert processes_below(project.root) == []


MODULES_THAT_DISTURB = {
    "reads": "import sys; sys.stdin.readline()",
    "has a thread": "import threading; threading.Thread(target=threading.Event().wait).start()",
    "has a child": "import os, time; os.fork() or (time.sleep(40), os._exit(0)); raise OSError",
}


@pytest.mark.slow
@pytest.mark.parametrize("what", MODULES_THAT_DISTURB)
def test_a_module_that_disturbs_ends_like_any_other(
    clusters: ClusterCache, project: Project, what: str
) -> None:
    project.write("app/__init__.py", MODULES_THAT_DISTURB[what])
    settings = Settings(schema=METADATA, env=ENV)
    if what == "has a child":
        with pytest.raises(TestkitError, match="TK204"):
            clusters.with_schema(settings, project.root, JournalTemplate())
    else:
        cluster = clusters.with_schema(settings, project.root, JournalTemplate())

        assert cluster.data.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "listener",
    [
        "c.execute(t.insert(), [{'id': 1, 'name': 'ADA', 'mood': 'GLAD'}])",
        "c.exec_driver_sql('SELECT 1 -- ADA')",
    ],
)
def test_what_listeners_do_is_told_by_the_contents_of_the_files(
    fingerprint: Callable[..., str], project: Project, listener: str
) -> None:
    text = textwrap.dedent(MODELS) + (
        "from sqlalchemy import event\n"
        "@event.listens_for(Shop.__table__, 'after_create')\n"
        f"def seed(t, c, **_): {listener}\n"
    )
    project.write("app/models.py", text)
    first = fingerprint()
    project.write("app/models.py", text.replace("ADA", "BOB"))

    assert fingerprint() != first


@pytest.mark.slow
def test_the_fingerprint_is_the_same_in_every_process(
    fingerprint: Callable[..., str], project: Project
) -> None:
    columns = "; ".join(f"c{n}: Mapped[int] = mapped_column(index=True)" for n in range(9))
    project.write("app/models.py", MODELS.replace("id: Mapped", f"{columns}; id: Mapped", 1))
    first = fingerprint()
    project.write("app/names.py", "LONGEST = 80  # again")

    assert fingerprint() == first


@pytest.mark.slow
def test_a_module_that_ends_the_process_is_a_message_too(
    clusters: ClusterCache, project: Project
) -> None:
    project.write("app/models.py", "print('good bye'); raise SystemExit(0)")
    with pytest.raises(TestkitError, match="TK204") as caught:
        clusters.with_schema(Settings(schema=METADATA), project.root, JournalTemplate())

    assert "good bye" in str(caught.value)
